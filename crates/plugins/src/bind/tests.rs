//! Rows of the specification that a setup shows: the machine of the tests has `lo`, `eth0` and, with
//! no address, `dummy0`.

use dunlin_core::testing;

use super::ENTRY;

fn hosts(text: &str) -> Result<Option<Vec<String>>, String> {
    let block = testing::setup(&ENTRY, text).map_err(|error| format!("{error:#}"))?;
    Ok(block.parts().hosts.clone())
}

#[test]
fn addresses_and_interfaces_are_collected() {
    let table: [(&str, &str, &[&str]); 12] = [
        ("B01", "bind 127.20.0.20\nbind 127.20.0.21", &["127.20.0.20", "127.20.0.21"]),
        // The engine says `already defined`.
        ("B02", "bind 127.20.0.20 127.20.0.20", &["127.20.0.20", "127.20.0.20"]),
        ("B08", "bind lo", &["127.0.0.1", "::1"]),
        ("B09", "bind lo {\n except 127.0.0.1\n}", &["::1"]),
        ("", "bind lo eth0", &["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1%eth0"]),
        ("", "bind eth0 {\n except fe80::1\n}", &["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]),
        ("", "bind lo 192.0.2.1 {\n except eth0\n}", &["127.0.0.1", "::1"]),
        ("", "bind lo {\n except 0:0::1\n}", &["127.0.0.1"]),
        ("", "bind lo {\n except ::1\n except 127.0.0.1\n}", &["::1"]),
        ("", "bind lo {\n except ::1\n}\nbind ::1", &["127.0.0.1", "::1"]),
        ("", "bind 0:0::1 dummy0", &["0:0::1"]),
        ("", "bind 127.0.0.1 {\n}", &["127.0.0.1"]),
    ];
    for (row, text, expected) in table {
        let expected = expected.iter().map(ToString::to_string).collect();
        assert_eq!(hosts(text), Ok(Some(expected)), "{row} {text}");
    }
    assert_eq!(hosts(""), Ok(None));
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let invalid = |text: &str| format!("not a valid IP address or interface name: {text:?}");
    let except = "at least one address or interface must be given to except subdirective";
    let nothing = "no address is left to listen on";
    let table = [
        ("B03", "bind", "at least one address or interface name is expected".to_owned()),
        ("B04", "bind nosuchif", invalid("nosuchif")),
        ("B05", "bind 127.0.0.1:53", invalid("127.0.0.1:53")),
        ("B06", "bind 127.0.0.1 {\n foo\n}", "invalid option \"foo\"".to_owned()),
        ("B07", "bind lo {\n except 127.0.0.1 ::1\n}", nothing.to_owned()),
        ("", "bind dummy0", nothing.to_owned()),
        ("", "bind lo {\n except\n}", except.to_owned()),
        ("", "bind lo {\n except LO\n}", invalid("LO")),
        ("", "bind fe80::1%eth0", invalid("fe80::1%eth0")),
        ("", "bind localhost", invalid("localhost")),
    ];
    for (row, text, expected) in table {
        assert_eq!(hosts(text), Err(expected), "{row} {text}");
    }
}
