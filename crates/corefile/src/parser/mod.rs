//! Words to a tree. Goes on after a mistake, so that one run tells them all; the first one is CoreDNS' own.

mod blocks;
mod imports;
#[cfg(test)]
mod limit_tests;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::imports::Files;
use self::stream::Stream;
use crate::diagnostic::Diagnostic;
use crate::environment::{self, Environment};
use crate::limits::{FILE_OCTETS, MISTAKES};
use crate::loader::Loader;
use crate::token::{Position, Token};
use crate::tree::Corefile;
use crate::{directives, lexer};

/// The main text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// As messages show it: `Corefile`, `/dev/stdin`.
    pub name: &'a str,
    /// What its relative imports start from. Should be absolute: it shows in messages.
    pub directory: &'a Path,
    /// UTF-8; octets that are not become U+FFFD.
    pub text: &'a [u8],
}

/// What a parse needs from outside.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Reads imported files.
    pub loader: &'a dyn Loader,
    /// Looks up `{$NAME}`.
    pub environment: &'a Environment<'a>,
    /// The names that may start a line of a server block: [`DIRECTIVES`](crate::DIRECTIVES) and those of foreign
    /// plugins. `None` allows any.
    pub directives: Option<&'a [&'a str]>,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("directives", &self.directives)
            .finish_non_exhaustive()
    }
}

/// What was consulted beside the main text: a change in any of it may change the outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files that were read, or that an import named and could not have.
    pub files: BTreeSet<PathBuf>,
    /// Directories that were listed for a wildcard.
    pub directories: BTreeSet<PathBuf>,
}

/// All that a parse found out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What could be understood; complete only if there are no errors.
    pub corefile: Corefile,
    /// Errors and warnings in the order in which they were met.
    pub diagnostics: Vec<Diagnostic>,
    /// What it rests on.
    pub sources: Sources,
}

impl Outcome {
    /// The mistake that CoreDNS would have reported.
    #[must_use]
    pub fn first_error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.is_error())
    }

    /// The tree, if it is free of mistakes.
    ///
    /// # Errors
    /// The first mistake.
    pub fn into_result(self) -> Result<Corefile, Diagnostic> {
        match self.diagnostics.into_iter().find(Diagnostic::is_error) {
            Some(mistake) => Err(mistake),
            None => Ok(self.corefile),
        }
    }
}

/// Reads a Corefile and everything it imports.
#[must_use]
pub fn parse(source: &Source<'_>, settings: &Settings<'_>) -> Outcome {
    let name: Arc<str> = source.name.into();
    if source.text.len() > FILE_OCTETS {
        let position = Position { file: name, line: 1, column: 1 };
        let message = format!(
            "file of {} octets is too large: the limit is {FILE_OCTETS}",
            source.text.len()
        );
        return Outcome {
            diagnostics: vec![Diagnostic::parsing(position, message)],
            ..Outcome::default()
        };
    }
    let (tokens, complaints) = lexer::lex(source.text, &name);
    let mut parser = Parser {
        stream: Stream::new(tokens.into()),
        settings,
        directory: source.directory,
        main: name,
        files: Files::default(),
        snippets: HashMap::new(),
        outcome: Outcome { diagnostics: complaints, ..Outcome::default() },
        gave_up: false,
    };
    parser.blocks();
    parser.outcome
}

struct Parser<'a> {
    stream: Stream,
    settings: &'a Settings<'a>,
    directory: &'a Path,
    main: Arc<str>,
    files: Files,
    snippets: HashMap<Arc<str>, Arc<[Token]>>,
    outcome: Outcome,
    gave_up: bool,
}

impl Parser<'_> {
    fn mistake(&mut self, diagnostic: Diagnostic) {
        if self.gave_up {
            return;
        }
        let position = diagnostic.position.clone();
        self.outcome.diagnostics.push(diagnostic);
        if self.outcome.diagnostics.len() >= MISTAKES {
            let message = "too many mistakes: the rest was not read";
            self.give_up(Diagnostic::parsing(position, message));
        }
    }

    /// The last word of this parse: nothing more is read.
    fn give_up(&mut self, diagnostic: Diagnostic) {
        self.outcome.diagnostics.push(diagnostic);
        self.gave_up = true;
        self.stream.close();
    }

    /// Where the last token stands, for complaints about the end of the text.
    fn last_position(&self) -> Position {
        let start = || Position { file: Arc::clone(&self.main), line: 1, column: 1 };
        self.stream.last().map_or_else(start, |token| token.position.clone())
    }

    /// Takes the next token; past the bounds of a parse there is none.
    fn advance(&mut self) -> Option<Token> {
        let token = self.stream.advance()?;
        if self.stream.exceeds_bounds() {
            let message = "the Corefile is too large after all imports";
            self.give_up(Diagnostic::parsing(token.position.clone(), message));
        }
        Some(token)
    }

    /// The text of a token with the environment in it. A reference without end is told once and left as written.
    fn expand(&mut self, token: &Token) -> Arc<str> {
        match environment::expand(&token.text, self.settings.environment) {
            Ok(None) => Arc::clone(&token.text),
            Ok(Some(text)) => text.into(),
            Err(endless) => {
                let variable = endless.variable;
                let message = format!(
                    "value of environment variable '{variable}' refers to itself or is too long"
                );
                self.mistake(Diagnostic::parsing(token.position.clone(), message));
                Arc::clone(&token.text)
            }
        }
    }

    fn expanded(&mut self, mut token: Token) -> Token {
        let text = self.expand(&token);
        token.expanded = text != token.text;
        self.stream.account(text.len().saturating_sub(token.text.len()));
        token.text = text;
        token
    }

    fn is_known(&self, directive: &str) -> bool {
        self.settings.directives.is_none_or(|known| known.contains(&directive))
    }

    fn unknown_directive(&mut self, name: &Token) {
        let known = self.settings.directives.unwrap_or_default();
        let hint = match directives::nearest(&name.text, known) {
            Some(nearest) => Some(format!("did you mean '{nearest}'?")),
            None if name.text.contains(['.', ':']) => Some(
                "if this is meant to be a server block, the one before lacks its '}'".to_owned(),
            ),
            None => None,
        };
        let message = format!("Unknown directive '{}'", name.text);
        self.mistake(Diagnostic::parsing(name.position.clone(), message).with_hint(hint));
    }
}
