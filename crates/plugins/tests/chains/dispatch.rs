//! What reaches a chain, and what `whoami` and `forward` say to it there. Rows C40, C54, WH5, WH6, WH8,
//! WH9 and WH12.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{TestQuery, query};
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::kit::{Server, show};

const CHAOS: u16 = 3;
const NOTIFY: u8 = 4;

fn a(name: &str) -> TestQuery {
    query(name, RecordType::A)
}

#[tokio::test]
async fn wh5_to_wh12_whoami_behind_gate_and_zones() {
    let upstream = Upstream::start();
    let forwarding = format!("example.org {{\nwhoami\n}}\nb.test {{\nforward . {upstream}\n}}");
    let bare = "example.org {\nwhoami\n}";
    let cached = "example.org {\ncache\nwhoami\n}";
    let table = [
        // D: NOTIFY is for plugins that declare it.
        ("WH5", bare, vec![(a("x.example.org.").opcode(NOTIFY), "NOTIMP")]),
        (
            "WH6",
            cached,
            vec![(a("x.example.org."), "NOERROR aa 5 5"), (a("x.example.org."), "NOERROR aa 5 5")],
        ),
        ("WH8", bare, vec![(a("x.example.org.").class(CHAOS), "REFUSED")]),
        ("WH8, forward", &forwarding, vec![(a("x.example.org.").class(CHAOS), "NOERROR aa 0 0")]),
        // D: a cookie is not echoed.
        ("WH9", bare, vec![(a("x.example.org.").option(10, &[1; 8]), "NOERROR aa 0 0 opt 1232")]),
        ("WH12", bare, vec![(a("x.example.net."), "REFUSED")]),
    ];
    for (row, corefile, steps) in table {
        let server = Server::new(corefile).await;
        for (asked, expected) in steps {
            assert_eq!(show(&server.ask(&asked).await), expected, "{row}");
        }
        server.stop().await;
    }
    assert_eq!(upstream.count_all(), 0);
}

#[tokio::test]
async fn c40_c54_zones_share_a_cache_and_classes_do_not() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().authority("test. 60 IN SOA ns. host. 1 2 3 4 60"));
    let server = Server::new(&format!("a.test b.test {{\ncache\nforward . {upstream}\n}}")).await;
    let steps = [
        (a("x.a.test."), "NOERROR ra 60", 1),
        (a("x.b.test."), "NOERROR ra 60", 2),
        (a("x.a.test."), "NOERROR aa ra 60", 2),
        (a("x.a.test.").class(CHAOS), "NOERROR ra 60", 3),
        (a("x.a.test."), "NOERROR aa ra 60", 3),
    ];
    for (asked, expected, exchanges) in steps {
        assert_eq!(show(&server.ask(&asked).await), expected, "{exchanges}");
        assert_eq!(upstream.count_all(), exchanges);
    }
    server.stop().await;
}
