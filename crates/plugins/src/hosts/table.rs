//! Names and addresses, to be looked up both ways. A table is built once and never changes: a
//! million names are a handful of long vectors, about 50 octets a name, and no allocation for each
//! of them. What belongs to a name stands together, because what costs is memory that is not in the
//! processor's cache: there are four such places on the way to an answer.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dunlin_core::wire::{MAX_NAME_LEN, read_u32, skip};
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::text::Direction;

/// What a hosts file says.
#[derive(Debug, Default)]
pub struct Table {
    /// For each name: the name in wire form, how many addresses of each family it has in four octets
    /// each, and these.
    records: Box<[u8]>,
    /// Where in `records` a name stands.
    index: HashTable<u32>,
    hasher: RandomState,
    reverse4: Reverse<Ipv4Addr>,
    reverse6: Reverse<Ipv6Addr>,
    addresses: usize,
    has_wildcards: bool,
}

impl Table {
    /// What there is of a name in lower-case wire form, looked up once for all that follows.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Found<'_> {
        if self.index.is_empty() {
            return Found::default();
        }
        let mut buffer = [0; MAX_NAME_LEN];
        let above = if self.has_wildcards { wildcard_above(name, &mut buffer) } else { None };
        Found { exact: self.record(name), wildcard: above.and_then(|name| self.record(name)) }
    }

    /// The names of an address in wire form, in the order of the file.
    pub fn names_of(&self, address: IpAddr) -> impl Iterator<Item = &[u8]> {
        let (v4, v6) = match address {
            IpAddr::V4(address) => (self.reverse4.of(address), &[][..]),
            IpAddr::V6(address) => (&[][..], self.reverse6.of(address)),
        };
        let places = v4.iter().map(|(_, at)| *at).chain(v6.iter().map(|(_, at)| *at));
        places.filter_map(|at| name_at(&self.records, at))
    }

    /// The number of addresses, reverse entries included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.addresses + self.reverse4.0.len() + self.reverse6.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn record(&self, name: &[u8]) -> Option<Addresses<'_>> {
        let rest = |at: &u32| self.records.get(*at as usize..).unwrap_or_default();
        // A name ends with its root label, so none is the beginning of another one.
        let at = self.index.find(self.hasher.hash_one(name), |at| rest(at).starts_with(name))?;
        Addresses::read(rest(at).get(name.len()..)?)
    }
}

/// A name in a table, or not: the wildcard that covers it, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found<'t> {
    exact: Option<Addresses<'t>>,
    wildcard: Option<Addresses<'t>>,
}

impl<'t> Found<'t> {
    /// Whether the name has any address.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.exact.is_some() || self.wildcard.is_some()
    }

    /// The octets of its IPv4 addresses, in the order of the file.
    ///
    /// A wildcard stands in where the name itself has no address of this family, as in CoreDNS:
    /// beside a name with an A record alone it gives an AAAA record.
    #[must_use]
    pub fn v4(self) -> &'t [[u8; 4]] {
        let exact = self.exact.unwrap_or_default().v4;
        if exact.is_empty() { self.wildcard.unwrap_or_default().v4 } else { exact }
    }

    /// The octets of its IPv6 addresses, as for [`Found::v4`].
    #[must_use]
    pub fn v6(self) -> &'t [[u8; 16]] {
        let exact = self.exact.unwrap_or_default().v6;
        if exact.is_empty() { self.wildcard.unwrap_or_default().v6 } else { exact }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Addresses<'t> {
    v4: &'t [[u8; 4]],
    v6: &'t [[u8; 16]],
}

impl<'t> Addresses<'t> {
    /// Reads what stands behind a name.
    fn read(record: &'t [u8]) -> Option<Self> {
        let [v4, v6] = [read_u32(record, 0)?, read_u32(record, 4)?].map(|count| count as usize);
        let (v4, rest) = record.get(COUNTS_LEN..)?.split_at_checked(v4.checked_mul(4)?)?;
        let v6 = rest.get(..v6.checked_mul(16)?)?;
        Some(Self { v4: v4.as_chunks().0, v6: v6.as_chunks().0 })
    }
}

/// `\x01*` in place of the first label; none for the root and for names of one label.
fn wildcard_above<'b>(name: &[u8], buffer: &'b mut [u8; MAX_NAME_LEN]) -> Option<&'b [u8]> {
    let rest = name.get(1 + usize::from(*name.first()?)..).filter(|rest| rest.len() > 1)?;
    let wildcard = buffer.get_mut(..rest.len() + 2)?;
    let (star, tail) = wildcard.split_at_mut(2);
    star.copy_from_slice(STAR);
    tail.copy_from_slice(rest);
    Some(wildcard)
}

/// `*.` and at least one label behind it.
fn is_wildcard(name: &[u8]) -> bool {
    name.strip_prefix(STAR).is_some_and(|rest| rest.len() > 1)
}

/// The name that begins at this place.
fn name_at(octets: &[u8], at: u32) -> Option<&[u8]> {
    let start = at as usize;
    octets.get(start..skip(octets, start)?)
}

/// The label of a wildcard, with its length octet.
const STAR: &[u8] = b"\x01*";

/// Octets between a name and its addresses.
const COUNTS_LEN: usize = 8;

/// Addresses and the places of the names that have them, sorted by address.
#[derive(Debug)]
struct Reverse<A>(Box<[(A, u32)]>);

