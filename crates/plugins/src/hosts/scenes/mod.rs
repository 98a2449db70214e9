//! Rows of the specification, in their order; and files that change.

mod files;
mod syntax;

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, TestBlock, query, records, stub};
use dunlin_core::wire::Flags;
use dunlin_testkit::metrics::value;
use tempfile::TempDir;

use super::ENTRY;

/// The file of the specification.
const FILE: &str = "10.0.0.1 a.test b.test A2.Test\n::1 six.test\n10.0.0.2 a.test\nbad line\n10.0.0.9%eth0 z.test\n10.0.0.3 *.wild.test\n";

/// A server block that has begun, with the file `F` of its directive.
struct Scene {
    block: TestBlock,
    upstream: Stub,
    folder: TempDir,
}

impl Scene {
    /// `F` in the directive stands for the path of the file.
    async fn new(directive: &str, content: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("F");
        std::fs::write(&path, content).unwrap();
        let text = directive.replace('F', path.to_str().unwrap());
        let upstream = stub(|query| Box::pin(async move { Ok(query.reply()) }));
        let mut block = testing::setup(&ENTRY, &text).unwrap().before(upstream.clone());
        block.start().await.unwrap();
        Self { block, upstream, folder }
    }

    fn write(&self, content: &str) {
        // As ConfigMaps and careful editors do: the new file takes the place of the old one.
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.path().join("F")).unwrap();
    }

    /// `upstream`, or rcode, AA flag and answers in short.
    async fn ask(&mut self, name: &str, qtype: RecordType) -> String {
        let before = self.upstream.asked();
        let mut reply = self.block.ask(query(name, qtype)).await.unwrap();
        if self.upstream.asked() > before {
            return "upstream".into();
        }
        assert!(!reply.flags().has(Flags::RA));
        assert!(reply.wire().unwrap().1.uncompressed_len > 0);
        let mut words = vec![format!("{:?}", reply.rcode())];
        words.extend(reply.flags().has(Flags::AA).then(|| "aa".into()));
        words.extend(records(reply.answers()));
        words.join(", ")
    }

    fn metric(&self, name: &str) -> f64 {
        value(&self.block.metrics().page(), name, &[]).unwrap_or(0.0)
    }
}

#[tokio::test]
async fn what_the_file_says_is_answered() {
    use RecordType::{A, AAAA, PTR, TXT};
    let a = "NoError, aa, a.test. 3600 IN A 10.0.0.1, a.test. 3600 IN A 10.0.0.2";
    let ptr = "1.0.0.10.in-addr.arpa. 3600 IN PTR";
    let table = [
        ("HO1", "A.TEST.", A, a.to_owned()),
        ("HO1", "a.test.", A, a.to_owned()),
        ("HO2", "a.test.", AAAA, "NoError, aa".into()),
        ("HO2", "a.test.", TXT, "NoError, aa".into()),
        ("HO3", "nope.test.", A, "ServFail".into()),
        (
            "HO4",
            "1.0.0.10.in-addr.arpa.",
            PTR,
            format!("NoError, aa, {ptr} a.test., {ptr} b.test., {ptr} a2.test."),
        ),
        ("HO5", "77.0.0.10.in-addr.arpa.", PTR, "upstream".into()),
        ("HO5", "0.0.10.in-addr.arpa.", PTR, "upstream".into()),
        ("HO6", "z.test.", A, "NoError, aa, z.test. 3600 IN A 10.0.0.9".into()),
        ("HO7", "x.wild.test.", A, "NoError, aa, x.wild.test. 3600 IN A 10.0.0.3".into()),
        ("HO7", "X.wild.test.", AAAA, "NoError, aa".into()),
        ("HO7", "y.x.wild.test.", A, "ServFail".into()),
        ("HO7", "wild.test.", A, "ServFail".into()),
        ("", "3.0.0.10.in-addr.arpa.", PTR, "upstream".into()),
        ("", "six.test.", AAAA, "NoError, aa, six.test. 3600 IN AAAA ::1".into()),
        ("", ".", A, "ServFail".into()),
    ];
    let mut scene = Scene::new("hosts F", FILE).await;
    for (row, name, qtype, expected) in table {
        assert_eq!(scene.ask(name, qtype).await, expected, "{row} {name} {qtype}");
    }
    assert_eq!(scene.metric("coredns_hosts_entries"), 13.0, "HO18");
}

