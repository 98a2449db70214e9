//! RDATA from words: the common types here, the others as hickory reads them, and any type as
//! `\# LENGTH HEX` (RFC 3597 §5).

use dunlin_core::op::Message;
use dunlin_core::rr::rdata::name::{CNAME, NS, PTR};
use dunlin_core::rr::rdata::{A, AAAA, MX, NULL, SOA, SRV, TXT};
use dunlin_core::rr::{Name, RData, RecordType};
use dunlin_core::wire::types;

use super::record::parse_name;
use super::words::{Word, mistake, octets};

/// RDATA of a type. `last` is the last word of the record, for messages.
pub(super) fn parse_rdata(
    kind: RecordType,
    words: &[Word],
    last: Option<&Word>,
) -> Result<RData, String> {
    let mut words = Words { kind, rest: words.iter(), last };
    if words.rest.as_slice().first().is_some_and(|word| word.text == "\\#" && !word.is_quoted) {
        return words.unknown();
    }
    let data = match kind {
        RecordType::A => RData::A(A(words.parse("A")?)),
        RecordType::AAAA => RData::AAAA(AAAA(words.parse("AAAA")?)),
        RecordType::NS => RData::NS(NS(words.name("Ns")?)),
        RecordType::CNAME => RData::CNAME(CNAME(words.name("Target")?)),
        RecordType::PTR => RData::PTR(PTR(words.name("Ptr")?)),
        RecordType::MX => RData::MX(MX::new(words.parse("Pref")?, words.name("Mx")?)),
        RecordType::SRV => words.srv()?,
        RecordType::SOA => words.soa()?,
        RecordType::TXT => words.txt()?,
        RecordType::DNAME => {
            let rdata = NULL::with(super::answer::wire_of(&words.name("Target")?));
            RData::Unknown { code: kind, rdata }
        }
        _ => return words.other(),
    };
    match words.rest.next() {
        None => Ok(data),
        some => Err(mistake("garbage after rdata", some)),
    }
}

/// Types from TKEY to ANY are for questions only.
const ANY: u16 = 255;

struct Words<'w> {
    kind: RecordType,
    rest: std::slice::Iter<'w, Word>,
    last: Option<&'w Word>,
}

impl<'w> Words<'w> {
    fn bad(&self, what: &str, word: Option<&Word>) -> String {
        mistake(&format!("bad {} {what}", self.kind), word.or(self.last))
    }

    fn parse<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.rest.next();
        let value = word.and_then(|word| word.text.parse().ok());
        value.ok_or_else(|| self.bad(what, word))
    }

    fn name(&mut self, what: &str) -> Result<Name, String> {
        let word = self.rest.next();
        word.and_then(parse_name).ok_or_else(|| self.bad(what, word))
    }

    fn srv(&mut self) -> Result<RData, String> {
        let (priority, weight) = (self.parse("Priority")?, self.parse("Weight")?);
        Ok(RData::SRV(SRV::new(priority, weight, self.parse("Port")?, self.name("Target")?)))
    }

    fn soa(&mut self) -> Result<RData, String> {
        let (mname, rname) = (self.name("Ns")?, self.name("Mbox")?);
        let serial = self.parse("zone parameter")?;
        let mut times = [0_i32; 3];
        for time in &mut times {
            *time = self.parse("zone parameter")?;
        }
        let [refresh, retry, expire] = times;
        let minimum = self.parse("zone parameter")?;
        Ok(RData::SOA(SOA::new(mname, rname, serial, refresh, retry, expire, minimum)))
    }

    /// Strings; longer ones than a string may be are cut into several, as Go does it.
    fn txt(&mut self) -> Result<RData, String> {
        let mut strings = Vec::new();
        for word in self.rest.by_ref() {
            let text = octets(&word.text)
                .ok_or_else(|| mistake(&format!("bad {} Txt", self.kind), Some(word)))?;
            match text.as_slice() {
                [] => strings.push(Vec::new()),
                some => strings.extend(some.chunks(255).map(<[u8]>::to_vec)),
            }
        }
        if strings.is_empty() {
            return Err(self.bad("Txt", None));
        }
        Ok(RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())))
    }

    fn unknown(&mut self) -> Result<RData, String> {
        self.rest.next();
        let length: usize = self.parse("Rdata")?;
        let digits: String = self.rest.by_ref().map(|word| word.text.as_str()).collect();
        let octets = hex(&digits).filter(|octets| octets.len() == length);
        let octets = octets.ok_or_else(|| self.bad("Rdata", None))?;
        self.decoded(&octets)
    }

    /// Whether the octets are RDATA of this type: a broken A record must not leave.
    fn decoded(&self, octets: &[u8]) -> Result<RData, String> {
        let kind = u16::from(self.kind).to_be_bytes();
        let length = u16::try_from(octets.len()).unwrap_or(0).to_be_bytes();
        // A reply with this one record: owner root, class IN, TTL 0.
        let header = [0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let wire = [&header[..], &[0], &kind, &[0, 1, 0, 0, 0, 0], &length, octets].concat();
        let message = Message::from_vec(&wire).ok();
        let record = message.and_then(|message| message.answers.into_iter().next());
        record.map(|record| record.data).ok_or_else(|| self.bad("Rdata", None))
    }

    fn other(&mut self) -> Result<RData, String> {
        let code = u16::from(self.kind);
        let is_meta = code == types::OPT || (types::TKEY..=ANY).contains(&code);
        let text: Vec<String> = self.rest.by_ref().map(shown).collect();
        let data = RData::try_from_str(self.kind, &text.join(" "));
        data.ok().filter(|_| !is_meta).ok_or_else(|| self.bad("Rdata", None))
    }
}

fn shown(word: &Word) -> String {
    if word.is_quoted { format!("\"{}\"", word.text) } else { word.text.clone() }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u8>> =
        digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let values = values?;
    let (pairs, []) = values.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
