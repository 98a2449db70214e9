//! Looks at a table of which each step may fail.

use std::cell::{Cell, RefCell};

use dunlin_core::metrics::Metrics;

use super::*;
use crate::flags::Flags;
use crate::rules::rules;

/// A kernel's rules, behind a program that fails at random: before it does anything, or after.
#[derive(Default)]
struct Table {
    /// Table and chain, and the rule as `-S` shows it; the top one first.
    lines: RefCell<Vec<(String, String)>>,
    random: Cell<u64>,
    /// Of a thousand runs so many fail.
    failures: Cell<u64>,
}

impl Table {
    /// The next of a fixed sequence (xorshift).
    fn random(&self) -> u64 {
        let mut state = self.random.get().max(1);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.random.set(state);
        state
    }

    fn fails(&self) -> bool {
        self.random() % 1000 < self.failures.get()
    }

    fn error(&self) -> Result<Outcome, RunError> {
        Err(match self.random() % 4 {
            0 => RunError::TooLong(RUN),
            1 => RunError::Failed(format!("Another app is currently {LOCK_HELD}.")),
            2 => RunError::Missing,
            _ => RunError::Failed("Resource temporarily unavailable".into()),
        })
    }

    fn act(&self, arguments: &[&str]) -> Outcome {
        let done = |status, out| Outcome { status: Some(status), out, err: String::new() };
        let mut lines = self.lines.borrow_mut();
        if let ["-t", table, "-S", chain] = arguments {
            let place = format!("{table} {chain}");
            let here = lines.iter().filter(|(other, _)| *other == place);
            return done(0, here.map(|(_, line)| line.clone() + "\n").collect());
        }
        let [command, chain, "-t", table, rest @ ..] = arguments else {
            return done(2, String::new());
        };
        let quoted =
            |word: &&str| if word.contains(' ') { format!("\"{word}\"") } else { (*word).into() };
        let words: Vec<String> = rest.iter().map(quoted).collect();
        let line = (format!("{table} {chain}"), format!("-A {chain} {}", words.join(" ")));
        let found = lines.iter().position(|other| *other == line);
        match (*command, found) {
            ("-I", _) => lines.insert(0, line),
            ("-D", Some(index)) => _ = lines.remove(index),
            ("-C", Some(_)) => {}
            _ => return done(1, String::new()),
        }
        done(0, String::new())
    }
}

impl Run for &Table {
    fn run(&self, arguments: &[&str], _limit: Duration) -> Result<Outcome, RunError> {
        let ["-w", "5", arguments @ ..] = arguments else { return Err(RunError::Missing) };
        if self.fails() {
            return self.error();
        }
        let outcome = self.act(arguments);
        // It was killed after it had done its work, or nobody heard of it.
        if self.fails() { self.error() } else { Ok(outcome) }
    }
}

fn kept<'a>(v4: &'a Table, v6: &'a Table, metrics: &Metrics) -> Iptables<&'a Table> {
    let mut flags = Flags::default();
    flags.value("localip", "169.254.20.10,10.96.0.10,fd00::a").unwrap();
    Iptables::with(v4, v6, rules(&flags.check().unwrap()), &SetupErrors::new(metrics))
}

/// How many rules there are, of which none is there twice.
#[track_caller]
fn count_different(table: &Table) -> usize {
    let lines = table.lines.borrow();
    let different: HashSet<_> = lines.iter().collect();
    assert_eq!(different.len(), lines.len(), "{lines:#?}");
    lines.len()
}

#[test]
fn a_thousand_looks_that_fail_at_random_never_make_a_rule_twice() {
    let (v4, v6, metrics) = (Table::default(), Table::default(), Metrics::new(1));
    let mut iptables = kept(&v4, &v6, &metrics);
    let mut most_missing = 0;
    for look in 0..1000 {
        for table in [&v4, &v6] {
            table.failures.set(100);
            // Others take a rule away now and then.
            if look % 10 == 0 && !table.lines.borrow().is_empty() {
                let index = table.random() % u64::try_from(table.lines.borrow().len()).unwrap();
                table.lines.borrow_mut().remove(usize::try_from(index).unwrap());
            }
        }
        let done = iptables.ensure();
        let there = count_different(&v4) + count_different(&v6);
        most_missing = most_missing.max(36 - there);
        if done == Done::Good {
            assert_eq!(there, 36, "look {look}");
        }
    }
    assert!(most_missing > 0, "nothing failed");
    [&v4, &v6].iter().for_each(|table| table.failures.set(0));
    assert_eq!(iptables.ensure(), Done::Good);
    assert_eq!((count_different(&v4), count_different(&v6)), (24, 12));
    iptables.withdraw(Instant::now() + Duration::from_secs(60));
    assert_eq!((count_different(&v4), count_different(&v6)), (0, 0));
}

#[test]
fn what_is_left_after_a_withdrawal_that_fails_is_adopted() {
    let (v4, v6, metrics) = (Table::default(), Table::default(), Metrics::new(1));
    let mut first = kept(&v4, &v6, &metrics);
    assert_eq!(first.ensure(), Done::Good);
    v4.failures.set(500);
    first.withdraw(Instant::now() + Duration::from_secs(60));
    assert!(count_different(&v4) > 0 && count_different(&v6) == 0);
    // No time at all is a failure too.
    first.withdraw(Instant::now());
    v4.failures.set(0);
    assert_eq!(kept(&v4, &v6, &metrics).ensure(), Done::Good);
    assert_eq!((count_different(&v4), count_different(&v6)), (24, 12));
}

#[test]
fn rules_that_are_there_twice_are_removed_twice() {
    let (v4, v6, metrics) = (Table::default(), Table::default(), Metrics::new(1));
    let mut iptables = kept(&v4, &v6, &metrics);
    assert_eq!(iptables.ensure(), Done::Good);
    let other = ("raw OUTPUT".to_owned(), "-A OUTPUT -p tcp --dport 53 -j NOTRACK".to_owned());
    let mut doubled = v4.lines.borrow().clone();
    doubled.push(other.clone());
    v4.lines.borrow_mut().extend(doubled);
    iptables.withdraw(Instant::now() + Duration::from_secs(60));
    // What is somebody else's stays.
    assert_eq!(*v4.lines.borrow(), [other]);
}
