//! What setup takes and refuses: W46 to W55, and many rules.

use proptest::prelude::*;

use super::super::tests::*;

fn error(text: &str) -> String {
    let found = testing::setup(&ENTRY, text).map(|_| String::new());
    found.unwrap_or_else(|error| error.to_string())
}

const ROWS: &[(&str, &str, &str)] = &[
    ("W46", "rewrite", "no rule type specified for rewrite"),
    ("W47", "rewrite foo a b", "invalid rule type \"foo\""),
    ("W48", "rewrite ttl a.test 5-1", "invalid TTL '5-1' for a ttl rule"),
    ("W48", "rewrite ttl a.test -", "invalid TTL '-' for a ttl rule"),
    ("W48", "rewrite ttl a.test 1-2-3", "invalid TTL '1-2-3' for a ttl rule"),
    ("W48", "rewrite ttl a.test 4294967296", "invalid TTL '4294967296' for a ttl rule"),
    ("W49", "rewrite rcode a.test 24 0", "invalid matching RCODE '24' for a rcode rule"),
    ("W49", "rewrite rcode a.test 0 x", "invalid replacement RCODE 'x' for a rcode rule"),
    (
        "W50",
        "rewrite edns0 local set 0x1ffff aa",
        "strconv.ParseUint: parsing \"0x1ffff\": value out of range",
    ),
    ("W50", "rewrite edns0 local set x aa", "strconv.ParseUint: parsing \"x\": invalid syntax"),
    ("W51", "rewrite edns0 subnet set 33 56", "invalid IPv4 bit mask length 33"),
    ("W51", "rewrite edns0 subnet set 24 129", "invalid IPv6 bit mask length 129"),
    ("W52", "rewrite STOP NAME EXACT a.test b.test", ""),
    ("W53", "rewrite name exact a.test b.test answer auto", ""),
    (
        "W54",
        "rewrite name suffix a b answer auto answer name x y",
        "auto name answer rule cannot be combined with explicit name anwer rules",
    ),
    ("W55", "rewrite name exact a.test {1}.test", "invalid regex matching pattern: {1}.test."),
    ("continue", "rewrite continue", "continue rule must begin with a rule type"),
    ("stop", "rewrite stop", "stop rule must begin with a rule type"),
    ("answer", "rewrite answer name a b", "response rewrites must begin with a name rule"),
    ("type", "rewrite type A", "type rules must have exactly two arguments"),
    ("type", "rewrite type A foo", "invalid type \"FOO\""),
    ("class", "rewrite class IN xx", "invalid class \"XX\""),
    ("class", "rewrite class IN", "class rules must have exactly two arguments"),
    ("name", "rewrite name a", "too few arguments for a name rule"),
    (
        "name",
        "rewrite name foo a b",
        "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: foo",
    ),
    ("name", "rewrite name regex ( b", "invalid regex matching pattern: ("),
    ("name", "rewrite name suffix a b c", "invalid arguments for suffix rule"),
    (
        "name",
        "rewrite name suffix a b c d",
        "exceeded the number of arguments for a non-answer rule argument for suffix rule",
    ),
    (
        "name",
        "rewrite name suffix a b answer auto answer",
        "type missing for answer rule for suffix rule",
    ),
    (
        "name",
        "rewrite name suffix a b answer name x",
        "name answer rule for suffix rule: 2 arguments required",
    ),
    (
        "name",
        "rewrite name suffix a b answer foo x",
        "invalid type \"foo\" for answer rule for suffix rule",
    ),
    (
        "name",
        "rewrite name suffix a b answer name ( y",
        "name answer rule for suffix rule: invalid regex matching pattern: (",
    ),
    ("name", "rewrite name suffix a b answer value x y name z w", ""),
    ("ttl", "rewrite ttl a", "too few (1) arguments for a ttl rule"),
    ("ttl", "rewrite ttl regex ( 5", "invalid regex pattern in a ttl rule: ("),
    (
        "ttl",
        "rewrite ttl foo a 5",
        "ttl rule supports only exact, prefix, suffix, substring, and regex name matching",
    ),
    ("rcode", "rewrite rcode a 0", "too few (2) arguments for a rcode rule"),
    (
        "rcode",
        "rewrite rcode foo a 0 1",
        "rcode rule supports only exact, prefix, suffix, substring, and regex name matching",
    ),
    ("cname", "rewrite cname a", "too few (1) arguments for a cname rule"),
    ("cname", "rewrite cname exact a b c", "too few (4) arguments for a cname rule"),
    ("cname", "rewrite cname foo a b", "unknown cname rewrite type: foo"),
    ("cname", "rewrite cname regex ( b", "invalid cname rewrite regex pattern: ("),
    ("edns0", "rewrite edns0 local", "too few arguments for an EDNS0 rule"),
    ("edns0", "rewrite edns0 local foo 1 a", "invalid action: \"foo\""),
    ("edns0", "rewrite edns0 local set 1", "EDNS0 local rules require three or four args"),
    ("edns0", "rewrite edns0 nsid set x", "EDNS0 NSID rules can accept no more than one arg"),
    ("edns0", "rewrite edns0 subnet set 1", "EDNS0 subnet rules require three or four args"),
    ("edns0", "rewrite edns0 foo set 1", "invalid rule type \"foo\""),
    ("edns0", "rewrite edns0 local set 1 {x}", "unsupported variable name \"{x}\""),
    ("edns0", "rewrite edns0 local set 1 0x1", "encoding/hex: odd length hex string"),
    ("edns0", "rewrite edns0 local set 1 0xzz", "encoding/hex: invalid byte: U+007A 'z'"),
    ("edns0", "rewrite edns0 local unset", "local unset action requires exactly two arguments"),
    ("edns0", "rewrite edns0 nsid unset x", "nsid unset action requires exactly one argument"),
    ("edns0", "rewrite edns0 subnet unset x", "subnet unset action requires exactly one argument"),
];

