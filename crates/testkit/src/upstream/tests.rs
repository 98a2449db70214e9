//! Misbehavior on demand.

use std::io::ErrorKind;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{Action, Asked, InTurn, Reply, Transport, Upstream};
use crate::client::{self, ask};

const A: &str = "example.org. 300 IN A 192.0.2.1";

#[test]
fn answers_over_udp_and_tcp_and_remembers_what_it_was_asked() {
    let upstream = Upstream::start();
    upstream.on("Example.org", Reply::new().answer(A).authoritative());
    let over_udp = ask(upstream.address(), "eXample.org", RecordType::A).dnssec_ok().send();
    let over_tcp = ask(upstream.address(), "example.org.", RecordType::A).tcp().send();
    for response in [&over_udp, &over_tcp] {
        assert_eq!(response.answers(), ["192.0.2.1"]);
        assert!(response.message.metadata.authoritative);
    }
    assert!(over_udp.message.edns.is_some() && over_tcp.message.edns.is_none());
    let other =
        ask(upstream.address(), "example.net", RecordType::A).from([127, 0, 0, 9].into()).send();
    assert_eq!(other.rcode(), ResponseCode::Refused);
    let asked = upstream.asked();
    assert_eq!(asked[2].client.ip().to_string(), "127.0.0.9");
    let seen: Vec<_> =
        asked.iter().map(|asked| (asked.spelling(), asked.transport, asked.connection)).collect();
    assert_eq!(
        seen,
        [
            ("eXample.org.".into(), Transport::Udp, 0),
            ("example.org.".into(), Transport::Tcp, 1),
            ("example.net.".into(), Transport::Udp, 0)
        ]
    );
    assert_eq!((upstream.count("example.org"), upstream.connections()), (2, 1));
    upstream.forget();
    assert_eq!(upstream.count_all(), 0);
}

#[test]
fn does_several_things_in_order() {
    let upstream = Upstream::start();
    upstream.always(vec![
        Action::Raw(b"junk".to_vec()),
        Reply::new().wrong_id().into(),
        Reply::new().wrong_question("other.").into(),
        Action::Wait(Duration::from_millis(1)),
        Reply::new().truncated().without_question().into(),
    ]);
    let query = client::query("example.org", RecordType::A).encode();
    let socket = client::Udp::to(upstream.address());
    socket.send(&query).unwrap();
    assert_eq!(socket.receive().unwrap(), b"junk");
    let wrong_id = socket.receive_message().unwrap();
    assert_ne!(wrong_id.metadata.id.to_be_bytes(), query[..2]);
    assert_eq!(socket.receive_message().unwrap().queries[0].name().to_string(), "other.");
    let last = socket.receive_message().unwrap();
    assert_eq!((last.metadata.id.to_be_bytes().as_slice(), last.queries.len()), (&query[..2], 0));
    assert!(last.metadata.truncation);
}

#[test]
fn behaves_in_turn_or_as_a_closure_says() {
    let upstream = Upstream::start();
    upstream.on("turn.", InTurn::new([vec![Reply::servfail().into()], vec![Reply::new().into()]]));
    let rcodes: Vec<_> =
        (0..3).map(|_| ask(upstream.address(), "turn.", RecordType::A).send().rcode()).collect();
    assert_eq!(rcodes, [ResponseCode::ServFail, ResponseCode::NoError, ResponseCode::NoError]);
    upstream.always(|asked: &Asked| match asked.transport {
        Transport::Udp => vec![Reply::new().truncated().into()],
        _ => vec![Reply::new().answer(A).into()],
    });
    assert!(ask(upstream.address(), "any.", RecordType::A).send().message.metadata.truncation);
    assert_eq!(
        ask(upstream.address(), "any.", RecordType::A).tcp().send().answers(),
        ["192.0.2.1"]
    );
}

#[test]
fn replies_overtake_each_other_over_one_connection() {
    let upstream = Upstream::start();
    upstream.on("slow.", vec![Action::Wait(Duration::from_millis(50)), Reply::new().into()]);
    upstream.on("fast.", Reply::new());
    let mut connection = client::Tcp::to(upstream.address());
    let queries = ["slow.", "fast."].map(|name| client::query(name, RecordType::A));
    let responses = connection.pipeline(&queries).unwrap();
    let order: Vec<_> =
        responses.iter().map(|response| response.queries[0].name().to_string()).collect();
    assert_eq!(order, ["fast.", "slow."]);
    connection.finish().unwrap();
    assert_eq!(connection.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn closes_and_resets_connections() {
    let upstream = Upstream::start();
    upstream.on("close.", vec![Reply::new().into(), Action::Close]);
    upstream.on("reset.", Action::Reset);
    upstream.on("half.", vec![Action::Unframed(vec![0, 9, 1]), Action::Close]);
    for (name, replies, end) in [
        ("close.", 1, ErrorKind::UnexpectedEof),
        ("reset.", 0, ErrorKind::ConnectionReset),
        ("half.", 0, ErrorKind::UnexpectedEof),
    ] {
        let mut connection = client::Tcp::to(upstream.address());
        connection.send(&client::query(name, RecordType::A).encode()).unwrap();
        for _ in 0..replies {
            connection.receive().unwrap();
        }
        assert_eq!(connection.receive().unwrap_err().kind(), end, "{name}");
    }
    assert_eq!(upstream.connections(), 3);
}

#[test]
fn stops_and_starts_again_on_its_port() {
    let mut upstream = Upstream::start();
    upstream.always(Reply::new());
    let address = upstream.address();
    let mut connection = client::Tcp::to(address);
    connection.send(&client::query("a.", RecordType::A).encode()).unwrap();
    connection.receive().unwrap();
    upstream.stop();
    assert!(connection.receive().is_err());
    assert_eq!(
        ask(address, "a.", RecordType::A).try_send().unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(
        ask(address, "a.", RecordType::A).tcp().try_send().unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    upstream.restart();
    assert_eq!(ask(address, "a.", RecordType::A).send().rcode(), ResponseCode::NoError);
    assert_eq!(ask(address, "a.", RecordType::A).tcp().send().rcode(), ResponseCode::NoError);
    upstream.wait_for("a.", 3);
}

#[test]
fn serves_tls_with_a_certificate_of_its_own_authority() {
    let upstream = Upstream::start_tls(&["dns.example", "127.0.0.1"]);
    upstream.always(Reply::new().answer(A));
    assert!(upstream.authority_path().exists());
    for name in ["dns.example", "127.0.0.1"] {
        let mut connection =
            client::Tcp::tls_to(upstream.address(), upstream.authority().client_config(), name);
        connection.send(&client::query("example.org", RecordType::A).encode()).unwrap();
        assert_eq!(connection.receive_message().unwrap().answers.len(), 1, "{name}");
    }
    assert_eq!(upstream.asked()[0].transport, Transport::Tls);
    let mut other = client::Tcp::tls_to(
        upstream.address(),
        upstream.authority().client_config(),
        "other.example",
    );
    assert!(other.send(b"x").and_then(|()| other.receive()).is_err());
    assert_eq!(upstream.count_all(), 2);
}
