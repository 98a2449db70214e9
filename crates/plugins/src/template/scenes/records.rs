//! Records as text.

use proptest::prelude::*;

use super::super::record::parse_record;
use super::super::tests::*;

fn shown_record(text: &str) -> String {
    match parse_record(text) {
        Ok(Some(record)) => record.to_string(),
        Ok(None) => "nothing".into(),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn records_are_read_as_in_a_zone_file() {
    let table = [
        ("a.test. 60 IN A 192.0.2.1", "a.test. 60 IN A 192.0.2.1"),
        ("A.test IN 60 a 192.0.2.1", "A.test. 60 IN A 192.0.2.1"),
        ("a A 192.0.2.1 ; note", "a. 3600 IN A 192.0.2.1"),
        ("\n\n a 1h30m A 192.0.2.1\nb A x", "a. 5400 IN A 192.0.2.1"),
        ("a 2147483648 A 192.0.2.1", "a. 2147483648 IN A 192.0.2.1"),
        ("a AAAA 2001:db8::1", "a. 3600 IN AAAA 2001:db8::1"),
        ("a CH TXT x \"y z\" \"\"", "a. 3600 CH TXT xy z"),
        ("a TXT \"a\\\"b\\059;\"", "a. 3600 IN TXT a\"b;;"),
        ("a MX 10 Mail", "a. 3600 IN MX 10 Mail."),
        ("a NS b.c.", "a. 3600 IN NS b.c."),
        ("1.2.0.192.in-addr.arpa PTR b", "1.2.0.192.in-addr.arpa. 3600 IN PTR b."),
        ("_a._tcp SRV 1 2 3 b.", "_a._tcp. 3600 IN SRV 1 2 3 b."),
        ("a SOA b c (1 2\n3 4\n5)", "a. 3600 IN SOA b. c. 1 2 3 4 5"),
        ("a TYPE1 \\# 4 C0000201", "a. 3600 IN A 192.0.2.1"),
        ("a CAA 0 issue \"x.test\"", "a. 3600 IN CAA 0 issue \"x.test\""),
        ("", "nothing"),
        (" \n ; only a note\n", "nothing"),
        ("a A 300", "! dns: bad A A: \"300\" at line: 1:7"),
        ("a A 300 x", "! dns: bad A A: \"300\" at line: 1:8"),
        ("a A", "! dns: bad A A: \"A\" at line: 1:3"),
        ("a A 192.0.2.1 x", "! dns: garbage after rdata: \"x\" at line: 1:15"),
        ("a..b A 192.0.2.1", "! dns: bad owner name: \"a..b\" at line: 1:5"),
        ("a 60 IN FOO x", "! dns: expecting RR type or TTL, not this...: \"FOO\" at line: 1:12"),
        ("a 60", "! dns: missing type: \"60\" at line: 1:4"),
        ("a TYPE1 \\# 3 C00002", "! dns: bad A Rdata: \"C00002\" at line: 1:19"),
        ("a TYPE1 \\# 4 C00002", "! dns: bad A Rdata: \"C00002\" at line: 1:19"),
        ("a OPT x", "! dns: bad OPT Rdata: \"x\" at line: 1:7"),
        ("a TXT \"x", "! dns: unterminated quoted string: \"x\" at line: 1:8"),
        ("a SOA b c (1 2 3 4 5", "! dns: unbalanced brace: \"5\" at line: 1:20"),
    ];
    for (text, expected) in table {
        assert_eq!(shown_record(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_record_nothing_or_a_mistake(text in "([a-z0-9. ()\"\\\\;\n]|IN |A |TXT |\\# ){0,24}|.{0,40}") {
        if let Ok(Some(record)) = parse_record(&text) {
            let (mut reply, name) = (query("a", RecordType::A).build().reply(), record.name.clone());
            reply.message_mut().unwrap().answers.push(record);
            prop_assert!(reply.wire().is_ok(), "{name}");
        }
    }

    #[test]
    fn addresses_are_read_as_they_print(octets in any::<[u8; 4]>(), ttl in any::<u32>(), label in "[a-z]{1,20}") {
        let [a, b, c, d] = octets;
        let text = format!("{label}. {ttl} IN A {a}.{b}.{c}.{d}");
        prop_assert_eq!(shown_record(&text), text);
    }
}
