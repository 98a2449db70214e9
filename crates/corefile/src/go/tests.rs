//! What Go 1.24 answers.

use super::*;

#[test]
fn durations_are_read_and_printed_as_go_does() {
    let table = [
        ("0", "0s"),
        ("-0", "0s"),
        ("5s", "5s"),
        ("300s", "5m0s"),
        ("1h20m", "1h20m0s"),
        ("1.5s", "1.5s"),
        (".5s", "500ms"),
        ("5.s", "5s"),
        ("100ms", "100ms"),
        ("1500us", "1.5ms"),
        ("1µs", "1µs"),
        ("1μs", "1µs"),
        ("7ns", "7ns"),
        ("-1.5h", "-1h30m0s"),
        ("+2s", "2s"),
        ("1h0.5s", "1h0m0.5s"),
        ("0.3333333333333333333h", "20m0s"),
        ("9223372036854775807ns", "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ("1.00000000000000000000000000001s", "1s"),
    ];
    for (text, expected) in table {
        assert_eq!(parse_duration(text).unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn bad_durations_are_refused_in_gos_words() {
    let table = [
        ("", "time: invalid duration \"\""),
        ("a", "time: invalid duration \"a\""),
        ("-", "time: invalid duration \"-\""),
        (".", "time: invalid duration \".\""),
        (".s", "time: invalid duration \".s\""),
        ("s", "time: invalid duration \"s\""),
        ("5", "time: missing unit in duration \"5\""),
        ("1m5", "time: missing unit in duration \"1m5\""),
        ("5y", "time: unknown unit \"y\" in duration \"5y\""),
        ("5 s", "time: unknown unit \" s\" in duration \"5 s\""),
        ("1s x", "time: unknown unit \"s x\" in duration \"1s x\""),
        ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ("99999999999999999999s", "time: invalid duration \"99999999999999999999s\""),
    ];
    for (text, expected) in table {
        assert_eq!(parse_duration(text), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_negative_duration_has_no_positive_form() {
    let minute = parse_duration("1m").unwrap();
    assert_eq!(minute.positive(), Some(std::time::Duration::from_secs(60)));
    assert_eq!(GoDuration::from(std::time::Duration::from_secs(60)), minute);
    assert_eq!(parse_duration("-1m").unwrap().positive(), None);
}

#[test]
fn integers_are_read_as_go_does() {
    assert_eq!(atoi("0005300"), Ok(5300));
    assert_eq!(atoi("+7"), Ok(7));
    assert_eq!(atoi("-9223372036854775808"), Ok(i64::MIN));
    assert_eq!(parse_uint32("4294967295"), Ok(u32::MAX));
    assert_eq!(parse_uint16("053"), Ok(53));
    for bad in ["", "x", "+", "-", "1_000", "0x1", "1.5", " 1", "+-1", "٣"] {
        assert_eq!(atoi(bad), Err(format!("strconv.Atoi: parsing {}: invalid syntax", quote(bad))));
    }
    let range = "value out of range";
    assert_eq!(
        atoi("9223372036854775808"),
        Err(format!("strconv.Atoi: parsing \"9223372036854775808\": {range}"))
    );
    assert_eq!(
        parse_uint32("4294967296"),
        Err(format!("strconv.ParseUint: parsing \"4294967296\": {range}"))
    );
    for bad in ["-1", "+1", ""] {
        let expected = format!("strconv.ParseUint: parsing \"{bad}\": invalid syntax");
        assert_eq!(parse_uint64(bad), Err(expected));
    }
}

#[test]
fn quoting_escapes_as_go_does() {
    let table = [
        ("", r#""""#),
        ("a b", r#""a b""#),
        ("a\"b\\c", r#""a\"b\\c""#),
        ("\n\r\t\u{7}\u{8}\u{b}\u{c}", r#""\n\r\t\a\b\v\f""#),
        ("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
        ("münchen 日本 😀", "\"münchen 日本 😀\""),
        ("\u{a0}\u{85}\u{2028}\u{feff}\u{e000}", r#""\u00a0\u0085\u2028\ufeff\ue000""#),
        ("\u{fffd}", "\"\u{fffd}\""),
        ("e\u{301}", "\"e\u{301}\""),
        ("'", "\"'\""),
        ("\u{10ffff}", r#""\U0010ffff""#),
    ];
    for (text, expected) in table {
        assert_eq!(quote(text), expected);
    }
}
