//! For programs: one object.

use std::time::Duration;

use dunlin_core::mnemonic;
use dunlin_engine::{Exchanged, Explanation, Outcome, Question, Step};
use serde_json::{Map, Value, json};

pub(super) fn print(question: &Question, found: &Explanation) -> String {
    let site = found
        .site
        .as_ref()
        .map(|site| json!({ "place": found.place, "zone": site.zone, "view": site.view }));
    let candidates = found.candidates.iter().map(|candidate| {
        json!({ "zone": candidate.zone, "place": candidate.place, "view": candidate.view })
    });
    let views = found
        .views
        .iter()
        .map(|view| json!({ "name": view.name, "place": view.place, "took": view.took }));
    let reply = found.reply.as_ref().map(
        |reply| json!({ "header": reply.header, "octets": reply.size, "edns": reply.edns, "records": reply.records }),
    );
    let value = json!({
        "query": {
            "name": question.name,
            "type": mnemonic::rtype(question.qtype)
                .map_or_else(|| format!("TYPE{}", question.qtype), Into::into),
            "client": question.client.ip().to_string(),
            "transport": question.transport.label(),
            "do": question.dnssec_ok,
        },
        "listener": found.listener,
        "otherListeners": found.other_listeners,
        "block": site,
        "candidates": candidates.collect::<Vec<Value>>(),
        "views": views.collect::<Vec<Value>>(),
        "metadata": metadata(&found.metadata),
        "steps": found.steps.iter().map(step).collect::<Vec<Value>>(),
        "notReached": found.not_reached,
        "reply": reply,
        "milliseconds": milliseconds(found.elapsed),
    });
    format!("{value}\n")
}

fn step(step: &Step) -> Value {
    let (outcome, text) = match &step.outcome {
        Outcome::Answered(header) => ("answered", Some(header)),
        Outcome::HandedOn => ("handed on", None),
        Outcome::Silent => ("silent", None),
        Outcome::Failed(text) => ("failed", Some(text)),
        _ => ("did not end", None),
    };
    json!({
        "plugin": step.plugin,
        "parent": step.parent,
        "outcome": outcome,
        "text": text,
        "query": step.query,
        "exchanges": step.exchanges.iter().map(exchanged).collect::<Vec<Value>>(),
        "reply": step.reply,
        "metadata": metadata(&step.metadata),
        "milliseconds": step.elapsed.map(milliseconds),
    })
}

fn exchanged(exchanged: &Exchanged) -> Value {
    let (rcode, time) = match &exchanged.response {
        Some((rcode, time)) => (Some(rcode), Some(milliseconds(*time))),
        None => (None, None),
    };
    json!({
        "upstream": exchanged.upstream.to_string(),
        "transport": exchanged.transport.label(),
        "rcode": rcode,
        "milliseconds": time,
    })
}

fn metadata(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(label, value)| (label.clone(), value.clone().into())).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
