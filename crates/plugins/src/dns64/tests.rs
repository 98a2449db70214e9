//! The acceptance rows of the specification (N01 to N16), then what is ours.

use std::sync::Mutex;

use dunlin_core::edns::ExtendedError;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, TestBlock, TestQuery, query, stub};
use dunlin_core::{Error, Reply};
use dunlin_testkit::metrics::value;
use dunlin_testkit::records::record;

use super::synthesis::embed;
use super::*;

const SOA: &str = "test. 100 IN SOA ns.test. host.test. 1 7200 3600 86400 60";

type Asked = Arc<Mutex<Vec<String>>>;

/// The names of the specification, and what was asked.
fn upstream(asked: &Asked) -> Stub {
    let asked = Arc::clone(asked);
    stub(move |query| {
        let name = query.name().to_ascii();
        let name = name.split('.').next().unwrap_or_default().to_owned();
        asked.lock().unwrap().push(format!("{name} {}", query.qtype()));
        let result = answer(query, &name);
        Box::pin(async move { result })
    })
}

fn answer(query: &Query, name: &str) -> Result<Reply> {
    let (owner, qtype) = (query.name().to_ascii(), query.qtype());
    let a = || record(&format!("{owner} 300 IN A 192.0.2.1"));
    let aaaa = |address: &str| record(&format!("{owner} 300 IN AAAA {address}"));
    let mut reply = query.reply();
    let message = reply.message_mut()?;
    message.metadata.recursion_available = true;
    message.metadata.authoritative = true;
    message.metadata.authentic_data = true;
    match (name, qtype) {
        ("alias", RecordType::A) => {
            message.answers.push(record("alias.test. 60 IN CNAME target.test."));
            message.answers.push(record("target.test. 50 IN A 192.0.2.1"));
            message.authorities.push(record("test. 60 IN NS ns.test."));
            message.additionals.push(record("ns.test. 60 IN A 192.0.2.53"));
        }
        (_, RecordType::A) if name != "failed" => message.answers.push(a()),
        ("both", _) => message.answers.push(aaaa("2001:db8::1")),
        ("mapped", _) => message.answers.push(aaaa("::ffff:192.0.2.1")),
        ("servfail", _) => message.metadata.response_code = ResponseCode::ServFail,
        ("nosoa" | "nx", _) => message.metadata.response_code = ResponseCode::NXDomain,
        _ => {}
    }
    if qtype == RecordType::AAAA && matches!(name, "v4only" | "nx" | "cut" | "failed") {
        message.authorities.push(record(SOA));
    }
    message.metadata.truncation = name == "cut" && qtype == RecordType::A;
    match (name, qtype) {
        ("failed", RecordType::A) => Err(Error::new("no upstream")
            .with_extended_error(ExtendedError::new(ExtendedError::NETWORK_ERROR, "x"))),
        ("error", RecordType::AAAA) => Err(Error::new("no upstream")),
        ("silent", RecordType::AAAA) => Ok(Reply::silence()),
        _ => Ok(reply),
    }
}

fn block(text: &str) -> (TestBlock, Asked) {
    let asked = Asked::default();
    let block = testing::setup(&ENTRY, text).unwrap().before(upstream(&asked));
    (block, asked)
}

fn from_ipv4(name: &str) -> TestQuery {
    query(&format!("{name}.test."), RecordType::AAAA)
}

fn from_ipv6(name: &str) -> TestQuery {
    from_ipv4(name).from("[2001:db8::53]:4000")
}

/// Rcode, the flags that are set, then all records.
fn show(reply: &Reply) -> String {
    let flags = reply.flags();
    let shown = [(Flags::AA, "aa"), (Flags::TC, "tc"), (Flags::RA, "ra"), (Flags::AD, "ad")];
    let flags = shown.iter().filter(|(mask, _)| flags.has(*mask)).map(|(_, name)| *name);
    let records = [reply.answers(), reply.authorities(), reply.additionals()];
    let records = testing::records(records.into_iter().flatten());
    let words: Vec<String> = std::iter::once(format!("{:?}", reply.rcode()))
        .chain(flags.map(str::to_owned))
        .chain(records)
        .collect();
    words.join(", ")
}

