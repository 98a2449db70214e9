//! The Corefile side: `bind ADDRESS|IFACE... [{ except ADDRESS|IFACE... }]`. There is no other
//! side: the engine opens the sockets.

use std::net::IpAddr;

use anyhow::{bail, ensure};
use dunlin_core::corefile::go::quote;
use dunlin_core::directive::Interface;
use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "bind", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let interfaces = directive.interfaces().unwrap_or_else(|error| {
        tracing::warn!(
            target: "plugin/bind",
            "failed to get interfaces list, cannot bind by interface name: {error}"
        );
        Vec::new()
    });
    let hosts = parse(directive, &interfaces)?;
    directive.parts().hosts = Some(hosts);
    Ok(())
}

/// The hosts of all occurrences, one after the other. What stands there twice stays there twice:
/// the engine refuses it, as CoreDNS does.
fn parse(directive: &mut Directive<'_>, interfaces: &[Interface]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    while directive.next() {
        let (wanted, except) = read(directive)?;
        let wanted = hosts(&wanted, interfaces)?;
        let except = hosts(&except, interfaces)?;
        all.extend(wanted.into_iter().filter(|host| !except.contains(host)));
    }
    ensure!(!all.is_empty(), "no address is left to listen on");
    Ok(all.into_iter().map(|host| host.text).collect())
}

/// The arguments of one occurrence: those of `bind`, those of the last `except`.
fn read<'a>(directive: &mut Directive<'a>) -> anyhow::Result<(Vec<&'a str>, Vec<&'a str>)> {
    let wanted = directive.remaining_args();
    ensure!(!wanted.is_empty(), "at least one address or interface name is expected");
    let mut except = Vec::new();
    while directive.next_block() {
        match directive.val() {
            "except" => {
                except = directive.remaining_args();
                ensure!(
                    !except.is_empty(),
                    "at least one address or interface must be given to except subdirective"
                );
            }
            other => bail!("invalid option {}", quote(other)),
        }
    }
    Ok((wanted, except))
}

/// An address to listen on.
struct Host {
    /// As it will be shown: the Corefile's own spelling, or Go's.
    text: String,
    address: IpAddr,
    /// The interface of a link-local IPv6 address.
    scope: Option<String>,
}

impl PartialEq for Host {
    /// Two spellings of one address are one address.
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.scope == other.scope
    }
}

fn hosts(arguments: &[&str], interfaces: &[Interface]) -> anyhow::Result<Vec<Host>> {
    let mut hosts = Vec::new();
    for argument in arguments {
        if let Some(interface) = interfaces.iter().find(|interface| interface.name == *argument) {
            hosts.extend(interface.addresses.iter().map(|address| of(interface, *address)));
            continue;
        }
        let Ok(address) = argument.parse() else {
            bail!("not a valid IP address or interface name: {}", quote(argument));
        };
        hosts.push(Host { text: (*argument).to_owned(), address, scope: None });
    }
    Ok(hosts)
}

/// A link-local IPv6 address means nothing without its interface (RFC 4007 §6).
fn of(interface: &Interface, address: IpAddr) -> Host {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Host {
            text: format!("{address}%{}", interface.name),
            address,
            scope: Some(interface.name.clone()),
        },
        _ => Host { text: address.to_string(), address, scope: None },
    }
}
