//! Names and addresses, to be looked up both ways. A table is built once and never changes: a
//! million names are a handful of long vectors, about 55 octets a name, and no allocation for
//! each of them.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// What a hosts file says.
#[derive(Debug, Default)]
pub struct Table {
    names: Names,
    v4: Column<Ipv4Addr>,
    v6: Column<Ipv6Addr>,
    reverse4: Reverse<Ipv4Addr>,
    reverse6: Reverse<Ipv6Addr>,
    has_wildcards: bool,
}

impl Table {
    /// What there is of a name in lower-case wire form, looked up once for all that follows.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Found<'_> {
        let nothing = Found { table: self, exact: None, wildcard: None };
        if self.names.ends.is_empty() {
            return nothing;
        }
        let mut buffer = [0; MAX_NAME_LEN];
        let above = if self.has_wildcards { wildcard_above(name, &mut buffer) } else { None };
        let wildcard = above.and_then(|name| self.names.find(name));
        Found { exact: self.names.find(name), wildcard, ..nothing }
    }

    /// The IPv4 addresses of a name in lower-case wire form, in the order of the file.
    #[must_use]
    pub fn v4(&self, name: &[u8]) -> &[Ipv4Addr] {
        self.find(name).v4()
    }

    /// The IPv6 addresses of a name in lower-case wire form, in the order of the file.
    #[must_use]
    pub fn v6(&self, name: &[u8]) -> &[Ipv6Addr] {
        self.find(name).v6()
    }

    /// The names of an address in wire form, in the order of the file.
    pub fn names_of(&self, address: IpAddr) -> impl Iterator<Item = &[u8]> {
        let pairs = match address {
            IpAddr::V4(address) => Pairs::V4(self.reverse4.of(address)),
            IpAddr::V6(address) => Pairs::V6(self.reverse6.of(address)),
        };
        (0..pairs.len()).filter_map(move |at| pairs.id(at)).map(|id| self.names.get(id))
    }

    /// The number of addresses, reverse entries included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.addresses.len()
            + self.v6.addresses.len()
            + self.reverse4.0.len()
            + self.reverse6.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A name in a table, or not: the wildcard that covers it, too.
#[derive(Debug, Clone, Copy)]
pub struct Found<'t> {
    table: &'t Table,
    exact: Option<u32>,
    wildcard: Option<u32>,
}

