//! What is wrong with a Corefile, for people and for scripts that know CoreDNS' lines.

use std::fmt;

use crate::token::Position;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The Corefile must not be used.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One mistake or warning. The operator is to blame; trying again helps only after an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{compatible}")]
#[non_exhaustive]
pub struct Diagnostic {
    /// Where it was noticed.
    pub position: Position,
    /// Error or warning.
    pub severity: Severity,
    /// The bare text, without file and line.
    pub message: String,
    /// The full line as CoreDNS words it; for warnings without the `[WARNING]` in front.
    pub compatible: String,
    /// What may have been meant.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// `FILE:LINE - Error during parsing: MESSAGE`.
    #[must_use]
    pub fn parsing(position: Position, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        let compatible = format!("{position} - Error during parsing: {message}");
        Self { position, severity: Severity::Error, message, compatible, hint: None }
    }

    /// `FILE:LINE - Syntax error: Unexpected token 'TEXT', expecting 'EXPECTED'`.
    #[must_use]
    pub fn syntax(position: Position, text: &str, expected: &str) -> Self {
        let message = format!("Unexpected token '{text}', expecting '{expected}'");
        let compatible = format!("{position} - Syntax error: {message}");
        Self { position, severity: Severity::Error, message, compatible, hint: None }
    }

    /// An error whose full line has no file and line in it.
    #[must_use]
    pub fn bare(position: Position, message: String, compatible: String) -> Self {
        Self { position, severity: Severity::Error, message, compatible, hint: None }
    }

    /// A warning.
    #[must_use]
    pub fn warning(position: Position, message: String) -> Self {
        let compatible = message.clone();
        Self { position, severity: Severity::Warning, message, compatible, hint: None }
    }

    /// The complaint about a missing or superfluous argument when `text` is the last one read.
    #[must_use]
    pub fn arguments(position: Position, text: &str) -> Self {
        let message = match text {
            "{" => "Unexpected token '{', expecting argument".to_owned(),
            _ => format!("Wrong argument count or unexpected line ending after '{text}'"),
        };
        Self::parsing(position, message)
    }

    /// Adds what may have been meant.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether the Corefile must not be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
