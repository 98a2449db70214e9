//! The syntax of Go's `flag`: `-x`, `--x`, `-x=v`, `-x v`; the last one wins.

use std::fmt::Write;

/// A flag: its name, what its value is called, its default, what it does.
pub(crate) struct Known(
    pub(crate) &'static str,
    pub(crate) Option<&'static str>,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

/// Who takes the values.
pub(crate) trait Sink {
    /// A flag without a value, or with that of a boolean.
    fn switch(&mut self, name: &str, on: bool);

    /// A flag with a value; `None` if the value is not of its kind.
    fn value(&mut self, name: &str, value: &str) -> Option<()>;

    /// A word that is no flag; false if it is one too many.
    fn word(&mut self, _word: &str) -> bool {
        false
    }
}

/// Why the arguments are no order to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `-h`.
    Help,
    /// What is wrong, and the exit status.
    Wrong(String, u8),
}

/// Reads the arguments behind the program name.
pub(crate) fn read(known: &[Known], arguments: &[String], sink: &mut dyn Sink) -> Result<(), Stop> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(name) = argument.strip_prefix('-').filter(|name| !name.is_empty()) else {
            if sink.word(argument) {
                continue;
            }
            let words = std::iter::once(argument).chain(rest);
            return Err(extra(&words.map(String::as_str).collect::<Vec<_>>()));
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() {
            let words: Vec<&str> = rest.map(String::as_str).collect();
            return if words.is_empty() { Ok(()) } else { Err(extra(&words)) };
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if name == "h" || name == "help" {
            return Err(Stop::Help);
        }
        take(known, sink, name, value, &mut rest).map_err(|text| Stop::Wrong(text, 2))?;
    }
    Ok(())
}

fn take<'a>(
    known: &[Known],
    sink: &mut dyn Sink,
    name: &str,
    value: Option<String>,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<(), String> {
    let Some(flag) = known.iter().find(|flag| flag.0 == name) else {
        return Err(format!("flag provided but not defined: -{name}"));
    };
    if flag.1.is_none() {
        let value = value.unwrap_or_else(|| "true".into());
        let on = parse_bool(&value)
            .ok_or_else(|| format!("invalid boolean value {value:?} for -{name}: parse error"))?;
        sink.switch(name, on);
        return Ok(());
    }
    let value = value.or_else(|| rest.next().cloned());
    let value = value.ok_or_else(|| format!("flag needs an argument: -{name}"))?;
    sink.value(name, &value)
        .ok_or_else(|| format!("invalid value {value:?} for flag -{name}: parse error"))
}

/// All flags, as Go prints them.
pub(crate) fn usage(known: &[Known]) -> String {
    let mut text = String::new();
    for Known(name, value, default, meaning) in known {
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        let default = match *default {
            "" => String::new(),
            default => format!(" (default {default:?})"),
        };
        // Writing to a String cannot fail.
        let _always = writeln!(text, "  -{name}{value}\n    \t{meaning}{default}");
    }
    text
}

/// What Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn extra(words: &[&str]) -> Stop {
    let time = crate::logging::local_time();
    Stop::Wrong(format!("{time} extra command line arguments: [{}]\n", words.join(" ")), 1)
}
