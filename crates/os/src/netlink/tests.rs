//! Messages octet by octet, and what the kernel of this machine says to those that change nothing.

use std::time::Duration;

use super::{
    Attributes, Family, Group, Hook, Match, Message, Netlink, Route, Untracked, message, nftables,
    route,
};

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn a_dummy_link_is_asked_for_in_the_kernels_form() {
    let expected = concat!(
        "3c000000",
        "1000",
        "0506",
        "07000000",
        "00000000", // header: NEWLINK, REQUEST ACK EXCL CREATE
        "00000000",
        "00000000",
        "00000000",
        "00000000", // ifinfomsg
        "0a00",
        "0300",
        "6e6f646500",
        "000000", // IFLA_IFNAME "node"
        "1000",
        "1280",
        "0a00",
        "0100",
        "64756d6d7900",
        "0000", // LINKINFO { KIND "dummy" }
    );
    let found = hex(route::new_dummy("node").encode(7));
    let expected = expected.replace("0a0003006e6f646500000000", "090003006e6f646500000000");
    assert_eq!(found, expected);
}

#[test]
#[cfg(target_endian = "little")]
fn an_ipv6_address_is_added_without_asking_the_neighbors() {
    let add = |text: &str| {
        let address = text.parse().unwrap();
        hex(route::about_address(libc::RTM_NEWADDR, 0, 5, address).encode(0))
    };
    let v4 = add("169.254.20.10");
    assert!(v4.ends_with("022000000500000008000200a9fe140a08000100a9fe140a"), "{v4}");
    let v6 = add("fd00::a");
    assert!(v6.contains("0a80020005000000"), "{v6}");
    assert!(v6.ends_with("14000100fd00000000000000000000000000000a"), "{v6}");
}

#[test]
fn attributes_are_found_in_what_was_encoded() {
    let mut message = Message::request(1, 0)
        .attribute(1, &[7])
        .nested(2, |inner| inner.text(3, "text").number(4, 258))
        .attribute(5, &[]);
    let octets = message.encode(9).to_vec();
    let (header, body, rest) = message::split(&octets).unwrap();
    assert_eq!((header.kind, header.sequence, rest.len()), (1, 9, 0));
    let attributes = Attributes(body);
    assert_eq!(attributes.map(|(kind, _)| kind).collect::<Vec<_>>(), [1, 2, 5]);
    let inner = Attributes(attributes.value(2).unwrap());
    assert_eq!(inner.text(3).unwrap(), "text");
    assert_eq!(inner.value(4).unwrap(), [0, 0, 1, 2]);
    assert_eq!(attributes.value(6), None);
}

#[test]
fn broken_octets_are_nothing() {
    for octets in [&[][..], &[3, 0, 1, 0], &[200, 0, 1, 0, 1], &[0; 3]] {
        assert_eq!(Attributes(octets).next(), None, "{octets:?}");
    }
    assert!(message::split(&[255; 20]).is_none());
    assert!(message::split(&[0; 20]).is_none());
}

#[test]
fn loopback_is_found_with_its_address() {
    let mut route = Route::open().unwrap();
    let link = route.link("lo").unwrap().unwrap();
    assert!(link.index > 0 && link.kind.is_empty());
    if link.is_up {
        let addresses = route.addresses(link.index).unwrap();
        assert!(addresses.contains(&"127.0.0.1".parse().unwrap()), "{addresses:?}");
    }
    assert_eq!(route.link("no-such-link").unwrap(), None);
}

#[test]
fn whoever_listens_to_changes_has_a_name_that_they_are_sent_to() {
    let groups = [Group::Link, Group::Ipv4Address, Group::Ipv6Address];
    let listening = Netlink::listen(Family::Route, &groups).unwrap();
    let named = listening.socket.local_addr().unwrap();
    // SAFETY: the kernel wrote a `struct sockaddr_nl`, whose third field of four octets is the name.
    let name = unsafe { named.as_ptr().cast::<u32>().add(1).read() };
    assert_ne!(name, 0);
}

#[test]
fn a_table_is_replaced_by_messages_in_an_order_that_the_kernel_takes() {
    let mut wanted = Untracked {
        table: "t".into(),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        matches: vec![Match { hook: Hook::Output, protocol: 17, is_source: true, port: 53 }],
        lifetime: Some(Duration::from_secs(1)),
    };
    let kinds = |wanted: &Untracked| {
        let mut messages = nftables::replacement(wanted);
        let kind = |message: &mut Message| {
            let octets = message.encode(0).to_vec();
            message::split(&octets).unwrap().0.kind & 0xff
        };
        messages.iter_mut().map(kind).collect::<Vec<_>>()
    };
    // New, delete and new table; two chains; and for each family set, elements, rules.
    assert_eq!(kinds(&wanted), [0, 2, 0, 3, 3, 9, 12, 6]);
    wanted.addresses.push("fd00::1".parse().unwrap());
    assert_eq!(kinds(&wanted), [0, 2, 0, 3, 3, 9, 12, 6, 9, 12, 6]);
}