impl<'t> Found<'t> {
    /// Whether the name has any address.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.exact.is_some() || self.wildcard.is_some()
    }

    /// Its IPv4 addresses, in the order of the file.
    #[must_use]
    pub fn v4(self) -> &'t [Ipv4Addr] {
        self.addresses(&self.table.v4)
    }

    /// Its IPv6 addresses, in the order of the file.
    #[must_use]
    pub fn v6(self) -> &'t [Ipv6Addr] {
        self.addresses(&self.table.v6)
    }

    /// A wildcard stands in where the name itself has no address of this family, as in CoreDNS:
    /// beside a name with an A record alone it gives an AAAA record.
    fn addresses<A>(self, column: &'t Column<A>) -> &'t [A] {
        let of = |id: Option<u32>| id.map(|id| column.of(id)).unwrap_or_default();
        let exact = of(self.exact);
        if exact.is_empty() { of(self.wildcard) } else { exact }
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

/// The label of a wildcard, with its length octet.
const STAR: &[u8] = b"\x01*";

/// Octets of a name (RFC 1035 §3.1).
const MAX_NAME_LEN: usize = 255;

enum Pairs<'t> {
    V4(&'t [(Ipv4Addr, u32)]),
    V6(&'t [(Ipv6Addr, u32)]),
}

impl Pairs<'_> {
    fn len(&self) -> usize {
        match self {
            Self::V4(pairs) => pairs.len(),
            Self::V6(pairs) => pairs.len(),
        }
    }

    fn id(&self, at: usize) -> Option<u32> {
        match self {
            Self::V4(pairs) => pairs.get(at).map(|(_, id)| *id),
            Self::V6(pairs) => pairs.get(at).map(|(_, id)| *id),
        }
    }
}

/// Each name once, one behind the other; its number is its place.
#[derive(Debug, Default)]
struct Names {
    octets: Vec<u8>,
    ends: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    fn get(&self, id: u32) -> &[u8] {
        name_at(&self.octets, &self.ends, id)
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.index.find(hash, |id| self.get(*id) == name).copied()
    }

    /// The number of a name, new or known. `None` when there is no number left.
    fn intern(&mut self, name: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        let Self { octets, ends, index, hasher } = self;
        if let Some(known) = index.find(hash, |id| name_at(octets, ends, *id) == name) {
            return Some(*known);
        }
        let id = u32::try_from(ends.len()).ok()?;
        let end = u32::try_from(octets.len() + name.len()).ok()?;
        octets.extend_from_slice(name);
        ends.push(end);
        index.insert_unique(hash, id, |id| hasher.hash_one(name_at(octets, ends, *id)));
        Some(id)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

fn name_at<'o>(octets: &'o [u8], ends: &[u32], id: u32) -> &'o [u8] {
    let end = |at: usize| ends.get(at).map_or(0, |end| *end as usize);
    let at = id as usize;
    octets.get(at.checked_sub(1).map_or(0, end)..end(at)).unwrap_or_default()
}

/// The addresses of one family, those of a name together; empty if no name has any.
#[derive(Debug)]
struct Column<A> {
    ends: Box<[u32]>,
    addresses: Box<[A]>,
}

impl<A> Default for Column<A> {
    fn default() -> Self {
        Self { ends: Box::default(), addresses: Box::default() }
    }
}

impl<A: Copy> Column<A> {
    fn new(mut pairs: Vec<(u32, A)>, names: usize) -> Self {
        if pairs.is_empty() {
            return Self::default();
        }
        pairs.sort_by_key(|(id, _)| *id); // stable: what belongs to one name stays in order
        let mut ends = vec![0_u32; names];
        for (id, _) in &pairs {
            if let Some(count) = ends.get_mut(*id as usize) {
                *count += 1;
            }
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        let addresses = pairs.into_iter().map(|(_, address)| address).collect();
        Self { ends: ends.into(), addresses }
    }
}

impl<A> Column<A> {
    fn of(&self, id: u32) -> &[A] {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let at = id as usize;
        self.addresses.get(at.checked_sub(1).map_or(0, end)..end(at)).unwrap_or_default()
    }
}

/// Addresses and the names that have them, sorted by address.
#[derive(Debug)]
struct Reverse<A>(Box<[(A, u32)]>);

impl<A> Default for Reverse<A> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<A: Copy + Ord> Reverse<A> {
    fn new(pairs: &[(u32, A)], is_wildcard: impl Fn(u32) -> bool) -> Self {
        let named = pairs.iter().filter(|(id, _)| !is_wildcard(*id));
        let mut turned: Vec<(A, u32)> = named.map(|(id, address)| (*address, *id)).collect();
        turned.sort_by_key(|(address, _)| *address); // stable
        Self(turned.into())
    }

    fn of(&self, address: A) -> &[(A, u32)] {
        let start = self.0.partition_point(|(known, _)| *known < address);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|(known, _)| *known == address)).unwrap_or_default()
    }
}

/// A table in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    names: Names,
    v4: Vec<(u32, Ipv4Addr)>,
    v6: Vec<(u32, Ipv6Addr)>,
}

impl Builder {
    /// Adds an address to a name in lower-case wire form. `None` when the table is full.
    pub(super) fn add(&mut self, name: &[u8], address: IpAddr) -> Option<()> {
        let id = self.names.intern(name)?;
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.push((id, address)),
            IpAddr::V6(address) => self.v6.push((id, address)),
        }
        Some(())
    }

    /// The table without reverse entries.
    pub(super) fn forward_only(self) -> Table {
        self.table(Reverse::default(), Reverse::default())
    }

    /// The table with them.
    pub(super) fn with_reverse(self) -> Table {
        let is_wildcard = |id| is_wildcard(self.names.get(id));
        let reverse4 = Reverse::new(&self.v4, is_wildcard);
        let reverse6 = Reverse::new(&self.v6, is_wildcard);
        self.table(reverse4, reverse6)
    }

    fn table(mut self, reverse4: Reverse<Ipv4Addr>, reverse6: Reverse<Ipv6Addr>) -> Table {
        let count = self.names.len();
        self.names.octets.shrink_to_fit();
        self.names.ends.shrink_to_fit();
        let ids = 0..u32::try_from(count).unwrap_or(u32::MAX);
        let has_wildcards = ids.into_iter().any(|id| is_wildcard(self.names.get(id)));
        Table {
            v4: Column::new(self.v4, count),
            v6: Column::new(self.v6, count),
            names: self.names,
            reverse4,
            reverse6,
            has_wildcards,
        }
    }
}

/// `*.` and at least one label behind it.
fn is_wildcard(name: &[u8]) -> bool {
    name.strip_prefix(STAR).is_some_and(|rest| rest.len() > 1)
}
