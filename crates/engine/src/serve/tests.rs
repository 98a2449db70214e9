//! Messages in, replies out, over stub plugins: what the server says itself, and what it counts.

use dunlin_core::directive::View;
use dunlin_core::edns::EdnsOptions;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{Stub, TestQuery, query, stub};
use dunlin_core::wire::{self, Flags, Summary};
use dunlin_core::zones::{Zone, Zones};
use dunlin_core::{Error, Next, Plugin, Reply, async_trait};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::testing::{SERVER, place, table, table_of};

struct Server {
    shared: Arc<Shared>,
    metrics: Metrics,
    table: Table,
    ended: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(table: Table) -> Self {
        Self::within(table, None)
    }

    fn within(table: Table, memory: Option<u64>) -> Self {
        let (metrics, ended) = (Metrics::new(0), Arc::<Mutex<Vec<String>>>::default());
        let told = Arc::clone(&ended);
        let fatal = Control::new(move |text| told.lock().push(text));
        let shared = Arc::new(Shared::within(&metrics, fatal, memory));
        Self { shared, metrics, table, ended }
    }

    fn handle(&self, message: &[u8], transport: Transport) -> Answer {
        let source = Source {
            client: "192.0.2.1:40000".parse().unwrap(),
            local: "192.0.2.53:53".parse().unwrap(),
            transport,
            received: Instant::now(),
        };
        self.shared.handle(&self.table, message, source)
    }

    /// The reply, which has to be ready at once.
    fn now(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        match self.handle(message, transport) {
            Answer::Now(reply) => reply.map(|reply| reply.to_vec()),
            Answer::Later(_) => panic!("the reply is not ready"),
        }
    }

    fn ask(&self, query: &TestQuery) -> Seen {
        Seen::of(&self.now(&query.to_bytes(), query.build().transport()).expect("a reply"))
    }

    fn later(&self, query: &TestQuery) -> Later {
        match self.handle(&query.to_bytes(), query.build().transport()) {
            Answer::Later(later) => later,
            Answer::Now(_) => panic!("the reply is ready"),
        }
    }

    /// The value of a line of the metrics page; 0 if it is not there.
    fn metric(&self, name: &str) -> u64 {
        let page = self.metrics.page();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// What a test looks at in a reply.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    rcode: ResponseCode,
    has_question: bool,
    /// Code and text of the extended error.
    error: Option<(u16, String)>,
    has_opt: bool,
}

impl Seen {
    fn of(reply: &[u8]) -> Self {
        let summary = Summary::of(reply).unwrap();
        let flags = Flags::of(reply);
        assert!(flags.has(Flags::QR) && !flags.has(Flags::AA | Flags::RA | Flags::AD), "{flags:?}");
        assert_eq!(summary.records, [0; 3]);
        let data = summary.opt.clone().map(|opt| &reply[opt.start + 11..opt.end]);
        let error = EdnsOptions(data.unwrap_or_default()).find(|(code, _)| *code == 15);
        let error = error.map(|(_, data)| {
            (wire::read_u16(data, 0).unwrap(), String::from_utf8(data[2..].to_vec()).unwrap())
        });
        Self {
            rcode: ResponseCode::from(summary.opt_ttl.to_be_bytes()[0], flags.rcode()),
            has_question: wire::counts(reply)[0] == 1,
            error,
            has_opt: summary.opt.is_some(),
        }
    }

    fn plain(rcode: ResponseCode) -> Self {
        Self { rcode, has_question: true, error: None, has_opt: false }
    }

