//! `dunlin explain`: one query through the chain of a Corefile, and what each plugin did.

mod json;
mod text;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use dunlin_core::{Registry, Transport, mnemonic};
use dunlin_engine::{Explainer, Explanation, Question, Upstreams};

use crate::arguments::Flags;
use crate::go_flags::Known;
use crate::server::setup;

/// What the command line says about the query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) name: Option<String>,
    pub(crate) qtype: Option<u16>,
    /// The client; 127.0.0.1 if none is given.
    pub(crate) from: Option<IpAddr>,
    /// The listener.
    pub(crate) to: Option<String>,
    pub(crate) tcp: bool,
    pub(crate) dnssec_ok: bool,
    pub(crate) offline: bool,
    /// Whether the query is asked once before.
    pub(crate) warm: bool,
}

pub(crate) const FLAGS: [Known; 10] = [
    Known("conf", Some("string"), "", "Corefile to ask (default \"./Corefile\", else built-in)"),
    Known("dns.port", Some("string"), "53", "Default port"),
    Known("do", None, "", "Send an OPT record with the DO flag"),
    Known("format", Some("string"), "text", "Print text or json"),
    Known("from", Some("address"), "127.0.0.1", "The address of the client"),
    Known("offline", None, "", "Ask no upstream: who would ask one fails"),
    Known("p", Some("string"), "53", "Default port"),
    Known("tcp", None, "", "Come over TCP instead of UDP"),
    Known("to", Some("listener"), "", "The listener, as 127.0.0.1:53 or :53 (default the first)"),
    Known("warm", None, "", "Ask once before, so that caches have the reply"),
];

/// Of the client; no plugin takes it for a reason.
const CLIENT_PORT: u16 = 50_000;

impl Asked {
    /// Takes NAME, then TYPE; false for what is neither.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        if self.name.is_none() {
            self.name = Some(word.to_owned());
            return true;
        }
        if self.qtype.is_none() {
            self.qtype = qtype(word);
            return self.qtype.is_some();
        }
        false
    }

    fn question(&self) -> anyhow::Result<Question> {
        let ip = self.from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Question {
            name: self.name.clone().context("no NAME to ask for; -h tells the usage")?,
            qtype: self.qtype.unwrap_or(1),
            client: SocketAddr::new(ip, CLIENT_PORT),
            transport: if self.tcp { Transport::Tcp } else { Transport::Udp },
            dnssec_ok: self.dnssec_ok,
            listener: self.to.clone(),
        })
    }
}

/// `AAAA`, in any case, or `TYPE28`.
fn qtype(word: &str) -> Option<u16> {
    let word = word.to_ascii_uppercase();
    mnemonic::type_named(&word).or_else(|| word.strip_prefix("TYPE")?.parse().ok())
}

pub(crate) fn explain(registry: Registry, flags: &Flags) -> ExitCode {
    match told(registry, flags) {
        Ok(text) => crate::to_stdout(&text),
        Err(error) => {
            crate::to_stderr(&format!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn told(registry: Registry, flags: &Flags) -> anyhow::Result<String> {
    let question = flags.asked.question()?;
    let setup = setup(registry, flags)?;
    dunlin_engine::install_hook();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(async {
        let asks = if flags.asked.offline { Upstreams::Offline } else { Upstreams::Asked };
        let explainer = Explainer::new(&setup, asks).await?;
        if flags.asked.warm {
            explainer.ask(&question).await?;
        }
        let found = explainer.ask(&question).await;
        explainer.stop().await;
        found
    });
    // Somebody may still be resolved in a thread; nobody waits for that.
    runtime.shutdown_background();
    let print: fn(&Question, &Explanation) -> String =
        if flags.json { json::print } else { text::print };
    Ok(print(&question, &found?))
}
