//! The tree: server blocks, their keys and their directives.

use std::fmt;

use crate::token::Token;

/// A Corefile after all imports and environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corefile {
    /// In file order. None at all means the built-in default configuration.
    pub blocks: Vec<ServerBlock>,
}

/// `KEY… { DIRECTIVE… }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerBlock {
    /// At least one, without the commas between them.
    pub keys: Vec<Token>,
    /// In file order, which means nothing to the chain.
    pub directives: Vec<Directive>,
}

impl ServerBlock {
    /// The tokens of all occurrences of one directive in file order, each led by its name: what its setup reads. Empty
    /// if the directive does not occur.
    #[must_use]
    pub fn tokens_of(&self, name: &str) -> Vec<Token> {
        let occurrences = self.directives.iter().filter(|directive| directive.name.is(name));
        occurrences
            .flat_map(|directive| std::iter::once(&directive.name).chain(&directive.tokens))
            .cloned()
            .collect()
    }

    /// The names of its directives, each once, in order of first occurrence.
    #[must_use]
    pub fn directive_names(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        let names = self.directives.iter().map(|directive| &*directive.name.text);
        names.filter(|&name| seen.insert(name)).collect()
    }
}

/// One occurrence of a directive.
#[derive(Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its first word.
    pub name: Token,
    /// Arguments and block, braces included, without the name.
    pub tokens: Vec<Token>,
}

impl fmt::Debug for Directive {
    /// Without the arguments: they may be keys and passwords, and debug output ends in logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tokens } = self;
        write!(
            formatter,
            "Directive({} at {}, {} more tokens)",
            name.text,
            name.position,
            tokens.len()
        )
    }
}
