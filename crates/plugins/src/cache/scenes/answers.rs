//! Which answer sections answer their question.

use dunlin_core::Plugin;
use dunlin_core::plugin::Chain;

use super::script::question;
use super::upstream::Upstream;
use crate::cache::answers::{Question, answers};

async fn check(asked: &str, script: &str) -> bool {
    let upstream = Upstream::default();
    upstream.says(script);
    let mut query = question(&format!("{asked} ad")).build();
    let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(upstream)];
    let mut reply = Chain::new(plugins).run(&mut query).await.unwrap();
    let (qtype, qclass) = (query.qtype_code(), query.qclass_code());
    answers(reply.wire().unwrap().0, &Question { qname: query.qname(), qtype, qclass })
}

#[tokio::test]
async fn a_chain_must_end_in_the_type_that_was_asked_for() {
    let table = [
        ("a.test A", "NOERROR; an A 1", true),
        ("A.test A", "NOERROR; an A 1 1 @a.TEST", true),
        ("a.test A", "NOERROR", false),
        ("a.test A", "NOERROR; ar A 1", false),
        ("a.test AAAA", "NOERROR; an A 1", false),
        ("a.test A", "NOERROR; an A 1 1 @b.test", false),
        ("a.test A", "NOERROR; an CNAME 1 b.test", false),
        ("a.test A", "NOERROR; an CNAME 1 b.test; an A 1 1 @b.test", true),
        (
            "a.test A",
            "NOERROR; an A 1 1 @c.test; an CNAME 1 c.test @b.test; an CNAME 1 b.test",
            true,
        ),
        ("a.test A", "NOERROR; an CNAME 1 b.test; an CNAME 1 c.test; an A 1 1 @b.test", false),
        ("a.test A", "NOERROR; an CNAME 1 b.test; an CNAME 1 B.test; an A 1 1 @b.test", true),
        ("a.test A", "NOERROR; an CNAME 1 a.test", false),
        ("a.test A", "NOERROR; an CNAME 1 b.test; an CNAME 1 a.test @b.test; an A 1", false),
        ("a.test CNAME", "NOERROR; an CNAME 1 b.test", true),
        ("a.test CNAME", "NOERROR; an CNAME 1 b.test; an CNAME 1 c.test", false),
        ("a.test ANY", "NOERROR; an NS 1", true),
        ("a.test ANY", "NOERROR; an NS 1 @b.test", false),
        ("a.test A ch", "NOERROR; an A 1", true),
    ];
    for (asked, script, expected) in table {
        assert_eq!(check(asked, script).await, expected, "{asked}: {script}");
    }
}

#[tokio::test]
async fn the_longest_chain_has_32_links() {
    for (links, expected) in [(32, true), (33, false), (200, false)] {
        let mut script = String::from("NOERROR; an CNAME 1 n1.test");
        for n in 1..links {
            script += &format!("; an CNAME 1 n{}.test @n{n}.test", n + 1);
        }
        script += &format!("; an A 1 1 @n{links}.test");
        assert_eq!(check("a.test A", &script).await, expected, "{links}");
    }
}
