//! Sockets as the kernel gives them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::SockRef;

use super::{
    RECEIVE_BUFFER, disconnect, ephemeral_ports, is_lack_of_ipv6, on_wildcard_or, receive,
    set_nodelay, set_option, stop_receiving, tcp_listener, udp_client, udp_listener,
};
use crate::batch::Family;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn sockets_share_a_port_and_do_not_block() {
    for text in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let udp = udp_listener(address(text)).unwrap();
        udp_listener(udp.local_addr().unwrap()).unwrap();
        assert_eq!(udp.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{text}");
        let tcp = tcp_listener(address(text)).unwrap();
        tcp_listener(tcp.local_addr().unwrap()).unwrap();
        assert_eq!(tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{text}");
    }
}

#[test]
fn a_wildcard_of_either_family_is_one_dual_stack_socket() {
    for text in ["0.0.0.0:0", "[::]:0"] {
        let udp = udp_listener(address(text)).unwrap();
        assert_eq!(Family::of(&udp).unwrap(), Family::V6, "{text}");
        assert!(!SockRef::from(&udp).only_v6().unwrap(), "{text}");
        let tcp = tcp_listener(address(text)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        for client in ["127.0.0.1", "[::1]"] {
            TcpStream::connect(address(&format!("{client}:{port}"))).unwrap();
        }
    }
    assert_eq!(Family::of(&udp_listener(address("127.0.0.1:0")).unwrap()).unwrap(), Family::V4);
}

#[test]
fn lack_of_ipv6_is_told_from_other_errors() {
    for (errno, lack) in
        [(libc::EAFNOSUPPORT, true), (libc::EADDRNOTAVAIL, true), (libc::EADDRINUSE, false)]
    {
        assert_eq!(is_lack_of_ipv6(&std::io::Error::from_raw_os_error(errno)), lack);
    }
}

#[test]
fn without_ipv6_a_wildcard_is_an_ipv4_one() {
    let opened = |errno: i32, asked: &str| {
        on_wildcard_or(address(asked), |address| match address {
            SocketAddr::V6(_) => Err(std::io::Error::from_raw_os_error(errno)),
            SocketAddr::V4(_) => Ok(address),
        })
        .map_err(|error| error.raw_os_error())
    };
    assert_eq!(opened(libc::EAFNOSUPPORT, "[::]:53"), Ok(address("0.0.0.0:53")));
    assert_eq!(opened(libc::EACCES, "0.0.0.0:53"), Err(Some(libc::EACCES)));
    assert_eq!(opened(libc::EAFNOSUPPORT, "[::1]:53"), Err(Some(libc::EAFNOSUPPORT)));
}

#[test]
fn a_foreign_address_is_refused() {
    assert_eq!(
        udp_listener(address("198.51.100.1:0")).unwrap_err().kind(),
        ErrorKind::AddrNotAvailable
    );
}

#[test]
fn the_receive_buffer_is_as_large_as_permitted() {
    let plain = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    let usual = plain.recv_buffer_size().unwrap();
    let ours =
        SockRef::from(&udp_listener(address("127.0.0.1:0")).unwrap()).recv_buffer_size().unwrap();
    let forced = set_option(&plain, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 4 << 20).is_ok();
    assert!(ours >= if forced { RECEIVE_BUFFER } else { usual }, "{ours} {usual}");
}

#[test]
fn accepted_connections_have_nagle_off() {
    let listener = tcp_listener(address("127.0.0.1:0")).unwrap();
    listener.set_nonblocking(false).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(listener.accept().unwrap().0.nodelay().unwrap());
    assert!(!client.nodelay().unwrap());
    set_nodelay(&client).unwrap();
    assert!(client.nodelay().unwrap());
    assert!(set_nodelay(&udp_listener(address("127.0.0.1:0")).unwrap()).is_err());
}

#[test]
fn a_client_is_connected_and_has_its_port_to_itself() {
    for text in ["127.0.0.1:0", "[::1]:0"] {
        let server = udp_listener(address(text)).unwrap();
        let server = server.local_addr().unwrap();
        let client = udp_client(0, server).unwrap();
        assert_eq!(client.peer_addr().unwrap(), server);
        let port = client.local_addr().unwrap().port();
        assert_eq!(udp_client(port, server).unwrap_err().kind(), ErrorKind::AddrInUse, "{text}");
        drop(client);
        assert_eq!(udp_client(port, server).unwrap().local_addr().unwrap().port(), port);
    }
}

#[test]
fn a_client_ignores_path_mtu_news_and_never_fragments_ipv6() {
    let client = udp_client(0, address("127.0.0.1:53")).unwrap();
    assert_eq!(option(&client, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER), libc::IP_PMTUDISC_OMIT);
    let client = udp_client(0, address("[::1]:53")).unwrap();
    assert_eq!(option(&client, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG), 1);
    let server = udp_listener(address("[::]:0")).unwrap();
    assert_eq!(option(&server, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER), libc::IP_PMTUDISC_OMIT);
    assert_eq!(
        option(&server, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
        libc::IPV6_PMTUDISC_OMIT
    );
}

#[test]
fn what_comes_after_a_socket_stopped_goes_to_the_others_of_its_address() {
    for (listen, ask) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.7")]
    {
        let old = udp_listener(address(listen)).unwrap();
        let port = old.local_addr().unwrap().port();
        let new = udp_listener(old.local_addr().unwrap()).unwrap();
        let server = SocketAddr::new(ask.parse().unwrap(), port);
        let clients: Vec<_> = (0..64).map(|_| udp_client(0, server).unwrap()).collect();
        clients.iter().for_each(|client| _ = client.send(b"1").unwrap());
        stop_receiving(&old).unwrap();
        clients.iter().for_each(|client| _ = client.send(b"2").unwrap());
        let read = |socket: &UdpSocket| {
            let mut bytes = Vec::with_capacity(256);
            while receive(socket, &mut bytes).is_ok() {}
            bytes
        };
        let (at_old, at_new) = (read(&old), read(&new));
        assert_eq!(at_old.len() + at_new.len(), 128, "{listen}: nothing is lost");
        assert!(!at_old.contains(&b'2'), "{listen}");
        old.send_to(b"late", clients[0].local_addr().unwrap()).unwrap();
    }
}

#[test]
fn a_datagram_is_appended_as_far_as_it_fits() {
    let server = udp_listener(address("127.0.0.1:0")).unwrap();
    let client = udp_client(0, server.local_addr().unwrap()).unwrap();
    let mut bytes = Vec::with_capacity(8);
    bytes.push(b'>');
    assert_eq!(receive(&server, &mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    for (sent, count, received) in
        [(&b"abc"[..], 3, &b">abc"[..]), (b"", 0, b">abc"), (b"defghi", 4, b">abcdefg")]
    {
        client.send(sent).unwrap();
        assert_eq!(receive(&server, &mut bytes).unwrap(), count);
        assert_eq!(bytes, received);
    }
}

fn option(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int) -> libc::c_int {
    let mut value: libc::c_int = -1;
    let mut length = super::INT_LENGTH;
    // SAFETY: the kernel writes at most `length` bytes, four, to `value`; both are ours.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    assert_eq!(result, 0);
    value
}

#[test]
fn a_disconnected_socket_gets_another_port_and_hears_of_the_old_one_no_more() {
    let ports = ephemeral_ports().unwrap();
    for text in ["127.0.0.1:0", "[::1]:0"] {
        let server = UdpSocket::bind(address(text)).unwrap();
        let socket = udp_client(0, server.local_addr().unwrap()).unwrap();
        let mut seen = HashSet::new();
        for _ in 0..10 {
            let old = socket.local_addr().unwrap();
            assert!(ports.contains(&old.port()), "{old} {ports:?}");
            seen.insert(old.port());
            disconnect(&socket).unwrap();
            assert_eq!(socket.local_addr().unwrap().port(), 0, "{old}");
            server.send_to(b"late", old).unwrap();
            socket.connect(server.local_addr().unwrap()).unwrap();
            assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            socket.send(b"new").unwrap();
            let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
            assert_eq!(from.port(), socket.local_addr().unwrap().port());
        }
        assert!(seen.len() > 5, "{seen:?}");
        // A port that was asked for stays.
        let bound = (0..100).find_map(|at| udp_client(20_000 + at, server.local_addr().ok()?).ok());
        let bound = bound.unwrap();
        disconnect(&bound).unwrap();
        assert!(bound.local_addr().unwrap().port() >= 20_000);
    }
}
