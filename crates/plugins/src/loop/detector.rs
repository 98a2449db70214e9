//! Which probes are out, how often each of them came by, and when that makes a loop. Pure: chance
//! is an argument.

use std::net::SocketAddr;

use dunlin_core::corefile::go::quote;
use dunlin_core::wire::WireName;
use dunlin_core::zones::{Zone, wire_name};
use parking_lot::Mutex;

/// The probes of one server block. It knows none, and so suspects nobody, unless the prober is at
/// work: a name that somebody saw cannot be used against us later (CVE-2026-26018).
#[derive(Debug)]
pub(super) struct Detector {
    zone: Zone,
    probes: Mutex<Vec<Probe>>,
}

#[derive(Debug)]
struct Probe {
    wire: WireName,
    name: String,
    /// The listener as messages show it.
    listener: String,
    sightings: u32,
}

/// What a HINFO query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No probe of ours, or one that nothing is wrong with so far.
    Pass,
    /// A probe that has gone round, as the text says; told once a probe.
    New(String),
    /// One that has gone round before.
    Known,
}

/// A probe of ours that comes by a third time has gone round: twice it may do so when somebody in
/// between asks again.
const SIGHTINGS_OF_A_LOOP: u32 = 3;

impl Detector {
    pub(super) fn new(zone: Zone) -> Self {
        Self { zone, probes: Mutex::default() }
    }

    /// Makes a probe with a new name for each of these listeners, and forgets all others. Each
    /// listener has a name of its own, because each of them sees its probe once without any loop.
    /// The answer is in the order of the listeners; empty if the zone leaves no room for a name.
    pub(super) fn arm(
        &self,
        listeners: &[String],
        mut random: impl FnMut() -> u64,
    ) -> Vec<WireName> {
        let probe = |listener: &String| {
            let zone = self.zone.as_str().trim_start_matches('.');
            let name = format!("{}.{}.{zone}", random(), random());
            let wire = wire_name(&name).ok()?;
            Some(Probe { wire, name, listener: listener.clone(), sightings: 0 })
        };
        let probes: Vec<Probe> = listeners.iter().filter_map(probe).collect();
        let names = probes.iter().map(|probe| probe.wire).collect();
        *self.probes.lock() = probes;
        names
    }

    /// Forgets all probes.
    pub(super) fn forget(&self) {
        self.probes.lock().clear();
    }

    /// Counts a probe anew: the one before got lost somewhere.
    pub(super) fn recount(&self, name: &WireName) {
        self.with(name.as_bytes(), |probe| probe.sightings = 0);
    }

    /// How often a probe came by.
    pub(super) fn sightings(&self, name: &WireName) -> u32 {
        self.with(name.as_bytes(), |probe| probe.sightings).unwrap_or(0)
    }

    /// Whether a probe has gone round.
    pub(super) fn has_looped(&self, name: &WireName) -> bool {
        self.sightings(name) >= SIGHTINGS_OF_A_LOOP
    }

    /// A HINFO query for this name, in lower case, came from this client.
    pub(super) fn see(&self, qname: &[u8], client: SocketAddr) -> Verdict {
        let verdict = self.with(qname, |probe| {
            probe.sightings = probe.sightings.saturating_add(1);
            match probe.sightings {
                ..SIGHTINGS_OF_A_LOOP => Verdict::Pass,
                SIGHTINGS_OF_A_LOOP => Verdict::New(self.text(probe, client)),
                _ => Verdict::Known,
            }
        });
        verdict.unwrap_or(Verdict::Pass)
    }

    fn with<T>(&self, name: &[u8], work: impl FnOnce(&mut Probe) -> T) -> Option<T> {
        let mut probes = self.probes.lock();
        probes.iter_mut().find(|probe| probe.wire.as_bytes() == name).map(work)
    }

    /// CoreDNS's line, which scripts look for.
    fn text(&self, probe: &Probe, client: SocketAddr) -> String {
        format!(
            "Loop ({client} -> {}) detected for zone {}, see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {}\"",
            probe.listener,
            quote(self.zone.as_str()),
            probe.name,
        )
    }
}
