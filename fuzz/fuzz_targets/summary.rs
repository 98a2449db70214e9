//! Any octets as a response: no panic, and a summary that stays true whatever is done to the reply.
//!
//! `cargo +nightly fuzz run summary`
#![no_main]

use dunlin_core::Reply;
use dunlin_core::buffer::Buffer;
use dunlin_core::classify::Kind;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::{Presentation, Records, Summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Some(mut records) = Records::new(octets) {
        assert!(records.by_ref().all(|record| record.rdata.end <= octets.len()));
    }
    let text = Presentation(octets).to_string();
    assert!(text.bytes().all(|octet| octet.is_ascii_graphic()));
    let Ok(reply) = Reply::from_wire(Buffer::copy_of(octets)) else { return };
    check(reply);
    let copy = || Reply::from_wire(Buffer::copy_of(octets)).expect("it was read before");
    check(copy().with_rcode(ResponseCode::Refused));
    let mut changed = copy();
    changed.set_all_ttls(60).expect("it has a wire form");
    check(changed);
    let mut bare = copy();
    let removed = bare.remove_opt();
    if removed.is_ok() {
        assert!(bare.wire().is_ok_and(|(_, summary)| summary.opt.is_none()));
    }
    check(bare);
    let mut stored = copy();
    if stored.remove_opt().is_ok() {
        stored.set_all_ttls(u32::MAX).expect("it has a wire form");
        check(stored);
    }
    let mut decoded = copy();
    if decoded.message_mut().is_ok() && decoded.wire().is_ok() {
        check(decoded);
    }
});

/// The summary is that of the bytes.
fn check(mut reply: Reply) {
    let (bytes, summary) = reply.wire().expect("it has a wire form");
    assert_eq!(summary, &Summary::of(bytes).expect("it is a message"));
    assert_eq!(summary.end, bytes.len());
    let _ = Kind::of(bytes, summary, 1, 1_800_000_000).label();
}
