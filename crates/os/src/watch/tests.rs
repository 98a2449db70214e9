//! What a watch tells of, and when.

use std::net::{Ipv4Addr, UdpSocket};

use super::{News, Watch};
use crate::sockets::udp_client;

fn numbers(watch: &Watch) -> Vec<u64> {
    let mut news = News::new();
    let mut numbers: Vec<u64> = watch.look(&mut news).unwrap().collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn datagrams_are_told_once_each_and_closed_sockets_are_forgotten() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let clients = [7, u64::MAX].map(|number| {
        let client = udp_client(0, server.local_addr().unwrap()).unwrap();
        (number, client)
    });
    let watch = Watch::new().unwrap();
    for (number, client) in &clients {
        watch.add(client, *number).unwrap();
    }
    let send = |client: &UdpSocket| {
        let to = (Ipv4Addr::LOCALHOST, client.local_addr().unwrap().port());
        server.send_to(b"x", to).unwrap();
    };
    assert!(numbers(&watch).is_empty());
    let [(_, first), (_, second)] = &clients;
    send(first);
    assert_eq!(numbers(&watch), [7]);
    assert!(numbers(&watch).is_empty(), "told, though not read");
    send(first);
    send(second);
    assert_eq!(numbers(&watch), [7, u64::MAX]);
    assert_eq!(first.recv(&mut [0]).unwrap(), 1);
    send(first);
    drop(clients);
    assert!(numbers(&watch).is_empty());
}

#[test]
fn what_came_before_the_watch_is_news_and_a_socket_is_watched_once() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = udp_client(0, server.local_addr().unwrap()).unwrap();
    client.send(b"x").unwrap();
    let watch = Watch::new().unwrap();
    watch.add(&server, 1).unwrap();
    assert_eq!(numbers(&watch), [1]);
    assert!(watch.add(&server, 2).is_err());
}

#[test]
fn a_watch_is_news_to_another_watch_each_time() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = udp_client(0, server.local_addr().unwrap()).unwrap();
    let (inner, outer) = (Watch::new().unwrap(), Watch::new().unwrap());
    inner.add(&server, 1).unwrap();
    outer.add(&inner, 2).unwrap();
    for _ in 0..3 {
        client.send(b"x").unwrap();
        assert_eq!(numbers(&outer), [2]);
        assert_eq!(numbers(&inner), [1]);
        assert!(numbers(&outer).is_empty());
    }
}
