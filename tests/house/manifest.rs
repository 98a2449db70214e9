//! Rules over Cargo manifests. They read lines, as manifests here keep one dependency on a line.

use super::Finding;

pub(crate) const ROOT: &str = "Cargo.toml";

struct Entry<'a> {
    line: usize,
    section: &'a str,
    key: &'a str,
    value: &'a str,
}

/// What looks like `key = value`, with the section it stands in; and section heads, with an empty key.
fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for (text, line) in text.lines().map(str::trim).zip(1..) {
        if let Some(name) = text.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = name.trim();
            entries.push(Entry { line, section, key: "", value: "" });
        } else if let Some((key, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) {
            entries.push(Entry { line, section, key: key.trim(), value: value.trim() });
        }
    }
    entries
}

/// Foreign crates: sorted, with a version, without default features. Our own: sorted, by path.
pub(crate) fn workspace(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let table: Vec<&Entry<'_>> = entries
        .iter()
        .filter(|entry| entry.section == "workspace.dependencies" && !entry.key.is_empty())
        .collect();
    if table.is_empty() {
        return vec![Finding::new(path, 0, "no [workspace.dependencies]")];
    }
    let (own, foreign): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) =
        table.into_iter().partition(|entry| entry.value.contains("path ="));
    let unsorted = [&own, &foreign].into_iter().flat_map(|list| list.windows(2)).filter_map(
        |pair| match pair {
            [first, second] if first.key > second.key => Some(Finding::new(
                path,
                second.line,
                format!("`{}` sorts before `{}`", second.key, first.key),
            )),
            _ => None,
        },
    );
    let loose = foreign.iter().filter(|entry| {
        !(entry.value.contains("version =") && entry.value.contains("default-features = false"))
    });
    let loose = loose.map(|entry| {
        Finding::new(
            path,
            entry.line,
            format!("`{}` wants a version and default-features = false", entry.key),
        )
    });
    let split = entries.iter().filter(|entry| {
        entry.key.is_empty() && entry.section.starts_with("workspace.dependencies.")
    });
    let split = split.map(|entry| {
        Finding::new(
            path,
            entry.line,
            "write the dependency on one line of [workspace.dependencies]",
        )
    });
    unsorted.chain(loose).chain(split).collect()
}

/// Dependencies of a member come from the workspace, and do not turn default features on again.
pub(crate) fn member(path: &str, text: &str) -> Vec<Finding> {
    let is_table = |section: &str| section.split('.').next_back().is_some_and(is_dependencies);
    let inside = |section: &str| section.split('.').rev().skip(1).any(is_dependencies);
    let mut findings = Vec::new();
    for entry in entries(text) {
        let from_workspace = (entry.key.ends_with(".workspace") && entry.value == "true")
            || entry.value.contains("workspace = true");
        if entry.key.is_empty() {
            if inside(entry.section) {
                findings.push(Finding::new(path, entry.line, "write the dependency on one line"));
            }
        } else if is_table(entry.section) && !from_workspace {
            findings.push(Finding::new(
                path,
                entry.line,
                format!("`{}`: versions and paths stand in [workspace.dependencies]", entry.key),
            ));
        } else if is_table(entry.section) && entry.value.contains("default-features = true") {
            findings.push(Finding::new(
                path,
                entry.line,
                format!("`{}` turns default features on", entry.key),
            ));
        }
    }
    findings
}

fn is_dependencies(name: &str) -> bool {
    matches!(name, "dependencies" | "dev-dependencies" | "build-dependencies")
}

/// The line in which a manifest names a dependency; 0 if it does not.
pub(crate) fn line_of(text: &str, name: &str) -> usize {
    let named = |entry: &&Entry<'_>| {
        is_dependencies(entry.section) && entry.key.split('.').next() == Some(name)
    };
    entries(text).iter().find(named).map_or(0, |entry| entry.line)
}

#[cfg(test)]
mod tests {
    //! Manifests that keep and break the rules, with the lines that must be found.

    use super::*;

    fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_loose_workspace_table_is_found() {
        let head = "[workspace.dependencies]\nown = { path = \"own\" }\n";
        let rows: [(&str, &[usize]); 6] = [
            (
                "a = { version = \"1\", default-features = false }\nb-c = { version = \"1\", default-features = false }",
                &[],
            ),
            (
                "b = { version = \"1\", default-features = false }\na = { version = \"1\", default-features = false }",
                &[4],
            ),
            ("a = \"1\"", &[3]),
            ("a = { version = \"1\" }", &[3]),
            ("[workspace.dependencies.a]\nversion = \"1\"", &[3]),
            ("another = { path = \"another\" }", &[3]),
        ];
        for (text, expected) in rows {
            assert_eq!(
                lines(&workspace("Cargo.toml", &format!("{head}{text}"))),
                expected,
                "{text}"
            );
        }
        assert_eq!(lines(&workspace("Cargo.toml", "")), [0]);
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let rows: [(&str, &[usize]); 8] = [
            ("[package]\nversion = \"1\"\n[dependencies]\na.workspace = true", &[]),
            ("[dependencies]\na = { workspace = true, features = [\"x\"] }", &[]),
            ("[dependencies]\na = \"1\"", &[2]),
            ("[dev-dependencies]\na = { path = \"../a\" }", &[2]),
            ("[target.'cfg(unix)'.dependencies]\na = \"1\"", &[2]),
            ("[dependencies.a]\nversion = \"1\"", &[1]),
            ("[dependencies]\na = { workspace = true, default-features = true }", &[2]),
            ("[dependencies]\n# a = \"1\"\n[features]\na = []", &[]),
        ];
        for (text, expected) in rows {
            assert_eq!(lines(&member("a/Cargo.toml", text)), expected, "{text}");
        }
    }

    #[test]
    fn a_dependency_is_found_by_its_name() {
        let text = "[package]\ntokio = 1\n[dependencies]\ntokio-util.workspace = true\ntokio.workspace = true";
        assert_eq!(
            [line_of(text, "tokio"), line_of(text, "tokio-util"), line_of(text, "rand")],
            [5, 4, 0]
        );
    }
}
