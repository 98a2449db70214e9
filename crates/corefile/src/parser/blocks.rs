//! The grammar: keys, bodies, directives, snippets.

use std::sync::Arc;

use super::Parser;
use super::imports::too_deep;
use crate::diagnostic::Diagnostic;
use crate::environment;
use crate::token::Token;
use crate::tree::{Directive, ServerBlock};

/// What stands behind the keys of a block.
enum After {
    /// A body: a brace, or bare lines up to the end.
    Body,
    /// The end of the text.
    End,
    /// Nothing: what looked like an empty body was a mistake, told already.
    Nothing,
}

impl Parser<'_> {
    pub(super) fn blocks(&mut self) {
        while let Some(first) = self.stream.peek() {
            let (mut keys, after) = self.keys();
            if let ([key], After::Body) = (keys.as_slice(), &after)
                && let Some(name) = snippet_name(key)
            {
                let name: Arc<str> = name.into();
                self.snippet(name);
                continue;
            }
            self.refuse_snippet_names(&mut keys, &after);
            let directives = if matches!(after, After::Body) { self.body() } else { Vec::new() };
            if !keys.is_empty() {
                self.outcome.corefile.blocks.push(ServerBlock { keys, directives });
            } else if !directives.is_empty() {
                let message = "server block without a key is ignored".to_owned();
                self.mistake(Diagnostic::warning(first.position, message));
            }
        }
    }

    fn keys(&mut self) -> (Vec<Token>, After) {
        let mut keys = Vec::new();
        let mut expecting_another = false;
        // Neither the first token nor the one after an import ends the list by standing on a new line.
        let mut may_end = false;
        loop {
            let Some(token) = self.stream.peek() else {
                if expecting_another {
                    self.mistake(Diagnostic::parsing(self.last_position(), "Unexpected EOF"));
                }
                return (keys, After::End);
            };
            let starts_line = self.stream.starts_line(&token);
            if may_end && !expecting_another && starts_line {
                return (keys, After::Body);
            }
            let before = self.stream.last().cloned();
            let key = self.expanded(token.clone());
            if key.is("import") && starts_line {
                self.advance();
                self.import(&token, before);
                may_end = false;
                continue;
            }
            if key.is("{") {
                if expecting_another {
                    let message = "Expected another address but had '{' - check for extra comma";
                    self.mistake(Diagnostic::parsing(key.position, message));
                }
                return (keys, After::Body);
            }
            self.advance();
            may_end = true;
            match &*key.text {
                "" => {}
                "}" => {
                    self.stray_brace(&key);
                    may_end = !keys.is_empty();
                }
                "{}" => {
                    let message = "Unexpected '{}' where a key or a block is expected";
                    let hint = "write '{' and '}' as separate words".to_owned();
                    self.mistake(Diagnostic::parsing(key.position, message).with_hint(hint));
                    if self.stream.peek().is_none_or(|next| self.stream.starts_line(&next)) {
                        return (keys, After::Nothing);
                    }
                }
                text => {
                    let stripped = text.strip_suffix(',');
                    expecting_another = stripped.is_some();
                    let text = stripped.map_or_else(|| Arc::clone(&key.text), Arc::from);
                    keys.push(Token { text, ..key });
                }
            }
        }
    }

    fn stray_brace(&mut self, token: &Token) {
        let message = "Unexpected '}' because no matching opening brace";
        self.mistake(Diagnostic::parsing(token.position.clone(), message));
    }

    /// CoreDNS would serve a zone of that name; nobody means that.
    fn refuse_snippet_names(&mut self, keys: &mut Vec<Token>, after: &After) {
        let (snippets, zones): (Vec<_>, Vec<_>) =
            keys.drain(..).partition(|key| snippet_name(key).is_some());
        for key in snippets {
            let message = match after {
                After::End if zones.is_empty() => "Unexpected EOF".to_owned(),
                _ => format!("snippet '{}' must be the only key of its block", key.text),
            };
            self.mistake(Diagnostic::parsing(key.position, message));
        }
        *keys = zones;
    }

    /// Stores the raw tokens of a body; what they import and refer to is resolved at each use.
    fn snippet(&mut self, name: Arc<str>) {
        let Some(opening) = self.stream.peek() else { return };
        let known = self.snippets.contains_key(&name);
        if known {
            let message = format!("redeclaration of previously declared snippet {name}");
            self.mistake(Diagnostic::parsing(opening.position.clone(), message));
        } else if !opening.is("{") {
            self.mistake(Diagnostic::syntax(opening.position.clone(), &opening.text, "{"));
        }
        let Some(tokens) = self.balanced(opening.is("{")) else {
            if let (Some(last), false) = (self.stream.last().cloned(), known) {
                self.mistake(Diagnostic::syntax(last.position, &last.text, "}"));
            }
            return;
        };
        if self.imports_itself(&name, &tokens) {
            if let Some(closing) = self.stream.last().cloned() {
                self.mistake(too_deep(&closing, "snippet"));
            }
            return;
        }
        if !known && opening.is("{") {
            self.snippets.insert(name, tokens.into());
        }
    }

    /// The tokens up to the brace that closes a snippet, or none if the text ends before. A body that lacks its opening
    /// brace, a mistake told already, may also end with the text.
    fn balanced(&mut self, opened: bool) -> Option<Vec<Token>> {
        let mut depth = 1_usize;
        let mut tokens = Vec::new();
        if opened {
            self.advance();
        }
        while let Some(token) = self.advance() {
            match &*token.text {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(tokens);
            }
            tokens.push(token);
        }
        (!opened).then_some(tokens)
    }

    fn imports_itself(&self, name: &str, tokens: &[Token]) -> bool {
        let starts_line = |at: usize| {
            at.checked_sub(1).and_then(|at| tokens.get(at)).map(|token| token.position.line)
        };
        tokens.iter().zip(tokens.iter().skip(1)).enumerate().any(|(at, (keyword, argument))| {
            keyword.is("import")
                && starts_line(at) != Some(keyword.position.line)
                && match environment::expand(&argument.text, self.settings.environment) {
                    Ok(Some(text)) => text == name,
                    _ => argument.is(name),
                }
        })
    }

    fn body(&mut self) -> Vec<Directive> {
        let braced = self.stream.peek().is_some_and(|token| token.is("{"));
        if braced {
            self.advance();
        }
        let mut directives = Vec::new();
        while let Some(token) = self.stream.peek() {
            let before = self.stream.last().cloned();
            if token.is("}") {
                self.advance();
                return directives;
            }
            if token.is("import") {
                self.advance();
                self.import(&token, before);
            } else {
                match self.directive() {
                    Ok(directive) => directives.extend(directive),
                    Err(EndOfText) => return directives,
                }
            }
        }
        if braced && let Some(last) = self.stream.last().cloned() {
            self.unclosed(last);
        }
        directives
    }

    /// The text has ended inside a server block. CoreDNS looks at the last token only, so that the end
    /// of an inner block will do, and there are Corefiles that rest on it.
    fn unclosed(&mut self, last: Token) {
        if last.is("}") {
            let message = "server block is not closed: its end is taken to be this '}'".to_owned();
            self.mistake(Diagnostic::warning(last.position, message));
        } else {
            self.mistake(Diagnostic::syntax(last.position, &last.text, "}"));
        }
    }

    /// One directive, or none if its name is unknown: then its tokens are passed over.
    fn directive(&mut self) -> Result<Option<Directive>, EndOfText> {
        let Some(raw) = self.advance() else { return Ok(None) };
        // A brace in a directive's place is an unknown directive, whose block must be passed over.
        let mut depth = usize::from(raw.is("{"));
        let name = self.expanded(raw);
        let known = self.is_known(&name.text);
        if !known {
            self.unknown_directive(&name);
        }
        let mut tokens = Vec::new();
        while let Some(token) = self.stream.peek() {
            let before = self.stream.last().cloned();
            let starts_line = self.stream.starts_line(&token);
            if token.is("{") {
                depth += 1;
            } else if starts_line && depth == 0 {
                break;
            } else if token.is("}") {
                if depth == 0 {
                    // Left in place: it closes the server block, which is what it was meant to do.
                    self.stray_brace(&token);
                    break;
                }
                depth -= 1;
            } else if token.is("import") && starts_line {
                self.advance();
                self.import(&token, before);
                continue;
            }
            self.advance();
            let token = self.expanded(token);
            tokens.push(token);
        }
        if depth > 0 {
            self.mistake(Diagnostic::parsing(self.last_position(), "Unexpected EOF"));
            return Err(EndOfText);
        }
        Ok(known.then_some(Directive { name, tokens }))
    }
}

/// The text ended inside a plugin's block; told already.
struct EndOfText;

/// What stands between the parentheses.
fn snippet_name(key: &Token) -> Option<&str> {
    key.text.strip_prefix('(')?.strip_suffix(')')
}
