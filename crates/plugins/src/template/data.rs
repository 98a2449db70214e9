//! What templates know of a query.

use dunlin_core::wire::{Flags, Presentation};
use dunlin_core::{Query, expression};

use super::engine::{Object, Value};
use super::matching::Found;

/// The dot of a template.
#[derive(Debug)]
pub(super) struct Data<'q> {
    query: &'q Query,
    found: &'q Found<'q>,
    message: Message<'q>,
    question: Question<'q>,
}

/// `.Message`
#[derive(Debug)]
struct Message<'q>(&'q Query);

/// `.Question`
#[derive(Debug)]
struct Question<'q>(&'q Query);

impl<'q> Data<'q> {
    pub(super) fn new(query: &'q Query, found: &'q Found<'q>) -> Self {
        Self { query, found, message: Message(query), question: Question(query) }
    }
}

impl Object for Data<'_> {
    fn type_name(&self) -> &'static str {
        "*template.templateData"
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        let found = self.found;
        Some(match name {
            "Zone" => Value::text(found.zone),
            "Name" => Value::text(found.name.as_str()),
            "Class" => Value::text(found.class),
            "Type" => Value::text(found.kind),
            "Regex" => Value::text(found.pattern.as_str()),
            "Match" => Value::list(found.groups.iter().map(|(_, text)| Value::text(text.as_str()))),
            "Group" => groups(found),
            "Var" => Value::map(
                found.variables.iter().map(|(name, value)| ((*name).to_owned(), shown(value))),
            ),
            "Message" => Value::Object(&self.message),
            "Question" => Value::Object(&self.question),
            "Remote" => Value::text(self.query.client().ip().to_string()),
            _ => return None,
        })
    }

    fn has_method(&self, name: &str) -> bool {
        name == "Meta"
    }

    fn call(&self, _name: &str, label: &str) -> String {
        self.query.metadata().and_then(|known| known.get(label)).unwrap_or_default()
    }
}

/// A variable. The language of templates has no numbers with a fraction: they are texts.
fn shown(value: &expression::Value<'static>) -> Value<'static> {
    match value {
        expression::Value::Bool(truth) => Value::Bool(*truth),
        expression::Value::Integer(number) => Value::Int(*number),
        expression::Value::Float(number) => Value::text(number.to_string()),
        expression::Value::Text(text) => Value::text(&**text),
        expression::Value::List(items) => Value::list(items.iter().map(shown)),
        // What Go makes of an empty interface.
        _ => Value::Nothing,
    }
}

/// Groups by number and by name.
fn groups(found: &Found<'_>) -> Value<'static> {
    let numbered =
        found.groups.iter().enumerate().map(|(number, (_, text))| (number.to_string(), text));
    let named = found.groups.iter().filter_map(|(name, text)| Some(((*name)?.to_owned(), text)));
    Value::map(numbered.chain(named).map(|(key, text)| (key, Value::text(text.as_str()))))
}

impl Object for Message<'_> {
    fn type_name(&self) -> &'static str {
        "*dns.Msg"
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        let flags = self.0.flags();
        let flag = |mask| Value::Bool(flags.has(mask));
        Some(match name {
            "Id" => Value::Uint(self.0.id().into()),
            "Opcode" => Value::Int(flags.opcode().into()),
            "Rcode" => Value::Int(flags.rcode().into()),
            "Response" => flag(Flags::QR),
            "Authoritative" => flag(Flags::AA),
            "Truncated" => flag(Flags::TC),
            "RecursionDesired" => flag(Flags::RD),
            "RecursionAvailable" => flag(Flags::RA),
            "Zero" => flag(Flags::Z),
            "AuthenticatedData" => flag(Flags::AD),
            "CheckingDisabled" => flag(Flags::CD),
            _ => return None,
        })
    }
}

impl Object for Question<'_> {
    fn type_name(&self) -> &'static str {
        "*dns.Question"
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "Name" => Value::text(Presentation(self.0.qname_as_sent()).to_string()),
            "Qtype" => Value::Uint(self.0.qtype_code().into()),
            "Qclass" => Value::Uint(self.0.qclass_code().into()),
            _ => return None,
        })
    }
}
