//! The question while rules change it.

use dunlin_core::change::Change;
use dunlin_core::edns::travels_upstream;
use dunlin_core::{Query, Result};

use super::names::{text_of_wire, wire_of};

/// What is asked at this point of the list of rules.
pub(super) struct Question<'q> {
    pub(super) query: &'q Query,
    /// The name in lower case.
    pub(super) name: String,
    pub(super) qtype: u16,
    pub(super) qclass: u16,
    /// The EDNS options, once a rule has looked at them.
    options: Option<Vec<(u16, Vec<u8>)>>,
    /// Whether the name is not the client's any more.
    is_renamed: bool,
}

impl<'q> Question<'q> {
    pub(super) fn of(query: &'q Query) -> Self {
        Self {
            query,
            name: text_of_wire(query.qname()),
            qtype: query.qtype_code(),
            qclass: query.qclass_code(),
            options: None,
            is_renamed: false,
        }
    }

    /// Asks for another name.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn rename(&mut self, to: &str) -> Result<()> {
        wire_of(to)?;
        self.is_renamed = true;
        to.clone_into(&mut self.name);
        Ok(())
    }

    /// The name as upstreams will see it.
    pub(super) fn spelled(&self) -> String {
        if self.is_renamed {
            return self.name.clone();
        }
        text_of_wire(self.query.qname_as_sent())
    }

    /// The options, of which the client's own hop keeps what is its own.
    pub(super) fn options(&mut self) -> &mut Vec<(u16, Vec<u8>)> {
        let query = self.query;
        self.options.get_or_insert_with(|| {
            let all = query.edns_options().filter(|(code, data)| travels_upstream(*code, data));
            all.map(|(code, data)| (code, data.to_vec())).collect()
        })
    }

    /// What differs from the query, if anything does.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn into_change(self) -> Result<Option<Change>> {
        let mut change = self.query.change();
        let before = change.clone();
        if self.is_renamed {
            change.name = wire_of(&self.name)?;
        }
        change.qtype = self.qtype;
        change.qclass = self.qclass;
        change.options = self.options;
        Ok((change != before).then_some(change))
    }
}
