//! Rules over plugin folders: which files they hold, what their manual page says, and that it says what the code does.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::arrows::BELOW;
use super::rust::{Source, has_word, is_word};
use super::source::is_test_file;
use super::text::prose;
use super::{File, Finding};

const FOLDER: &str = "crates/plugins/src/";

/// The file that lists the plugins in the order of the chain.
pub(crate) const LIST: &str = "crates/plugins/src/lib.rs";

const FILES: [&str; 4] = ["README.md", "mod.rs", "setup.rs", "tests.rs"];
const SECTIONS: [&str; 4] = ["Name", "Description", "Syntax", "Examples"];
const OPTIONAL: [&str; 4] = ["Metrics", "Ready", "Bugs", "See Also"];

/// Plugin and place within its folder, for a path in one.
pub(crate) fn place(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(FOLDER)?.split_once('/')
}

pub(crate) fn declares_modules(list: &str) -> bool {
    Source::read(list)
        .code
        .lines()
        .any(|line| line.trim_end().ends_with(';') && has_word(line, "mod"))
}

pub(crate) fn incomplete(name: &str, files: &[&File], list: &str) -> Vec<Finding> {
    let has = |wanted: &str| {
        files.iter().any(|file| place(&file.path).is_some_and(|(_, inside)| inside == wanted))
    };
    let missing = FILES
        .iter()
        .filter(|wanted| !has(wanted))
        .map(|wanted| Finding::new(&format!("{FOLDER}{name}/{wanted}"), 0, "missing"));
    let unlisted = (!has_word(&Source::read(list).code, name))
        .then(|| Finding::new(LIST, 0, format!("does not list `{name}`")));
    missing.chain(unlisted).collect()
}

/// `crate::other::…`, or a chain of `super` that leaves the folder and enters another plugin's.
pub(crate) fn uses_of_other_plugins(path: &str, text: &str, plugins: &[&str]) -> Vec<Finding> {
    let Some((own, inside)) = place(path) else { return Vec::new() };
    // How many modules a file lies below the root of the crate.
    let depth = inside.split('/').count() + usize::from(!inside.ends_with("mod.rs"));
    let code = Source::read(text).code;
    let out = "super::".repeat(depth);
    let doors = ["crate::", &out].into_iter().flat_map(|door| code.match_indices(door));
    let mut findings = Vec::new();
    for (at, door) in doors {
        let (before, rest) = code.split_at(at);
        let entered = first_segments(rest.strip_prefix(door).unwrap_or_default());
        let others = entered.iter().filter(|name| **name != own && plugins.contains(name));
        if !before.ends_with(is_word) {
            let line = before.matches('\n').count() + 1;
            findings.extend(others.map(|other| {
                Finding::new(
                    path,
                    line,
                    format!("uses plugin `{other}`: what both need moves down into dunlin-core"),
                )
            }));
        }
    }
    findings
}

/// `a` of `a::b`, and `a`, `c` of `{a::b, c}`.
fn first_segments(path: &str) -> Vec<&str> {
    let leading = |path: &'_ str| path.find(|character| !is_word(character)).unwrap_or(path.len());
    let Some(group) = path.strip_prefix('{') else {
        return path.get(..leading(path)).into_iter().collect();
    };
    let (mut depth, mut start, mut segments) = (0_u32, true, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && is_word(character) => {
                let (_, rest) = group.split_at(at);
                segments.extend(rest.get(..leading(rest)));
                start = false;
            }
            _ => {}
        }
    }
    segments
}

