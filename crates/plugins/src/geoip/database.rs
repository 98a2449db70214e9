//! A MaxMind database in memory.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use maxminddb::geoip2::{Asn, City};
use maxminddb::{MaxMindDbError, Reader};

use super::labels::{self, Label};

/// A database that is known to have what we look for.
#[derive(Debug)]
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    schema: Schema,
}

/// What the records of a database hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    City,
    Asn,
}

/// What a database says of an address.
#[derive(Debug)]
pub(super) struct Place {
    /// Whether it has the address at all.
    pub(super) is_known: bool,
    pub(super) labels: Vec<Label>,
}

/// Why a file is no database for us. The texts are CoreDNS's.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadDatabase {
    #[error("failed to open database file: open {path}: {reason}")]
    Open { path: String, reason: String },
    #[error("failed to open database file: {0}")]
    Format(MaxMindDbError),
    #[error(
        "failed to open database file: geoip2: reader does not support the {0:?} database type"
    )]
    UnknownType(String),
    #[error("database does not provide any supported schema (city, asn)")]
    NoSchema,
    #[error("unexpected failure looking up database {path:?} schema {schema:?}: {source}")]
    Probe { path: String, schema: &'static str, source: MaxMindDbError },
}

impl Schema {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Asn => "asn",
        }
    }

    /// By the type that a database says it is of.
    fn of(kind: &str) -> Result<Self, BadDatabase> {
        match kind {
            _ if CITY.contains(&kind) => Ok(Self::City),
            _ if ASN.contains(&kind) => Ok(Self::Asn),
            _ if OTHER.contains(&kind) => Err(BadDatabase::NoSchema),
            _ => Err(BadDatabase::UnknownType(kind.to_owned())),
        }
    }
}

impl Database {
    /// Takes the content of a file, and looks an address up to see that it works.
    pub(super) fn open(content: Vec<u8>, path: &Path) -> Result<Self, BadDatabase> {
        let reader = Reader::from_source(content).map_err(BadDatabase::Format)?;
        let schema = Schema::of(&reader.metadata().database_type)?;
        let database = Self { reader, schema };
        database.look_up(Ipv4Addr::LOCALHOST.into()).map_err(|source| BadDatabase::Probe {
            path: path.display().to_string(),
            schema: schema.name(),
            source,
        })?;
        Ok(database)
    }

    pub(super) fn schema(&self) -> Schema {
        self.schema
    }

    /// When it was made, in seconds since 1970.
    pub(super) fn build_epoch(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    pub(super) fn look_up(&self, address: IpAddr) -> Result<Place, MaxMindDbError> {
        let found = self.reader.lookup(address)?;
        let labels = match self.schema {
            Schema::City => labels::of_city(&found.decode::<City<'_>>()?.unwrap_or_default()),
            Schema::Asn => labels::of_asn(found.decode::<Asn<'_>>()?.as_ref()),
        };
        Ok(Place { is_known: found.has_data(), labels })
    }
}

const CITY: [&str; 17] = [
    "GeoLite2-City",
    "GeoIP2-City",
    "GeoIP2-City-Africa",
    "GeoIP2-City-Asia-Pacific",
    "GeoIP2-City-Europe",
    "GeoIP2-City-North-America",
    "GeoIP2-City-South-America",
    "GeoIP2-Precision-City",
    "GeoLite2-Country",
    "GeoIP2-Country",
    "GeoIP2-Enterprise",
    "DBIP-City-Lite",
    "DBIP-Country",
    "DBIP-Country-Lite",
    "DBIP-Location (compat=City)",
    "DBIP-ISP (compat=Enterprise)",
    "DBIP-Location-ISP (compat=Enterprise)",
];

const ASN: [&str; 4] =
    ["GeoLite2-ASN", "DBIP-ASN-Lite (compat=GeoLite2-ASN)", "GeoIP2-ISP", "GeoIP2-Precision-ISP"];

/// Types that CoreDNS's library reads, with nothing in them that has a label.
const OTHER: [&str; 3] = ["GeoIP2-Anonymous-IP", "GeoIP2-Connection-Type", "GeoIP2-Domain"];
