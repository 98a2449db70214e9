//! What a Corefile says, without where it says it: the text that `reload` hashes.

use crate::token::Token;
use crate::tree::{Corefile, ServerBlock};

/// JSON of the structure: for each block its keys and, sorted by name, the lines of each directive. Comments, moved
/// lines, other file names and the order of different directives do not change it; CoreDNS' own dump has line numbers,
/// and so takes a new comment for a new configuration.
///
/// ```
/// # use dunlin_corefile::{Source, Settings, MemoryLoader, parse, semantic_json};
/// # let settings = Settings { loader: &MemoryLoader::new(), environment: &|_| None, directives: None };
/// let text = b". {\n log # all of them\n cache 30 {\n  servfail 0\n }\n}";
/// let outcome = parse(&Source { name: "Corefile", directory: "/".as_ref(), text }, &settings);
/// assert_eq!(
///     semantic_json(&outcome.corefile),
///     r#"[{"keys":["."],"directives":{"cache":[["cache","30","{"],["servfail","0"],["}"]],"log":[["log"]]}}]"#
/// );
/// ```
#[must_use]
pub fn semantic_json(corefile: &Corefile) -> String {
    let mut json = String::new();
    list(&mut json, &corefile.blocks, block);
    json
}

fn block(json: &mut String, block: &ServerBlock) {
    json.push_str("{\"keys\":");
    list(json, &block.keys, |json, key| string(json, &key.text));
    json.push_str(",\"directives\":{");
    let mut directives: Vec<_> = block.directives.iter().collect();
    // A stable sort: occurrences of one directive keep their order, which its plugin sees.
    directives.sort_by(|one, other| one.name.text.cmp(&other.name.text));
    for (index, occurrences) in
        directives.chunk_by(|one, other| one.name.text == other.name.text).enumerate()
    {
        let tokens = occurrences
            .iter()
            .flat_map(|directive| std::iter::once(&directive.name).chain(&directive.tokens));
        let tokens: Vec<Token> = tokens.cloned().collect();
        separate(json, index);
        string(json, tokens.first().map_or("", |name| &name.text));
        json.push(':');
        let lines: Vec<&[Token]> = tokens.chunk_by(Token::shares_line_with).collect();
        list(json, &lines, |json, line| list(json, line, |json, token| string(json, &token.text)));
    }
    json.push_str("}}");
}

fn list<T>(json: &mut String, items: &[T], mut item: impl FnMut(&mut String, &T)) {
    json.push('[');
    for (index, each) in items.iter().enumerate() {
        separate(json, index);
        item(json, each);
    }
    json.push(']');
}

fn separate(json: &mut String, index: usize) {
    if index > 0 {
        json.push(',');
    }
}

fn string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if u32::from(control) < 0x20 => {
                json.push_str(&format!("\\u{:04x}", u32::from(control)))
            }
            other => json.push(other),
        }
    }
    json.push('"');
}
