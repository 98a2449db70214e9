//! Names and types meet zones: core.md rows 44 to 47.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::stub;
use dunlin_core::zones::wire_name;

use super::*;

fn table(zones: &[&str]) -> Table {
    let mut table = Table::default();
    for zone in zones {
        let zone = Zone::new(zone).unwrap();
        let site = Site { zone: zone.as_str().to_owned(), ..Site::default() };
        let place = Place {
            site: Arc::new(site),
            chain: Chain::new(vec![Box::new(stub(|query| Box::pin(async { Ok(query.reply()) })))]),
            metadata: None,
            view: None,
            debug: false,
            stacktrace: false,
        };
        table.add(&zone, place);
    }
    table
}

fn found<'a>(table: &'a Table, name: &str, qtype: RecordType) -> &'a str {
    let place = table.find(wire_name(name).unwrap().as_bytes(), qtype.into(), |_| true);
    place.map_or("-", |place| place.site.zone.as_str())
}

#[test]
fn the_longest_zone_answers_label_by_label() {
    let four = ["org", "example.org", "sub.example.org", "x.sub.example.org"];
    let rooted = [".", "org", "example.org"];
    let table = [
        (&four[..], "org", "org."),
        (&four, "xexample.org", "org."),
        (&four, "example.org", "example.org."),
        (&four, "sub.example.org", "sub.example.org."),
        (&four, "y.sub.example.org", "sub.example.org."),
        (&four, "a.b.c.x.sub.example.org", "x.sub.example.org."),
        (&four, "Example.ORG", "example.org."),
        (&four, "net", "-"),
        (&four, ".", "-"),
        (&rooted, "net", "."),
        (&rooted, ".", "."),
        (&rooted, "www.example.org", "example.org."),
        (&rooted, "example.org.net", "."),
        (&["EXAMPLE.ORG."], "www.example.org", "example.org."),
        (&[r"a\.b.c"], r"a\.b.c", "a\\.b.c."),
        (&[r"b.c"], r"a\.b.c", "-"),
        // The octets of a zone inside a label are no zone.
        (&["org"], r"www\003org", "-"),
        (&["org"], r"x\003org\000", "-"),
        (&[], "org", "-"),
    ];
    for (zones, name, zone) in table {
        for kind in [RecordType::A, RecordType::NS, RecordType::SOA, RecordType::ANY] {
            assert_eq!(found(&self::table(zones), name, kind), zone, "{name} {kind} in {zones:?}");
        }
    }
}

/// RFC 4035 §3.1.4.1. CoreDNS asks the shortest zone below the root.
#[test]
fn ds_belongs_to_the_closest_zone_above_the_owner() {
    let four = ["org", "example.org", "sub.example.org", "x.sub.example.org"];
    let rooted = [".", "org", "sub.example.org"];
    let table = [
        (&four[..], "org", "org."),
        (&four, "example.org", "org."),
        (&four, "sub.example.org", "example.org."),
        (&four, "x.sub.example.org", "sub.example.org."),
        (&four, "y.x.sub.example.org", "x.sub.example.org."),
        (&four, "other.org", "org."),
        (&four, "net", "-"),
        (&rooted, "sub.example.org", "org."),
        // The root takes no DS from a more specific block.
        (&rooted, "org", "org."),
        (&rooted, "net", "."),
        (&rooted, ".", "."),
        (&[".", "a.b.c"], "a.b.c", "a.b.c."),
        (&["a.b.c"], "a.b.c", "a.b.c."),
    ];
    for (zones, name, zone) in table {
        assert_eq!(found(&self::table(zones), name, RecordType::DS), zone, "{name} in {zones:?}");
    }
}

#[test]
fn of_blocks_with_one_zone_the_first_is_asked() {
    let table = table(&["org", "org"]);
    let name = wire_name("org").unwrap();
    let first = &table.zones[name.as_bytes()][0];
    assert!(Arc::ptr_eq(table.find(name.as_bytes(), 1, |_| true).unwrap(), first));
}

#[test]
fn a_table_is_busy_while_a_query_holds_a_place() {
    let table = table(&["org", "net"]);
    assert!(!table.is_busy());
    let held = Arc::clone(table.find(wire_name("net").unwrap().as_bytes(), 1, |_| true).unwrap());
    assert!(table.is_busy());
    drop(held);
    assert!(!table.is_busy());
}
