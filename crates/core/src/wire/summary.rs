//! One walk over a response that tells all that plugins ask of it again and again.

use std::ops::Range;

use super::marks::Marks;
use super::name::expand_where;
use super::{CLASS_IN, HEADER_LEN, RecordRef, Records, Section, WireName, counts, read_u32, types};

/// A message that is cut, lies about its counts or has a broken name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed DNS message")]
pub struct MalformedMessage;

/// What one walk over a message found. Offsets fit: a message has at most 65,535 octets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Where the question section ends.
    pub question_end: usize,
    /// Where the last record ends; what follows is trailing garbage.
    pub end: usize,
    /// Records per section without OPT: answer, authority, additional.
    pub records: [u16; 3],
    /// The OPT record, owner and all.
    pub opt: Option<Range<usize>>,
    /// DO flag and extended rcode of the OPT, as its TTL field has them.
    pub opt_ttl: u32,
    /// The length without any name compression: what CoreDNS calls the size of a reply.
    pub uncompressed_len: usize,
    /// Smallest TTL of all records but OPT, RFC 2181 §8 applied (top bit set counts as 0).
    pub min_ttl: Option<u32>,
    /// TTL and MINIMUM of the first SOA in the authority section (RFC 2308 §5).
    pub soa: Option<(u32, u32)>,
    /// Whether the authority section has an NS record.
    pub has_authority_ns: bool,
    /// Latest inception and earliest expiration of all RRSIGs (RFC 4034 §3.1.5), if there is one.
    pub signature_validity: Option<(u32, u32)>,
}

impl Summary {
    /// Walks the whole message once.
    ///
    /// # Errors
    /// [`MalformedMessage`] if any name, count or length is wrong: whoever sent it is to blame.
    pub fn of(message: &[u8]) -> Result<Self, MalformedMessage> {
        let mut records = Records::new(message).ok_or(MalformedMessage)?;
        let mut names = Names {
            message,
            name: WireName::new(),
            numbers: Marks::new(message.len()),
            qname_len: 0,
        };
        let mut summary = Self::of_question(&mut names, records.offset())?;
        for record in &mut records {
            summary.add(&mut names, &record).ok_or(MalformedMessage)?;
        }
        if records.is_malformed() {
            return Err(MalformedMessage);
        }
        summary.end = records.offset();
        Ok(summary)
    }

    /// Says that the TTLs of all records but OPT have become `ttl` seconds.
    pub fn set_ttl(&mut self, ttl: u32) {
        let ttl = ttl_as_meant(ttl);
        self.min_ttl = self.min_ttl.map(|_| ttl);
        self.soa = self.soa.map(|(_, minimum)| (ttl, minimum));
    }

    fn of_question(names: &mut Names<'_>, question_end: usize) -> Result<Self, MalformedMessage> {
        let mut uncompressed_len = HEADER_LEN;
        let mut at = HEADER_LEN;
        for _ in 0..counts(names.message)[0] {
            let (name_end, length) = names.read(at).ok_or(MalformedMessage)?;
            if at == HEADER_LEN {
                names.qname_len = length;
            }
            at = name_end + 4;
            names.numbers.add(name_end..at);
            uncompressed_len += length + 4;
        }
        Ok(Self {
            question_end,
            end: question_end,
            records: [0; 3],
            opt: None,
            opt_ttl: 0,
            uncompressed_len,
            min_ttl: None,
            soa: None,
            has_authority_ns: false,
            signature_validity: None,
        })
    }

    fn add(&mut self, names: &mut Names<'_>, record: &RecordRef) -> Option<()> {
        let message = names.message;
        let (owner_end, length) = names.read(record.start)?;
        names.numbers.add(owner_end..record.rdata.start);
        self.uncompressed_len += length + 10;
        self.uncompressed_len += uncompressed_rdata(names, record)?;
        if record.kind == types::OPT {
            // RFC 6891 §6.1.1 and §6.1.2: one, in the additional section, owned by the root.
            let owner_is_root = message.get(record.start) == Some(&0);
            let in_place = record.section == Section::Additional && owner_is_root;
            if !in_place || self.opt.is_some() {
                return None;
            }
            self.opt = Some(record.start..record.rdata.end);
            self.opt_ttl = record.ttl;
            return Some(());
        }
        let ttl = ttl_as_meant(record.ttl);
        self.min_ttl = Some(self.min_ttl.map_or(ttl, |least| least.min(ttl)));
        match record.section {
            Section::Answer => self.records[0] += 1,
            Section::Authority => {
                self.records[1] += 1;
                self.has_authority_ns |= record.kind == types::NS;
                if record.kind == types::SOA && self.soa.is_none() {
                    let minimum = read_u32(message, record.rdata.end.checked_sub(4)?)?;
                    self.soa = Some((ttl, minimum));
                }
            }
            Section::Additional => self.records[2] += 1,
        }
        if record.kind == types::RRSIG {
            let data = message.get(record.rdata.clone())?;
            let (expiration, inception) = (read_u32(data, 8)?, read_u32(data, 12)?);
            let (latest, earliest) = self.signature_validity.unwrap_or((inception, expiration));
            self.signature_validity = Some((
                if is_before(latest, inception) { inception } else { latest },
                if is_before(expiration, earliest) { expiration } else { earliest },
            ));
        }
        Some(())
    }
}

/// The names of a message, none of which may lead into the numbers between them.
struct Names<'a> {
    message: &'a [u8],
    name: WireName,
    numbers: Marks,
    /// The length of the first question's name; 0 if there is none.
    qname_len: usize,
}

impl Names<'_> {
    /// Where the name at `at` ends in place, and its length without compression.
    fn read(&mut self, at: usize) -> Option<(usize, usize)> {
        // What nearly all owners are: a pointer to the question, which has been read.
        if self.qname_len > 0 && self.message.get(at..at + 2) == Some(&[0xc0, 12]) {
            return Some((at + 2, self.qname_len));
        }
        let may_be_name = |octets| self.numbers.has_none_of(octets);
        let end = expand_where(self.message, at, &mut self.name, may_be_name)?;
        Some((end, self.name.as_bytes().len()))
    }
}

/// RFC 2181 §8: the top bit set counts as 0.
fn ttl_as_meant(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl }
}

/// Serial number arithmetic (RFC 4034 §3.1.5, RFC 1982).
pub(crate) fn is_before(one: u32, other: u32) -> bool {
    one != other && other.wrapping_sub(one) < 1 << 31
}

/// The length of the RDATA once its names are spelled out. Only the types of RFC 1035 may
/// compress names there (RFC 3597 §4); some servers do it for SRV and DNAME too. Of these types,
/// and of addresses, the RDATA has to end where it should.
fn uncompressed_rdata(names: &mut Names<'_>, record: &RecordRef) -> Option<usize> {
    let (lead, count, tail) = match record.kind {
        types::A if record.class == CLASS_IN => (4, 0, 0),
        types::AAAA => (16, 0, 0),
        types::NS | types::CNAME | types::PTR | types::DNAME | 3 | 4 | 7 | 8 | 9 => (0, 1, 0),
        types::SOA => (0, 2, 20),
        14 | 17 => (0, 2, 0),
        types::MX | 18 | 21 => (2, 1, 0),
        types::SRV => (6, 1, 0),
        _ => return Some(record.rdata.len()),
    };
    let mut at = record.rdata.start + lead;
    let mut total = lead + tail;
    for _ in 0..count {
        let (name_end, length) = names.read(at)?;
        at = name_end;
        total += length;
    }
    (at + tail == record.rdata.end).then_some(total)
}
