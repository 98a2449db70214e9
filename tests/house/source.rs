//! Rules over one Rust source: a path relative to the root, and its text.

use super::Finding;
use super::rust::{Source, has_word, line_at, lines_with};

const LINES: usize = 600;

pub(crate) fn unsafe_outside_os(path: &str, text: &str) -> Vec<Finding> {
    if path.starts_with("crates/os/") {
        return Vec::new();
    }
    let what = "`unsafe` stands in crates/os alone, behind a safe wrapper";
    lines_with(&Source::read(text).code, "unsafe")
        .into_iter()
        .map(|line| Finding::new(path, line, what))
        .collect()
}

pub(crate) fn root_without_forbid(path: &str, text: &str) -> Vec<Finding> {
    let code = Source::read(text).code;
    if code.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
        return Vec::new();
    }
    vec![Finding::new(path, 1, "this crate root lacks #![forbid(unsafe_code)]")]
}

pub(crate) fn undocumented_module(path: &str, text: &str) -> Vec<Finding> {
    let is_other_attribute = |line: &str| line.starts_with("#![") && !line.starts_with("#![doc");
    let opening = text
        .lines()
        .zip(1..)
        .find(|(line, _)| !line.trim().is_empty() && !is_other_attribute(line));
    match opening {
        Some((line, _))
            if line.starts_with("//! ") || line.starts_with("#![doc = include_str!(") =>
        {
            Vec::new()
        }
        Some((_, number)) => vec![Finding::new(
            path,
            number,
            "a module opens with `//!`, or with #![doc = include_str!(…)], and says what it is",
        )],
        None => vec![Finding::new(path, 0, "an empty module")],
    }
}

pub(crate) fn long_file(path: &str, text: &str) -> Vec<Finding> {
    match text.lines().count() {
        lines if lines > LINES => vec![Finding::new(
            path,
            LINES + 1,
            format!("{lines} lines, {LINES} are allowed: it holds a second concept"),
        )],
        _ => Vec::new(),
    }
}

/// `foo.rs` beside `foo/`: the folder has a `mod.rs` instead.
pub(crate) fn files_beside_their_folder(paths: &[&str]) -> Vec<Finding> {
    let beside = |path: &&&str| {
        let folder = path.strip_suffix(".rs").map(|stem| format!("{stem}/"));
        folder.is_some_and(|folder| paths.iter().any(|other| other.starts_with(&folder)))
    };
    paths
        .iter()
        .filter(beside)
        .map(|path| {
            Finding::new(path, 0, "stands beside a folder of its name: move it to mod.rs in there")
        })
        .collect()
}

pub(crate) fn ignored_tests(path: &str, text: &str) -> Vec<Finding> {
    let code = Source::read(text).code;
    let ignores = |line: &str| {
        has_word(line, "#[ignore") || (line.contains("cfg_attr") && has_word(line, "ignore"))
    };
    code.lines()
        .zip(1..)
        .filter(|(line, _)| ignores(line))
        .map(|(_, line)| Finding::new(path, line, "a test that does not run is no test"))
        .collect()
}

pub(crate) fn sleeping_tests(path: &str, text: &str) -> Vec<Finding> {
    if path.starts_with("crates/testkit/") {
        return Vec::new();
    }
    let code = Source::read(text).code;
    let sleeps =
        |line: &str| ["sleep", "sleep_until", "sleep_ms"].iter().any(|call| has_word(line, call));
    let test_code = code.lines().zip(1..).skip(first_test_line(path, &code));
    let what = "tests wait on a condition (dunlin-testkit) or pause the clock, they do not sleep";
    test_code
        .filter(|(line, _)| sleeps(line))
        .map(|(_, line)| Finding::new(path, line, what))
        .collect()
}

pub(crate) fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    let code = Source::read(text).code;
    let each = |word: &'static str| {
        lines_with(&code, word)
            .into_iter()
            .map(move |line| Finding::new(path, line, format!("`{word}` is left in the code")))
    };
    ["todo!", "unimplemented!", "dbg!"].into_iter().flat_map(each).collect()
}

/// `std::time::Instant` cannot be paused by a test: code takes `now`, or asks tokio's clock.
pub(crate) fn clock_that_cannot_pause(path: &str, text: &str) -> Vec<Finding> {
    let home =
        ["crates/core/src/clock.rs", "crates/core/src/clock/", "crates/os/", "crates/testkit/"];
    if home.iter().any(|home| path.starts_with(home))
        || path.split('/').any(|folder| folder == "benches")
    {
        return Vec::new();
    }
    let code = Source::read(text).code;
    let first_test_line = first_test_line(path, &code);
    let imports = code.match_indices("use std::").filter_map(|(at, _)| {
        let (statement, _) = code.get(at..)?.split_once(';')?;
        (has_word(statement, "time") && has_word(statement, "Instant")).then(|| line_at(&code, at))
    });
    let mut lines = lines_with(&code, "std::time::Instant");
    lines.extend(imports);
    lines.sort_unstable();
    lines.dedup();
    let what = "std::time::Instant outside the clock of dunlin-core: take `now` as an argument, or use tokio::time::Instant";
    lines
        .into_iter()
        .filter(|line| *line <= first_test_line)
        .map(|line| Finding::new(path, line, what))
        .collect()
}

