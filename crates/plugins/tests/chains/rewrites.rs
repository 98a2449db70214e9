//! *rewrite* and *template* among other plugins, in front of a scripted upstream: what the upstream
//! sees on the wire, what the cache keeps, whom lookups reach, and what clients get.

use dunlin_core::rr::rdata::A;
use dunlin_core::rr::{RData, Record, RecordType};
use dunlin_core::testing::{TestQuery, query};
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::kit::{Server, metric, show};

fn a(name: &str) -> TestQuery {
    query(name, RecordType::A)
}

/// What the last query looked like at the upstream: name, type, size, options.
fn seen(upstream: &Upstream) -> String {
    let asked = upstream.asked();
    let Some(last) = asked.last() else { return "nothing".into() };
    let message = last.message.as_ref().unwrap();
    let question = &message.queries[0];
    let mut text = format!("{} {}", question.name(), question.query_type());
    if let Some(edns) = &message.edns {
        text += &format!(" opt {}", edns.max_payload());
        let options = edns.options().as_ref().iter();
        let codes = options.map(|(code, _)| format!(" o{}", u16::from(*code)));
        text.extend(codes);
    }
    text
}

/// An upstream that has an address for every name, for 30 seconds.
fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(Reply::new().edit(|message| {
        let name = message.queries[0].name().clone();
        message.answers.push(Record::from_rdata(name, 30, RData::A(A::new(192, 0, 2, 1))));
    }));
    upstream
}

#[tokio::test]
async fn w37_to_w44_options_reach_the_upstream_and_never_the_client() {
    let table = [
        ("edns0 local set 0xffee abcd", a("x.test."), "x.test. A opt 1232 o65518", "NOERROR ra 30"),
        (
            "edns0 local set 0xffee abcd",
            a("x.test.").edns(4096),
            "x.test. A opt 1232 o65518",
            "NOERROR ra 30 opt 1232",
        ),
        (
            "edns0 local set 0xffee abcd revert",
            a("x.test."),
            "x.test. A opt 1232 o65518",
            "NOERROR ra 30",
        ),
        ("edns0 nsid set", a("x.test."), "x.test. A opt 1232 o3", "NOERROR ra 30"),
        ("edns0 subnet set 24 56", a("x.test."), "x.test. A opt 1232 o8", "NOERROR ra 30"),
        (
            "edns0 local replace 1 a",
            a("x.test.").option(10, &[1; 8]),
            "x.test. A opt 1232",
            "NOERROR ra 30 opt 1232",
        ),
        ("type AAAA A", query("x.test.", RecordType::AAAA), "x.test. A", "NOERROR ra 30"),
    ];
    for (rule, asked, at_upstream, at_client) in table {
        let upstream = upstream();
        let server = Server::new(&format!(". {{\nrewrite {rule}\nforward . {upstream}\n}}")).await;
        let reply = server.ask(&asked).await;
        assert_eq!(show(&reply), at_client, "{rule}");
        assert_eq!(seen(&upstream), at_upstream, "{rule}");
        let question = &reply.queries[0];
        assert_eq!(question.query_type(), asked.build().qtype(), "{rule}");
        server.stop().await;
    }
}

/// The order is that of CoreDNS 1.14: rules first, then the cache, which knows the rewritten name.
#[tokio::test]
async fn w29_t47_rewrite_stands_before_the_cache_and_template_behind_it() {
    let upstream = upstream();
    let template = "template IN A t.test {\nanswer \"{{ .Name }} 60 IN A 192.0.2.2\"\n}";
    let rules = "rewrite continue ttl regex .* -5\nrewrite name a.test b.test";
    let corefile = format!(
        ". {{\nprometheus 127.0.0.1:0\n{rules}\ncache\n{template}\nforward . {upstream}\n}}"
    );
    let server = Server::new(&corefile).await;
    for (name, expected, exchanges) in [
        ("a.test.", "NOERROR ra 5", 1),
        ("A.test.", "NOERROR aa ra 5", 1),
        ("b.test.", "NOERROR aa ra 5", 1),
        ("t.test.", "NOERROR aa 5", 1),
        ("t.test.", "NOERROR aa 5", 1),
    ] {
        let reply = server.ask(&a(name)).await;
        assert_eq!(show(&reply), expected, "{name}");
        assert_eq!(reply.queries[0].name().to_string(), name);
        assert_eq!(upstream.count_all(), exchanges, "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn lookups_go_through_the_whole_server() {
    let upstream = upstream();
    upstream.on("alias.test", Reply::new().answer("alias.test. 30 IN CNAME tgt.test."));
    let corefile = format!(
        "test {{\nrewrite cname tgt.test x.other\nforward . {upstream}\n}}\n\
         other {{\ntemplate IN A {{\nanswer \"{{{{ .Name }}}} 7 IN A 192.0.2.7\"\n}}\n}}\n\
         third {{\ntemplate IN A {{\nanswer \"{{{{ .Name }}}} 9 IN CNAME y.other\"\n}}\n}}"
    );
    let server = Server::new(&corefile).await;
    for (name, expected) in [
        ("alias.test.", ["alias.test. 30 IN CNAME x.other.", "x.other. 7 IN A 192.0.2.7"]),
        ("a.third.", ["a.third. 9 IN CNAME y.other.", "y.other. 7 IN A 192.0.2.7"]),
    ] {
        let reply = server.ask(&a(name)).await;
        let records: Vec<String> = reply.answers.iter().map(ToString::to_string).collect();
        assert_eq!(records, expected, "{name}");
    }
    server.stop().await;
}

/// A lookup that came back to its own question would wait for itself.
#[tokio::test]
async fn aliases_in_a_circle_end_behind_a_cache() {
    let circle = "template IN A {\nmatch ^(a|b)[.]test[.]$\n\
        answer \"{{ .Name }} 60 IN CNAME {{ if eq .Name `a.test.` }}b{{ else }}a{{ end }}.test\"\n}";
    let server = Server::new(&format!(". {{\ncache\n{circle}\n}}")).await;
    let reply = server.ask(&a("a.test.")).await;
    assert_eq!(show(&reply), format!("NOERROR aa{}", " 60".repeat(9)));
    server.stop().await;
}

#[tokio::test]
async fn failures_below_rewrite_are_logged_and_counted_for_the_clients_question() {
    let mut block = crate::kit::block(
        "prometheus 127.0.0.1:0\nlog\nrewrite name a.test b.test\ntemplate IN A b.test {\nmatch ^x\n}",
    );
    let reply = block.ask(a("A.test.")).await.unwrap();
    assert_eq!(reply.rcode(), dunlin_core::op::ResponseCode::ServFail);
    let labels = [("rcode", "SERVFAIL"), ("plugin", "template")];
    assert_eq!(metric(&block, "coredns_dns_responses_total", &labels), 1);
    let lines = block.lines();
    assert!(lines.len() == 1 && lines[0].contains("\"A IN a.test. udp"), "{lines:?}");
}

/// As in CoreDNS 1.14: what a rule makes of a name is what `acl` sees.
#[tokio::test]
async fn a15_acl_judges_the_rewritten_name() {
    let lines = "rewrite name a.test b.test\nacl b.test {\nblock\n}\nwhoami";
    let server = Server::new(&format!(". {{\n{lines}\n}}")).await;
    for (name, expected) in
        [("a.test.", "REFUSED"), ("b.test.", "REFUSED"), ("c.test.", "NOERROR aa 0 0")]
    {
        assert_eq!(show(&server.ask(&a(name)).await), expected, "{name}");
    }
    server.stop().await;
}
