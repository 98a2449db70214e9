//! Failures of a plugin, as opposed to DNS results.

use std::borrow::Cow;
use std::fmt;

use hickory_proto::op::ResponseCode;

use crate::edns::ExtendedError;

/// What a chain returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Our failure to answer: the client gets an empty reply with [`Error::rcode`], and `errors` logs
/// the text once. A DNS result, such as NXDOMAIN, is a [`crate::Reply`] instead.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    text: Cow<'static, str>,
    rcode: ResponseCode,
    extended: Option<ExtendedError>,
}

impl Error {
    /// A failure that clients see as SERVFAIL.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let inner = Inner { text: text.into(), rcode: ResponseCode::ServFail, extended: None };
        Self(Box::new(inner))
    }

    /// Replaces the rcode that the client gets.
    #[must_use]
    pub fn with_rcode(mut self, rcode: ResponseCode) -> Self {
        self.0.rcode = rcode;
        self
    }

    /// Tells EDNS clients more (RFC 8914).
    #[must_use]
    pub fn with_extended_error(mut self, error: ExtendedError) -> Self {
        self.0.extended = Some(error);
        self
    }

    /// The rcode that the client gets.
    #[must_use]
    pub fn rcode(&self) -> ResponseCode {
        self.0.rcode
    }

    /// What EDNS clients are told.
    #[must_use]
    pub fn extended_error(&self) -> Option<&ExtendedError> {
        self.0.extended.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {}

impl From<hickory_proto::ProtoError> for Error {
    fn from(error: hickory_proto::ProtoError) -> Self {
        Self::new(error.to_string())
    }
}

/// `permission denied`, where Rust says `Permission denied (os error 13)`: what operators of CoreDNS
/// know, and look for.
#[must_use]
pub fn in_gos_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
