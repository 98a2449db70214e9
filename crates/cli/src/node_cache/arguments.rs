//! The flags of `node-cache`: those of the node, and those of every server.

use dunlin_node::flags::{Kind, TABLE};

use crate::arguments::Flags;
use crate::go_flags::{self, Known, Sink, Stop};

/// Both kinds of flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Arguments {
    pub(super) server: Flags,
    pub(super) node: dunlin_node::Flags,
}

/// Those of every server that node-cache's table has not.
const SERVER: [Known; 6] = [
    Known("driver", Some("string"), "native", "Who drives the DNS sockets: native or hickory"),
    Known("log-format", Some("string"), "text", "Log as text or json"),
    Known("log-time", None, "", "Put the time in front of each log line"),
    Known("plugins", None, "", "List installed plugins"),
    Known("quiet", None, "", "Quiet mode (no initialization output)"),
    Known("version", None, "", "Show version"),
];

/// Reads the arguments behind the program name.
pub(super) fn parse(arguments: &[String]) -> Result<Arguments, Stop> {
    let known = known();
    let mut parsed = Arguments::default();
    match go_flags::read(&known, arguments, &mut parsed) {
        Err(Stop::Wrong(text, 2)) => Err(Stop::Wrong(format!("{text}\n{}", usage()), 2)),
        other => other.map(|()| parsed),
    }
}

/// What `-h` tells.
pub(super) fn usage() -> String {
    let version = dunlin_core::release::VERSION;
    format!(
        "Usage of node-cache:\nRuns Dunlin v{version} as a nodelocal cache listening on the specified \
         ip:port\n\n{}",
        go_flags::usage(&known())
    )
}

fn known() -> Vec<Known> {
    let of_the_node = TABLE.iter().map(|flag| {
        let value = match flag.kind {
            Kind::Switch => None,
            Kind::Text => Some("string"),
            Kind::Duration => Some("duration"),
        };
        Known(flag.name, value, flag.default, flag.meaning)
    });
    let mut known: Vec<Known> = of_the_node.chain(SERVER).collect();
    known.sort_by_key(|flag| flag.0);
    known
}

impl Sink for Arguments {
    fn switch(&mut self, name: &str, on: bool) {
        if TABLE.iter().any(|flag| flag.name == name) {
            self.node.switch(name, on);
        } else {
            self.server.switch(name, on);
        }
    }

    fn value(&mut self, name: &str, value: &str) -> Option<()> {
        if TABLE.iter().any(|flag| flag.name == name) {
            self.node.value(name, value)
        } else {
            self.server.value(name, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Arguments, Stop> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_kinds_of_flags_are_taken_in_both_dash_forms() {
        let lines = [
            "-localip 127.0.0.20,::1 -setupiptables=false -quiet -p 5353",
            "--localip=127.0.0.20,::1 --setupiptables=false --quiet --dns.port=5353",
        ];
        for line in lines {
            let Arguments { server, node } = of(line).unwrap();
            assert!(server.quiet && !node.setup_iptables && node.setup_interface, "{line}");
            let config = node.check().unwrap();
            assert_eq!((config.local_ips.len(), config.port), (2, 5353), "{line}");
        }
    }

    #[test]
    fn mistakes_have_gos_texts() {
        let table = [
            (
                "-syncinterval soon",
                "invalid value \"soon\" for flag -syncinterval: parse error\n",
                2,
            ),
            ("-syncinterval 0", "invalid value \"0\" for flag -syncinterval: parse error\n", 2),
            (
                "-setupinterface=2",
                "invalid boolean value \"2\" for -setupinterface: parse error\n",
                2,
            ),
            ("-config-dir x", "flag provided but not defined: -config-dir\nUsage of node-cache", 2),
        ];
        for (line, lead, status) in table {
            match of(line) {
                Err(Stop::Wrong(text, found)) => {
                    assert!(text.starts_with(lead), "{line}: {text}");
                    assert_eq!(found, status, "{line}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        assert_eq!(of("-h"), Err(Stop::Help));
    }
}
