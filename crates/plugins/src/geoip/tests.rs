//! The acceptance rows of the specification (1 to 13, 15 and 16), in their order. Row 14 needs dispatch:
//! it is in `tests/chains`.

use std::path::PathBuf;

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, TestQuery, query, stub};
use dunlin_testkit::metrics::value;
use dunlin_testkit::wait::until_async;

use super::fixture::{Value, database};
use super::*;

const METADATA: dunlin_core::Entry = dunlin_core::Entry {
    name: "metadata",
    setup: |directive| {
        directive.parts().metadata = Some(directive.zones());
        Ok(())
    },
};

fn names(name: &'static str) -> Value {
    Value::Map(vec![("names", Value::Map(vec![("en", Value::Text(name))]))])
}

fn code_and_names(
    code: (&'static str, &'static str),
    name: &'static str,
) -> Vec<(&'static str, Value)> {
    vec![
        (code.0, Value::Text(code.1)),
        ("names", Value::Map(vec![("de", Value::Text("?")), ("en", Value::Text(name))])),
    ]
}

fn cambridge() -> Value {
    let mut country = code_and_names(("iso_code", "GB"), "United Kingdom");
    country.push(("is_in_european_union", Value::Bool(true)));
    let part = |code| Value::Map(vec![("iso_code", Value::Text(code))]);
    Value::Map(vec![
        ("city", names("Cambridge")),
        ("continent", Value::Map(code_and_names(("code", "EU"), "Europe"))),
        ("country", Value::Map(country)),
        (
            "location",
            Value::Map(vec![
                ("latitude", Value::Double(52.2242)),
                ("longitude", Value::Double(0.1315)),
                ("time_zone", Value::Text("Europe/London")),
            ]),
        ),
        ("postal", Value::Map(vec![("code", Value::Text("CB4"))])),
        ("subdivisions", Value::List(vec![part("ENG"), part("CAM")])),
    ])
}

fn city(build_epoch: u64, place: Value) -> Vec<u8> {
    let records =
        [("81.2.69.142/32", place), ("192.0.2.0/24", Value::Map(vec![("city", names("Nowhere"))]))];
    database("GeoLite2-City", build_epoch, &records)
}

fn asn() -> Vec<u8> {
    let record = |number, name| {
        Value::Map(vec![
            ("autonomous_system_number", Value::Number(number)),
            ("autonomous_system_organization", Value::Text(name)),
        ])
    };
    let records = [
        ("81.2.69.0/24", record(12345, "Test ASN Organization")),
        ("10.0.0.0/8", record(0, "Not routed")),
    ];
    database("GeoLite2-ASN", 1, &records)
}

struct File(tempfile::TempDir);

impl File {
    fn new(content: &[u8]) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(content);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("db.mmdb")
    }

    fn write(&self, content: &[u8]) {
        let new = self.0.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path()).unwrap();
    }
}

fn block(lines: &str, file: &File) -> TestBlock {
    let text = format!("{lines}\ngeoip {}", file.path().display());
    let text = text.replace(" SUBNET", "");
    let text = if lines.contains("SUBNET") { text + " {\nedns-subnet\n}" } else { text };
    testing::block(&[METADATA, ENTRY], &text)
        .unwrap()
        .before(stub(|query| Box::pin(async { Ok(query.reply()) })))
}

/// All labels that a query has, with their values.
fn labels(block: &mut TestBlock, query: &TestQuery) -> String {
    let mut query = query.build();
    query.attach_metadata(Metadata::default());
    block.chain().describe(&query);
    let metadata = query.metadata().unwrap();
    let known = ALL.iter().filter_map(|label| Some(format!("{label}={}", metadata.get(label)?)));
    known.map(|line| line.replace("geoip/", "")).collect::<Vec<_>>().join(" ")
}

const ALL: [&str; 13] = [
    "geoip/city/name",
    "geoip/country/code",
    "geoip/country/name",
    "geoip/country/is_in_european_union",
    "geoip/continent/code",
    "geoip/continent/name",
    "geoip/latitude",
    "geoip/longitude",
    "geoip/timezone",
    "geoip/postalcode",
    "geoip/subdivisions/code",
    "geoip/asn/number",
    "geoip/asn/org",
];

const CAMBRIDGE: &str = "city/name=Cambridge country/code=GB country/name=United Kingdom \
    country/is_in_european_union=true continent/code=EU continent/name=Europe latitude=52.2242 \
    longitude=0.1315 timezone=Europe/London postalcode=CB4 subdivisions/code=ENG,CAM";
const ABSENT: &str = "city/name= country/code= country/name= country/is_in_european_union=false \
    continent/code= continent/name= latitude= longitude= timezone= postalcode= subdivisions/code=";

fn from(client: &str) -> TestQuery {
    query("example.org.", RecordType::A).from(client)
}

