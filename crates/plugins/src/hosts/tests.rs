//! The table against a naive model, and texts that are hardly hosts files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dunlin_core::wire::Presentation;
use dunlin_core::zones::{Zone, Zones, wire_name};
use proptest::collection::vec;
use proptest::prelude::*;

use super::table::Builder;
use super::{BadText, Direction, Options, Table};

fn options(reverse: Direction) -> Options {
    Options { zones: Zones::new(vec![Zone::root()]), reverse }
}

fn read(text: &[u8]) -> Result<Table, BadText> {
    Table::read(text, &options(Direction::Both))
}

fn v4(table: &Table, name: &str) -> Vec<String> {
    let name = wire_name(name).unwrap();
    let found = table.find(name.as_bytes()).v4();
    found.iter().map(|octets| Ipv4Addr::from(*octets).to_string()).collect()
}

#[test]
fn lines_are_read_forgivingly() {
    let long = format!("10.0.0.1 {}\n10.0.0.2 after.test", "x.test ".repeat(20_000));
    let table: [(&str, &str, &[&str]); 12] = [
        ("10.0.0.1 a", "a", &["10.0.0.1"]),
        ("\t10.0.0.1\t\x0ba\x0c b \r\n", "b", &["10.0.0.1"]),
        ("10.0.0.1 a#b c", "a", &["10.0.0.1"]),
        ("10.0.0.1 #a", "a", &[]),
        ("#10.0.0.1 a", "a", &[]),
        ("10.0.0.1", "a", &[]),
        ("10.0.0.1 a..b a", "a", &["10.0.0.1"]),
        ("010.0.0.1 a\n10.0.0.1 b", "a", &[]),
        ("::ffff:10.0.0.1 a", "a", &["10.0.0.1"]),
        ("10.0.0.1 a\n10.0.0.1 a", "a", &["10.0.0.1", "10.0.0.1"]),
        ("10.0.0.1 A.", "a", &["10.0.0.1"]),
        (&long, "after.test", &["10.0.0.2"]),
    ];
    for (text, name, expected) in table {
        assert_eq!(v4(&read(text.as_bytes()).unwrap(), name), expected, "{text:.40}");
    }
}

#[test]
fn a_text_without_any_address_is_no_hosts_file() {
    for text in ["", "\n# comment\n  \n", "10.0.0.1", "words\n10.0.0.1 a"] {
        assert!(read(text.as_bytes()).is_ok(), "{text}");
    }
    for text in ["words", "x\n#10.0.0.1 a", "\u{feff}10.0.0.1 a"] {
        assert!(matches!(read(text.as_bytes()), Err(BadText::NoEntries)), "{text}");
    }
}

#[test]
fn a_wildcard_stands_in_for_a_missing_family() {
    let table = read(b"10.0.0.1 *.test\n::1 a.test\n::2 *.test\n10.0.0.3 *").unwrap();
    assert_eq!(v4(&table, "a.test"), ["10.0.0.1"]);
    assert_eq!(table.find(wire_name("a.test").unwrap().as_bytes()).v6().len(), 1);
    assert_eq!(v4(&table, "test"), [""; 0]);
    assert_eq!(v4(&table, "*"), ["10.0.0.3"], "one label is a name like any other");
    assert_eq!(table.names_of("10.0.0.1".parse().unwrap()).count(), 0);
    assert_eq!(table.names_of("10.0.0.3".parse().unwrap()).count(), 1);
}

#[test]
fn a_table_without_reverse_entries_is_smaller() {
    let text = &b"10.0.0.1 a b"[..];
    let [both, forward] =
        [Direction::Both, Direction::Forward].map(|way| Table::read(text, &options(way)).unwrap());
    assert_eq!((both.len(), forward.len()), (4, 2));
    assert!(!both.is_empty() && Table::default().is_empty());
}

fn pairs() -> impl Strategy<Value = Vec<(String, IpAddr)>> {
    let name = prop::sample::select(vec!["a", "b", "a.b", "*.b", "c.b", "*.c.b", "x.y.z"]);
    let address =
        prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "::1", "2001:db8::1", "::ffff:10.0.0.1"]);
    vec((name.prop_map(str::to_owned), address.prop_map(|text| text.parse().unwrap())), 0..40)
}

proptest! {
    #[test]
    fn the_table_finds_what_a_scan_of_the_lines_finds(pairs in pairs(), asked in "[abcxyz](\\.[bcyz]){0,2}") {
        let mut builder = Builder::default();
        for (name, address) in &pairs {
            builder.add(wire_name(name).unwrap().as_bytes(), *address).unwrap();
        }
        let table = builder.table(Direction::Both).unwrap();
        let of = |name: &str, is_v4: bool| -> Vec<IpAddr> {
            let all = pairs.iter().filter(|(known, _)| known == name);
            all.map(|(_, address)| address.to_canonical()).filter(|address| address.is_ipv4() == is_v4).collect()
        };
        let wildcard = asked.split_once('.').map(|(_, rest)| format!("*.{rest}")).unwrap_or_default();
        let expected = |is_v4| {
            let exact = of(&asked, is_v4);
            if exact.is_empty() { of(&wildcard, is_v4) } else { exact }
        };
        let name = wire_name(&asked).unwrap();
        let found = table.find(name.as_bytes());
        let v4: Vec<IpAddr> = found.v4().iter().map(|octets| Ipv4Addr::from(*octets).into()).collect();
        let v6: Vec<IpAddr> = found.v6().iter().map(|octets| Ipv6Addr::from(*octets).into()).collect();
        prop_assert_eq!(v4, expected(true));
        prop_assert_eq!(v6, expected(false));
        for (_, address) in &pairs {
            let address = address.to_canonical();
            let expected: Vec<String> = pairs
                .iter()
                .filter(|(name, known)| known.to_canonical() == address && !name.starts_with('*'))
                .map(|(name, _)| format!("{name}."))
                .collect();
            let found: Vec<String> = table.names_of(address).map(|name| Presentation(name).to_string()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in vec(any::<u8>(), 0..300)) {
        let _ = read(&octets);
    }
}
