//! The weight file: a line with a name, then lines with an address and its weight.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use dunlin_core::wire::{WireName, expand};
use dunlin_core::zones::Zone;

use super::section::Item;

/// Weights by owner and address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weights(HashMap<Box<[u8]>, Vec<(IpAddr, u8)>>);

/// What is wrong with a weight file. The texts are CoreDNS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFile {
    #[error("wrong domain name:\"{word}\" in weight file {file}. (Maybe a missing weight value?)")]
    Name { word: String, file: String },
    #[error("wrong IP address:\"{word}\" in weight file {file}")]
    Address { word: String, file: String },
    #[error("wrong weight value:\"{word}\" in weight file {file}")]
    Weight { word: String, file: String },
    #[error("missing domain name in weight file {file}")]
    NoName { file: String },
    #[error("could not parse weight line:\"{line}\" in weight file {file}")]
    Line { line: String, file: String },
}

impl Weights {
    /// Reads the content of a file.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, BadFile> {
        let file = || path.display().to_string();
        let mut weights = Self::default();
        // Of a word that cannot be a name the addresses count for nobody, as in CoreDNS.
        let mut name: Option<Option<Zone>> = None;
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [word] if word.parse::<IpAddr>().is_ok() => {
                    return Err(BadFile::Name { word: (*word).into(), file: file() });
                }
                [word] => name = Some(Zone::new(word).ok()),
                [address, weight] => {
                    let Ok(address) = address.parse::<IpAddr>() else {
                        return Err(BadFile::Address { word: (*address).into(), file: file() });
                    };
                    let Some(weight) = parse_weight(weight) else {
                        return Err(BadFile::Weight { word: (*weight).into(), file: file() });
                    };
                    let name = name.as_ref().ok_or_else(|| BadFile::NoName { file: file() })?;
                    weights.add(name.as_ref(), address.to_canonical(), weight);
                }
                _ => return Err(BadFile::Line { line: line.into(), file: file() }),
            }
        }
        Ok(weights)
    }

    fn add(&mut self, name: Option<&Zone>, address: IpAddr, weight: u8) {
        if let Some(name) = name {
            self.0.entry(name.as_wire().into()).or_default().push((address, weight));
        }
    }

    /// The weight of a record: 1 if the file says nothing of it. Of two lines for one address the
    /// first counts.
    pub(super) fn of(&self, bytes: &[u8], item: &Item) -> usize {
        let known = item.address.and_then(|address| {
            let mut owner = WireName::new();
            expand(bytes, item.owner, &mut owner)?;
            let weights = self.0.get(owner.as_bytes())?;
            weights.iter().find(|(known, _)| *known == address)
        });
        known.map_or(1, |(_, weight)| usize::from(*weight))
    }
}

/// 1 to 255, in digits only.
fn parse_weight(word: &str) -> Option<u8> {
    let is_number = word.bytes().all(|octet| octet.is_ascii_digit());
    word.parse().ok().filter(|weight| is_number && *weight > 0)
}
