//! The one gate that every message passes before anything is allocated, on every transport.
//!
//! | RFC | section | done |
//! |---|---|---|
//! | 1035 | 4 message format | yes |
//! | 5395 / 6895 | 2.2 opcodes | yes |
//! | 6891 | 6.1 OPT | yes |
//! | 9267 | name compression | yes |
//! | 9619 | QDCOUNT of one | yes |

mod additional;
#[cfg(test)]
pub(crate) mod packet;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};

use self::additional::check_records;
use crate::edns::{Edns, OUR_UDP_SIZE};
use crate::transport::Transport;
use crate::wire::{Flags, HEADER_LEN, WireName, counts, expand, read_u16, types};

/// What the gate learned of a message that passes: offsets into the bytes it was shown.
#[derive(Debug, Clone)]
pub struct View {
    /// The message ID.
    pub id: u16,
    /// The flags as sent.
    pub flags: Flags,
    /// The length of QNAME on the wire, in octets, root label included.
    pub qname_len: u8,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The OPT record, if there is one.
    pub edns: Option<Edns>,
    /// Where the message ends; what follows is garbage to be stripped.
    pub end: usize,
    /// How many octets of garbage follow.
    pub trailing: usize,
}

/// Which opcodes some plugin of the listener has asked for, beside QUERY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opcodes(u16);

impl Opcodes {
    /// Adds an opcode.
    #[must_use]
    pub fn with(self, opcode: u8) -> Self {
        Self(self.0 | 1 << (opcode & 0x0f))
    }

    /// The union of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, opcode: u8) -> bool {
        opcode == QUERY || self.0 & 1 << opcode != 0
    }
}

/// Why a message gets no reply at all. The label of `dunlin_dropped_total{reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Shorter than a header.
    Short,
    /// A response: answering one could make two servers talk for ever.
    Response,
    /// From a port or an address that no client has.
    Source,
    /// A datagram larger than the receive buffer.
    Oversize,
    /// From one of our own listening sockets.
    Own,
    /// It waited for so long that its client has given up.
    Expired,
    /// A plugin decided to say nothing.
    Plugin,
}

impl DropReason {
    /// All reasons, for metrics that exist from the start.
    pub const ALL: [Self; 7] = [
        Self::Short,
        Self::Response,
        Self::Source,
        Self::Oversize,
        Self::Own,
        Self::Expired,
        Self::Plugin,
    ];

    /// The label value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Source => "source",
            Self::Oversize => "oversize",
            Self::Own => "self",
            Self::Expired => "expired",
            Self::Plugin => "plugin",
        }
    }
}

/// Why a message is not a query that plugins get to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Nothing is sent.
    Drop(DropReason),
    /// The header alone goes back with this rcode.
    Header(u8),
    /// The header and the question go back with this rcode; the number is the question's end.
    Question(u8, usize),
    /// BADVERS (RFC 6891 §6.1.3), with the question that ends here and the DO flag as sent.
    BadVersion(usize, bool),
}

