//! How rules match names, and what they make of them.

use regex::bytes::{Regex, RegexBuilder};

/// A condition on a name. Operands are lower case, as the names are that they meet.
#[derive(Debug, Clone)]
pub(super) enum Matching {
    /// The whole name.
    Exact(String),
    /// What the text of the name begins with, label or not.
    Prefix(String),
    /// What it ends with, label or not.
    Suffix(String),
    /// What it holds anywhere.
    Substring(String),
    /// What it matches anywhere.
    Regex(Pattern),
}

impl Matching {
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(operand) => name == operand,
            Self::Prefix(operand) => name.starts_with(operand.as_str()),
            Self::Suffix(operand) => name.ends_with(operand.as_str()),
            Self::Substring(operand) => name.contains(operand.as_str()),
            Self::Regex(pattern) => pattern.matches(name),
        }
    }

    /// The name with what matched replaced; `None` if it does not match.
    pub(super) fn replace(&self, name: &str, to: &str) -> Option<String> {
        match self {
            Self::Exact(operand) => (name == operand).then(|| to.to_owned()),
            Self::Prefix(operand) => {
                name.strip_prefix(operand.as_str()).map(|rest| format!("{to}{rest}"))
            }
            Self::Suffix(operand) => {
                name.strip_suffix(operand.as_str()).map(|rest| format!("{rest}{to}"))
            }
            Self::Substring(operand) => {
                name.contains(operand.as_str()).then(|| bounded(name.replace(operand, to)))
            }
            Self::Regex(pattern) => pattern.replace(name, to),
        }
    }
}

/// A regular expression over the text of a name.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// Whether it can be part of a [`regex::bytes::RegexSet`] that knows ASCII only.
    pub(super) is_ascii: bool,
}

impl Pattern {
    /// Names are ASCII: then classes such as `\d` are small, and the same as in Go. What needs
    /// Unicode gets it. `None` if it does not parse, or is too large (security.md RL-12).
    pub(super) fn new(text: &str) -> Option<Self> {
        let ascii = builder(text).unicode(false).build();
        if let Ok(regex) = ascii {
            return Some(Self { regex, is_ascii: true });
        }
        builder(text).build().ok().map(|regex| Self { regex, is_ascii: false })
    }

    /// The expression as written.
    pub(super) fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// How many groups it has, the whole match not counted.
    pub(super) fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }

    /// `to` with `{0}`, `{1}` … replaced by the groups; `None` if nothing matches. A group that took
    /// no part is empty.
    pub(super) fn replace(&self, name: &str, to: &str) -> Option<String> {
        // Most often it does not match, which is found sooner than groups are.
        if !self.matches(name) {
            return None;
        }
        let groups = self.regex.captures(name.as_bytes())?;
        let mut text = bounded(to.to_owned());
        for (index, group) in groups.iter().enumerate() {
            if !text.contains('{') {
                break;
            }
            let group = group.and_then(|group| std::str::from_utf8(group.as_bytes()).ok());
            text = bounded(text.replace(&format!("{{{index}}}"), group.unwrap_or_default()));
        }
        Some(text)
    }
}

/// Octets of a compiled expression.
const MAX_COMPILED: usize = 1 << 20;

fn builder(text: &str) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(MAX_COMPILED);
    builder
}

/// No name is as long, escapes and all; what is longer stays invalid when it is cut.
const MAX_TEXT: usize = 2048;

fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operands_are_literal_and_labels_do_not_matter() {
        let exact = |text: &str| Matching::Exact(text.into());
        let table = [
            (exact("a.test."), "a.test.", Some("T")),
            (exact("a.test."), "b.a.test.", None),
            (Matching::Prefix("foo-".into()), "foo-1.test.", Some("T1.test.")),
            (Matching::Prefix("foo-".into()), "xfoo-1.test.", None),
            (Matching::Suffix("a.test.".into()), "xa.test.", Some("xT")),
            (Matching::Suffix("a.test.".into()), "xa.test.x.", None),
            (Matching::Substring("o".into()), "foo.", Some("fTT.")),
            (Matching::Substring("o".into()), "bar.", None),
        ];
        for (matching, name, expected) in table {
            assert_eq!(matching.replace(name, "T").as_deref(), expected, "{matching:?} {name}");
            assert_eq!(matching.matches(name), expected.is_some(), "{matching:?} {name}");
        }
    }

    #[test]
    fn groups_are_replaced_by_number() {
        let table = [
            (r"(.*)-(x)\.test", "q-x.test.", "{1}.{2}.b.", Some("q.x.b.")),
            (r"(.*)-(x)\.test", "q-x.test.", "{0}.{3}", Some("q-x.test.{3}")),
            (r"a(b)?(c)?", "ac.", "{1}|{2}", Some("|c")),
            (r"^x$", "x.", "y", None),
            (r"\p{Lu}|x", "x.", "y.", Some("y.")),
        ];
        for (pattern, name, to, expected) in table {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.replace(name, to).as_deref(), expected, "{pattern:?}");
        }
        assert!(Pattern::new("(").is_none() && Pattern::new("{1}.test.").is_none());
        assert!(Pattern::new(r"((\pL{100}){100}){100}").is_none());
    }

    proptest! {
        #[test]
        fn what_is_made_of_a_name_is_bounded(name in "[a-z.{}0-9]{0,80}", to in "[a-z{}0-2]{0,60}") {
            let pattern = Pattern::new("(.*)(.*)").unwrap();
            let made = pattern.replace(&name, &to.repeat(200));
            prop_assert!(made.unwrap().len() <= MAX_TEXT);
            let substring = Matching::Substring("a".into());
            if let Some(made) = substring.replace(&name, &to.repeat(200)) {
                prop_assert!(made.len() <= MAX_TEXT);
            }
        }
    }
}
