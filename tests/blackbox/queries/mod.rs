//! What clients get: which server block answers, what malformed messages lead to, EDNS, truncation,
//! TCP. Each row runs under both drivers.

mod dispatch;
mod edns;
mod packets;
mod tcp;
mod truncation;

use dunlin_testkit::process::Setup;

use crate::kit::with_corefile;

/// Who may own the DNS sockets.
pub(crate) const DRIVERS: [&str; 2] = ["native", "hickory"];

/// A server with this Corefile under this driver.
pub(crate) fn driven_by(driver: &str, corefile: &str) -> Setup {
    with_corefile(corefile).argument("-driver").argument(driver)
}

/// Rcode, flags and the counts of the four sections, as the header has them: `REFUSED qr,rd 1/0/0/0`.
/// An opcode other than QUERY stands in front.
pub(crate) fn outline(bytes: &[u8]) -> String {
    let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let flags = word(2);
    let rcode = match flags & 0xf {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "other",
    };
    let opcode = match flags >> 11 & 0xf {
        0 => String::new(),
        opcode => format!("opcode {opcode} "),
    };
    let letters = [
        ("qr", 0x8000),
        ("aa", 0x0400),
        ("tc", 0x0200),
        ("rd", 0x0100),
        ("ra", 0x0080),
        ("z", 0x0040),
        ("ad", 0x0020),
        ("cd", 0x0010),
    ];
    let set: Vec<_> =
        letters.iter().filter(|(_, bit)| flags & bit != 0).map(|(name, _)| *name).collect();
    let counts = [4, 6, 8, 10].map(|at| word(at).to_string()).join("/");
    format!("{opcode}{rcode} {} {counts}", set.join(","))
}
