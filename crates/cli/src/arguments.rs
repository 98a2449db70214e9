//! The flags of `dunlin` and of its subcommands.

use std::path::PathBuf;

use crate::explain::Asked;
use crate::go_flags::{self, Known, Sink, Stop};

/// What the process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(Flags),
    Check(Flags),
    Explain(Flags),
    Format(Flags),
    Plugins,
    Version,
}

/// The values of the flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    pub(crate) conf: Option<PathBuf>,
    /// `None` unless it was given: the embedded default has a port of its own.
    pub(crate) port: Option<u16>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) quiet: bool,
    pub(crate) hickory: bool,
    pub(crate) json: bool,
    pub(crate) log_time: bool,
    /// Whether `fmt` only says if something would change.
    pub(crate) check: bool,
    /// The query of `explain`.
    pub(crate) asked: Asked,
    pub(crate) plugins: bool,
    pub(crate) version: bool,
}

/// What became of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    Run(Command),
    /// `-h`: the usage.
    Help(String),
    /// What is wrong, and the exit status.
    Wrong(String, u8),
}

const SERVE: [Known; 10] = [
    Known("conf", Some("string"), "", "Corefile to load (default \"./Corefile\", else built-in)"),
    Known("dns.port", Some("string"), "53", "Default port"),
    Known("driver", Some("string"), "native", "Who drives the DNS sockets: native or hickory"),
    Known("log-format", Some("string"), "text", "Log as text or json"),
    Known("log-time", None, "", "Put the time in front of each log line"),
    Known("p", Some("string"), "53", "Default port"),
    Known("pidfile", Some("string"), "", "Path to write pid file"),
    Known("plugins", None, "", "List installed plugins"),
    Known("quiet", None, "", "Quiet mode (no initialization output)"),
    Known("version", None, "", "Show version"),
];

const CHECK: [Known; 4] = [
    Known("conf", Some("string"), "", "Corefile to check (default \"./Corefile\", else built-in)"),
    Known("dns.port", Some("string"), "53", "Default port"),
    Known("format", Some("string"), "text", "Print mistakes as text or json"),
    Known("p", Some("string"), "53", "Default port"),
];

const FORMAT: [Known; 2] = [
    Known("check", None, "", "Print only the name of a file that would change, and exit with 1"),
    Known("conf", Some("string"), "", "Corefile to format (default \"./Corefile\")"),
];

/// Reads the arguments behind the program name.
pub(crate) fn parse(arguments: &[String]) -> Parsed {
    let flags = Flags::default();
    match arguments.split_first() {
        Some((first, rest)) if first == "check" => {
            Reader { program: "dunlin check", known: &CHECK, words: Words::File, flags }
                .read(rest, Command::Check)
        }
        Some((first, rest)) if first == "explain" => {
            let known = &crate::explain::FLAGS;
            Reader { program: "dunlin explain", known, words: Words::Query, flags }
                .read(rest, Command::Explain)
        }
        Some((first, rest)) if first == "fmt" => {
            Reader { program: "dunlin fmt", known: &FORMAT, words: Words::File, flags }
                .read(rest, Command::Format)
        }
        _ => Reader { program: "dunlin", known: &SERVE, words: Words::None, flags }
            .read(arguments, Command::Serve),
    }
}

struct Reader {
    program: &'static str,
    known: &'static [Known],
    words: Words,
    flags: Flags,
}

/// What words are that are no flags.
#[derive(Clone, Copy)]
enum Words {
    None,
    /// The Corefile.
    File,
    /// Name and type.
    Query,
}

impl Reader {
    fn read(mut self, arguments: &[String], command: fn(Flags) -> Command) -> Parsed {
        match go_flags::read(self.known, arguments, &mut self) {
            Err(Stop::Help) => return Parsed::Help(self.usage()),
            Err(Stop::Wrong(text, 2)) => {
                return Parsed::Wrong(format!("{text}\n{}", self.usage()), 2);
            }
            Err(Stop::Wrong(text, status)) => return Parsed::Wrong(text, status),
            Ok(()) => {}
        }
        Parsed::Run(match self.flags {
            Flags { version: true, .. } => Command::Version,
            Flags { plugins: true, .. } => Command::Plugins,
            flags => command(flags),
        })
    }

    fn usage(&self) -> String {
        let mut text = format!("Usage of {}:\n{}", self.program, go_flags::usage(self.known));
        if self.program == "dunlin" {
            text.push_str(
                "\ndunlin check [-conf] [F] [-format text|json] tells all mistakes of a Corefile.\n\
                 dunlin explain [-conf F] NAME [TYPE] tells what each plugin does about a query.\n\
                 dunlin fmt [-conf] [F] [-check] prints it in canonical layout.\n",
            );
        }
        text
    }
}

impl Sink for Reader {
    fn switch(&mut self, name: &str, on: bool) {
        self.flags.switch(name, on);
    }