const ANY: &str = "dns64 {\nallow_ipv4\n}";

type Row = (&'static str, &'static str, TestQuery, String, &'static str);

fn synthesized(name: &str, ttl: u32) -> String {
    format!("NoError, ra, {name}.test. {ttl} IN AAAA 64:ff9b::c000:201")
}

fn nodata() -> String {
    format!("NoError, aa, ra, ad, {SOA}")
}

/// Row, Corefile, query, reply, and what was asked for it.
async fn check(table: impl IntoIterator<Item = Row>) {
    for (row, text, query, expected, expected_asked) in table {
        let (mut block, asked) = block(text);
        let reply = block.ask(query.clone()).await.unwrap();
        assert_eq!(show(&reply), expected, "{row}");
        assert_eq!(asked.lock().unwrap().join(", "), expected_asked, "{row}");
        let sent = query.build();
        let echoed = reply.flags();
        assert_eq!(echoed.has(Flags::CD), sent.flags().has(Flags::CD), "{row}");
        assert!(echoed.has(Flags::RD), "{row}");
    }
}

#[tokio::test]
async fn n01_to_n09_what_is_translated_and_into_what() {
    let all = "dns64 {\nallow_ipv4\ntranslate_all\nprefix 2001:db8:64::/64\n}";
    let both = "NoError, aa, ra, ad, both.test. 300 IN AAAA 2001:db8::1";
    check([
        ("N01", "dns64", from_ipv4("v4only"), nodata(), "v4only AAAA"),
        ("N02", ANY, from_ipv4("v4only"), synthesized("v4only", 100), "v4only AAAA, v4only A"),
        ("N03", ANY, from_ipv4("both"), both.into(), "both AAAA"),
        (
            "N04",
            ANY,
            from_ipv4("servfail"),
            synthesized("servfail", 300),
            "servfail AAAA, servfail A",
        ),
        ("N05", ANY, from_ipv4("nx"), format!("NXDomain, aa, ra, ad, {SOA}"), "nx AAAA"),
        ("N06", ANY, from_ipv4("nosoa"), "NXDomain, aa, ra, ad".into(), "nosoa AAAA"),
        (
            "N07",
            ANY,
            query("v4only.test.", RecordType::A),
            "NoError, aa, ra, ad, v4only.test. 300 IN A 192.0.2.1".into(),
            "v4only A",
        ),
        (
            "N08",
            all,
            from_ipv4("both"),
            "NoError, ra, both.test. 300 IN AAAA 2001:db8:64:0:c0:2:100:0".into(),
            "both AAAA, both A",
        ),
        (
            "N09",
            "dns64 64:ff9b::/96 {\nallow_ipv4\n}",
            from_ipv4("v4only"),
            synthesized("v4only", 100),
            "v4only AAAA, v4only A",
        ),
    ])
    .await;
}

#[tokio::test]
async fn n12_to_n16_who_is_served_and_what_stays() {
    check([
        ("N12", "dns64", from_ipv6("v4only"), synthesized("v4only", 100), "v4only AAAA, v4only A"),
        ("N13", "dns64", from_ipv6("v4only").class(3), nodata(), "v4only AAAA"),
        (
            "N14",
            "dns64",
            from_ipv6("alias"),
            "NoError, ra, alias.test. 60 IN CNAME target.test., target.test. 50 IN AAAA \
             64:ff9b::c000:201, test. 60 IN NS ns.test., ns.test. 60 IN A 192.0.2.53"
                .into(),
            "alias AAAA, alias A",
        ),
        (
            "N16",
            "dns64",
            from_ipv6("cut"),
            "NoError, tc, ra, cut.test. 100 IN AAAA 64:ff9b::c000:201".into(),
            "cut AAAA, cut A",
        ),
        ("case", "dns64", from_ipv6("V4Only"), synthesized("V4Only", 300), "V4Only AAAA, V4Only A"),
        (
            "mapped",
            "dns64",
            from_ipv6("mapped"),
            synthesized("mapped", 300),
            "mapped AAAA, mapped A",
        ),
        ("failed", "dns64", from_ipv6("failed"), "ServFail".into(), "failed AAAA, failed A"),
        (
            "RFC 6147 §5.5",
            "dns64",
            from_ipv6("v4only").dnssec_ok().flag(Flags::CD, true),
            nodata(),
            "v4only AAAA",
        ),
        (
            "RFC 6147 §5.5",
            "dns64",
            from_ipv6("v4only").dnssec_ok(),
            synthesized("v4only", 100),
            "v4only AAAA, v4only A",
        ),
    ])
    .await;
}

#[tokio::test]
async fn our_own_failures_and_silence_are_not_translated() {
    let (mut block, asked) = block("dns64");
    let error = block.ask(from_ipv6("error")).await.unwrap_err();
    assert_eq!(error.to_string(), "no upstream");
    assert!(block.ask(from_ipv6("silent")).await.unwrap().is_silence());
    assert_eq!(asked.lock().unwrap().join(", "), "error AAAA, silent AAAA");
    let failed = block.ask(from_ipv6("failed")).await.unwrap();
    assert_eq!(failed.extended_error().unwrap().code, ExtendedError::NETWORK_ERROR);
}

#[test]
fn n10_n11_mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let table = [
        ("dns64 x", "invalid CIDR address: x".to_owned()),
        ("dns64 64:ff9b::1/95", parsing(2, "invalid prefix length \"64:ff9b::/95\"")),
        ("dns64 64:ff9b::/24", parsing(2, "invalid prefix length \"64:ff00::/24\"")),
        ("dns64 64:ff9b::/104", parsing(2, "invalid prefix length \"64:ff9b::/104\"")),
        ("dns64 10.0.0.0/8", parsing(2, "invalid netmask 32 IPv6 address: \"10.0.0.0/8\"")),
        ("dns64 a b", parsing(2, &format!("{count} 'b'"))),
        ("dns64 {\nfoo\n}", parsing(3, "unknown property 'foo'")),
        ("dns64 {\nprefix\n}", parsing(3, &format!("{count} 'prefix'"))),
        ("dns64 64:ff9b::/96 {\nfoo\n}", parsing(3, "unknown property 'foo'")),
    ];
    for (text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{text}");
    }
}