impl<A> Default for Reverse<A> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<A: Copy + Ord> Reverse<A> {
    fn new(pairs: &[(u32, A)], names: &[u8]) -> Self {
        let is_plain = |at: u32| name_at(names, at).is_some_and(|name| !is_wildcard(name));
        let plain = pairs.iter().filter(|(at, _)| is_plain(*at));
        let mut turned: Vec<(A, u32)> = plain.map(|(at, address)| (*address, *at)).collect();
        turned.sort_by_key(|(address, _)| *address); // stable: in the order of the file
        Self(turned.into())
    }

    fn of(&self, address: A) -> &[(A, u32)] {
        let start = self.0.partition_point(|(known, _)| *known < address);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(known, _)| *known == address)).unwrap_or_default()
    }

    /// Names have moved.
    fn update(&mut self, moved: &Moved) {
        for (_, at) in &mut self.0 {
            *at = moved.to(*at);
        }
    }
}

/// A table in the making. Names stand one behind the other here, and are known by their places.
#[derive(Debug, Default)]
pub(super) struct Builder {
    names: Vec<u8>,
    index: HashTable<u32>,
    hasher: RandomState,
    v4: Vec<(u32, Ipv4Addr)>,
    v6: Vec<(u32, Ipv6Addr)>,
}

impl Builder {
    /// Adds an address to a name in lower-case wire form. `None` when the table is full.
    pub(super) fn add(&mut self, name: &[u8], address: IpAddr) -> Option<()> {
        let at = self.intern(name)?;
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.push((at, address)),
            IpAddr::V6(address) => self.v6.push((at, address)),
        }
        Some(())
    }

    /// The place of a name, new or known.
    fn intern(&mut self, name: &[u8]) -> Option<u32> {
        let Self { names, index, hasher, .. } = self;
        let hash = hasher.hash_one(name);
        let rest =
            |names: &[u8], at: u32| names.get(at as usize..).unwrap_or_default().starts_with(name);
        if let Some(known) = index.find(hash, |at| rest(names, *at)) {
            return Some(*known);
        }
        let at = u32::try_from(names.len()).ok()?;
        names.extend_from_slice(name);
        index
            .insert_unique(hash, at, |at| hasher.hash_one(name_at(names, *at).unwrap_or_default()));
        Some(at)
    }

    /// The table; `None` if it would be too large.
    pub(super) fn table(mut self, direction: Direction) -> Option<Table> {
        let (mut reverse4, mut reverse6) = match direction {
            Direction::Forward => (Reverse::default(), Reverse::default()),
            Direction::Both => {
                (Reverse::new(&self.v4, &self.names), Reverse::new(&self.v6, &self.names))
            }
        };
        let (records, moved, has_wildcards) = self.records()?;
        reverse4.update(&moved);
        reverse6.update(&moved);
        self.index.iter_mut().for_each(|at| *at = moved.to(*at));
        Some(Table {
            records,
            index: self.index,
            hasher: self.hasher,
            reverse4,
            reverse6,
            addresses: self.v4.len() + self.v6.len(),
            has_wildcards,
        })
    }

    /// Each name with its addresses behind it.
    fn records(&mut self) -> Option<(Box<[u8]>, Moved, bool)> {
        // Stable: what belongs to one name stays in the order of the file.
        self.v4.sort_by_key(|(at, _)| *at);
        self.v6.sort_by_key(|(at, _)| *at);
        let (mut rest4, mut rest6) = (self.v4.as_slice(), self.v6.as_slice());
        let addresses = rest4.len() * 4 + rest6.len() * 16;
        let counts = self.index.len() * COUNTS_LEN;
        let mut records = Vec::with_capacity(self.names.len() + counts + addresses);
        let mut moved = Moved(Vec::with_capacity(self.index.len()));
        let (mut at, mut has_wildcards) = (0, false);
        while let Some(name) = name_at(&self.names, at) {
            let (own4, own6) = (take(&mut rest4, at), take(&mut rest6, at));
            moved.0.push((at, u32::try_from(records.len()).ok()?));
            has_wildcards |= is_wildcard(name);
            records.extend_from_slice(name);
            records.extend_from_slice(&u32::try_from(own4.len()).ok()?.to_be_bytes());
            records.extend_from_slice(&u32::try_from(own6.len()).ok()?.to_be_bytes());
            own4.iter().for_each(|(_, address)| records.extend_from_slice(&address.octets()));
            own6.iter().for_each(|(_, address)| records.extend_from_slice(&address.octets()));
            at = at.checked_add(u32::try_from(name.len()).ok()?)?;
        }
        Some((records.into(), moved, has_wildcards))
    }
}

/// Splits off the pairs of the name at this place.
fn take<'p, A>(pairs: &mut &'p [(u32, A)], at: u32) -> &'p [(u32, A)] {
    let count = pairs.iter().take_while(|(known, _)| *known == at).count();
    let (own, rest) = pairs.split_at_checked(count).unwrap_or_default();
    *pairs = rest;
    own
}

/// Old and new places of names, sorted.
struct Moved(Vec<(u32, u32)>);

impl Moved {
    fn to(&self, at: u32) -> u32 {
        let found = self.0.binary_search_by_key(&at, |(old, _)| *old);
        found.ok().and_then(|found| self.0.get(found)).map_or(at, |(_, new)| *new)
    }
}
