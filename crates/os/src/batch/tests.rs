//! Batches over real sockets of the loopback.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::outbox::{Verdict, verdict};
use super::{BATCH, Family, Inbox, LONGEST, Local, Outbox, Route};
use crate::sockets::{enable_packet_info, udp_listener};

fn server(address: &str) -> (UdpSocket, u16) {
    let socket = udp_listener(address.parse().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// A client that is connected, so that a reply from another address than the one asked is not seen.
fn client(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn outbox(socket: &UdpSocket) -> Outbox {
    Outbox::new(Family::of(socket).unwrap(), 2 * BATCH)
}

/// Sends every datagram that is there back, with `!` at its end.
fn echo(socket: &UdpSocket, inbox: &mut Inbox, outbox: &mut Outbox) -> Vec<Route> {
    inbox.receive(socket).unwrap();
    let mut routes = Vec::new();
    for datagram in inbox.drain() {
        let mut reply = outbox.buffer();
        reply.extend_from_slice(datagram.bytes);
        reply.push(b'!');
        outbox.push_owned(reply, &datagram.route);
        routes.push(datagram.route);
    }
    assert_eq!(outbox.flush(socket).unwrap(), routes.len());
    routes
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = [0; 8192];
    let length = socket.recv(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

#[test]
fn the_reply_comes_from_the_address_that_was_asked() {
    for (listen, ask, local) in [
        ("127.0.0.1:0", "127.0.0.1", None),
        ("[::1]:0", "::1", None),
        ("[::]:0", "127.0.0.1", Some("127.0.0.1")),
        ("[::]:0", "127.0.0.153", Some("127.0.0.153")),
        ("0.0.0.0:0", "127.3.2.1", Some("127.3.2.1")),
        ("[::]:0", "::1", Some("::1")),
    ] {
        let (socket, port) = server(listen);
        let (mut inbox, mut outbox) = (Inbox::new(), outbox(&socket));
        let client = client(SocketAddr::new(ask.parse().unwrap(), port));
        client.send(b"query").unwrap();
        let routes = echo(&socket, &mut inbox, &mut outbox);
        assert_eq!(receive(&client), b"query!", "{listen} {ask}");
        assert_eq!(routes[0].peer, client.local_addr().unwrap(), "{listen} {ask}");
        let seen = routes[0].local.map(|local| local.address);
        assert_eq!(seen, local.map(|ip| ip.parse::<IpAddr>().unwrap()), "{listen} {ask}");
        assert!(routes[0].local.is_none_or(|local| local.interface > 0));
    }
}

#[test]
fn an_ipv4_wildcard_tells_and_uses_the_address_asked_too() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    enable_packet_info(&socket).unwrap();
    let asked = SocketAddr::new("127.0.0.77".parse().unwrap(), socket.local_addr().unwrap().port());
    let client = client(asked);
    client.send(b"query").unwrap();
    let routes = echo(&socket, &mut Inbox::new(), &mut outbox(&socket));
    assert_eq!(receive(&client), b"query!");
    assert_eq!(routes[0].local.unwrap().address, asked.ip());
}

#[test]
fn nothing_there_is_would_block_and_nothing_is_handed_out_twice() {
    let (socket, port) = server("127.0.0.1:0");
    let client = client(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    let mut inbox = Inbox::default();
    assert_eq!(inbox.receive(&socket).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.send(b"once").unwrap();
    assert_eq!(inbox.receive(&socket).unwrap(), 1);
    assert_eq!((inbox.len(), inbox.drain().count(), inbox.drain().count()), (1, 1, 0));
    assert!(inbox.is_empty());
    client.send(b"lost").unwrap();
    inbox.receive(&socket).unwrap();
    assert_eq!(inbox.receive(&socket).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(inbox.drain().count(), 0);
}

#[test]
fn a_hundred_datagrams_come_in_batches_and_all_are_answered() {
    let (socket, port) = server("[::]:0");
    let client = client(SocketAddr::new("127.0.0.9".parse().unwrap(), port));
    let expected: HashSet<_> = (0..100).map(|number| format!("{number}!").into_bytes()).collect();
    for number in 0..100 {
        client.send(number.to_string().as_bytes()).unwrap();
    }
    let (mut inbox, mut outbox) = (Inbox::new(), outbox(&socket));
    let sizes: Vec<_> = (0..2).map(|_| echo(&socket, &mut inbox, &mut outbox).len()).collect();
    assert_eq!(sizes, [BATCH, 100 - BATCH]);
    let replies: HashSet<_> = (0..100).map(|_| receive(&client)).collect();
    assert_eq!(replies, expected);
    assert_eq!(outbox.tally().sent, 100);
}

#[test]
fn a_batch_that_is_not_full_ends_with_would_block_and_keeps_its_datagrams() {
    let (socket, port) = server("127.0.0.1:0");
    let client = client(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    let mut inbox = Inbox::new();
    for _ in 0..BATCH + 1 {
        client.send(b"query").unwrap();
    }
    assert_eq!(inbox.receive_draining(&socket).unwrap(), BATCH);
    assert_eq!(inbox.receive_draining(&socket).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(inbox.drain().count(), 1);
}

#[test]
fn long_datagrams_are_marked_as_truncated_and_empty_ones_are_datagrams() {
    let (socket, port) = server("127.0.0.1:0");
    let client = client(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    let mut inbox = Inbox::new();
    for length in [0, LONGEST, LONGEST + 1, 1] {
        client.send(&vec![7; length]).unwrap();
    }
    inbox.receive(&socket).unwrap();
    let seen: Vec<_> =
        inbox.drain().map(|datagram| (datagram.bytes.len(), datagram.truncated)).collect();
    assert_eq!(seen, [(0, false), (LONGEST, false), (LONGEST, true), (1, false)]);
}

#[test]
fn a_dead_peer_and_an_impossible_one_keep_nobody_from_being_served() {
    for listen in ["127.0.0.1:0", "[::]:0"] {
        let (socket, port) = server(listen);
        let good = client(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let foreign = Local { address: "198.51.100.1".parse().unwrap(), interface: 1 };
        let good_route = Route::from(good.local_addr().unwrap());
        let mut outbox = outbox(&socket);
        for round in 0..3 {
            outbox.push(b"to nobody", &dead.into());
            outbox.push(b"from nowhere", &Route { local: Some(foreign), ..good_route });
            outbox.push(&vec![0; 70_000], &good_route);
            outbox.push(b"to port 0", &Route::from(SocketAddr::new(dead.ip(), 0)));
            outbox.push(&[round], &good_route);
            assert_eq!(outbox.flush(&socket).unwrap(), 2, "{listen}");
            assert_eq!(receive(&good), [round], "{listen}");
        }
        let tally = outbox.tally();
        assert_eq!((tally.sent, tally.failed, tally.last_error), (6, 9, libc::EINVAL), "{listen}");
        good.send(b"query").unwrap();
        assert_eq!(Inbox::new().receive(&socket).unwrap(), 1);
    }
}

#[test]
fn a_connected_socket_survives_the_news_of_a_closed_port() {
    let (socket, _) = server("127.0.0.1:0");
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    socket.connect(dead).unwrap();
    let mut outbox = outbox(&socket);
    for _ in 0..3 {
        // The kernel reports the refusal of the one before; loopback delivers it at once.
        outbox.push(b"query", &dead.into());
        assert_eq!(outbox.flush(&socket).unwrap(), 1);
    }
    assert_eq!(Inbox::new().receive(&socket).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let (socket, port) = server("127.0.0.1:0");
    let mut outbox = Outbox::new(Family::V4, 2);
    let route = Route::from(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    for text in [b"1", b"2", b"3"] {
        outbox.push(text, &route);
    }
    assert_eq!((outbox.len(), outbox.tally().dropped), (2, 1));
    outbox.flush(&socket).unwrap();
    let mut inbox = Inbox::new();
    inbox.receive(&socket).unwrap();
    let seen: Vec<_> = inbox.drain().map(|datagram| datagram.bytes.to_vec()).collect();
    assert_eq!(seen, [b"2", b"3"]);
    outbox.push(b"4", &route);
    outbox.clear();
    assert_eq!((outbox.is_empty(), outbox.tally().dropped), (true, 2));
}

#[test]
fn a_full_queue_that_sends_the_newest_first_drops_the_oldest_too() {
    let (socket, port) = server("127.0.0.1:0");
    let mut outbox = Outbox::newest_first(Family::V4, 3);
    let route = Route::from(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    for (text, full) in [(b"1", false), (b"2", false), (b"3", true), (b"4", true)] {
        outbox.push(text, &route);
        assert_eq!(outbox.is_full(), full);
    }
    assert_eq!((outbox.len(), outbox.tally().dropped), (3, 1));
    outbox.flush(&socket).unwrap();
    let mut inbox = Inbox::new();
    inbox.receive(&socket).unwrap();
    let seen: Vec<_> = inbox.drain().map(|datagram| datagram.bytes.to_vec()).collect();
    assert_eq!(seen, [b"4", b"3", b"2"]);
}

#[test]
fn a_refusal_is_waited_for_tried_again_or_passed_over() {
    for (errno, retried, expected) in [
        (libc::EAGAIN, false, Verdict::Wait),
        (libc::EAGAIN, true, Verdict::Wait),
        (libc::EINTR, true, Verdict::Again),
        (libc::ECONNREFUSED, false, Verdict::Again),
        (libc::ECONNREFUSED, true, Verdict::Skip),
        (libc::EHOSTUNREACH, false, Verdict::Again),
        (libc::EHOSTUNREACH, true, Verdict::Skip),
        (libc::ENOBUFS, false, Verdict::Skip),
        (libc::EPERM, false, Verdict::Skip),
        (0, false, Verdict::Skip),
    ] {
        assert_eq!(verdict(errno, retried), expected, "{errno} {retried}");
    }
}

#[test]
fn buffers_are_used_again_unless_they_are_huge() {
    let (socket, port) = server("127.0.0.1:0");
    let route = Route::from(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    let mut outbox = outbox(&socket);
    let mut buffer = outbox.buffer();
    buffer.push(1);
    let place = buffer.as_ptr();
    outbox.push_owned(buffer, &route);
    outbox.flush(&socket).unwrap();
    let again = outbox.buffer();
    assert_eq!((again.as_ptr(), again.len()), (place, 0));
    outbox.recycle(Vec::with_capacity(1 << 20));
    assert!(outbox.buffer().capacity() < 1 << 20);
}

#[test]
fn each_datagram_tells_when_it_came() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for listen in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
        let (socket, port) = server(listen);
        let ip = if listen.starts_with('1') { "127.0.0.1" } else { "::1" };
        let client = client(SocketAddr::new(ip.parse().unwrap(), port));
        let before = now();
        client.send(b"x").unwrap();
        let mut inbox = Inbox::new();
        inbox.receive(&socket).unwrap();
        let arrivals: Vec<_> = inbox.drain().map(|datagram| datagram.arrival.unwrap()).collect();
        let [arrival] = arrivals[..] else { panic!("{arrivals:?}") };
        assert!(before <= arrival && arrival <= now(), "{listen}: {arrival:?}");
    }
}
