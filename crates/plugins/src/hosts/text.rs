//! From the text of a hosts file to a table: an address and its names on each line. Reading is
//! forgiving, as everywhere with such files; only text in which nothing at all is an entry is refused.

use std::io::{BufRead, Read};
use std::net::IpAddr;

use dunlin_core::zones::{Zones, wire_name};

use super::table::{Builder, Table};

/// Which entries are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Names outside of these zones are left out.
    pub zones: Zones,
    /// Whether addresses have names.
    pub reverse: Direction,
}

/// Which ways a table can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From names to addresses.
    Forward,
    /// And from addresses to names (RFC 1035 §3.5, RFC 3596 §2.5).
    #[default]
    Both,
}

/// Why a text is no hosts file. The operator is to blame; another text may do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadText {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
    /// It has words, but not one line begins with an address.
    #[error("no line of it begins with an address")]
    NoEntries,
    /// It is larger than [`MAX_LEN`].
    #[error("it is larger than {} MiB", MAX_LEN >> 20)]
    TooLarge,
}

/// Octets of a hosts file: room for some eight million names.
pub const MAX_LEN: u64 = 256 << 20;

/// Octets of a line: what goes beyond is not read. In CoreDNS such a line ends the file.
const MAX_LINE_LEN: u64 = 64 << 10;

impl Table {
    /// Reads a hosts file to its end.
    ///
    /// # Errors
    /// [`BadText`], for what no administrator can have meant.
    pub fn read(mut text: impl BufRead, options: &Options) -> Result<Self, BadText> {
        let mut reading = Reading { options, builder: Builder::default(), words: 0, entries: 0 };
        let mut line = Vec::new();
        let mut total: u64 = 0;
        loop {
            line.clear();
            let length = text.by_ref().take(MAX_LINE_LEN).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            reading.line(&line)?;
            total += u64::try_from(length).unwrap_or(u64::MAX);
            if line.last() != Some(&b'\n') {
                total += u64::try_from(skip_line(&mut text)?).unwrap_or(u64::MAX);
            }
            if total > MAX_LEN {
                return Err(BadText::TooLarge);
            }
        }
        reading.table()
    }
}

/// Passes what is left of a line and tells how many octets that was.
fn skip_line(text: &mut impl BufRead) -> std::io::Result<usize> {
    let mut skipped = 0;
    loop {
        let chunk = text.fill_buf()?;
        let line_end = chunk.iter().position(|octet| *octet == b'\n');
        let passed = line_end.map_or(chunk.len(), |at| at + 1);
        let is_done = line_end.is_some() || chunk.is_empty();
        text.consume(passed);
        skipped += passed;
        if is_done {
            return Ok(skipped);
        }
    }
}

struct Reading<'o> {
    options: &'o Options,
    builder: Builder,
    /// Lines that are neither blank nor comments, and those of them that begin with an address.
    words: usize,
    entries: usize,
}

impl Reading<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), BadText> {
        let content = line.split(|octet| *octet == b'#').next().unwrap_or_default();
        let mut fields = content
            .split(|octet| octet.is_ascii_whitespace() || *octet == VERTICAL_TAB)
            .filter(|field| !field.is_empty())
            .map(|field| std::str::from_utf8(field).unwrap_or_default());
        let Some(first) = fields.next() else { return Ok(()) };
        self.words += 1;
        let Some(address) = address(first) else { return Ok(()) };
        self.entries += 1;
        for name in fields.filter_map(|field| wire_name(field).ok()) {
            if self.options.zones.longest(name.as_bytes()).is_some() {
                self.builder.add(name.as_bytes(), address).ok_or(BadText::TooLarge)?;
            }
        }
        Ok(())
    }

    fn table(self) -> Result<Table, BadText> {
        if self.words > 0 && self.entries == 0 {
            return Err(BadText::NoEntries);
        }
        self.builder.table(self.options.reverse).ok_or(BadText::TooLarge)
    }
}

/// An address, its IPv6 zone aside: nobody can be told of an interface of ours.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

const VERTICAL_TAB: u8 = 0x0b;
