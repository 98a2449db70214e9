//! For people: the place, then a paragraph for each plugin, then the reply.

use std::fmt::Write;
use std::time::Duration;

use dunlin_core::mnemonic;
use dunlin_engine::{Candidate, Explanation, Outcome, Question, Step};

pub(super) fn print(question: &Question, found: &Explanation) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _always = write_all(&mut text, question, found);
    text
}

fn write_all(out: &mut String, question: &Question, found: &Explanation) -> std::fmt::Result {
    let kind = mnemonic::rtype(question.qtype)
        .map_or_else(|| format!("TYPE{}", question.qtype), Into::into);
    let dnssec = if question.dnssec_ok { " with DO" } else { "" };
    let (name, client, over) = (&question.name, question.client.ip(), question.transport.label());
    writeln!(out, "query     {name} {kind}{dnssec} from {client} over {over}")?;
    let others = match found.other_listeners.as_slice() {
        [] => String::new(),
        others => format!("; others: {}", others.join(", ")),
    };
    writeln!(out, "listener  {}{others}", found.listener)?;
    write_place(out, question, found)?;
    for (label, value) in &found.metadata {
        writeln!(out, "metadata  {label} = {value:?}")?;
    }
    writeln!(out)?;
    let width = found.steps.iter().map(|step| step.plugin.len() + 2 * step.depth).max();
    for step in &found.steps {
        write_step(out, step, width.unwrap_or(0))?;
    }
    if !found.not_reached.is_empty() {
        writeln!(out, "not reached: {}", found.not_reached.join(", "))?;
    }
    if !found.steps.is_empty() {
        writeln!(out)?;
    }
    match &found.reply {
        Some(reply) => {
            let time = milliseconds(found.elapsed);
            writeln!(out, "reply     {}, {} octets, {time}", reply.header, reply.size)?;
            if let Some(edns) = &reply.edns {
                writeln!(out, "          EDNS {edns}")?;
            }
            for record in &reply.records {
                writeln!(out, "          {record}")?;
            }
        }
        None => writeln!(out, "reply     none is sent")?,
    }
    Ok(())
}

/// Which server block it is, and why.
fn write_place(out: &mut String, question: &Question, found: &Explanation) -> std::fmt::Result {
    match &found.site {
        None => writeln!(out, "block     none takes the query")?,
        Some(site) => {
            writeln!(out, "block     {}, zone {}", found.place, site.zone)?;
        }
    }
    if found.candidates.len() > 1 {
        let zone = |zone: &Candidate| format!("{} at {}", zone.zone, zone.place);
        let zones: Vec<String> = found.candidates.iter().map(zone).collect();
        let order = match (question.qtype == DS, found.views.is_empty()) {
            (true, _) => "DS belongs to the zone above",
            (false, true) => "the longest zone is asked",
            (false, false) => "the longest zone is asked first, then file order",
        };
        writeln!(out, "          {order}: {}", zones.join(", "))?;
    }
    for view in &found.views {
        let said = if view.took { "takes the query" } else { "does not take the query" };
        writeln!(out, "view      {} at {} {said}", view.name, view.place)?;
    }
    Ok(())
}

fn write_step(out: &mut String, step: &Step, width: usize) -> std::fmt::Result {
    let indent = "  ".repeat(step.depth);
    let name = format!("{indent}{}", step.plugin);
    let time = step.elapsed.map_or_else(|| "-".into(), milliseconds);
    let outcome = match &step.outcome {
        Outcome::Answered(header) => format!("answers {header}"),
        Outcome::HandedOn => "hands on".into(),
        Outcome::Silent => "answers with silence".into(),
        Outcome::Failed(text) => format!("fails: {text}"),
        _ => "did not end".into(),
    };
    writeln!(out, "{name:width$}  {time}  {outcome}")?;
    let lead = " ".repeat(width);
    for line in &step.query {
        writeln!(out, "{lead}    query: {line}")?;
    }
    for exchanged in &step.exchanges {
        let (upstream, over) = (exchanged.upstream, exchanged.transport.label());
        let response = match &exchanged.response {
            Some((rcode, time)) => format!("{rcode} in {}", milliseconds(*time)),
            None => "no response".into(),
        };
        writeln!(out, "{lead}    asks: {upstream} over {over}: {response}")?;
    }
    for line in &step.reply {
        writeln!(out, "{lead}    reply: {line}")?;
    }
    for (label, value) in &step.metadata {
        writeln!(out, "{lead}    tells: {label} = {value:?}")?;
    }
    Ok(())
}

/// The type that a parent's zone answers (RFC 4035 §3.1.4.1).
const DS: u16 = 43;

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