#[test]
fn w46_to_w55_setup() {
    for (row, text, expected) in ROWS {
        assert_eq!(error(text), *expected, "{row}: {text}");
    }
    let long = "a".repeat(10_001);
    let expected = "regex pattern too long: 10001 > 10000";
    assert_eq!(error(&format!("rewrite name regex {long} b")), expected);
    let expected = "regex pattern too long in a rcode rule: 10001 > 10000";
    assert_eq!(error(&format!("rewrite rcode regex {long} 0 1")), expected);
}

#[tokio::test]
async fn many_rules_are_one_list_in_the_order_of_the_file() {
    let mut text = String::new();
    for number in 0..1000 {
        text += &format!("rewrite name n{number}.test m{number}.test\n");
        text += &format!("rewrite continue name regex ^r{number}\\.(.*)\\.$ q{number}.{{1}}\n");
    }
    text += "rewrite name m5.test never.test\nrewrite name q7.test last.test";
    let (mut block, seen) = block(&text);
    for name in ["n5.test", "r7.test", "none.test"] {
        ask(&mut block, a(name)).await;
    }
    assert_eq!(*seen.lock().unwrap(), ["m5.test. A IN", "last.test. A IN", "none.test. A IN"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The index is only a faster way through the list.
    #[test]
    fn rules_do_what_the_list_says(
        rules in proptest::collection::vec(("(continue|stop)", "(exact|regex|prefix|suffix)", "[ab]", "[abc]"), 1..9),
        name in "[abc]",
    ) {
        let text: Vec<String> = rules.iter().map(|(mode, kind, from, to)| {
            let from = if kind == "regex" { format!("^{from}") } else { from.clone() };
            let to = if kind == "prefix" { to.clone() } else { format!("{to}.") };
            format!("rewrite {mode} name {kind} {from} {to}")
        }).collect();
        let mut expected = format!("{name}.");
        for (mode, _, from, to) in &rules {
            if expected == format!("{from}.") {
                expected = format!("{to}.");
                if mode == "stop" { break }
            }
        }
        let (mut block, seen) = block(&text.join("\n"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ask(&mut block, a(&name)));
        prop_assert_eq!(&*seen.lock().unwrap(), &[format!("{expected} A IN")], "{:?}", text);
    }

    #[test]
    fn any_words_are_rules_or_a_mistake(
        rules in proptest::collection::vec(proptest::collection::vec(word(), 0..8), 1..4),
        name in "[a-c.]{0,6}|a\\.{0,60}",
    ) {
        let lines = rules.iter().map(|words| {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("rewrite {}", words.join(" "))
        });
        let text: Vec<String> = lines.collect();
        let Ok(block) = testing::setup(&ENTRY, &text.join("\n")) else { return Ok(()) };
        let mut block = block.before(stub(|query| Box::pin(async move { upstream(query) })));
        if dunlin_core::zones::spelled_name(&name).is_err() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for asked in [a(&name), a(&name).option(65_001, b"x")] {
            let question = asked.build().question().to_vec();
            let Ok(mut reply) = runtime.block_on(block.ask(asked)) else { continue };
            if let Ok((bytes, summary)) = reply.wire() {
                prop_assert_eq!(&bytes[12..summary.question_end], question, "{:?}", text);
            }
        }
    }
}

/// Words that mean something.
fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "continue",
        "stop",
        "name",
        "type",
        "class",
        "ttl",
        "rcode",
        "cname",
        "edns0",
        "exact",
        "prefix",
        "suffix",
        "substring",
        "regex",
        "answer",
        "auto",
        "value",
        "local",
        "nsid",
        "subnet",
        "set",
        "replace",
        "append",
        "unset",
        "revert",
        "a",
        "b.",
        "c.a",
        ".",
        "",
        "(.*)",
        "{0}{0}",
        "{1}.b",
        "A",
        "AAAA",
        "ANY",
        "IN",
        "CH",
        "5-",
        "-7",
        "0",
        "3",
        "SERVFAIL",
        "0xffee",
        "{qname}",
        "{a/b}",
        "24",
        "é",
        "(",
        "a\\",
        "..",
    ])
}
