//! One rule of the Corefile.

use super::edns::EdnsRule;
use super::matching::Matching;
use super::response::ResponseRule;

/// A rule, and whether the ones behind it are looked at once it has fired.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) continues: bool,
    pub(super) action: Action,
}

/// What a rule does if it fires.
#[derive(Debug)]
pub(super) enum Action {
    /// Asks for another name.
    Name(NameRule),
    /// Asks for another type.
    Type { from: u16, to: u16 },
    /// Asks in another class.
    Class { from: u16, to: u16 },
    /// Changes EDNS options.
    Edns(EdnsRule),
    /// Leaves the query alone and changes the reply, for some names.
    Reply(Matching, ResponseRule),
    /// Changes the replies to all queries.
    EveryReply(ResponseRule),
}

/// A rule for names.
#[derive(Debug)]
pub(super) struct NameRule {
    pub(super) matching: Matching,
    pub(super) to: String,
    /// Whether names in the reply that are the new one, or below it, get the old one back.
    pub(super) reverts: bool,
    /// What else happens to the reply.
    pub(super) answers: Vec<ResponseRule>,
}

impl Action {
    /// The condition on the name, if there is one.
    pub(super) fn matching(&self) -> Option<&Matching> {
        match self {
            Self::Name(rule) => Some(&rule.matching),
            Self::Reply(matching, _) => Some(matching),
            _ => None,
        }
    }
}
