//! Zones as directives name them, and the question whether a name lies in one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::query::Query;
use crate::wire::WireName;

/// A zone: lower case, fully qualified.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zone {
    text: String,
    wire: Box<[u8]>,
}

/// A name that breaks RFC 1035 §3.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a domain name: {0:?}")]
pub struct NotAName(pub String);

impl Zone {
    /// A zone from presentation form (RFC 1035 §5.1); the last dot may be missing.
    ///
    /// # Errors
    /// [`NotAName`] for empty labels and for names or labels that are too long.
    pub fn new(text: &str) -> Result<Self, NotAName> {
        let mut wire = wire_form(text).ok_or_else(|| NotAName(text.to_owned()))?;
        wire.make_ascii_lowercase();
        let mut text = text.to_ascii_lowercase();
        if !is_fully_qualified(&text) {
            text.push('.');
        }
        Ok(Self { text, wire: wire.into() })
    }

    /// The root zone.
    #[must_use]
    pub fn root() -> Self {
        Self { text: ".".into(), wire: Box::new([0]) }
    }

    /// The zone in presentation form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The zone in wire form.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Whether a name, in lower-case wire form, is the zone's apex or lies below it.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        let Some(lead) = name.len().checked_sub(self.wire.len()) else { return false };
        // The root contains every name.
        self.wire.len() == 1 || name.get(lead..) == Some(&self.wire) && is_label_start(name, lead)
    }
}

/// Whether the text ends in a dot that no backslash makes part of a label.
fn is_fully_qualified(text: &str) -> bool {
    let Some(rest) = text.strip_suffix('.') else { return false };
    rest.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 0
}

fn is_label_start(name: &[u8], offset: usize) -> bool {
    let mut at = 0;
    while at < offset {
        at += 1 + usize::from(name.get(at).copied().unwrap_or(u8::MAX));
    }
    at == offset
}

/// Presentation form to wire form, as spelled: `\.` and `\DDD` are understood.
fn wire_form(text: &str) -> Option<Vec<u8>> {
    let mut wire = vec![0];
    let mut length_at = 0;
    let mut octets = text.bytes();
    if text == "." {
        return Some(wire);
    }
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => {
                close_label(&mut wire, length_at)?;
                length_at = wire.len();
                wire.push(0);
            }
            b'\\' => wire.push(unescape(&mut octets)?),
            _ => wire.push(octet),
        }
    }
    if wire.len() - length_at > 1 {
        close_label(&mut wire, length_at)?;
        wire.push(0);
    }
    (wire.len() > 1 && wire.len() <= 255).then_some(wire)
}

fn unescape(octets: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, octets.next()?, octets.next()?];
    let text = std::str::from_utf8(&digits).ok()?;
    text.parse::<u8>().ok()
}