    fn value(&mut self, name: &str, value: &str) -> Option<()> {
        self.flags.value(name, value)
    }

    fn word(&mut self, word: &str) -> bool {
        match self.words {
            Words::File if self.flags.conf.is_none() => self.flags.conf = Some(word.into()),
            Words::Query => return self.flags.asked.word(word),
            Words::File | Words::None => return false,
        }
        true
    }
}

impl Flags {
    /// Takes a switch of `dunlin`.
    pub(crate) fn switch(&mut self, name: &str, on: bool) {
        let flag = match name {
            "do" => &mut self.asked.dnssec_ok,
            "offline" => &mut self.asked.offline,
            "tcp" => &mut self.asked.tcp,
            "warm" => &mut self.asked.warm,
            "check" => &mut self.check,
            "log-time" => &mut self.log_time,
            "plugins" => &mut self.plugins,
            "quiet" => &mut self.quiet,
            _ => &mut self.version,
        };
        *flag = on;
    }

    /// Takes a value of `dunlin`; `None` if it is not of the flag's kind.
    pub(crate) fn value(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("conf", _) => self.conf = Some(value.into()),
            ("pidfile", _) => self.pidfile = Some(value.into()),
            ("dns.port" | "p", _) => self.port = Some(value.parse().ok()?),
            ("from", _) => self.asked.from = Some(value.parse().ok()?),
            ("to", _) => self.asked.to = Some(value.into()),
            ("driver", "native" | "hickory") => self.hickory = value == "hickory",
            ("log-format" | "format", "text" | "json") => self.json = value == "json",
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Parsed {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn serve(flags: Flags) -> Parsed {
        Parsed::Run(Command::Serve(flags))
    }

    #[test]
    fn flags_have_gos_syntax() {
        let conf = |path: &str| Flags { conf: Some(path.into()), ..Flags::default() };
        let table = [
            ("", serve(Flags::default())),
            ("-conf F", serve(conf("F"))),
            ("--conf=F", serve(conf("F"))),
            ("-conf A -conf B", serve(conf("B"))),
            ("-p 5300 -quiet", serve(Flags { port: Some(5300), quiet: true, ..Flags::default() })),
            ("-dns.port=1 -p 2", serve(Flags { port: Some(2), ..Flags::default() })),
            ("-quiet=false", serve(Flags::default())),
            ("-driver hickory", serve(Flags { hickory: true, ..Flags::default() })),
            ("-version", Parsed::Run(Command::Version)),
            ("-plugins", Parsed::Run(Command::Plugins)),
            ("check F", Parsed::Run(Command::Check(conf("F")))),
            (
                "check F --format json",
                Parsed::Run(Command::Check(Flags { json: true, ..conf("F") })),
            ),
            (
                "check --conf F --format json",
                Parsed::Run(Command::Check(Flags { json: true, ..conf("F") })),
            ),
            (
                "explain a.test AAAA -conf F --from ::1 --tcp --do --format json",
                Parsed::Run(Command::Explain(Flags {
                    json: true,
                    asked: Asked {
                        name: Some("a.test".into()),
                        qtype: Some(28),
                        from: Some("::1".parse().unwrap()),
                        tcp: true,
                        dnssec_ok: true,
                        ..Asked::default()
                    },
                    ..conf("F")
                })),
            ),
            ("fmt F", Parsed::Run(Command::Format(conf("F")))),
            (
                "fmt --check -conf F",
                Parsed::Run(Command::Format(Flags { check: true, ..conf("F") })),
            ),
        ];
        for (line, parsed) in table {
            assert_eq!(of(line), parsed, "{line}");
        }
    }

    #[test]
    fn mistakes_get_gos_texts_and_exit_status() {
        let table = [
            ("-x", "flag provided but not defined: -x\nUsage of dunlin:\n", 2),
            ("-conf", "flag needs an argument: -conf\nUsage of dunlin:\n", 2),
            ("-p abc", "invalid value \"abc\" for flag -p: parse error\nUsage of dunlin:\n", 2),
            ("-quiet=x", "invalid boolean value \"x\" for -quiet: parse error\nUsage", 2),
            ("-driver=x", "invalid value \"x\" for flag -driver: parse error\nUsage", 2),
            ("explain -from x", "invalid value \"x\" for flag -from: parse error\nUsage", 2),
            ("explain -quiet a", "flag provided but not defined: -quiet\nUsage of dunlin ex", 2),
            ("check -quiet", "flag provided but not defined: -quiet\nUsage of dunlin check:\n", 2),
        ];
        for (line, lead, status) in table {
            match of(line) {
                Parsed::Wrong(text, found) => {
                    assert!(text.starts_with(lead), "{line}: {text}");
                    assert_eq!(found, status, "{line}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        match of("-quiet foo bar") {
            Parsed::Wrong(text, 1) => {
                assert!(text.ends_with(" extra command line arguments: [foo bar]\n"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(of("-h"), Parsed::Help(_)));
    }
}
