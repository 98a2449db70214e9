//! Every Corefile that we show to somebody is one that loads: core.md §25, row 36.

use std::fs;
use std::path::{Path, PathBuf};

use dunlin_testkit::process::Server;

use crate::kit::{dunlin, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The texts between fences that are tagged `corefile`.
fn examples(page: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = page.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        if line.trim_start() == "```corefile" {
            let indent = line.len() - line.trim_start().len();
            let text = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let text = text.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n");
            examples.push(text.collect());
        }
    }
    examples
}

/// Manual pages of plugins, and what is written for operators.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let rooms = fs::read_dir(root.join("crates/plugins/src")).unwrap();
    let mut pages: Vec<PathBuf> =
        rooms.map(|entry| entry.unwrap().path().join("README.md")).collect();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs);
    pages.push(root.join("README.md"));
    pages.retain(|page| page.is_file() && page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages
}

#[test]
fn the_corefiles_of_all_pages_load() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        for example in examples(&fs::read_to_string(&page).unwrap()) {
            let setup = dunlin().argument("check").argument("-conf").argument("Corefile");
            let ended = run(setup.file("Corefile", &example));
            count += 1;
            if ended.status != Some(0) {
                wrong.push(format!("{}:\n{example}\n{}", page.display(), ended.out));
            }
        }
    }
    assert!(count > 10, "only {count} examples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corefile_that_is_shipped_loads() {
    let path = root().join("Corefile.example");
    let ended = run(dunlin().argument("check").argument("-conf").argument(path.to_str().unwrap()));
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), ""));
    let built_in = run(Server::of(crate::kit::BINARY).argument("check"));
    assert_eq!((built_in.status, built_in.out.as_str()), (Some(0), ""));
}
