//! The Corefile side: class, type and zones, then a block of properties.

use dunlin_core::corefile::go::{parse_uint16, regexp_error};
use dunlin_core::edns::ExtendedError;
use dunlin_core::mnemonic::{class_named, rcode_named, type_named};
use dunlin_core::op::ResponseCode;
use dunlin_core::sieve::Sieve;
use dunlin_core::zones::Fallthrough;
use dunlin_core::{Directive, Entry};
use regex::bytes::{Regex, RegexBuilder};

use super::Template;
use super::conditions::Conditions;
use super::engine::Template as Text;
use super::matching::Answers;
use super::metrics::Metrics;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "template", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let templates = parse(directive)?;
    let metrics = Metrics::new(directive.metrics());
    let lookup = directive.lookup();
    directive.add(Template { templates, metrics, lookup });
    Ok(())
}

/// All templates of the server block, in file order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Answers>> {
    let mut templates = Vec::new();
    while directive.next() {
        templates.push(parse_one(directive)?);
    }
    Ok(templates)
}

fn parse_one(directive: &mut Directive<'_>) -> anyhow::Result<Answers> {
    let class = directive.arg().ok_or_else(|| directive.arg_error())?;
    let qclass = class_named(class);
    let qclass = qclass.ok_or_else(|| directive.error(format!("invalid query class {class}")))?;
    let kind = directive.arg().ok_or_else(|| directive.arg_error())?;
    let qtype = type_named(kind);
    let qtype = qtype.ok_or_else(|| directive.error(format!("invalid RR class {kind}")))?;
    let zones = directive.remaining_args();
    let mut answers = Answers {
        zones: directive.zones_or_block(&zones),
        qclass,
        qtype,
        patterns: Vec::new(),
        sieve: None,
        conditions: Conditions::none(),
        answer: Vec::new(),
        additional: Vec::new(),
        authority: Vec::new(),
        rcode: ResponseCode::NoError,
        extended_error: None,
        fallthrough: Fallthrough::never(),
    };
    while directive.next_block() {
        parse_property(directive, &mut answers)?;
    }
    if answers.patterns.is_empty() {
        answers.patterns.extend(compile(".*"));
    }
    let expressions: Vec<&str> = answers.patterns.iter().map(Regex::as_str).collect();
    answers.sieve = Sieve::of(&expressions);
    Ok(answers)
}

fn parse_property(directive: &mut Directive<'_>, answers: &mut Answers) -> anyhow::Result<()> {
    match directive.val() {
        "match" => answers.patterns.extend(parse_patterns(directive)?),
        "answer" => answers.answer.extend(parse_texts(directive, "answer")?),
        "additional" => answers.additional.extend(parse_texts(directive, "additional")?),
        "authority" => answers.authority.extend(parse_texts(directive, "authority")?),
        "rcode" => {
            let name = directive.arg().ok_or_else(|| directive.arg_error())?;
            let number = rcode_named(name);
            let number = number.ok_or_else(|| directive.error(format!("unknown rcode {name}")))?;
            let [high, low] = (number << 4).to_be_bytes();
            answers.rcode = ResponseCode::from(high, low >> 4);
        }
        "ederror" => answers.extended_error = Some(parse_extended_error(directive)?),
        "fallthrough" => {
            let zones = directive.remaining_args();
            let zones = dunlin_core::directive::parse_zones(&zones);
            answers.fallthrough = Fallthrough::below(zones);
        }
        // CoreDNS has it for old Corefiles.
        "upstream" => {
            directive.remaining_args();
        }
        "var" => {
            let arguments = directive.remaining_args();
            let [name, expression @ ..] = arguments.as_slice() else {
                return Err(directive.arg_error().into());
            };
            if expression.is_empty() {
                return Err(directive.arg_error().into());
            }
            let declared = answers.conditions.declare(name, &expression.join(" "));
            declared.map_err(|mistake| directive.error(mistake))?;
        }
        "expr" => {
            let text = arguments(directive)?.join(" ");
            let required = answers.conditions.require(&text);
            required.map_err(|mistake| directive.error(mistake))?;
        }
        _ => return Err(directive.arg_error().into()),
    }
    Ok(())
}

fn arguments<'a>(directive: &mut Directive<'a>) -> anyhow::Result<Vec<&'a str>> {
    let arguments = directive.remaining_args();
    if arguments.is_empty() { Err(directive.arg_error().into()) } else { Ok(arguments) }
}

/// Octets of an expression as written.
const MAX_REGEX: usize = 10_000;
/// Octets of a compiled one (security.md RL-12).
const MAX_COMPILED: usize = 1 << 20;

fn parse_patterns(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Regex>> {
    let mut patterns = Vec::new();
    for text in arguments(directive)? {
        let length = text.len();
        if length > MAX_REGEX {
            let text = format!("regex pattern too long: {length} > {MAX_REGEX}");
            return Err(directive.error(text).into());
        }
        patterns.push(compile(text).map_err(|error| {
            let reason = regexp_error(&error.to_string(), text);
            directive.error(format!("could not parse regex: {text}, {reason}"))
        })?);
    }
    Ok(patterns)
}

/// Names are ASCII: then classes such as `\d` are small, and the same as in Go. What needs Unicode
/// gets it.
fn compile(text: &str) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(MAX_COMPILED);
    builder.unicode(false).build().or_else(|_| builder.unicode(true).build())
}

fn parse_texts(directive: &mut Directive<'_>, section: &'static str) -> anyhow::Result<Vec<Text>> {
    let mut texts = Vec::new();
    for text in arguments(directive)? {
        let template = Text::new(section, text).and_then(|template| {
            let is_eaten = template.literals().any(has_lost_variable);
            if is_eaten { Err(LOST_VARIABLE.to_owned()) } else { Ok(template) }
        });
        texts.push(template.map_err(|error| {
            directive.error(format!("could not compile template: {text}, {error}"))
        })?);
    }
    Ok(texts)
}

/// `{{$x}}` is an environment variable in braces to a Corefile: it has none of this name.
const LOST_VARIABLE: &str =
    "\"{}\" is left of an environment variable; write \"{{ $x }}\" with a blank before the dollar";

/// Braces with nothing in them, outside of quotes: no record has them.
fn has_lost_variable(text: &str) -> bool {
    text.split('"').step_by(2).any(|part| part.contains("{}"))
}

fn parse_extended_error(directive: &mut Directive<'_>) -> anyhow::Result<ExtendedError> {
    let words = directive.remaining_args();
    let (code, text) = match words.as_slice() {
        [code] => (*code, ""),
        [code, text] => (*code, *text),
        _ => return Err(directive.arg_error().into()),
    };
    let code = parse_uint16(code).map_err(|error| {
        directive
            .error(format!("error parsing extended DNS error code {}, {error}", directive.val()))
    })?;
    Ok(ExtendedError::new(code, text.to_owned()))
}
