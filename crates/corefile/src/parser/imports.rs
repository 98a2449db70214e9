//! `import`: snippets and files in place of the line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Parser;
use super::stream::{Imported, Origin};
use crate::diagnostic::Diagnostic;
use crate::import::{self, Shape};
use crate::lexer;
use crate::limits::{EXPANSIONS, FILE_OCTETS, FILES, IMPORT_DEPTH, TOTAL_OCTETS};
use crate::loader::LoadError;
use crate::token::Token;

/// What was read so far. A file is read once however often it is imported, so that all uses see the same text.
#[derive(Default)]
pub(super) struct Files {
    tokens: BTreeMap<PathBuf, Arc<[Token]>>,
    octets: usize,
    snippet_uses: usize,
    file_uses: usize,
}

impl Parser<'_> {
    /// Carries out an import whose keyword was just taken. Whatever goes wrong, the line is gone afterwards.
    pub(super) fn import(&mut self, keyword: &Token, before: Option<Token>) {
        match self.import_argument(keyword) {
            Ok((argument, pattern)) => match self.imported(&argument, &pattern) {
                Ok(imported) => self.stream.splice(imported),
                Err(mistake) => self.mistake(mistake),
            },
            Err(mistake) => {
                self.mistake(mistake);
                self.skip_line();
            }
        }
        self.stream.forget_since(before);
    }

    fn import_argument(&mut self, keyword: &Token) -> Result<(Token, Arc<str>), Diagnostic> {
        let Some(argument) = self.stream.peek_on_line(keyword) else {
            return Err(Diagnostic::arguments(keyword.position.clone(), &keyword.text));
        };
        self.advance();
        let pattern = self.expand(&argument);
        if pattern.is_empty() {
            return Err(Diagnostic::parsing(
                argument.position,
                "Import requires a non-empty filepath",
            ));
        }
        if let Some(extra) = self.stream.peek_on_line(&argument) {
            let message = "Import takes only one argument (glob pattern or file)";
            return Err(Diagnostic::parsing(extra.position, message));
        }
        Ok((argument, pattern))
    }

    /// Passes over the rest of the line and a block that opens on it.
    fn skip_line(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.stream.peek() {
            if depth == 0 && (self.stream.starts_line(&token) || token.is("}")) {
                return;
            }
            match &*token.text {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.advance();
        }
    }

    fn imported(&mut self, argument: &Token, pattern: &str) -> Result<Vec<Imported>, Diagnostic> {
        if let Some((name, tokens)) = self.snippets.get_key_value(pattern) {
            let origin = Origin::Snippet(Arc::clone(name));
            let tokens = Arc::clone(tokens);
            self.files.snippet_uses += 1;
            if self.files.snippet_uses > EXPANSIONS || self.stream.is_reading(&origin) {
                return Err(too_deep(argument, "snippet"));
            }
            return Ok(vec![(origin, tokens)]);
        }
        self.files.file_uses += 1;
        if self.files.file_uses > EXPANSIONS {
            return Err(too_deep(argument, "file"));
        }
        self.imported_files(argument, pattern)
    }

    fn imported_files(
        &mut self,
        argument: &Token,
        pattern: &str,
    ) -> Result<Vec<Imported>, Diagnostic> {
        let error = |message: String| Diagnostic::parsing(argument.position.clone(), message);
        let path = import::join(&self.base(argument), pattern);
        let shown = path.to_string_lossy();
        let paths = match import::shape(&shown) {
            Shape::TooMany => {
                let message = format!(
                    "Glob pattern may only contain one wildcard (*), but has others: {shown}"
                );
                return Err(error(message));
            }
            Shape::Malformed => {
                return Err(error(format!(
                    "Failed to use import pattern {pattern}: syntax error in pattern"
                )));
            }
            Shape::Literal => vec![path],
            Shape::Wildcard => {
                let listed = &mut self.outcome.sources.directories;
                let paths = import::glob(&path, self.settings.loader, listed);
                if paths.is_empty() {
                    let message = format!("No files matching import glob pattern: {pattern}");
                    self.mistake(Diagnostic::warning(argument.position.clone(), message));
                }
                return paths.iter().map(|path| self.file(argument, path, None)).collect();
            }
        };
        paths.iter().map(|path| self.file(argument, path, Some(pattern))).collect()
    }

    /// The directory of the file that holds the import.
    fn base(&self, argument: &Token) -> PathBuf {
        if argument.position.file == self.main {
            return self.directory.to_owned();
        }
        Path::new(&*argument.position.file).parent().unwrap_or(self.directory).to_owned()
    }

    /// One file; `literal` is how the import named it, unless a wildcard found it.
    fn file(
        &mut self,
        argument: &Token,
        path: &Path,
        literal: Option<&str>,
    ) -> Result<Imported, Diagnostic> {
        let name: Arc<str> = import::clean(path).to_string_lossy().into();
        let origin = Origin::File(Arc::clone(&name));
        if self.stream.is_reading(&origin) {
            return Err(too_deep(argument, "file"));
        }
        if self.stream.depth() >= IMPORT_DEPTH {
            let message = format!(
                "imports are nested too deep: more than {IMPORT_DEPTH} files inside one another"
            );
            return Err(Diagnostic::parsing(argument.position.clone(), message));
        }
        if let Some(tokens) = self.files.tokens.get(path) {
            return Ok((origin, Arc::clone(tokens)));
        }
        let octets = self.read(argument, path, literal)?;
        let (tokens, complaints) = lexer::lex(&octets, &name);
        for complaint in complaints {
            self.mistake(complaint);
        }
        let tokens: Arc<[Token]> = tokens.into();
        self.files.tokens.insert(path.to_owned(), Arc::clone(&tokens));
        Ok((origin, tokens))
    }

    fn read(
        &mut self,
        argument: &Token,
        path: &Path,
        literal: Option<&str>,
    ) -> Result<Vec<u8>, Diagnostic> {
        let error = |message: String| Diagnostic::parsing(argument.position.clone(), message);
        let shown = path.display();
        self.outcome.sources.files.insert(path.to_owned());
        let octets = self.settings.loader.read(path).map_err(|cause| match (cause, literal) {
            (LoadError::NotFound, Some(pattern)) => {
                error(format!("File to import not found: {pattern}"))
            }
            (LoadError::Directory, _) => error(format!("Could not import {shown}: is a directory")),
            (cause, _) => error(format!("Could not import {shown}: open {shown}: {cause}")),
        })?;
        if octets.len() > FILE_OCTETS {
            return Err(error(format!(
                "Could not import {shown}: larger than {FILE_OCTETS} octets"
            )));
        }
        self.files.octets += octets.len();
        if self.files.octets > TOTAL_OCTETS || self.files.tokens.len() >= FILES {
            return Err(error(format!(
                "Could not import {shown}: too many or too large files are imported"
            )));
        }
        Ok(octets)
    }
}

/// The text for recursion, found at once rather than after the ten thousand rounds it speaks of.
pub(super) fn too_deep(token: &Token, what: &str) -> Diagnostic {
    let message = format!("maximum {what} import depth ({EXPANSIONS}) exceeded");
    Diagnostic::parsing(token.position.clone(), message)
}
