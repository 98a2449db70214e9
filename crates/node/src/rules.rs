//! The twelve rules for each local address, as node-cache has them for `iptables`: so that up- and
//! downgrades adopt each other's, form, order and comments are not ours to choose.

use std::fmt;
use std::net::IpAddr;

use crate::flags::Config;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) table: Table,
    pub(crate) chain: Chain,
    pub(crate) protocol: Protocol,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    /// Keeps connection tracking, and with it the service's DNAT, away.
    Raw,
    Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Chain {
    Prerouting,
    Input,
    Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// Which end of the packet address and port are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Source,
    Destination,
}

/// The rules of all local addresses, in the order in which each is put on top of its chain.
pub(crate) fn rules(config: &Config) -> Vec<Rule> {
    let (dns, health) = (config.port, config.health_port);
    let of_one = |&address: &IpAddr| {
        SHAPES.map(|(table, chain, protocol, end, port)| Rule {
            table,
            chain,
            protocol,
            address,
            port: if port == Port::Dns { dns } else { health },
            end,
        })
    };
    config.local_ips.iter().flat_map(of_one).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Dns,
    Health,
}

const SHAPES: [(Table, Chain, Protocol, End, Port); 12] = {
    use {Chain::*, End::*, Port::*, Protocol::*, Table::*};
    [
        (Raw, Prerouting, Tcp, Destination, Dns),
        (Raw, Prerouting, Udp, Destination, Dns),
        (Filter, Input, Tcp, Destination, Dns),
        (Filter, Input, Udp, Destination, Dns),
        (Raw, Output, Tcp, Source, Dns),
        (Raw, Output, Udp, Source, Dns),
        (Filter, Output, Tcp, Source, Dns),
        (Filter, Output, Udp, Source, Dns),
        (Raw, Output, Tcp, Destination, Dns),
        (Raw, Output, Udp, Destination, Dns),
        (Raw, Output, Tcp, Destination, Health),
        (Raw, Output, Tcp, Source, Health),
    ]
};

impl Rule {
    /// What stands behind the chain's name in a call of `iptables`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (address_flag, port_flag) = match self.end {
            End::Source => ("-s", "--sport"),
            End::Destination => ("-d", "--dport"),
        };
        let (target, comment) = match self.table {
            Table::Raw => ("NOTRACK", "NodeLocal DNS Cache: skip conntrack"),
            Table::Filter => ("ACCEPT", "NodeLocal DNS Cache: allow DNS traffic"),
        };
        let (address, port) = (self.address.to_string(), self.port.to_string());
        let words = [
            "-p",
            self.protocol.name(),
            address_flag,
            &address,
            port_flag,
            &port,
            "-j",
            target,
            "-m",
            "comment",
            "--comment",
            comment,
        ];
        words.map(str::to_owned).to_vec()
    }
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Filter => "filter",
        }
    }
}

impl Chain {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Output => "OUTPUT",
        }
    }
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// As node-cache's log shows it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments().join(" ");
        write!(f, "{{{} {} [{arguments}]}}", self.table.name(), self.chain.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;

    const GOLDEN: &str = "\
raw PREROUTING -p tcp -d IP --dport 53 -j NOTRACK -m comment --comment skip
raw PREROUTING -p udp -d IP --dport 53 -j NOTRACK -m comment --comment skip
filter INPUT -p tcp -d IP --dport 53 -j ACCEPT -m comment --comment allow
filter INPUT -p udp -d IP --dport 53 -j ACCEPT -m comment --comment allow
raw OUTPUT -p tcp -s IP --sport 53 -j NOTRACK -m comment --comment skip
raw OUTPUT -p udp -s IP --sport 53 -j NOTRACK -m comment --comment skip
filter OUTPUT -p tcp -s IP --sport 53 -j ACCEPT -m comment --comment allow
filter OUTPUT -p udp -s IP --sport 53 -j ACCEPT -m comment --comment allow
raw OUTPUT -p tcp -d IP --dport 53 -j NOTRACK -m comment --comment skip
raw OUTPUT -p udp -d IP --dport 53 -j NOTRACK -m comment --comment skip
raw OUTPUT -p tcp -d IP --dport 8080 -j NOTRACK -m comment --comment skip
raw OUTPUT -p tcp -s IP --sport 8080 -j NOTRACK -m comment --comment skip
";

    fn of(local: &str) -> Vec<Rule> {
        let mut flags = Flags::default();
        flags.value("localip", local).unwrap();
        rules(&flags.check().unwrap())
    }

    #[test]
    fn the_rules_are_those_of_the_table_for_each_address() {
        let golden = GOLDEN
            .replace("skip", "NodeLocal DNS Cache: skip conntrack")
            .replace("allow", "NodeLocal DNS Cache: allow DNS traffic");
        let line = |rule: &Rule| {
            let arguments = rule.arguments().join(" ");
            format!("{} {} {arguments}\n", rule.table.name(), rule.chain.name())
        };
        let found: String = of("169.254.20.10,fd00::a").iter().map(line).collect();
        let expected = golden.replace("IP", "169.254.20.10") + &golden.replace("IP", "fd00::a");
        assert_eq!(found, expected);
    }

    #[test]
    fn a_rule_is_logged_as_node_cache_does() {
        let shown = of("169.254.20.10").first().unwrap().to_string();
        let expected = "{raw PREROUTING [-p tcp -d 169.254.20.10 --dport 53 -j NOTRACK -m comment \
                        --comment NodeLocal DNS Cache: skip conntrack]}";
        assert_eq!(shown, expected);
    }
}