pub(crate) fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "test.rs"))
}

/// How many lines stand before the first line of test code.
fn first_test_line(path: &str, code: &str) -> usize {
    if is_test_file(path) {
        return 0;
    }
    let mut armed = false;
    for (at, line) in code.lines().map(str::trim).enumerate() {
        match line {
            "#[cfg(test)]" => armed = true,
            "" => {}
            _ if line.starts_with("#[") => {}
            _ if armed && line.ends_with('{') && has_word(line, "mod") => return at,
            _ => armed = false,
        }
    }
    code.lines().count()
}

#[cfg(test)]
mod tests {
    //! Texts that keep and break the rules, with the lines that must be found.

    use super::*;

    fn check(rule: fn(&str, &str) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> = rule(path, text).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn unsafe_is_found_outside_os() {
        let text = "// unsafe\nfn f() {\n    unsafe { g(\"unsafe\") }\n}";
        check(unsafe_outside_os, "crates/core/src/lib.rs", text, &[3]);
        check(unsafe_outside_os, "crates/os/src/lib.rs", text, &[]);
        check(unsafe_outside_os, "tests/a.rs", "#![forbid(unsafe_code)]", &[]);
    }

    #[test]
    fn a_root_without_forbid_is_found() {
        check(root_without_forbid, "a", "//! A\n#![forbid(unsafe_code)]\n", &[]);
        check(root_without_forbid, "a", "//! A\n// #![forbid(unsafe_code)]\n", &[1]);
        check(root_without_forbid, "a", "", &[1]);
    }

    #[test]
    fn a_module_without_words_is_found() {
        check(undocumented_module, "a", "//! A thing.\n", &[]);
        check(undocumented_module, "a", "#![doc = include_str!(\"README.md\")]\n", &[]);
        check(undocumented_module, "a", "\n#![forbid(unsafe_code)]\n//! A thing.\n", &[]);
        check(undocumented_module, "a", "use a::b;\n//! A thing.\n", &[1]);
        check(undocumented_module, "a", "#![forbid(unsafe_code)]\n// A thing.\n", &[2]);
        check(undocumented_module, "a", "//!\n", &[1]);
        check(undocumented_module, "a", "", &[0]);
    }

    #[test]
    fn line_601_is_found() {
        check(long_file, "a", &"x\n".repeat(600), &[]);
        check(long_file, "a", &"x\n".repeat(601), &[601]);
    }

    #[test]
    fn a_file_beside_its_folder_is_found() {
        let found =
            files_beside_their_folder(&["src/a.rs", "src/a/b.rs", "src/ab/mod.rs", "src/b.rs"]);
        assert_eq!(
            found.iter().map(|finding| finding.file.as_str()).collect::<Vec<_>>(),
            ["src/a.rs"]
        );
    }

    #[test]
    fn ignored_tests_are_found() {
        check(
            ignored_tests,
            "a",
            "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\n#[cfg_attr(miri, ignore)]",
            &[2, 4, 5],
        );
        check(ignored_tests, "a", "// #[ignore]\nlet ignore = \"#[ignore]\";", &[]);
    }

    #[test]
    fn sleeping_tests_are_found() {
        let inline = "fn a() { sleep(x); }\n#[cfg(test)]\nmod tests {\n    thread::sleep(x);\n}";
        check(sleeping_tests, "crates/core/src/a.rs", inline, &[4]);
        check(
            sleeping_tests,
            "crates/core/src/a.rs",
            "#[cfg(test)]\nmod tests;\nfn a() { sleep(x); }",
            &[],
        );
        check(
            sleeping_tests,
            "crates/core/src/a/tests.rs",
            "tokio::time::sleep(x).await;\nuse tokio::time::sleep;",
            &[1, 2],
        );
        check(sleeping_tests, "tests/a.rs", "time::sleep_until(x);", &[1]);
        check(sleeping_tests, "crates/testkit/src/tests.rs", "sleep(x);", &[]);
    }

    #[test]
    fn unfinished_code_is_found() {
        check(
            unfinished,
            "a",
            "todo!()\n// todo!()\nunimplemented!();\ndbg!(x)\nmy_dbg!(x)",
            &[1, 3, 4],
        );
    }

    #[test]
    fn a_clock_that_cannot_pause_is_found() {
        let rows: [(&str, &[usize]); 6] = [
            ("use std::time::Instant;", &[1]),
            ("\nuse std::{\n    io,\n    time::{Duration, Instant},\n};", &[2]),
            ("fn a(now: std::time::Instant) {}", &[1]),
            ("use std::time::Duration;\nuse tokio::time::Instant;", &[]),
            ("fn a() {}\n#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}", &[]),
            ("/// [`std::time::Instant`]", &[]),
        ];
        for (text, lines) in rows {
            check(clock_that_cannot_pause, "crates/engine/src/a.rs", text, lines);
            check(clock_that_cannot_pause, "crates/core/src/clock.rs", text, &[]);
            check(clock_that_cannot_pause, "crates/engine/tests/a.rs", text, &[]);
        }
    }
}