impl Rejection {
    /// Writes the reply to `message` into `out`, which is emptied first. Nothing is written for
    /// a dropped message.
    pub fn write_reply(self, message: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let (rcode, question_end) = match self {
            Self::Drop(_) => return,
            Self::Header(rcode) => (rcode, HEADER_LEN),
            Self::Question(rcode, end) => (rcode, end),
            Self::BadVersion(end, _) => (0, end),
        };
        out.extend_from_slice(message.get(..question_end).unwrap_or_default());
        let kept = Flags::OPCODE | Flags::RD | Flags::CD;
        let flags = Flags(Flags::of(message).0 & kept | Flags::QR).with_rcode(rcode);
        flags.store(out);
        let with_question = u16::from(question_end > HEADER_LEN);
        let with_opt = u16::from(matches!(self, Self::BadVersion(..)));
        for (at, count) in [(4, with_question), (6, 0), (8, 0), (10, with_opt)] {
            crate::wire::write_u16(out, at, count);
        }
        if let Self::BadVersion(_, dnssec_ok) = self {
            // BADVERS is 16: the extended rcode is 1, the header's is 0.
            out.extend_from_slice(&[0, 0, types::OPT.to_be_bytes()[1]]);
            out.extend_from_slice(&OUR_UDP_SIZE.to_be_bytes());
            out.extend_from_slice(&[1, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
    }
}

/// Opcode QUERY.
pub const QUERY: u8 = 0;
/// Opcode NOTIFY (RFC 1996).
pub const NOTIFY: u8 = 4;

const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;

/// Decides about one message. Nothing is allocated; `name` receives QNAME in lower case.
///
/// # Errors
/// The [`Rejection`] says what to send instead, if anything.
pub fn accept(
    message: &[u8],
    peer: SocketAddr,
    transport: Transport,
    opcodes: Opcodes,
    name: &mut WireName,
) -> Result<View, Rejection> {
    let header = Flags::of(message);
    if message.len() < HEADER_LEN {
        return Err(Rejection::Drop(DropReason::Short));
    }
    if header.has(Flags::QR) {
        return Err(Rejection::Drop(DropReason::Response));
    }
    if !transport.is_stream() && !is_client(peer) {
        return Err(Rejection::Drop(DropReason::Source));
    }
    if !opcodes.has(header.opcode()) {
        return Err(Rejection::Header(NOTIMP));
    }
    let formerr = Rejection::Header(FORMERR);
    check_counts(message, header.opcode()).ok_or(formerr)?;
    let name_end = expand(message, HEADER_LEN, name).ok_or(formerr)?;
    // Nothing lies before the first name that a pointer could lead to.
    if name_end - HEADER_LEN != name.as_bytes().len() {
        return Err(formerr);
    }
    let qtype = read_u16(message, name_end).ok_or(formerr)?;
    let qclass = read_u16(message, name_end + 2).ok_or(formerr)?;
    let question_end = name_end + 4;
    check_qtype(qtype, transport, question_end)?;
    let mut view = View {
        id: crate::wire::id(message),
        flags: header,
        qname_len: u8::try_from(name.as_bytes().len()).map_err(|_| formerr)?,
        qtype,
        qclass,
        edns: None,
        end: question_end,
        trailing: 0,
    };
    check_records(message, transport, question_end, &mut view)?;
    Ok(view)
}

/// Counts first, before anything is read that they promise.
fn check_counts(message: &[u8], opcode: u8) -> Option<()> {
    let [questions, answers, authorities, additionals] = counts(message);
    let records = usize::from(answers) + usize::from(authorities) + usize::from(additionals);
    let fits = usize::from(questions) * 5 + records * 11 <= message.len() - HEADER_LEN;
    let answers_allowed = u16::from(opcode == NOTIFY);
    let plausible =
        questions == 1 && answers <= answers_allowed && authorities <= 1 && additionals <= 2;
    (fits && plausible).then_some(())
}

/// Types that no question can have (RFC 6895 §3.1) and transfers where they cannot work.
fn check_qtype(qtype: u16, transport: Transport, question_end: usize) -> Result<(), Rejection> {
    let meta =
        matches!(qtype, 0 | types::OPT | types::TSIG | types::NXNAME | types::MAILB | types::MAILA);
    if meta || (qtype == types::AXFR && !transport.is_stream()) {
        return Err(Rejection::Question(FORMERR, question_end));
    }
    if qtype == types::TKEY {
        return Err(Rejection::Question(NOTIMP, question_end));
    }
    Ok(())
}

/// Whether a datagram from there can come from a client: forged ones make servers attack others.
fn is_client(peer: SocketAddr) -> bool {
    let service = matches!(peer.port(), 0 | 7 | 13 | 19 | 37);
    // A socket for both families shows IPv4 as mapped IPv6.
    let address = peer.ip().to_canonical();
    let broadcast = address == Ipv4Addr::BROADCAST;
    !service && !broadcast && !address.is_multicast() && !address.is_unspecified()
}