#[test]
fn rows_1_to_5_mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let unknown = File::new(&database("UnknownDbType", 1, &[]));
    let domain = File::new(&database("GeoIP2-Domain", 1, &[]));
    let city = File::new(&city(1, cambridge()));
    let (unknown, domain, city) =
        (unknown.path().display().to_string(), domain.path().display().to_string(), city.path());
    let city = city.display();
    let table = [
        ("1", "geoip".to_owned(), parsing(2, &format!("{count} 'geoip'"))),
        ("1", "geoip a b".into(), parsing(2, &format!("{count} 'b'"))),
        ("1", "geoip {\n}".into(), parsing(2, &format!("{count} 'geoip'"))),
        (
            "2",
            format!("geoip {city}\ngeoip {city}"),
            parsing(3, "configuring multiple databases is not supported"),
        ),
        (
            "3",
            format!("geoip {city} {{\nlanguages en\n}}"),
            parsing(3, "unknown property \"languages\""),
        ),
        ("3", format!("geoip {city} {{\nedns-subnet x\n}}"), parsing(3, "unknown property \"x\"")),
        (
            "4",
            "geoip /nowhere.mmdb".into(),
            parsing(
                2,
                "failed to open database file: open /nowhere.mmdb: no such file or directory",
            ),
        ),
        (
            "5",
            format!("geoip {unknown}"),
            parsing(
                2,
                "failed to open database file: geoip2: reader does not support the \
                 \"UnknownDbType\" database type",
            ),
        ),
        (
            "no schema",
            format!("geoip {domain}"),
            parsing(2, "database does not provide any supported schema (city, asn)"),
        ),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, &text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

#[test]
fn rows_6_to_12_and_15_where_clients_are() {
    let (cities, numbers) = (File::new(&city(1, cambridge())), File::new(&asn()));
    let subnet = [0, 1, 32, 0, 81, 2, 69, 142];
    let mapped = [&[0, 2, 128, 0], &[0; 10][..], &[0xff, 0xff, 81, 2, 69, 142]].concat();
    let nowhere = ABSENT.replace("city/name=", "city/name=Nowhere");
    let table = [
        ("6", "", &cities, from("81.2.69.142:53"), CAMBRIDGE),
        ("absent", "", &cities, from("81.2.69.143:53"), ABSENT),
        ("IPv6", "", &cities, from("[2001:db8::1]:53"), ABSENT),
        (
            "7",
            "",
            &numbers,
            from("81.2.69.142:53"),
            "asn/number=12345 asn/org=Test ASN Organization",
        ),
        ("8", "", &numbers, from("10.0.0.1:53"), "asn/number=0 asn/org=Not routed"),
        ("9", "", &numbers, from("203.0.113.1:53"), "asn/number=0 asn/org="),
        ("10", "# SUBNET", &cities, from("127.0.0.1:53").option(8, &subnet), CAMBRIDGE),
        ("10", "# SUBNET", &cities, from("127.0.0.1:53").option(8, &mapped), CAMBRIDGE),
        ("10", "# SUBNET", &cities, from("81.2.69.142:53"), CAMBRIDGE),
        ("11", "", &cities, from("127.0.0.1:53").option(8, &subnet), ABSENT),
        ("12", "", &cities, from("192.0.2.1:53"), &nowhere),
        ("15", "", &cities, from("81.2.69.142:53"), CAMBRIDGE),
    ];
    for (row, lines, file, query, expected) in table {
        let found = labels(&mut block(lines, file), &query);
        assert_eq!(found, expected, "{row}");
    }
}

#[tokio::test]
async fn row_13_without_metadata_queries_are_served() {
    let file = File::new(&city(1, cambridge()));
    let mut block = block("", &file);
    block.ask(from("81.2.69.142:53")).await.unwrap();
    let name = "dunlin_geoip_lookups_total";
    assert_eq!(value(&block.metrics().page(), name, &[("result", "found")]), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn row_16_a_new_file_takes_over_and_a_bad_one_does_not() {
    let file = File::new(&city(1, cambridge()));
    let mut block = block("metadata", &file);
    block.start().await.unwrap();
    let client = || from("81.2.69.142:53");
    let metric = |block: &TestBlock, name: &str| value(&block.metrics().page(), name, &[]).unwrap();
    let (epoch, failures) =
        ("dunlin_geoip_database_build_epoch_seconds", "dunlin_geoip_database_failures_total");
    assert_eq!(labels(&mut block, &client()), CAMBRIDGE);
    assert_eq!(metric(&block, epoch), 1.0);

    let moved = city(2, Value::Map(vec![("city", names("Oxford"))]));
    file.write(&moved);
    until_async("the new database", async || metric(&block, epoch) == 2.0).await;
    let oxford = ABSENT.replace("city/name=", "city/name=Oxford");
    assert_eq!(labels(&mut block, &client()), oxford);

    for (count, bad) in [(1.0, &b"nonsense"[..]), (2.0, &moved[..moved.len() / 2])] {
        file.write(bad);
        until_async("the failure", async || metric(&block, failures) == count).await;
        assert_eq!(labels(&mut block, &client()), oxford);
    }
    let lookups = |result| {
        value(&block.metrics().page(), "dunlin_geoip_lookups_total", &[("result", result)])
    };
    assert_eq!((lookups("found"), lookups("absent")), (Some(4.0), Some(0.0)));
    block.stop().await;
}
