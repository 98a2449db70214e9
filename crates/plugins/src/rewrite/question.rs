//! The question while rules change it.

use std::cell::OnceCell;

use dunlin_core::change::Change;
use dunlin_core::edns::travels_upstream;
use dunlin_core::{Query, Result};

use super::names::{text_of_wire, wire_of};

/// What is asked at this point of the list of rules.
pub(super) struct Question<'q> {
    pub(super) query: &'q Query,
    /// The name in lower case, once somebody needs it as text.
    name: OnceCell<String>,
    pub(super) qtype: u16,
    pub(super) qclass: u16,
    /// The EDNS options, once a rule has looked at them.
    options: Option<Vec<(u16, Vec<u8>)>>,
    /// The name in wire form and lower case, if it is not the client's any more.
    renamed: Option<Vec<u8>>,
}

impl<'q> Question<'q> {
    pub(super) fn of(query: &'q Query) -> Self {
        Self {
            query,
            name: OnceCell::new(),
            qtype: query.qtype_code(),
            qclass: query.qclass_code(),
            options: None,
            renamed: None,
        }
    }

    /// Asks for another name.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn rename(&mut self, to: &str) -> Result<()> {
        self.renamed = Some(wire_of(to)?.to_ascii_lowercase());
        self.name = OnceCell::from(to.to_owned());
        Ok(())
    }

    /// The name as text, in lower case.
    pub(super) fn name(&self) -> &str {
        self.name.get_or_init(|| text_of_wire(self.query.qname()))
    }

    /// The name in wire form, in lower case.
    pub(super) fn wire(&self) -> &[u8] {
        self.renamed.as_deref().unwrap_or_else(|| self.query.qname())
    }

    /// Whether a rule has looked at the options, which may be other ones now.
    pub(super) fn is_changed(&self) -> bool {
        self.options.is_some()
    }

    /// The name as upstreams will see it.
    pub(super) fn spelled(&self) -> String {
        if self.renamed.is_some() {
            return self.name().to_owned();
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
        let query = self.query;
        let asks_same = self.qtype == query.qtype_code() && self.qclass == query.qclass_code();
        if self.renamed.is_none() && asks_same && self.options.is_none() {
            return Ok(None);
        }
        let mut change = query.change();
        if self.renamed.is_some() {
            change.name = wire_of(self.name())?;
        }
        let is_same = asks_same && self.options.is_none() && change.name == query.qname_as_sent();
        change.qtype = self.qtype;
        change.qclass = self.qclass;
        change.options = self.options;
        Ok((!is_same).then_some(change))
    }
}
