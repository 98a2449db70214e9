//! Lines of the kernel, and sockets of this process and of another one.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use super::*;

const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// A line with this local address, state and inode; addresses are as a little-endian machine shows them.
fn line(local: &str, state: &str, inode: u64) -> String {
    format!(
        "{HEAD}   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        \
         0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
}

#[test]
#[cfg(target_endian = "little")]
fn listening_sockets_are_read_with_their_addresses() {
    let v6 = "000080FE00000000FF005450B6AD1DFE:0035";
    let table = [
        (line("0100007F:0035", "0A", 7), Network::Tcp, Some("127.0.0.1:53")),
        (line("0100007F:0035", "01", 7), Network::Tcp, None),
        (line("0A14FEA9:2489", "07", 7), Network::Udp, Some("169.254.20.10:9353")),
        (line("0A14FEA9:2489", "01", 7), Network::Udp, None),
        (line(v6, "07", 7), Network::Udp, Some("[fe80::5054:ff:fe1d:adb6]:53")),
        (line("0100007F", "07", 7), Network::Udp, None),
        (line("0100007:0035", "07", 7), Network::Udp, None),
        (HEAD.to_owned(), Network::Udp, None),
        (String::new(), Network::Tcp, None),
    ];
    for (text, network, expected) in table {
        let expected = expected.map(|shown| Held { address: shown.parse().unwrap(), inode: 7 });
        assert_eq!(parse(&text, network), Vec::from_iter(expected), "{network:?} {text}");
    }
}

#[test]
fn an_address_collides_with_itself_and_with_all_addresses() {
    let of = |held: &str, wanted: &str| collides(held.parse().unwrap(), wanted.parse().unwrap());
    assert!(of("127.0.0.1:53", "127.0.0.1:53") && of("[::]:53", "127.0.0.1:53"));
    assert!(of("10.0.0.1:53", "0.0.0.0:53"));
    assert!(!of("127.0.0.1:53", "127.0.0.2:53") && !of("127.0.0.1:53", "127.0.0.1:54"));
}

#[test]
fn the_process_that_holds_a_port_is_found() {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let holders = [(Network::Tcp, tcp.local_addr()), (Network::Udp, udp.local_addr())];
    for (network, address) in holders {
        let found = holder(network, address.unwrap()).unwrap();
        assert_eq!(found.id, std::process::id(), "{network:?}");
        assert!(!found.name.is_empty());
    }
    let nobody: SocketAddr = "127.1.2.3:1".parse().unwrap();
    assert_eq!(holder(Network::Tcp, nobody), None);
}

#[test]
fn only_sockets_of_other_processes_share_an_address() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addresses = [socket.local_addr().unwrap()];
    assert!(!is_shared(&addresses).unwrap());
    // A child that has the socket, when we have it no longer.
    let mut child =
        Command::new("cat").stdin(Stdio::from(std::os::fd::OwnedFd::from(socket))).spawn().unwrap();
    let is_shared_with_child = is_shared(&addresses);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_shared_with_child.unwrap());
    assert!(!is_shared(&addresses).unwrap());
}
