//! Rules by way of `iptables` and `ip6tables`. A look lists each chain once; what it does not show is
//! asked for in the original's own words before it is added, so that no rule is ever there twice.

mod listing;
mod program;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use self::listing::count;
use self::program::{Outcome, Program, Run, RunError};
use crate::rules::{Chain, Rule, Table};
use crate::setup_errors::{ErrorType, SetupErrors};

/// Both programs, and the rules to be kept.
#[derive(Debug)]
pub(crate) struct Iptables<R = Program> {
    v4: R,
    v6: R,
    rules: Vec<Rule>,
    errors: SetupErrors,
    /// What was logged and has not been better since.
    told: HashSet<String>,
}

/// How a look at all rules ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Good,
    Failed,
    /// Somebody holds the lock: soon it may be free.
    Locked,
}

/// `-w 5` waits so long for the lock.
const LOCK: &str = "5";
/// Waiting for the lock, and a little.
const RUN: Duration = Duration::from_secs(7);
/// Copies of one rule that are taken away, at most.
const MOST_COPIES: usize = 64;

impl Iptables {
    /// With the programs in these directories.
    pub(crate) fn new(rules: Vec<Rule>, path: Option<&str>, errors: &SetupErrors) -> Self {
        Self::with(Program::find("iptables", path), Program::find("ip6tables", path), rules, errors)
    }

    /// Whether the programs for all families of our rules run.
    pub(crate) fn works(&self) -> bool {
        let of = |v6: bool| self.rules.iter().any(|rule| rule.address.is_ipv6() == v6);
        (!of(false) || self.v4.works()) && (!of(true) || self.v6.works())
    }
}

impl<R: Run> Iptables<R> {
    fn with(v4: R, v6: R, rules: Vec<Rule>, errors: &SetupErrors) -> Self {
        Self { v4, v6, rules, errors: errors.clone(), told: HashSet::new() }
    }

    /// Adds what is missing and removes second copies. Failures are counted, a rule each, and logged
    /// once. While somebody holds the lock, nothing more is tried.
    pub(crate) fn ensure(&mut self) -> Done {
        let mut listings = HashMap::new();
        let mut done = Done::Good;
        let mut locked: Option<String> = None;
        for rule in self.rules.clone() {
            let key = (rule.address.is_ipv6(), rule.table, rule.chain);
            let result = match &locked {
                Some(error) => Err(error.clone()),
                None => listings
                    .entry(key)
                    .or_insert_with(|| self.list(rule.address, rule.table, rule.chain))
                    .as_ref()
                    .map_err(|error| format!("error checking rule: {error}"))
                    .and_then(|text| self.ensure_one(&rule, count(text, &rule))),
            };
            let Err(error) = result else { continue };
            self.complain(format!("Error checking/adding iptables rule {rule}, error - {error}"));
            done = if error.contains(LOCK_HELD) { Done::Locked } else { Done::Failed };
            locked = (done == Done::Locked).then_some(error);
        }
        if done == Done::Good {
            self.told.clear();
        }
        done
    }

    /// Removes every copy of every rule, for as long as `until`.
    pub(crate) fn withdraw(&mut self, until: Instant) {
        for rule in self.rules.clone() {
            for _ in 0..MOST_COPIES {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    tracing::error!(
                        "Failed deleting iptables rule {rule}, error - no time is left"
                    );
                    return;
                }
                match self.change("-D", &rule, left) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        self.complain(format!(
                            "Failed deleting iptables rule {rule}, error - {error}"
                        ));
                        break;
                    }
                }
            }
        }
    }

    fn ensure_one(&self, rule: &Rule, copies: usize) -> Result<(), String> {
        match copies {
            0 => {
                let is_there = self
                    .change("-C", rule, RUN)
                    .map_err(|error| format!("error checking rule: {error}"))?;
                if !is_there {
                    let added = self.change("-I", rule, RUN);
                    match added {
                        Ok(true) => tracing::info!("Added back nodelocaldns rule - {rule}"),
                        Ok(false) => return Err("error appending rule: it was refused".into()),
                        Err(error) => return Err(format!("error appending rule: {error}")),
                    }
                }
            }
            1 => {}
            _ => {
                for _ in 1..copies.min(MOST_COPIES) {
                    let removed = self.change("-D", rule, RUN);
                    removed.map_err(|error| format!("error deleting a second rule: {error}"))?;
                }
            }
        }
        Ok(())
    }

    fn list(&self, address: IpAddr, table: Table, chain: Chain) -> Result<String, RunError> {
        let arguments = ["-t", table.name(), "-S", chain.name()];
        let outcome = self.locked(address, &arguments, RUN)?;
        if outcome.status == Some(0) { Ok(outcome.out) } else { Err(RunError::Failed(outcome.err)) }
    }

    /// Runs one command about a rule. False if it ended with 1: the rule is not there.
    fn change(&self, command: &str, rule: &Rule, limit: Duration) -> Result<bool, RunError> {
        let words = rule.arguments();
        let mut arguments = vec![command, rule.chain.name(), "-t", rule.table.name()];
        arguments.extend(words.iter().map(String::as_str));
        let outcome = self.locked(rule.address, &arguments, limit.min(RUN))?;
        match outcome.status {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(RunError::Failed(outcome.err)),
        }
    }

    /// Runs the program for this address' family with the arguments behind `-w 5`.
    fn locked(
        &self,
        address: IpAddr,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<Outcome, RunError> {
        let all: Vec<&str> = ["-w", LOCK].into_iter().chain(arguments.iter().copied()).collect();
        let program = if address.is_ipv6() { &self.v6 } else { &self.v4 };
        program.run(&all, limit)
    }

    fn complain(&mut self, text: String) {
        let is_lock = text.contains(LOCK_HELD);
        self.errors.count(if is_lock { ErrorType::IptablesLock } else { ErrorType::Iptables }, 1);
        if !self.told.contains(&text) {
            tracing::error!("{text}");
            self.told.insert(text);
        }
    }
}

/// What the tools say of a lock that they did not get.
const LOCK_HELD: &str = "holding the xtables lock";
