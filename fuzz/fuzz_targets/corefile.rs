//! Any text as a Corefile: no panic, bounded work, and what is printed reads the same.
//!
//! `cargo +nightly fuzz run corefile`
#![no_main]

use std::path::Path;

use dunlin_corefile::{
    DIRECTIVES, MemoryLoader, Outcome, Reader, Settings, Source, go, normalize_zone, parse, print, semantic_json,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    // The same octets are what an import of a.conf brings, so that recursion is found.
    let loader = MemoryLoader::new().file("/c/a.conf", octets).file("/c/b/a.conf", "import ../a.conf\nlog");
    let checked = Settings { loader: &loader, environment: &environment, directives: Some(DIRECTIVES) };
    let free = Settings { directives: None, ..checked };
    exercise(&read(octets, &checked));
    let outcome = read(octets, &free);
    exercise(&outcome);
    if let Ok(printed) = print(&outcome.corefile)
        && !printed.contains("{$")
        && !printed.contains("{%")
    {
        let again = read(printed.as_bytes(), &free);
        assert_eq!(again.first_error(), None, "{printed}");
        assert_eq!(semantic_json(&again.corefile), semantic_json(&outcome.corefile), "{printed}");
    }
});

fn read(text: &[u8], settings: &Settings<'_>) -> Outcome {
    parse(&Source { name: "Corefile", directory: Path::new("/c"), text }, settings)
}

fn environment(name: &str) -> Option<String> {
    match name {
        "A" => Some("{$B} {%A%}".to_owned()),
        "B" => Some("} b {".to_owned()),
        _ => None,
    }
}

fn exercise(outcome: &Outcome) {
    let _ = outcome.corefile.server_keys(53);
    for block in &outcome.corefile.blocks {
        for name in block.directive_names() {
            let tokens = block.tokens_of(name);
            let mut reader = Reader::new("Corefile", &tokens);
            while reader.next() {
                for argument in reader.remaining_args() {
                    let _ = (go::parse_duration(argument), go::atoi(argument), normalize_zone(argument));
                }
                while reader.next_block() {
                    let _ = (reader.args::<2>(), reader.arg_error().to_string());
                }
            }
        }
    }
}