/// The manual page of a plugin: its title, its sections, and the line that names it.
pub(crate) fn manual_page(name: &str, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if text.lines().next() != Some(format!("# {name}").as_str()) {
        findings.push(Finding::new(path, 1, format!("the first line is `# {name}`")));
    }
    let heads: Vec<(&str, usize)> = prose(text)
        .filter_map(|(line, number)| Some((line.strip_prefix("## ")?.trim(), number)))
        .collect();
    let required: Vec<&str> =
        heads.iter().map(|(head, _)| *head).filter(|head| SECTIONS.contains(head)).collect();
    if required != SECTIONS {
        findings.push(Finding::new(
            path,
            0,
            format!(
                "sections {}, in this order and once each; found {}",
                SECTIONS.join(", "),
                required.join(", ")
            ),
        ));
    }
    let unknown =
        heads.iter().filter(|(head, _)| !SECTIONS.contains(head) && !OPTIONAL.contains(head));
    let known = OPTIONAL.join(", ");
    findings.extend(unknown.map(|(head, number)| {
        Finding::new(
            path,
            *number,
            format!("no section is called `{head}`; beside the four there may be {known}"),
        )
    }));
    let mut after_name = prose(text)
        .skip_while(|(line, _)| line.trim_end() != "## Name")
        .skip(1)
        .filter(|(line, _)| !line.trim().is_empty());
    let start = format!("*{name}* - ");
    match after_name.next() {
        Some((line, _))
            if line.strip_prefix(&start).is_some_and(|rest| !rest.trim().is_empty()) => {}
        other => findings.push(Finding::new(
            path,
            other.map_or(0, |(_, number)| number),
            format!("`## Name` is followed by `{start}` and one line"),
        )),
    }
    findings
}

/// Metric and where its name is spelled.
pub(crate) type Metrics = BTreeMap<String, (String, usize)>;

/// Crates that make metrics for plugins: their names may stand in a plugin's manual page.
pub(crate) fn is_shared(path: &str) -> bool {
    ["crates/core/", "crates/engine/", "crates/upstream/"].iter().any(|home| path.starts_with(home))
}

/// The metric names that code spells as string literals. Tests do not count.
pub(crate) fn metrics_in<'a>(files: impl Iterator<Item = &'a File>) -> Metrics {
    let mut metrics = Metrics::new();
    for file in files.filter(|file| file.is_rust() && !is_test_file(&file.path)) {
        for (line, literal) in Source::read(&file.text).literals {
            if let [(name, _)] = metric_names(&literal).as_slice()
                && *name == literal
            {
                metrics.entry(literal.clone()).or_insert_with(|| (file.path.clone(), line));
            }
        }
    }
    metrics
}

/// Names in the code of a plugin that its manual page lacks, and the other way round.
pub(crate) fn metrics_that_differ(files: &[&File], shared: &Metrics) -> Vec<Finding> {
    let code = metrics_in(files.iter().copied());
    let Some(page) = files
        .iter()
        .find(|file| place(&file.path).is_some_and(|(_, inside)| inside == "README.md"))
    else {
        return Vec::new();
    };
    let section = prose(&page.text).skip_while(|(line, _)| line.trim_end() != "## Metrics").skip(1);
    let section = section.take_while(|(line, _)| !line.starts_with("## "));
    let told: Vec<(String, usize)> = section
        .flat_map(|(line, number)| {
            metric_names(line).into_iter().map(move |(name, _)| (name.to_owned(), number))
        })
        .collect();
    let untold = code.iter().filter(|(name, _)| !told.iter().any(|(told, _)| told == *name));
    let unmade =
        told.iter().filter(|(name, _)| !code.contains_key(name) && !shared.contains_key(name));
    let untold = untold.map(|(name, (file, line))| {
        Finding::new(file, *line, format!("`{name}` is missing in `## Metrics` of {}", page.path))
    });
    let unmade = unmade
        .map(|(name, line)| Finding::new(&page.path, *line, format!("no code makes `{name}`")));
    untold.chain(unmade).collect()
}

/// `coredns_…` and `dunlin_…`, with their offsets. A crate of ours in Rust's spelling is no metric.
fn metric_names(text: &str) -> Vec<(&str, usize)> {
    let mut names = Vec::new();
    for (at, _) in ["coredns_", "dunlin_"].into_iter().flat_map(|prefix| text.match_indices(prefix))
    {
        let (before, rest) = text.split_at(at);
        let length = rest
            .find(|character: char| {
                !(character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_')
            })
            .unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let is_crate = BELOW.iter().any(|(below, _)| below.replace('-', "_") == name);
        if !before.ends_with(is_word) && !is_crate && !name.ends_with('_') {
            names.push((name, at));
        }
    }
    names
}
