//! The acceptance rows of the specification (W05 to W19) that the Corefile side decides; which block
//! takes a query is tested in the black box.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, TestQuery, query, stub};

use super::ENTRY;

fn admits(block: &TestBlock, query: &TestQuery) -> bool {
    block.parts().view.as_ref().unwrap().admits(&query.build())
}

#[test]
fn a_block_takes_what_its_expressions_say() {
    let udp = || query("Abc.X.", RecordType::A);
    let mx = || query("a.", RecordType::MX);
    let table = [
        ("no expression", "view a", udp(), true),
        ("no expression", "view a {\n}", udp(), true),
        ("W07", "view a {\nexpr 1\n}", udp(), false),
        ("W08", "view a {\nexpr incidr('x','10.0.0.0/8')\n}", udp(), false),
        ("W09", "view a {\nexpr incidr(client_ip(), '::1/128')\n}", udp().from("[::1]:53"), true),
        ("W10", "view a {\nexpr type() in ['A','AAAA']\n}", mx(), false),
        ("W10", "view a {\nexpr type() in ['A','AAAA']\n}", udp(), true),
        ("W11", "view a {\nexpr name() matches '^abc\\\\..*'\n}", udp(), true),
        ("W12", "view a {\nexpr metadata('geoip/country/code') == 'US'\n}", udp(), false),
        ("W13", "view a {\nexpr true\nexpr false\n}", udp(), false),
        ("W13", "view a {\nexpr true\nexpr do()\n}", udp().dnssec_ok(), true),
        ("W14", "view a {\nexpr do()\n}", udp(), false),
        ("W14", "view a {\nexpr do()\n}", udp().dnssec_ok(), true),
        ("W15", "view a {\nexpr bufsize() >= 1232\n}", udp().edns(4096), true),
        ("W19", "view a {\nexpr not (type() == 'A') and proto() == 'udp'\n}", mx(), true),
        ("W19", "view a {\nexpr not (type() == 'A') and proto() == 'udp'\n}", mx().tcp(), false),
        ("blanks", "view a {\nexpr \"'a  b'\"   !=   'a b'\n}", udp(), true),
    ];
    for (row, text, query, expected) in table {
        let block = testing::setup(&ENTRY, text).unwrap();
        assert_eq!(admits(&block, &query), expected, "{row} {text}");
        assert_eq!(block.parts().view.as_ref().unwrap().name(), "a");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let once = "this plugin can only be used once per Server Block";
    let table = [
        ("W16", "view a {\nexpr nosuch()\n}", parsing(3, "unknown name nosuch (1:1)")),
        ("W16", "view a {\nexpr\n}", parsing(3, "unexpected token EOF (1:1)")),
        ("W17", "view", parsing(2, &format!("{count} 'view'"))),
        ("W17", "view a b", parsing(2, &format!("{count} 'b'"))),
        ("W18", "view a {\nfoo\n}", parsing(3, "unknown property 'foo'")),
        ("once", "view a\nview b", once.to_owned()),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

#[test]
fn a_block_has_one_view() {
    let other = dunlin_core::Entry {
        name: "other",
        setup: |directive| {
            directive.parts().view = Some(dunlin_core::directive::View::new("x", |_| true));
            Ok(())
        },
    };
    let error = testing::block(&[other, ENTRY], "other\nview a").unwrap_err();
    assert_eq!(error.to_string(), "multiple views defined in server block");
}

#[tokio::test]
async fn w20_the_name_of_the_view_is_metadata_and_the_chain_goes_on() {
    let metadata = dunlin_core::Entry {
        name: "metadata",
        setup: |directive| {
            directive.parts().metadata = Some(directive.zones());
            Ok(())
        },
    };
    let names = stub(|query| {
        let name = query.metadata().and_then(|metadata| metadata.get("view/name"));
        assert_eq!(name.as_deref(), Some("office"));
        Box::pin(async { Ok(query.reply()) })
    });
    let block = testing::block(&[metadata, ENTRY], "metadata\nview office").unwrap();
    let reply = block.before(names.clone()).ask(query("a.", RecordType::A)).await.unwrap();
    assert_eq!((names.asked(), reply.author()), (1, Some("stub")));
}
