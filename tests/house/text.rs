//! Rules over any text of the repository.

use super::Finding;

/// A fence without a tag is Rust to rustdoc, and nothing to a reader.
pub(crate) fn untagged_fences(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let Some((mark, tag)) = fence(line) else { continue };
        match open {
            Some((opened, _)) if mark.starts_with(opened) && tag.is_empty() => open = None,
            Some(_) => {}
            None => {
                if tag.is_empty() {
                    findings.push(Finding::new(
                        path,
                        number,
                        "a code fence without a tag: corefile, console, text, rust, …",
                    ));
                }
                open = Some((mark, number));
            }
        }
    }
    findings.extend(
        open.map(|(_, number)| Finding::new(path, number, "this code fence is never closed")),
    );
    findings
}

/// The marks of a fence line and what follows them.
fn fence(line: &str) -> Option<(&str, &str)> {
    let tag = if line.starts_with("```") {
        line.trim_start_matches('`')
    } else {
        line.trim_start_matches('~')
    };
    let mark = line.strip_suffix(tag)?;
    // Inline code may open a line: a tag holds no back-tick.
    (mark.len() >= 3 && !tag.contains('`')).then(|| (mark, tag.trim()))
}

/// The lines of a text that are neither fences nor between them, with their numbers.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut open: Option<&str> = None;
    text.lines().zip(1..).filter(move |(line, _)| {
        let Some((mark, tag)) = fence(line.trim()) else { return open.is_none() };
        match open {
            Some(opened) if mark.starts_with(opened) && tag.is_empty() => open = None,
            Some(_) => {}
            None => open = Some(mark),
        }
        false
    })
}

pub(crate) fn changelog_without_unreleased(path: &str, text: &str) -> Vec<Finding> {
    match text.lines().find(|line| line.starts_with("## ")) {
        Some("## Unreleased") => Vec::new(),
        _ => vec![Finding::new(path, 1, "the first section is `## Unreleased`")],
    }
}

/// Paths of one person's machine, in code or prose.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let folders = ["home", "root", "work"].map(|name| format!("/{name}/"));
    let stands_alone = |line: &str, folder: &str| {
        let inside = |character: char| {
            character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | '}' | ')' | '*')
        };
        line.match_indices(folder).any(|(at, _)| !line.split_at(at).0.ends_with(inside))
    };
    let numbered = text.lines().zip(1..);
    let guilty = numbered.filter_map(|(line, number)| {
        folders.iter().find(|folder| stands_alone(line, folder)).map(|folder| (folder, number))
    });
    guilty
        .map(|(folder, number)| {
            Finding::new(path, number, format!("a path below {folder} is true on one machine only"))
        })
        .collect()
}

#[test]
fn untagged_and_open_fences_are_found() {
    let rows: [(&str, &[usize]); 7] = [
        ("```text\nx\n```\n", &[]),
        ("x\n```\nx\n```\n", &[2]),
        ("* a\n\n  ~~~\n  x\n  ~~~\n", &[3]),
        ("````md\n```\n````\n", &[]),
        ("```text\nx\n", &[1]),
        ("``a`` is code\n```a``` too\n", &[]),
        ("```corefile\n```\n```\n```\n", &[3]),
    ];
    for (text, lines) in rows {
        let found: Vec<usize> =
            untagged_fences("a.md", text).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{text}");
    }
}

#[test]
fn prose_leaves_out_what_is_fenced() {
    let lines: Vec<usize> =
        prose("# a\n```text\n## b\n```\n## c\n").map(|(_, number)| number).collect();
    assert_eq!(lines, [1, 5]);
}

#[test]
fn a_changelog_without_unreleased_is_found() {
    assert!(
        changelog_without_unreleased("a", "# Changelog\n\n## Unreleased\n\n## 1.0.0\n").is_empty()
    );
    assert_eq!(
        changelog_without_unreleased("a", "# Changelog\n\n## 1.0.0\n\n## Unreleased\n").len(),
        1
    );
    assert_eq!(changelog_without_unreleased("a", "").len(), 1);
}

#[test]
fn machine_paths_are_found() {
    for name in ["home", "root", "work"] {
        let rows: [(String, &[usize]); 6] = [
            (format!("x\ncd /{name}/me"), &[2]),
            (format!("\"/{name}/me\""), &[1]),
            (format!("PATH=/{name}/bin:/{name}/lib"), &[1]),
            (format!("https://example.org/{name}/page"), &[]),
            (format!("../{name}/page ${{x}}/{name}/ a-{name}/"), &[]),
            (format!("/{name}"), &[]),
        ];
        for (text, lines) in rows {
            let found: Vec<usize> =
                machine_paths("a", &text).iter().map(|finding| finding.line).collect();
            assert_eq!(found, lines, "{text}");
        }
    }
}
