//! The house rules that neither the compiler nor a lint can hold: which crate may use which, what a plugin's folder contains, that manual pages
//! and code agree, where the clock is read. Each test is one rule, and names file and line of what breaks it.
//!
//! The rules are pure functions over paths and texts. They stand in `house/` with rows of texts that keep and break them.
#![forbid(unsafe_code)]

mod house;

use std::io;

use house::{Finding, Tree, arrows, manifest, room, source, text};

#[test]
fn crates_use_only_what_lies_below_them() -> io::Result<()> {
    let tree = Tree::read()?;
    report(
        &arrows::packages()?
            .iter()
            .flat_map(|package| arrows::upward(package, tree.text(&package.manifest)))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn only_the_os_crate_is_unsafe() -> io::Result<()> {
    rust(source::unsafe_outside_os)
}

#[test]
fn every_other_crate_root_forbids_unsafe_code() -> io::Result<()> {
    let tree = Tree::read()?;
    let roots = arrows::packages()?
        .into_iter()
        .filter(|package| package.name != "dunlin-os")
        .flat_map(|package| package.roots);
    report(
        &roots
            .flat_map(|root| source::root_without_forbid(&root, tree.text(&root)))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn every_module_opens_with_what_it_is() -> io::Result<()> {
    rust(source::undocumented_module)
}

#[test]
fn no_file_is_longer_than_600_lines() -> io::Result<()> {
    rust(source::long_file)
}

#[test]
fn folders_have_a_mod_rs() -> io::Result<()> {
    let tree = Tree::read()?;
    let paths: Vec<&str> = tree.rust().map(|file| file.path.as_str()).collect();
    report(&source::files_beside_their_folder(&paths))
}

#[test]
fn no_test_is_ignored() -> io::Result<()> {
    rust(source::ignored_tests)
}

#[test]
fn no_test_sleeps() -> io::Result<()> {
    rust(source::sleeping_tests)
}

#[test]
fn nothing_unfinished_is_left() -> io::Result<()> {
    rust(source::unfinished)
}

#[test]
fn the_clock_is_read_where_tests_can_pause_it() -> io::Result<()> {
    rust(source::clock_that_cannot_pause)
}

#[test]
fn plugin_folders_are_complete_and_listed() -> io::Result<()> {
    let tree = Tree::read()?;
    let rooms = tree.rooms();
    let list = tree.text(room::LIST);
    assert!(
        !rooms.is_empty() || !room::declares_modules(list),
        "{} declares modules, but no plugin folder was seen",
        room::LIST
    );
    report(
        &rooms
            .iter()
            .flat_map(|(name, files)| room::incomplete(name, files, list))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn plugins_do_not_use_each_other() -> io::Result<()> {
    let tree = Tree::read()?;
    let rooms = tree.rooms();
    let names: Vec<&str> = rooms.keys().copied().collect();
    let each = |file: &&house::File| room::uses_of_other_plugins(&file.path, &file.text, &names);
    report(
        &rooms.values().flatten().filter(|file| file.is_rust()).flat_map(each).collect::<Vec<_>>(),
    )
}

#[test]
fn manual_pages_have_their_sections_in_order() -> io::Result<()> {
    let tree = Tree::read()?;
    let pages = tree
        .rooms()
        .into_iter()
        .flat_map(|(name, files)| files.into_iter().map(move |file| (name, file)));
    report(
        &pages
            .filter(|(_, file)| file.path.ends_with("/README.md"))
            .flat_map(|(name, file)| room::manual_page(name, &file.path, &file.text))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn code_and_manual_pages_name_the_same_metrics() -> io::Result<()> {
    let tree = Tree::read()?;
    let shared = room::metrics_in(tree.rust().filter(|file| room::is_shared(&file.path)));
    report(
        &tree
            .rooms()
            .values()
            .flat_map(|files| room::metrics_that_differ(files, &shared))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn every_code_fence_has_a_tag() -> io::Result<()> {
    let tree = Tree::read()?;
    report(
        &tree
            .files()
            .filter(|file| file.path.ends_with(".md"))
            .flat_map(|file| text::untagged_fences(&file.path, &file.text))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn versions_of_dependencies_stand_in_the_workspace_sorted_and_without_default_features()
-> io::Result<()> {
    let tree = Tree::read()?;
    let members = tree
        .files()
        .filter(|file| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/"));
    let mut findings = manifest::workspace(manifest::ROOT, tree.text(manifest::ROOT));
    findings.extend(members.flat_map(|file| manifest::member(&file.path, &file.text)));
    report(&findings)
}

#[test]
fn the_changelog_has_an_unreleased_section() -> io::Result<()> {
    report(&text::changelog_without_unreleased("CHANGELOG.md", Tree::read()?.text("CHANGELOG.md")))
}

#[test]
fn no_file_speaks_of_one_machine() -> io::Result<()> {
    let tree = Tree::read()?;
    report(
        &tree
            .files()
            .flat_map(|file| text::machine_paths(&file.path, &file.text))
            .collect::<Vec<_>>(),
    )
}

fn rust(rule: fn(&str, &str) -> Vec<Finding>) -> io::Result<()> {
    let tree = Tree::read()?;
    assert!(tree.rust().count() > 5, "the tree was not read");
    report(&tree.rust().flat_map(|file| rule(&file.path, &file.text)).collect::<Vec<_>>())
}

/// Fails with one line for each finding.
#[track_caller]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the last expression of tests that may fail to read the tree"
)]
fn report(findings: &[Finding]) -> io::Result<()> {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} broken:\n{}", lines.len(), lines.join("\n"));
    Ok(())
}
