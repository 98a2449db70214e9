//! TCP connections: several queries at once, half-close, idle ones. Core.md §18.3 and §25.

use std::time::Duration;

use dunlin_testkit::client::{QueryBuilder, Tcp, ask, query};
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Action, Reply, Upstream};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::{DRIVERS, driven_by};

fn forwarding(driver: &str, upstream: &Upstream) -> Server {
    driven_by(driver, ".:{{port}} {\n  forward . {{upstream}}\n}\n")
        .set("upstream", upstream.address())
        .start()
}

fn names(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.queries[0].name().to_string()).collect()
}

#[test]
fn a_slow_query_does_not_hold_up_those_behind_it() {
    let upstream = Upstream::start();
    upstream.on("fast.", Reply::new());
    upstream.on("slow.", Vec::<Action>::new());
    // hickory-server takes the queries of a connection one after the other.
    let server = forwarding("native", &upstream);
    let mut connection = Tcp::to(server.address());
    let mut send = |name| connection.send(&query(name, RecordType::A).encode()).unwrap();
    // The upstream says nothing to the first, until the second was answered.
    send("slow.");
    upstream.wait_for("slow.", 1);
    send("fast.");
    assert_eq!(names(&[connection.receive_message().unwrap()]), ["fast."]);
    upstream.on("slow.", Reply::new());
    assert_eq!(names(&[connection.receive_message().unwrap()]), ["slow."]);
}

#[test]
fn row_69_many_queries_at_once_are_all_answered() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    for driver in DRIVERS {
        let server = forwarding(driver, &upstream);
        let queries: Vec<QueryBuilder> =
            (0..300).map(|number| query(&format!("n{number}."), RecordType::A)).collect();
        let replies = Tcp::to(server.address()).pipeline(&queries).unwrap();
        let mut found = names(&replies);
        let mut expected: Vec<_> = (0..300).map(|number| format!("n{number}.")).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{driver}");
    }
}

#[test]
fn a_half_closed_connection_gets_its_reply() {
    let upstream = Upstream::start();
    upstream.always(vec![Action::Wait(Duration::from_millis(300)), Reply::new().into()]);
    for driver in DRIVERS {
        let server = forwarding(driver, &upstream);
        let mut connection = Tcp::to(server.address());
        connection.send(&query("a.example.", RecordType::A).encode()).unwrap();
        connection.finish().unwrap();
        let reply = connection.receive_message();
        if driver == "hickory" {
            // hickory-server ends a connection, and what it owes, when the client has no more to say.
            continue;
        }
        assert_eq!(names(&[reply.unwrap()]), ["a.example."]);
        assert!(connection.wait_closed().is_empty());
    }
}

#[test]
fn messages_may_come_in_pieces_or_joined() {
    for driver in DRIVERS {
        let server = driven_by(driver, ".:{{port}} {\n  whoami\n}\n").start();
        let one = Tcp::framed(&query("one.", RecordType::A).encode());
        let two = Tcp::framed(&query("two.", RecordType::A).encode());
        let mut connection = Tcp::to(server.address());
        for octet in &one {
            connection.send_unframed(&[*octet]).unwrap();
        }
        assert_eq!(names(&[connection.receive_message().unwrap()]), ["one."], "{driver}");
        connection.send_unframed(&[one, two].concat()).unwrap();
        let replies =
            [connection.receive_message().unwrap(), connection.receive_message().unwrap()];
        let mut found = names(&replies);
        found.sort();
        assert_eq!(found, ["one.", "two."], "{driver}");
    }
}

/// Without `timeouts`: rows TO1, nothing is sent, and TO2, one query and then nothing.
#[test]
fn rows_67_and_68_a_connection_that_says_nothing_is_closed() {
    let opened = DRIVERS.map(|driver| {
        let server = driven_by(driver, ".:{{port}} {\n  whoami\n}\n").start();
        let silent = Tcp::to(server.address());
        let mut half = Tcp::to(server.address());
        half.send_unframed(&[0, 40, 1]).unwrap();
        let mut used = Tcp::to(server.address());
        used.send(&query("a.", RecordType::A).encode()).unwrap();
        used.receive_message().unwrap();
        (server, [silent, half, used])
    });
    // All wait at the same time.
    for (server, mut connections) in opened {
        for connection in &mut connections {
            assert!(connection.wait_closed().is_empty());
        }
        let response = ask(server.address(), "a.", RecordType::A).tcp().send();
        assert_eq!(response.message.additionals.len(), 2);
    }
}