fn close_label(wire: &mut [u8], length_at: usize) -> Option<()> {
    let length = u8::try_from(wire.len() - length_at - 1).ok()?;
    if !(1..=63).contains(&length) {
        return None;
    }
    *wire.get_mut(length_at)? = length;
    Some(())
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A list of zones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zones {
    list: Vec<Zone>,
    /// Only of a list that is too long to be walked for every query.
    index: Option<Arc<Index>>,
}

/// Lists from this length on have an index.
const MANY: usize = 8;

impl Zones {
    /// These zones.
    #[must_use]
    pub fn new(zones: Vec<Zone>) -> Self {
        let index = (zones.len() >= MANY).then(|| Arc::new(Index::of(&zones)));
        Self { list: zones, index }
    }

    /// The longest zone that contains the name, given in lower-case wire form.
    #[must_use]
    pub fn longest(&self, name: &[u8]) -> Option<&Zone> {
        match &self.index {
            Some(index) => self.list.get(index.longest(name)?),
            None => {
                let holding = self.list.iter().filter(|zone| zone.contains(name));
                holding.max_by_key(|zone| zone.wire.len())
            }
        }
    }

    /// The longest zone that contains the name that the query asks for.
    #[must_use]
    pub fn of(&self, query: &Query) -> Option<&Zone> {
        self.longest(query.qname())
    }

    /// All zones, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Zone> {
        self.list.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Where in a list a zone stands.
#[derive(Debug, PartialEq, Eq)]
struct Index {
    places: HashMap<Box<[u8]>, usize, RandomState>,
    /// Bit N tells that some zone has N octets: no other suffix of a name is looked up.
    lengths: [u64; 4],
}

impl Index {
    fn of(zones: &[Zone]) -> Self {
        let places = zones.iter().enumerate().map(|(place, zone)| (zone.wire.clone(), place));
        let mut lengths = [0; 4];
        for zone in zones {
            if let Some(word) = lengths.get_mut(zone.wire.len() / 64) {
                *word |= 1 << (zone.wire.len() % 64);
            }
        }
        Self { places: places.collect(), lengths }
    }

    fn longest(&self, name: &[u8]) -> Option<usize> {
        let mut suffix = name;
        loop {
            let word = self.lengths.get(suffix.len() / 64).copied().unwrap_or_default();
            if word >> (suffix.len() % 64) & 1 == 1
                && let Some(place) = self.places.get(suffix)
            {
                return Some(*place);
            }
            let label = usize::from(*suffix.first()?);
            suffix = suffix.get(label + 1..)?;
        }
    }
}

/// For which names a plugin that found nothing hands the query on (`fallthrough [ZONES...]`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fallthrough(Zones);

impl Fallthrough {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// For names in these zones; without any, for every name.
    #[must_use]
    pub fn below(zones: Zones) -> Self {
        Self(if zones.is_empty() { Zones::new(vec![Zone::root()]) } else { zones })
    }

    /// Whether the query is to be handed on.
    #[must_use]
    pub fn through(&self, query: &Query) -> bool {
        self.0.of(query).is_some()
    }
}

/// The name `name` in lower-case wire form.
///
/// # Errors
/// [`NotAName`] as for [`Zone::new`].
pub fn wire_name(name: &str) -> Result<WireName, NotAName> {
    let error = || NotAName(name.to_owned());
    let wire = wire_form(name).ok_or_else(error)?;
    let mut message = vec![0; crate::wire::HEADER_LEN];
    message.extend_from_slice(&wire);
    let mut expanded = WireName::new();
    crate::wire::expand(&message, crate::wire::HEADER_LEN, &mut expanded).ok_or_else(error)?;
    Ok(expanded)
}

/// The name `name` in wire form with its letter case.
///
/// # Errors
/// [`NotAName`] as for [`Zone::new`].
pub fn spelled_name(name: &str) -> Result<Vec<u8>, NotAName> {
    wire_form(name).ok_or_else(|| NotAName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Presentation;

    #[test]
    fn zones_contain_names_label_by_label() {
        let table = [
            ("example.org.", "example.org", true),
            ("Example.ORG", "a.example.org", true),
            ("example.org", "xexample.org", false),
            (".", "anything.test", true),
            ("a.b", "b", false),
            (r"a\.b.", r"x.a\.b", true),
            ("b.", r"a\.b", false),
        ];
        for (zone, name, inside) in table {
            let name = wire_name(name).unwrap();
            assert_eq!(
                Zone::new(zone).unwrap().contains(name.as_bytes()),
                inside,
                "{zone} {name:?}"
            );
        }
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "a".repeat(64);
        for bad in ["", "..", ".a", "a..b", long.as_str()] {
            assert!(Zone::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Zone::new("A.B").unwrap().as_str(), "a.b.");
        assert_eq!(Zone::new("\\065.b").unwrap().as_wire(), b"\x01a\x01b\x00");
    }

    #[test]
    fn the_longest_zone_wins() {
        let zones = Zones::new(["org", "example.org", "."].map(|z| Zone::new(z).unwrap()).into());
        let of = |name: &str| {
            zones.longest(wire_name(name).unwrap().as_bytes()).map(|zone| zone.as_str().to_owned())
        };
        assert_eq!(of("a.example.org"), Some("example.org.".into()));
        assert_eq!(of("xexample.org"), Some("org.".into()));
        assert_eq!(of("test"), Some(".".into()));
    }
    #[test]
    fn what_a_zone_prints_is_the_zone() {
        for text in [".", "a", "A.b.", r"a\.", r"a\\.", r"a\\\.", r"\.", r"\046\\.b"] {
            let zone = Zone::new(text).unwrap();
            assert_eq!(Zone::new(zone.as_str()).unwrap(), zone, "{text}");
        }
        assert!(Zone::new(r"a\").is_err());
        assert_eq!(Zone::new(r"a\\.").unwrap().as_str(), r"a\\.");
        assert_eq!(Zone::new(r"a\.").unwrap().as_str(), r"a\..");
    }

    fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let label =
            prop::sample::select(vec![&b"a"[..], b"b", b"\x01a", b"a.b", b"\\", b"\xff\x00"]);
        vec(label.prop_map(<[u8]>::to_vec), 0..5)
    }

    fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
        let length = |label: &Vec<u8>| u8::try_from(label.len()).unwrap();
        let mut wire: Vec<u8> =
            labels.iter().flat_map(|label| [&[length(label)][..], label].concat()).collect();
        wire.push(0);
        wire
    }

    fn zone(labels: &[Vec<u8>]) -> Zone {
        Zone::new(&Presentation(&wire(labels)).to_string()).unwrap()
    }

    proptest! {
        #[test]
        fn any_name_reads_as_it_prints(labels in vec(vec(any::<u8>(), 1..64), 0..4)) {
            let wire = wire(&labels);
            let text = Presentation(&wire).to_string();
            let zone = Zone::new(&text).unwrap();
            prop_assert_eq!(zone.as_wire(), wire.to_ascii_lowercase());
            let name = wire_name(&text).unwrap();
            prop_assert_eq!(name.as_bytes(), wire.to_ascii_lowercase());
            let without_dot = text.strip_suffix('.').filter(|text| !text.is_empty());
            if let Some(text) = without_dot {
                prop_assert_eq!(Zone::new(text).unwrap(), zone.clone());
            }
        }

        #[test]
        fn any_text_is_a_zone_or_an_error(text in any::<String>()) {
            if let Ok(zone) = Zone::new(&text) {
                prop_assert!(zone.as_wire().len() <= 255 && zone.as_wire().ends_with(&[0]));
                let again = Zone::new(zone.as_str()).unwrap();
                prop_assert_eq!(again.as_wire(), zone.as_wire());
            }
            prop_assert_eq!(Zone::new(&text).is_ok(), wire_name(&text).is_ok());
        }

        #[test]
        fn the_longest_zone_is_the_one_with_most_labels_in_common(
            list in vec(labels(), 0..3 * MANY),
            name in labels(),
        ) {
            let zones = Zones::new(list.iter().map(|labels| zone(labels)).collect());
            let naive = list.iter().filter(|zone| name.ends_with(zone)).max_by_key(|zone| zone.len());
            let found = zones.longest(&wire(&name)).map(Zone::as_wire);
            let expected = naive.map(|labels| wire(labels));
            prop_assert_eq!(found, expected.as_deref());
        }
    }
}