    fn with_error(rcode: ResponseCode, code: u16, text: &str) -> Self {
        Self { error: Some((code, text.to_owned())), has_opt: true, ..Self::plain(rcode) }
    }
}

/// 16 is BADSIG too, and hickory knows it by that name (RFC 8945 §5.2).
const BADVERS: ResponseCode = ResponseCode::BADSIG;

fn a(name: &str) -> TestQuery {
    query(name, RecordType::A)
}

fn noerror() -> Stub {
    stub(|query| Box::pin(async { Ok(query.reply()) }))
}

fn one_zone(zone: &str, plugin: impl Plugin) -> Table {
    table([place(zone, vec![Box::new(plugin)])])
}

#[test]
fn names_outside_all_zones_are_refused_and_counted_as_dropped() {
    let server = Server::new(one_zone("example.org", noerror()));
    assert_eq!(server.ask(&a("www.example.org")), Seen::plain(ResponseCode::NoError));
    assert_eq!(server.ask(&a("example.net")), Seen::plain(ResponseCode::Refused));
    let expected = Seen::with_error(ResponseCode::Refused, 20, "no server block");
    assert_eq!(server.ask(&a("example.net").dnssec_ok().tcp()), expected);
    // Over UDP no more than was asked with.
    let expected = Seen::with_error(ResponseCode::Refused, 20, "");
    assert_eq!(server.ask(&a("example.net").edns(4096)), expected);

    let server_zone = format!(r#"server="{SERVER}""#);
    let labels = |rest: &str| format!(r#"{{{rest},{server_zone},view="",zone="dropped"}}"#);
    let rows = [
        (
            format!(
                r#"coredns_dns_responses_total{{plugin="",rcode="REFUSED",{server_zone},view="",zone="dropped"}}"#
            ),
            3,
        ),
        (
            format!(
                r#"coredns_dns_requests_total{{family="1",proto="udp",{server_zone},type="A",view="",zone="dropped"}}"#
            ),
            2,
        ),
        (format!("coredns_dns_request_size_bytes_count{}", labels(r#"proto="tcp""#)), 1),
        (format!("coredns_dns_response_size_bytes_count{}", labels(r#"proto="udp""#)), 2),
        (
            format!(
                "coredns_dns_request_duration_seconds_count{{{server_zone},view=\"\",zone=\"dropped\"}}"
            ),
            3,
        ),
        (format!("coredns_dns_do_requests_total{{{server_zone},view=\"\",zone=\"dropped\"}}"), 1),
    ];
    for (name, value) in rows {
        assert_eq!(server.metric(&name), value, "{name}\n{}", server.metrics.page());
    }
}

#[test]
fn other_classes_need_a_plugin_that_serves_them() {
    let chaos = query("version.bind", RecordType::TXT).class(3);
    let mut table = table_of(noerror());
    table.any_class = true;
    let any = Server::new(table);
    let internet_only = Server::new(table_of(noerror()));
    for (class, served) in [(1, true), (3, false), (254, false), (255, false)] {
        let query = chaos.clone().class(class);
        let rcode = if served { ResponseCode::NoError } else { ResponseCode::Refused };
        assert_eq!(internet_only.ask(&query).rcode, rcode, "class {class}");
        assert_eq!(any.ask(&query).rcode, ResponseCode::NoError, "class {class}");
    }
}

#[test]
fn a_block_without_plugins_refuses() {
    let server = Server::new(table([place(".", Vec::new())]));
    assert_eq!(server.ask(&a("example.org")), Seen::plain(ResponseCode::Refused));
}

#[test]
fn a_chain_that_ends_is_a_failure() {
    #[derive(Debug)]
    struct HandsOn;
    #[async_trait]
    impl Plugin for HandsOn {
        fn name(&self) -> &'static str {
            "hands-on"
        }
        async fn serve(&self, query: &mut Query, next: Next<'_>) -> dunlin_core::Result<Reply> {
            next.run(query).await
        }
    }
    assert_eq!(Server::new(table_of(HandsOn)).ask(&a(".")), Seen::plain(ResponseCode::ServFail));
}

fn sometimes_panics() -> Stub {
    stub(|query| {
        Box::pin(async {
            assert!(query.qtype() != RecordType::MX, "no mail");
            if query.qtype() == RecordType::TXT {
                tokio::task::yield_now().await;
                std::panic::panic_any(7);
            }
            Ok(query.reply())
        })
    })
}

#[tokio::test]
async fn a_panic_costs_one_reply() {
    let server = Server::new(table_of(sometimes_panics()));
    assert_eq!(server.ask(&query("a", RecordType::MX)), Seen::plain(ResponseCode::ServFail));
    assert_eq!(server.ask(&a("a")), Seen::plain(ResponseCode::NoError));
    let later = server.later(&query("a", RecordType::TXT).edns(512)).in_time().await.unwrap();
    assert_eq!(Seen::of(&later).rcode, ResponseCode::ServFail);
    assert_eq!(server.ask(&a("a")), Seen::plain(ResponseCode::NoError));
    assert_eq!(server.metric("coredns_panics_total"), 2);
    let failed = format!(
        r#"coredns_dns_responses_total{{plugin="",rcode="SERVFAIL",server="{SERVER}",view="",zone="dropped"}}"#
    );
    assert_eq!(server.metric(&failed), 2);
    assert!(server.ended.lock().is_empty());
}

#[test]
fn with_debug_a_panic_is_told_to_whoever_ends_the_process() {
    let mut guarded = place(".", vec![Box::new(sometimes_panics())]);
    guarded.debug = true;
    let server = Server::new(table([guarded]));
    assert_eq!(server.ask(&query("a", RecordType::MX)).rcode, ResponseCode::ServFail);
    assert_eq!(*server.ended.lock(), ["no mail"]);
}

struct Describes;

#[async_trait]
impl Plugin for Describes {
    fn name(&self) -> &'static str {
        "describes"
    }

    async fn serve(&self, query: &mut Query, _: Next<'_>) -> dunlin_core::Result<Reply> {
        let told = query.metadata().and_then(|metadata| metadata.get("describes/name"));
        Ok(query.error(if told.is_some() {
            ResponseCode::YXDomain
        } else {
            ResponseCode::NXDomain
        }))
    }

    fn describe(&self, query: &Query) {
        assert!(query.qtype() != RecordType::MX, "no mail");
        query.metadata().unwrap().set("describes/name", "1");
    }
}

#[test]
fn metadata_is_filled_for_its_zones_and_a_panic_there_is_caught_too() {
    let mut described = place(".", vec![Box::new(Describes)]);
    described.metadata = Some(Zones::new(vec![Zone::new("example.org").unwrap()]));
    let server = Server::new(table([described]));
    assert_eq!(server.ask(&a("www.example.org")).rcode, ResponseCode::YXDomain);
    assert_eq!(server.ask(&a("example.net")).rcode, ResponseCode::NXDomain);
    let poison = query("www.example.org", RecordType::MX);
    assert_eq!(server.ask(&poison).rcode, ResponseCode::ServFail);
    assert_eq!(server.metric("coredns_panics_total"), 1);
}

#[test]
fn a_view_knows_the_metadata_of_its_block_and_survives_a_panic_there() {
    let told = |query: &Query| {
        query.metadata().and_then(|metadata| metadata.get("describes/name")).is_some()
    };
    let mut viewed = place(".", vec![Box::new(Describes)]);
    viewed.metadata = Some(Zones::new(vec![Zone::new("example.org").unwrap()]));
    viewed.view = Some(Arc::new(View::new("told", told)));
    let rest = place(".", vec![Box::new(Describes)]);
    let server = Server::new(table([viewed, rest]));
    assert_eq!(server.ask(&a("www.example.org")).rcode, ResponseCode::YXDomain);
    // Not the view's: the block behind it has no metadata, whatever the view has seen.
    for query in [a("example.net"), query("www.example.org", RecordType::MX)] {
        assert_eq!(server.ask(&query).rcode, ResponseCode::NXDomain, "{query:?}");
    }
    assert_eq!(server.metric("coredns_panics_total"), 1);
}

#[test]
fn an_error_becomes_its_rcode_and_its_extended_error() {
    let server = Server::new(table_of(stub(|query| {
        let error = Error::new("secret detail");
        let error = match query.qtype() {
            RecordType::A => error,
            RecordType::MX => error.with_rcode(ResponseCode::NotImp),
            _ => error.with_extended_error(ExtendedError::new(22, "no upstream")),
        };
        Box::pin(async { Err(error) })
    })));
    let table = [
        (a("a").edns(1232), Seen { has_opt: true, ..Seen::plain(ResponseCode::ServFail) }),
        (query("a", RecordType::MX), Seen::plain(ResponseCode::NotImp)),
        (query("a", RecordType::TXT), Seen::plain(ResponseCode::ServFail)),
        (
            query("a", RecordType::TXT).edns(1232).tcp(),
            Seen::with_error(ResponseCode::ServFail, 22, "no upstream"),
        ),
    ];
    for (query, expected) in table {
        assert_eq!(server.ask(&query), expected, "{query:?}");
    }
}

#[test]
fn a_reply_that_cannot_be_sent_is_a_failure() {
    let server = Server::new(table_of(stub(|query| {
        // A wire reply to another question whose records do not decode.
        let mut bytes = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1];
        bytes.extend_from_slice(&[0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 200]);
        let reply = Reply::from_wire(bytes.into()).unwrap();
        assert!(!query.qname().is_empty());
        Box::pin(async { Ok(reply) })
    })));
    assert_eq!(server.ask(&a("example.org")), Seen::plain(ResponseCode::ServFail));
}

#[test]
fn silence_is_counted() {
    let server = Server::new(table_of(stub(|_| Box::pin(async { Ok(Reply::silence()) }))));
    assert_eq!(server.now(&a("a").to_bytes(), Transport::Udp), None);
    assert_eq!(server.now(&a("a").to_bytes(), Transport::Tcp), None);
    assert_eq!(server.now(&a("a").to_bytes(), Transport::Tcp), None);
    for (transport, count) in [("udp", 1), ("tcp", 2)] {
        let name = format!(r#"dunlin_dropped_total{{reason="plugin",transport="{transport}"}}"#);
        assert_eq!(server.metric(&name), count, "{name}");
    }
}

/// Types other than A wait for ever, or until somebody says go.
fn waits(go: &Arc<Notify>) -> Stub {
    let go = Arc::clone(go);
    stub(move |query| {
        let go = Arc::clone(&go);
        Box::pin(async move {
            if query.qtype() != RecordType::A {
                go.notified().await;
            }
            Ok(query.reply())
        })
    })
}

#[tokio::test]
async fn too_many_waiting_queries_fail_while_ready_answers_pass() {
    let go = Arc::new(Notify::new());
    let server = Server::within(table_of(waits(&go)), Some(1)); // the least limit: 256
    let slow = query("a", RecordType::MX).edns(1232).tcp();
    let held: Vec<Later> = (0..256).map(|_| server.later(&slow)).collect();
    assert_eq!(server.metric("dunlin_pending_queries"), 256);
    let expected = Seen::with_error(ResponseCode::ServFail, 23, "too many queries in work");
    assert_eq!(server.ask(&slow), expected);
    assert_eq!(server.ask(&a("a")), Seen::plain(ResponseCode::NoError));
    assert_eq!(server.metric("dunlin_pending_queries_refused_total"), 1);
    go.notify_waiters();
    for later in held {
        assert_eq!(Seen::of(&later.in_time().await.unwrap()).rcode, ResponseCode::NoError);
    }
    assert_eq!(server.metric("dunlin_pending_queries"), 0);
    drop(server.later(&slow));
    assert_eq!(server.metric("dunlin_pending_queries"), 0, "a client that hung up");
}

#[tokio::test(start_paused = true)]
async fn no_query_is_worked_on_longer_than_six_seconds() {
    let server = Server::new(table_of(waits(&Arc::default())));
    let start = Instant::now();
    let later = server.later(&query("a", RecordType::MX).edns(1232).tcp());
    let busy = |server: &Server| server.table.is_busy();
    assert!(busy(&server));
    let reply = later.in_time().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    let expected = Seen::with_error(ResponseCode::ServFail, 23, "deadline exceeded");
    assert_eq!(Seen::of(&reply), expected);
    assert_eq!(server.metric("dunlin_pending_queries_given_up_total"), 1);
    assert!(!busy(&server));
}

/// What the gate decides reaches clients of both transports alike; plugins see none of it.
#[test]
fn verdicts_are_the_same_over_udp_and_tcp() {
    let plugin = noerror();
    let server = Server::new(one_zone("example.org", plugin.clone()));
    let good = a("example.org").to_bytes();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    let version = |version: u8| {
        let mut bytes = a("example.org").dnssec_ok().to_bytes();
        let at = bytes.len() - 5;
        bytes[at] = version;
        bytes
    };
    let header = |rcode| Some((rcode, 0));
    let question = |rcode| Some((rcode, 1));
    type Case = (&'static str, Vec<u8>, Option<(ResponseCode, u16)>);
    let table: [Case; 13] = [
        ("good", good.clone(), question(ResponseCode::NoError)),
        ("refused", a("example.net").to_bytes(), question(ResponseCode::Refused)),
        ("empty", Vec::new(), None),
        ("short", good[..11].to_vec(), None),
        ("response", edited(&|bytes| bytes[2] |= 0x80), None),
        ("status", edited(&|bytes| bytes[2] |= 2 << 3), header(ResponseCode::NotImp)),
        ("update", edited(&|bytes| bytes[2] |= 5 << 3), header(ResponseCode::NotImp)),
        ("no question", good[..12].to_vec(), header(ResponseCode::FormErr)),
        ("two questions", edited(&|bytes| bytes[5] = 2), header(ResponseCode::FormErr)),
        ("cut", good[..good.len() - 1].to_vec(), header(ResponseCode::FormErr)),
        ("version 0", version(0), question(ResponseCode::NoError)),
        ("version 1", version(1), question(BADVERS)),
        (
            "garbage",
            edited(&|bytes| bytes.extend_from_slice(b"more")),
            question(ResponseCode::NoError),
        ),
    ];
    for (case, bytes, expected) in table {
        let udp = server.now(&bytes, Transport::Udp);
        let tcp = server.now(&bytes, Transport::Tcp);
        assert_eq!(udp, tcp, "{case}");
        let seen = udp.map(|reply| {
            assert!(reply.len() <= bytes.len() + 11, "{case}");
            assert_eq!(reply[..2], bytes[..2], "{case}: the ID");
            (Seen::of(&reply).rcode, wire::counts(&reply)[0])
        });
        assert_eq!(seen, expected, "{case}");
    }
    assert_eq!(plugin.asked(), 6);
    assert_eq!(server.metric("dunlin_queries_with_garbage_total"), 2);
    for reason in ["short", "response"] {
        for transport in ["udp", "tcp"] {
            let name =
                format!(r#"dunlin_dropped_total{{reason="{reason}",transport="{transport}"}}"#);
            let count = if reason == "short" { 2 } else { 1 };
            assert_eq!(server.metric(&name), count, "{name}");
        }
    }
}

#[test]
fn badvers_comes_before_the_search_for_a_zone() {
    let server = Server::new(table([]));
    let mut bytes = a("nowhere").dnssec_ok().to_bytes();
    let at = bytes.len() - 5;
    bytes[at] = 1;
    let reply = server.now(&bytes, Transport::Udp).unwrap();
    let expected = Seen { has_opt: true, ..Seen::plain(BADVERS) };
    assert_eq!(Seen::of(&reply), expected);
    // Extended rcode 1, version 0, DO as sent.
    assert_eq!(reply[reply.len() - 6..], [1, 0, 0x80, 0, 0, 0]);
}

#[test]
fn opcodes_reach_plugins_that_asked_for_them() {
    let opcodes = Opcodes::default().with(4);
    let mut table = table_of(noerror());
    table.opcodes = opcodes;
    let server = Server::new(table);
    let notify = query("example.org", RecordType::SOA).opcode(4);
    assert_eq!(server.ask(&notify), Seen::plain(ResponseCode::NoError));
    assert_eq!(server.ask(&notify.opcode(5)).rcode, ResponseCode::NotImp);
}
