//! Server blocks that share a zone: which one takes a query. Rows W01 to W06, W12, W14 and W20 of `view`,
//! core.md §25 rows 58 to 61.

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{TestQuery, query};
use dunlin_engine::Embedded;
use dunlin_plugins::registry;
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::kit::Server;

const ONE: ResponseCode = ResponseCode::NXDomain;
const TWO: ResponseCode = ResponseCode::YXDomain;
const THREE: ResponseCode = ResponseCode::NoError;
const REFUSED: ResponseCode = ResponseCode::Refused;

/// Three upstreams that can be told apart by their rcode.
struct Upstreams([Upstream; 3]);

impl Upstreams {
    fn start() -> Self {
        Self([ONE, TWO, THREE].map(|rcode| {
            let upstream = Upstream::start();
            upstream.always(Reply::new().rcode(rcode));
            upstream
        }))
    }

    /// A server whose Corefile names them `ONE`, `TWO` and `THREE`.
    async fn server(&self, corefile: &str) -> Server {
        let Self(upstreams) = self;
        let words = ["ONE", "TWO", "THREE"].into_iter().zip(upstreams);
        let corefile = words.fold(corefile.to_owned(), |text, (word, upstream)| {
            text.replace(&format!(" {word}"), &format!(" {}", upstream.address()))
        });
        Server::new(&corefile).await
    }
}

const LAB: &str = r"
. {
    view v4 {
        expr incidr(client_ip(), '127.0.0.0/24') && type() in ['A','TXT']
    }
    forward . ONE
}
. {
    view byname {
        expr name() matches '^abc\\..*\\.example\\.com\\.$'
        expr proto() == 'udp'
    }
    forward . TWO
}
. {
    forward . THREE
}
";

const PLAIN_FIRST: &str = "
. {
    forward . THREE
}
. {
    view all
    forward . ONE
}
";

const VIEWS_ONLY: &str = "
a.test {
    view none {
        expr false
    }
    forward . ONE
}
test {
    view do {
        expr do()
    }
    forward . TWO
}
";

const METADATA: &str = "
. {
    view first {
        expr metadata('view/name') == 'first'
    }
    forward . ONE
}
. {
    metadata
    view second {
        expr metadata('view/name') == 'second'
        expr type() != 'MX'
    }
    forward . TWO
}
. {
    forward . THREE
}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_block_in_the_file_that_admits_a_query_takes_it() {
    let of = |name: &str, qtype| query(name, qtype);
    let (a, mx, aaaa) = (RecordType::A, RecordType::MX, RecordType::AAAA);
    let table: [(&str, &str, TestQuery, ResponseCode); 14] = [
        ("W01", LAB, of("t.test.", a), ONE),
        ("W02", LAB, of("abc.x.example.com.", mx), TWO),
        ("W02", LAB, of("ABC.x.Example.com.", mx), TWO),
        ("W03", LAB, of("abc.x.example.com.", mx).tcp(), THREE),
        ("W04", LAB, of("other.test.", aaaa), THREE),
        ("W05", PLAIN_FIRST, of("a.", a), THREE),
        ("W06", VIEWS_ONLY, of("x.a.test.", a), REFUSED),
        ("W06", VIEWS_ONLY, of("x.test.", a), REFUSED),
        ("the shorter zone", VIEWS_ONLY, of("x.a.test.", a).dnssec_ok(), TWO),
        ("DS", VIEWS_ONLY, of("a.test.", RecordType::DS).dnssec_ok(), TWO),
        ("W14", VIEWS_ONLY, of("x.test.", a).dnssec_ok(), TWO),
        // Without `metadata` in the block there is none.
        ("row 60", METADATA, of("a.", a), TWO),
        ("row 61", METADATA, of("a.", mx), THREE),
        ("row 60", METADATA, of("a.", aaaa), TWO),
    ];
    let upstreams = Upstreams::start();
    for (row, corefile, query, expected) in table {
        let server = upstreams.server(corefile).await;
        let reply = server.ask(&query).await;
        assert_eq!(reply.metadata.response_code, expected, "{row}: {query:?}");
        server.stop().await;
    }
}

/// Row 14 of `geoip`: a look-up before dispatch, by the address that the client subnet claims.
#[cfg(feature = "geoip")]
#[tokio::test(flavor = "multi_thread")]
async fn a_view_may_ask_where_a_client_is() {
    use crate::fixture::{Value, database};
    let city = |name| {
        let names = Value::Map(vec![("en", Value::Text(name))]);
        Value::Map(vec![("city", Value::Map(vec![("names", names)]))])
    };
    let records = [("192.0.2.0/25", city("Cambridge")), ("192.0.2.128/25", city("Oxford"))];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db.mmdb");
    std::fs::write(&file, database("GeoLite2-City", 1, &records)).unwrap();
    let block = |city: &str, upstream: &str| {
        let file = file.display();
        format!(
            ". {{\nmetadata\ngeoip {file} {{\nedns-subnet\n}}\nview {city} {{\nexpr \
             metadata('geoip/city/name') == '{city}'\n}}\nforward . {upstream}\n}}\n"
        )
    };
    let corefile =
        block("Cambridge", "ONE") + &block("Oxford", "TWO") + ". {\nforward . THREE\n}\n";
    let upstreams = Upstreams::start();
    let server = upstreams.server(&corefile).await;
    let table = [
        (Some([192, 0, 2, 1]), ONE),
        (Some([192, 0, 2, 200]), TWO),
        (Some([198, 51, 100, 1]), THREE),
        (None, THREE),
    ];
    for (address, expected) in table {
        let query = query("a.", RecordType::A);
        let query = match address {
            Some([a, b, c, d]) => query.option(8, &[0, 1, 32, 0, a, b, c, d]),
            None => query,
        };
        let reply = server.ask(&query).await;
        assert_eq!(reply.metadata.response_code, expected, "{address:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn views_share_a_zone_and_nobody_else_does() {
    let table = [
        (". {\nwhoami\n}\n. {\nwhoami\n}", "cannot serve dns://.:53 - it is already defined"),
        (
            ". {\nview a\nwhoami\n}\n. {\nwhoami\n}\n. {\nwhoami\n}",
            "cannot serve dns://.:53 - it is already defined",
        ),
        (
            ". {\nwhoami\n}\n. {\nbind 127.0.0.1\nview a\nwhoami\n}",
            "cannot serve dns://.:53 on 127.0.0.1 - zone overlap listener capacity with dns://.:53",
        ),
        (
            ". {\nview a {\nexpr nosuch()\n}\n}",
            "plugin/view: /dev/stdin:3 - Error during parsing: unknown name nosuch (1:1)",
        ),
    ];
    for (corefile, expected) in table {
        let error = Embedded::new(registry(), corefile).await.err().unwrap();
        assert_eq!(error.to_string(), expected, "{corefile}");
    }
    for corefile in [
        ". {\nview a\nwhoami\n}\n. {\nview a\nwhoami\n}\n. {\nwhoami\n}",
        ". {\nwhoami\n}\n. {\nview a\nwhoami\n}",
    ] {
        Server::new(corefile).await.stop().await;
    }
}
