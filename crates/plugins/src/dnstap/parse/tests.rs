//! Lines of the Corefile: what they come to, and what is wrong with them.

use dunlin_core::{Entry, testing};

use super::parse;
use crate::dnstap::ENTRY;

#[test]
fn rows_1_3_4_5_what_is_wrong_is_refused() {
    let arguments = "Wrong argument count or unexpected line ending after";
    let buffer = "dnstap: MultipleTcpWriteBuf must be between 1 and 1024 (MiB units): ";
    let queue = "dnstap: MultipleQueue must be between 1 and 4096 (x10k messages): ";
    let sample = "dnstap: sample must be between 1 and 1000000 (queries): ";
    let kind = "dnstap: invalid kind of records ";
    let option = "dnstap: invalid option ";
    let size = "dnstap: invalid rotate size ";
    let invalid = r#"strconv.Atoi: parsing "#;
    let table = [
        ("dnstap", format!("{arguments} 'dnstap'")),
        ("dnstap {\n}", format!("{arguments} 'dnstap'")),
        ("dnstap listen", "dnstap listen requires an endpoint argument".into()),
        ("dnstap s.sock full 1025 1", format!("{buffer}1025")),
        ("dnstap s.sock full 1 4097", format!("{queue}4097")),
        ("dnstap s.sock full 0 10", format!("{buffer}0")),
        ("dnstap s.sock full 10 0", format!("{queue}0")),
        ("dnstap s.sock full x 10", format!(r#"invalid MultipleTcpWriteBuf "x": {invalid}"x""#)),
        ("dnstap s.sock full 10 y", format!(r#"invalid MultipleQueue "y": {invalid}"y""#)),
        ("dnstap s.sock FULL", r#"dnstap: invalid option "FULL", expected "full""#.into()),
        ("dnstap tcp://127.0.0.1", "address 127.0.0.1: missing port in address".into()),
        ("dnstap s.sock {\nidentity\n}", format!("{arguments} 'identity'")),
        ("dnstap s.sock {\nversion\n}", format!("{arguments} 'version'")),
        ("dnstap s.sock {\nextra\n}", format!("{arguments} 'extra'")),
        ("dnstap s.sock {\nsample\n}", format!("{arguments} 'sample'")),
        ("dnstap s.sock {\nsample x\n}", format!(r#"dnstap: invalid sample "x": {invalid}"x""#)),
        ("dnstap s.sock {\nsample 0\n}", format!("{sample}0")),
        ("dnstap s.sock {\nsample 1000001\n}", format!("{sample}1000001")),
        ("dnstap s.sock {\nonly\n}", format!("{arguments} 'only'")),
        ("dnstap s.sock {\nonly query replies\n}", format!("{kind}\"replies\", expected")),
        ("dnstap file f FULL", format!("{option}\"FULL\", expected \"full\" or \"rotate\"")),
        ("dnstap file f full rotate", format!("{arguments} 'rotate'")),
        ("dnstap file f rotate 1MiB 3", format!("{arguments} '3'")),
        ("dnstap file f rotate 1MB", format!("{size}\"1MB\", expected a number with KiB, MiB")),
        ("dnstap file f rotate MiB", format!("{size}\"MiB\"")),
        ("dnstap file f rotate -1", format!("{size}\"-1\"")),
        ("dnstap file f rotate 18014398509481984K", format!("{size}\"18014398509481984K\"")),
        (
            "dnstap file f rotate 1023KiB",
            "dnstap: rotate size must be at least 1MiB: 1023KiB".into(),
        ),
        ("dnstap file f {\ntls a b\n}", "tls directive only valid for listeners".into()),
        ("dnstap file full x", format!(r#"invalid MultipleTcpWriteBuf "x": {invalid}"x""#)),
        ("dnstap s.sock {\nidentitiy N\n}", "unknown property 'identitiy'".into()),
        ("dnstap s.sock {\ntls a b\n}", "tls directive only valid for listeners".into()),
        ("dnstap listen s.sock {\ntls a\n}", "tls requires cert and key file paths".into()),
    ];
    for (text, expected) in table {
        let error = testing::setup(&ENTRY, text).unwrap_err().to_string();
        assert!(error.contains(&expected), "{text}: {error}");
        assert!(error.starts_with("Corefile:2") || text.contains('{'), "{text}: {error}");
    }
}

#[test]
fn row_2_what_the_lines_come_to() {
    let show = Entry {
        name: "dnstap",
        setup: |directive| {
            let configs = parse(directive)?;
            anyhow::bail!("{configs:?}")
        },
    };
    let choice = |[queries, responses, exchanges]: [bool; 3], sample: u32| {
        format!(
            "choice: Choice {{ kinds: Kinds {{ queries: {queries}, responses: {responses}, exchanges: \
             {exchanges} }}, sample: {sample} }}"
        )
    };
    let table: &[(&str, &str)] = &[
        ("dnstap s.sock full 1024 2048", "send_buffer: 1073741824, queue: 20480000 }"),
        (
            "dnstap s.sock",
            r#"endpoint: Unix("s.sock"), tls: Verifying(None), send_buffer: 1048576, queue: 10000 }), style: Style { full: false"#,
        ),
        ("dnstap unix:///run/s.sock full", r#"Unix("/run/s.sock")"#),
        ("dnstap tcp://[::1]:6000/x full", r#"Tcp(Place { host: "::1", port: "6000" })"#),
        ("dnstap tls://h.test:6000 {\nskipverify\n}", r#"port: "6000" }), tls: Trusting"#),
        (
            "dnstap listen tls://:1 full 9 9 {\ntls a b\nskipverify\n}",
            r#"authorities: None, optional: true"#,
        ),
        (
            "dnstap s.sock {\nidentity a\nversion b\n}",
            r#"identity: "a", version: "b", extra: None"#,
        ),
        ("dnstap s.sock {\nextra \"\"\n}", "extra: None"),
        ("dnstap s.sock", &choice([true; 3], 1)),
        ("dnstap s.sock {\nsample 50\n}", &choice([true; 3], 50)),
        ("dnstap s.sock {\nonly query\n}", &choice([true, false, false], 1)),
        ("dnstap s.sock {\nonly response forward\nsample 2\n}", &choice([false, true, true], 2)),
        (
            "dnstap file /var/x.tap",
            r#"side: File(Recorder { path: "/var/x.tap", limit: None }), style: Style { full: false"#,
        ),
        (
            "dnstap file x.tap full rotate 100MiB",
            r#"path: "x.tap", limit: Some(104857600) }), style: Style { full: true"#,
        ),
        ("dnstap file x.tap rotate 1048576", "limit: Some(1048576) }), style: Style { full: false"),
        ("dnstap file x.tap rotate 1024K", "limit: Some(1048576)"),
        ("dnstap file x.tap rotate 2G", "limit: Some(2147483648)"),
        ("dnstap file", r#"endpoint: Unix("file"), tls: Verifying(None)"#),
        (
            "dnstap file full 2",
            r#"endpoint: Unix("file"), tls: Verifying(None), send_buffer: 2097152"#,
        ),
        ("dnstap s.sock", concat!("version: \"Dunlin-", env!("CARGO_PKG_VERSION"), "\"")),
    ];
    for (text, expected) in table {
        let found = testing::setup(&show, text).unwrap_err().to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
}
