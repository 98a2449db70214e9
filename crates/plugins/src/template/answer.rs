//! From a match to a reply.

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::{Name, RData, Record};
use dunlin_core::wire::{Flags, types};
use dunlin_core::{Error, Query, Reply, Result};

use super::Template;
use super::data::Data;
use super::engine::Template as Text;
use super::matching::{Answers, Found};
use super::metrics::Metrics;
use super::record::parse_record;

impl Answers {
    /// The reply as the templates make it; aliases are not followed yet.
    ///
    /// # Errors
    /// A template that fails, or that makes no record: whoever wrote it is to blame.
    pub(super) fn answer(
        &self,
        query: &Query,
        found: &Found<'_>,
        metrics: &Metrics,
    ) -> Result<Reply> {
        let site = query.site();
        let labels = [&*site.server, found.zone, &site.view, found.class, found.kind];
        metrics.matches.with(&labels).inc();
        let mut reply = query.error(self.rcode);
        if self.rcode == ResponseCode::ServFail {
            return Ok(reply);
        }
        reply.set_flag(Flags::AA, true);
        let maker = Maker { labels, data: &Data::new(query, found), metrics };
        let message = reply.message_mut()?;
        message.answers = maker.records("answer", &self.answer)?;
        message.additionals = maker.records("additional", &self.additional)?;
        message.authorities = maker.records("authority", &self.authority)?;
        Ok(match &self.extended_error {
            Some(error) => reply.with_extended_error(error.clone()),
            None => reply,
        })
    }
}

/// Renders templates over one query.
struct Maker<'a> {
    labels: [&'a str; 5],
    data: &'a Data<'a>,
    metrics: &'a Metrics,
}

impl Maker<'_> {
    fn records(&self, section: &str, templates: &[Text]) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for template in templates {
            records.extend(self.record(section, template)?);
        }
        Ok(records)
    }

    /// The record that a template makes; a template that makes nothing is none.
    fn record(&self, section: &str, template: &Text) -> Result<Option<Record>> {
        let text = template.render(self.data).map_err(|text| {
            self.count(&self.metrics.template_failures, section, template);
            Error::new(text)
        })?;
        parse_record(&text).map_err(|text| {
            self.count(&self.metrics.record_failures, section, template);
            Error::new(text)
        })
    }

    fn count(&self, family: &dunlin_core::metrics::CounterFamily, section: &str, template: &Text) {
        let [server, zone, view, class, kind] = self.labels;
        family.with(&[server, zone, view, class, kind, section, &template.source()]).inc();
    }
}

/// Whether the client wants addresses and got aliases.
pub(super) fn follows_aliases(query: &Query, reply: &Reply) -> bool {
    matches!(query.qtype_code(), types::A | types::AAAA)
        && reply.message().is_some_and(|message| {
            message.answers.iter().any(|record| matches!(record.data, RData::CNAME(_)))
        })
}

impl Template {
    /// Adds what the aliases of an answer lead to.
    ///
    /// # Errors
    /// An alias to the name that is asked for.
    pub(super) async fn follow(&self, query: &Query, mut reply: Reply) -> Result<Reply> {
        let message = reply.message_mut()?;
        for record in std::mem::take(&mut message.answers) {
            let target = match &record.data {
                RData::CNAME(target) => Some(target.0.clone()),
                _ => None,
            };
            let is_circle = target
                .as_ref()
                .is_some_and(|target| same(target, &record.name) || same(target, query.name()));
            if is_circle {
                let text = format!("{} is an alias of itself", record.name);
                return Err(Error::new(text));
            }
            message.answers.push(record);
            let Some(target) = target else { continue };
            // What cannot be found is left out: the client may follow the alias by itself.
            let found = self.lookup.ask(query, &wire_of(&target), query.qtype_code()).await;
            if let Ok(mut found) = found {
                message.metadata.truncation = found.flags().has(Flags::TC);
                if let Ok(found) = found.message_mut() {
                    message.answers.append(&mut found.answers);
                }
            }
        }
        Ok(reply)
    }
}

fn same(one: &Name, other: &Name) -> bool {
    wire_of(one).eq_ignore_ascii_case(&wire_of(other))
}

/// A name in wire form, as spelled.
pub(super) fn wire_of(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(64);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}
