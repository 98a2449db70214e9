//! Which files an `import` pattern names.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::loader::Loader;

/// An import argument, joined to the directory it is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Names one file.
    Literal,
    /// Names what it matches, which may be nothing.
    Wildcard,
    /// More wildcards than CoreDNS takes.
    TooMany,
    /// An opening bracket without its end, or a backslash at the end.
    Malformed,
}

/// What CoreDNS makes of the joined pattern.
pub(crate) fn shape(pattern: &str) -> Shape {
    let count = |wildcard: char| pattern.matches(wildcard).count();
    if count('*') > 1 || count('?') > 1 || (pattern.contains('[') && pattern.contains(']')) {
        return Shape::TooMany;
    }
    if pattern.contains('[') || pattern.ends_with('\\') {
        return Shape::Malformed;
    }
    if pattern.contains(['*', '?', ']']) { Shape::Wildcard } else { Shape::Literal }
}

/// `pattern` as a path: relative ones against `directory`, with `.` and `..` resolved by spelling alone.
pub(crate) fn join(directory: &Path, pattern: &str) -> PathBuf {
    if Path::new(pattern).is_absolute() {
        return PathBuf::from(pattern);
    }
    clean(&directory.join(pattern))
}

/// The shortest path of the same meaning, if no component is a symbolic link.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => {
                    cleaned.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => cleaned.push(".."),
            },
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// The paths that match, sorted by name; `listed` gains every directory that was looked into.
pub(crate) fn glob(
    pattern: &Path,
    loader: &dyn Loader,
    listed: &mut BTreeSet<PathBuf>,
) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    let mut wild = false;
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        // Behind a wildcard even plain names are looked up: not every directory that matched need hold them.
        wild |= name.contains(['*', '?', '\\', ']']) && matches!(component, Component::Normal(_));
        if !wild {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for directory in paths {
            let names = loader.list(&directory).into_iter().filter(|entry| matches(&name, entry));
            next.extend(names.map(|entry| directory.join(entry)));
            listed.insert(directory);
        }
        paths = next;
    }
    paths.sort();
    paths
}

/// Shell matching with `*`, `?` and backslash, for one path component; dot files are nothing special.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut rest = name.chars();
    loop {
        match pattern.next() {
            None => return rest.next().is_none(),
            // There is at most one `*`, so what follows it has a fixed length.
            Some('*') => {
                let tail = pattern.as_str();
                let width = tail.chars().count() - tail.matches('\\').count();
                let Some(skip) = rest.as_str().chars().count().checked_sub(width) else {
                    return false;
                };
                rest = rest.as_str().chars();
                rest.by_ref().take(skip).for_each(drop);
            }
            Some('?') => {
                if rest.next().is_none() {
                    return false;
                }
            }
            Some(character) => {
                let wanted = if character == '\\' { pattern.next() } else { Some(character) };
                if rest.next() != wanted {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryLoader;

    #[test]
    fn patterns_match_as_the_shell_does() {
        let table = [
            ("*", ".hidden", true),
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", true),
            ("*.conf", "conf", false),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("?.conf", "ü.conf", true),
            ("?.conf", ".conf", false),
            ("a?*", "ab", true),
            ("a?*", "a", false),
            ("*?", "", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn paths_are_cleaned_by_spelling() {
        let table = [
            ("/etc/coredns", "a.conf", "/etc/coredns/a.conf"),
            ("/etc/coredns", "../a.conf", "/etc/a.conf"),
            ("/", "../../a", "/a"),
            ("/etc", "./x/./y/../z", "/etc/x/z"),
            ("/etc", "/abs/../a", "/abs/../a"),
            ("rel", "../../a", "../a"),
        ];
        for (directory, pattern, expected) in table {
            assert_eq!(
                join(Path::new(directory), pattern),
                Path::new(expected),
                "{directory} {pattern}"
            );
        }
    }

    #[test]
    fn a_wildcard_directory_is_searched_for_the_file_below() {
        let loader = MemoryLoader::new()
            .file("/c/b/x", "")
            .file("/c/a/x", "")
            .file("/c/a/y", "")
            .file("/c/z", "");
        let mut listed = BTreeSet::new();
        let found = glob(Path::new("/c/*/x"), &loader, &mut listed);
        assert_eq!(found, [Path::new("/c/a/x"), Path::new("/c/b/x")]);
        assert!(listed.contains(Path::new("/c")) && listed.contains(Path::new("/c/a")));
    }
}
