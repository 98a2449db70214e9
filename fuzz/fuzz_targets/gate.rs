//! Any octets as a message: a verdict, a reply that amplifies nothing, and a query to upstreams
//! that another gate would let pass.
//!
//! `cargo +nightly fuzz run gate`. The packets of `crates/core/testdata/packets.txt` are good seeds.
#![no_main]

use std::net::SocketAddr;

use dunlin_core::buffer::Buffer;
use dunlin_core::gate::{self, NOTIFY, Opcodes, Rejection, View};
use dunlin_core::query::Source;
use dunlin_core::wire::{Flags, HEADER_LEN, WireName};
use dunlin_core::{Query, Transport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut name = WireName::new();
        match accept(octets, transport, &mut name) {
            Ok(view) => check_query(octets, view, &name, transport),
            Err(rejection) => check_rejection(octets, rejection),
        }
    }
});

fn accept(octets: &[u8], transport: Transport, name: &mut WireName) -> Result<View, Rejection> {
    gate::accept(octets, client(), transport, Opcodes::default().with(NOTIFY), name)
}

fn client() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 40_000))
}

fn check_query(octets: &[u8], view: View, name: &WireName, transport: Transport) {
    assert_eq!(view.end + view.trailing, octets.len());
    let received = tokio::time::Instant::now();
    let source = Source { client: client(), local: client(), transport, received };
    let query = Query::new(Buffer::copy_of(octets), view, name, source);
    assert_eq!(query.qname(), query.qname_as_sent().to_ascii_lowercase());
    let _ = (query.message(), format!("{query:?}"));
    let mut reply = query.reply();
    let (bytes, _) = reply.wire().expect("an empty reply");
    assert_eq!(&bytes[HEADER_LEN..], query.question());
    let mut forwarded = Vec::new();
    query.append_for_upstream(&mut forwarded);
    assert!(forwarded.len() <= octets.len());
    assert!(accept(&forwarded, Transport::Tcp, &mut WireName::new()).is_ok());
}

fn check_rejection(octets: &[u8], rejection: Rejection) {
    let mut reply = Vec::new();
    rejection.write_reply(octets, &mut reply);
    assert!(reply.len() <= octets.len() + 11);
    assert_eq!(reply.is_empty(), matches!(rejection, Rejection::Drop(_)));
    if !reply.is_empty() {
        assert_eq!(reply[..2], octets[..2]);
        let unset = Flags::AA | Flags::TC | Flags::RA | Flags::Z | Flags::AD;
        assert!(Flags::of(&reply).has(Flags::QR) && !Flags::of(&reply).has(unset));
    }
}