#[tokio::test]
async fn ho1_the_question_keeps_the_clients_spelling() {
    let mut scene = Scene::new("hosts F", FILE).await;
    let asked = query("A.TEST.", RecordType::A);
    let mut reply = scene.block.ask(asked.clone()).await.unwrap();
    assert_eq!(reply.message_mut().unwrap().queries[0].name().to_string(), "A.TEST.");
    // The second owner points to the first one, which is spelled in full.
    let (bytes, _) = reply.wire().unwrap();
    assert_eq!(bytes.len(), asked.to_bytes().len() + 8 + 14 + 16);
}

#[tokio::test]
async fn properties_change_the_answers() {
    use RecordType::{A, AAAA, PTR, TXT};
    let inline = "hosts F {\n 10.9.9.9 in.test\n 10.0.0.5 a.test\n ttl 60\n fallthrough\n}";
    let zoned = "hosts F b.test six.test {\n fallthrough nope.b.test\n}";
    let unsupported = "hosts F {\n fallthrough test\n fallthrough_unsupported\n}";
    let both =
        "NoError, aa, a.test. 60 IN A 10.0.0.1, a.test. 60 IN A 10.0.0.2, a.test. 60 IN A 10.0.0.5";
    let table = [
        ("HO8", inline, "in.test.", A, "NoError, aa, in.test. 60 IN A 10.9.9.9"),
        ("HO8", inline, "a.test.", A, both),
        ("HO8", inline, "nope.test.", A, "upstream"),
        (
            "HO9",
            "hosts F {\n foo bar baz\n 10.1.1.1 q.test\n}",
            "q.test.",
            A,
            "NoError, aa, q.test. 3600 IN A 10.1.1.1",
        ),
        (
            "HO9",
            "hosts F {\n foo bar baz\n}",
            "b.test.",
            A,
            "NoError, aa, b.test. 3600 IN A 10.0.0.1",
        ),
        ("HO17", "hosts F {\n no_reverse\n}", "1.0.0.10.in-addr.arpa.", PTR, "upstream"),
        ("HO19", unsupported, "a.test.", TXT, "upstream"),
        ("HO19", unsupported, "a.test.", AAAA, "NoError, aa"),
        ("HO19", unsupported, "a.other.", TXT, "ServFail"),
        ("", zoned, "a.test.", A, "upstream"),
        ("", zoned, "x.b.test.", A, "ServFail"),
        ("", zoned, "nope.b.test.", A, "upstream"),
        (
            "",
            zoned,
            "1.0.0.10.in-addr.arpa.",
            PTR,
            "NoError, aa, 1.0.0.10.in-addr.arpa. 3600 IN PTR b.test.",
        ),
        ("", zoned, "2.0.0.10.in-addr.arpa.", PTR, "upstream"),
    ];
    for (row, directive, name, qtype, expected) in table {
        let mut scene = Scene::new(directive, FILE).await;
        assert_eq!(scene.ask(name, qtype).await, expected, "{row} {directive} {name} {qtype}");
    }
}

/// PTR owners are matched label by label, whatever the digits are spelled like.
#[tokio::test]
async fn reverse_names_of_ipv6_are_understood() {
    let mut scene = Scene::new("hosts F", "2001:db8::ab six.test").await;
    let name = "B.A.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa.";
    let found = scene.ask(name, RecordType::PTR).await;
    assert!(found.ends_with("IN PTR six.test."), "{found}");
    for not_whole in [
        "8.b.d.0.1.0.0.2.ip6.arpa.",
        "01.0.0.10.in-addr.arpa.",
        "256.0.0.10.in-addr.arpa.",
        "x.1.0.0.10.in-addr.arpa.",
    ] {
        assert_eq!(scene.ask(not_whole, RecordType::PTR).await, "upstream", "{not_whole}");
    }
}

#[tokio::test]
async fn an_answer_beyond_64_kib_is_cut_and_says_so() {
    let content: String =
        (0..4096).map(|at| format!("10.0.0.1 name-{at:05}.example.test\n")).collect();
    let mut scene = Scene::new("hosts F", &content).await;
    let asked = query("1.0.0.10.in-addr.arpa.", RecordType::PTR).tcp();
    let mut reply = scene.block.ask(asked).await.unwrap();
    assert!(reply.flags().has(Flags::TC));
    assert_eq!(reply.rcode(), ResponseCode::NoError);
    let (bytes, _) = reply.wire().unwrap();
    assert!((60_000..=65_535).contains(&bytes.len()), "{}", bytes.len());
    assert!(reply.answers().len() > 1000);
}