#[tokio::test]
async fn later_values_replace_earlier_ones() {
    let text = "dns64 2001:db8::/96\ndns64 {\nprefix 2001:db8:1::/96\nallow_ipv4\n}\ndns64 2001:db8:2::/40";
    let reply = block(text).0.ask(from_ipv4("v4only")).await.unwrap();
    assert_eq!(testing::records(reply.answers()), ["v4only.test. 100 IN AAAA 2001:db8:c0:2:1::"]);
}

#[tokio::test]
async fn n15_translations_are_counted_by_server() {
    let (mut block, _) = block(ANY);
    block.start().await.unwrap();
    for name in ["v4only", "servfail", "alias", "nx", "both"] {
        block.ask(from_ipv4(name)).await.unwrap();
    }
    let name = "coredns_dns64_requests_translated_total";
    let page = block.metrics().page();
    assert_eq!(value(&page, name, &[("server", "dns://:53")]), Some(3.0));
}

/// RFC 6052 §2.4.
#[test]
fn addresses_are_embedded_behind_every_length_of_prefix() {
    let table = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/72", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
    ];
    for (prefix, expected) in table {
        let embedded = embed(prefix.parse().unwrap(), "192.0.2.33".parse().unwrap());
        assert_eq!(embedded, expected.parse::<std::net::Ipv6Addr>().unwrap(), "{prefix}");
    }
}
