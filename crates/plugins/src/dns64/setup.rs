//! The Corefile side: `dns64 [PREFIX] [{ prefix PREFIX | translate_all | allow_ipv4 }]`.

use std::net::Ipv6Addr;
use std::sync::{Arc, OnceLock};

use dunlin_core::corefile::go::quote;
use dunlin_core::{Directive, Entry};
use ipnet::{IpNet, Ipv6Net};

use super::{Config, Dns64};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "dns64", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let family = directive.metrics().counter(
        "coredns_dns64_requests_translated_total",
        "Counter of DNS requests translated by dns64.",
        &["server"],
    );
    let translated = Arc::new(OnceLock::new());
    let lookup = directive.lookup();
    directive.add(Dns64 { config, lookup, translated: Arc::clone(&translated) });
    directive.parts().hooks.on_start(async move |context| {
        let counters = context.sites.iter().map(|site| family.with(&[&site.server]));
        let _only_once = translated.set(counters.collect());
        Ok(())
    });
    Ok(())
}

/// Later values replace earlier ones.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config { prefix: well_known(), translate_all: false, allow_ipv4: false };
    while directive.next() {
        match directive.remaining_args().as_slice() {
            [] => {}
            [prefix] => config.prefix = parse_prefix(directive, prefix)?,
            _ => return Err(directive.arg_error().into()),
        }
        while directive.next_block() {
            match directive.val() {
                "prefix" => {
                    let Some(prefix) = directive.arg() else {
                        return Err(directive.arg_error().into());
                    };
                    config.prefix = parse_prefix(directive, prefix)?;
                }
                "translate_all" => config.translate_all = true,
                "allow_ipv4" => config.allow_ipv4 = true,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(config)
}

/// RFC 6052 knows 32, 40, 48, 56, 64 and 96 bits. CoreDNS takes all whole octets between.
fn parse_prefix(directive: &Directive<'_>, text: &str) -> anyhow::Result<Ipv6Net> {
    let Ok(network) = text.parse::<IpNet>() else {
        anyhow::bail!("invalid CIDR address: {text}");
    };
    let shown = quote(&network.trunc().to_string());
    let IpNet::V6(prefix) = network else {
        return Err(directive.error(format!("invalid netmask 32 IPv6 address: {shown}")).into());
    };
    let length = prefix.prefix_len();
    if !length.is_multiple_of(8) || !(32..=96).contains(&length) {
        return Err(directive.error(format!("invalid prefix length {shown}")).into());
    }
    Ok(prefix.trunc())
}

/// `64:ff9b::/96` (RFC 6052 §2.1).
fn well_known() -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96)
}
