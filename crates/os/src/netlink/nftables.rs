//! A table of nftables whose rules keep packets of some addresses and ports out of connection tracking.
//! One table of our own, replaced and removed whole: nobody else's rules are touched.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::{Attributes, Family, Message, Netlink};

/// Writes and reads our tables.
#[derive(Debug)]
pub struct Nftables(Netlink);

/// What is not tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untracked {
    /// The name of the table.
    pub table: String,
    /// The addresses, in sets that the rules match.
    pub addresses: Vec<IpAddr>,
    /// What packets, for each address family.
    pub matches: Vec<Match>,
    /// How long an address stays in its set unless it is renewed; without one, for ever.
    pub lifetime: Option<Duration>,
}

/// One kind of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Where it is looked at.
    pub hook: Hook,
    /// 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// Whether address and port are those that it comes from.
    pub is_source: bool,
    /// The port.
    pub port: u16,
}

/// Where packets are looked at, before connection tracking sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// As they come in.
    Prerouting,
    /// As they leave this host.
    Output,
}

impl Nftables {
    /// Opens a socket.
    ///
    /// # Errors
    /// A kernel without netfilter.
    pub fn open() -> io::Result<Self> {
        Netlink::open(Family::Netfilter).map(Self)
    }

    /// Makes the table, in place of one with its name, in one step.
    ///
    /// # Errors
    /// What the kernel says; then nothing has changed.
    pub fn replace(&mut self, wanted: &Untracked) -> io::Result<()> {
        let mut messages = replacement(wanted);
        self.transaction(&mut messages)
    }

    /// Gives all addresses another lifetime, in one step.
    ///
    /// # Errors
    /// What the kernel says: the table may be gone.
    pub fn renew(&mut self, wanted: &Untracked) -> io::Result<()> {
        let mut messages = Vec::new();
        for set in sets(wanted) {
            messages.push(
                change(NFT_MSG_DELSETELEM, 0)
                    .text(NFTA_SET_ELEM_LIST_TABLE, &wanted.table)
                    .text(NFTA_SET_ELEM_LIST_SET, set.name),
            );
            messages.push(elements(wanted, &set));
        }
        self.transaction(&mut messages)
    }

    /// Removes the table; one that is not there is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(&mut self, table: &str) -> io::Result<()> {
        let delete = change(NFT_MSG_DELTABLE, 0).text(NFTA_TABLE_NAME, table);
        match self.transaction(&mut [delete]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Whether the table has all its rules and addresses. Nobody else has a reason to change them, so
    /// they are counted, not compared.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_whole(&mut self, wanted: &Untracked) -> io::Result<bool> {
        let mut dump = Message::request(kind(NFT_MSG_GETRULE), libc::NLM_F_DUMP)
            .fixed(&family_header(NFPROTO_INET, 0))
            .text(NFTA_RULE_TABLE, &wanted.table);
        let rules = match self.0.request(&mut dump) {
            Ok(replies) => replies,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let of_ours = rules.iter().filter(|reply| {
            let attributes = Attributes(reply.body.get(4..).unwrap_or_default());
            attributes.text(NFTA_RULE_TABLE).as_deref() == Some(&wanted.table)
        });
        let sets = sets(wanted);
        if of_ours.count() != wanted.matches.len() * sets.len() {
            return Ok(false);
        }
        for set in sets {
            if self.element_count(&wanted.table, set.name)? != set.addresses.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn element_count(&mut self, table: &str, set: &str) -> io::Result<usize> {
        let mut dump = Message::request(kind(NFT_MSG_GETSETELEM), libc::NLM_F_DUMP)
            .fixed(&family_header(NFPROTO_INET, 0))
            .text(NFTA_SET_ELEM_LIST_TABLE, table)
            .text(NFTA_SET_ELEM_LIST_SET, set);
        let replies = match self.0.request(&mut dump) {
            Ok(replies) => replies,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let count = |body: &[u8]| {
            let attributes = Attributes(body.get(4..).unwrap_or_default());
            attributes.value(NFTA_SET_ELEM_LIST_ELEMENTS).map_or(0, |list| Attributes(list).count())
        };
        Ok(replies.iter().map(|reply| count(&reply.body)).sum())
    }

    fn transaction(&mut self, messages: &mut [Message]) -> io::Result<()> {
        let bound = |kind| Message::bound(kind).fixed(&family_header(0, SUBSYSTEM));
        self.0.transaction(&mut bound(BATCH_BEGIN), messages, &mut bound(BATCH_END))
    }
}

/// The addresses of one family.
struct Set {
    name: &'static str,
    id: u32,
    addresses: Vec<IpAddr>,
}

fn sets(wanted: &Untracked) -> Vec<Set> {
    let of = |name, id, is_v6| {
        let addresses = wanted.addresses.iter().copied();
        Set { name, id, addresses: addresses.filter(|ip| ip.is_ipv6() == is_v6).collect() }
    };
    let both = [of("local4", 1, false), of("local6", 2, true)];
    both.into_iter().filter(|set| !set.addresses.is_empty()).collect()
}

pub(super) fn replacement(wanted: &Untracked) -> Vec<Message> {
    let table = &wanted.table;
    let add_table = || change(NFT_MSG_NEWTABLE, libc::NLM_F_CREATE).text(NFTA_TABLE_NAME, table);
    // Added first, so that there is one to be removed.
    let mut messages =
        vec![add_table(), change(NFT_MSG_DELTABLE, 0).text(NFTA_TABLE_NAME, table), add_table()];
    for hook in [Hook::Prerouting, Hook::Output] {
        messages.push(chain(table, hook));
    }
    for set in sets(wanted) {
        messages.push(new_set(wanted, &set));
        messages.push(elements(wanted, &set));
        messages.extend(wanted.matches.iter().map(|packets| rule(table, &set, *packets)));
    }
    messages
}

fn chain(table: &str, hook: Hook) -> Message {
    change(NFT_MSG_NEWCHAIN, libc::NLM_F_CREATE)
        .text(NFTA_CHAIN_TABLE, table)
        .text(NFTA_CHAIN_NAME, hook.name())
        .nested(NFTA_CHAIN_HOOK, |inner| {
            inner
                .number(NFTA_HOOK_HOOKNUM, hook.number())
                .number(NFTA_HOOK_PRIORITY, PRIORITY_RAW.cast_unsigned())
        })
        .number(NFTA_CHAIN_POLICY, NF_ACCEPT)
        .text(NFTA_CHAIN_TYPE, "filter")
}

fn new_set(wanted: &Untracked, set: &Set) -> Message {
    let (key_type, length) = if set.id == 1 { (TYPE_IPV4, 4) } else { (TYPE_IPV6, 16) };
    let flags = if wanted.lifetime.is_some() { NFT_SET_TIMEOUT } else { 0 };
    change(NFT_MSG_NEWSET, libc::NLM_F_CREATE)
        .text(NFTA_SET_TABLE, &wanted.table)
        .text(NFTA_SET_NAME, set.name)
        .number(NFTA_SET_FLAGS, flags)
        .number(NFTA_SET_KEY_TYPE, key_type)
        .number(NFTA_SET_KEY_LEN, length)
        .number(NFTA_SET_ID, set.id)
}

fn elements(wanted: &Untracked, set: &Set) -> Message {
    let element = |list: Message, address: &IpAddr| {
        list.nested(NFTA_LIST_ELEM, |inner| {
            let inner = inner.nested(NFTA_SET_ELEM_KEY, |key| match address {
                IpAddr::V4(v4) => key.attribute(NFTA_DATA_VALUE, &v4.octets()),
                IpAddr::V6(v6) => key.attribute(NFTA_DATA_VALUE, &v6.octets()),
            });
            match wanted.lifetime {
                Some(lifetime) => {
                    let milliseconds = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
                    inner.attribute(NFTA_SET_ELEM_TIMEOUT, &milliseconds.to_be_bytes())
                }
                None => inner,
            }
        })
    };
    change(NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE)
        .text(NFTA_SET_ELEM_LIST_TABLE, &wanted.table)
        .text(NFTA_SET_ELEM_LIST_SET, set.name)
        .nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| set.addresses.iter().fold(list, element))
}

/// In the words of `nft`: `meta nfproto ipv4 ip daddr @local4 meta l4proto udp udp dport 53 notrack`.
fn rule(table: &str, set: &Set, packets: Match) -> Message {
    let (nfproto, source, destination, length) =
        if set.id == 1 { (NFPROTO_IPV4, 12, 16, 4) } else { (NFPROTO_IPV6, 8, 24, 16) };
    let address = if packets.is_source { source } else { destination };
    let port = if packets.is_source { 0 } else { 2 };
    change(NFT_MSG_NEWRULE, libc::NLM_F_CREATE | libc::NLM_F_APPEND)
        .text(NFTA_RULE_TABLE, table)
        .text(NFTA_RULE_CHAIN, packets.hook.name())
        .nested(NFTA_RULE_EXPRESSIONS, |list| {
            let list = compare(meta(list, NFT_META_NFPROTO), &[nfproto]);
            let list = payload(list, BASE_NETWORK, address, length);
            let list = expression(list, "lookup", |data| {
                data.text(NFTA_LOOKUP_SET, set.name)
                    .number(NFTA_LOOKUP_SREG, REGISTER)
                    .number(NFTA_LOOKUP_SET_ID, set.id)
            });
            let list = compare(meta(list, NFT_META_L4PROTO), &[packets.protocol]);
            let list = payload(list, BASE_TRANSPORT, port, 2);
            let list = compare(list, &packets.port.to_be_bytes());
            list.nested(NFTA_LIST_ELEM, |inner| inner.text(NFTA_EXPR_NAME, "notrack"))
        })
}

fn meta(list: Message, key: u32) -> Message {
    expression(list, "meta", |data| {
        data.number(NFTA_META_DREG, REGISTER).number(NFTA_META_KEY, key)
    })
}

fn payload(list: Message, base: u32, offset: u32, length: u32) -> Message {
    expression(list, "payload", |data| {
        data.number(NFTA_PAYLOAD_DREG, REGISTER)
            .number(NFTA_PAYLOAD_BASE, base)
            .number(NFTA_PAYLOAD_OFFSET, offset)
            .number(NFTA_PAYLOAD_LEN, length)
    })
}

fn compare(list: Message, value: &[u8]) -> Message {
    expression(list, "cmp", |data| {
        data.number(NFTA_CMP_SREG, REGISTER)
            .number(NFTA_CMP_OP, NFT_CMP_EQ)
            .nested(NFTA_CMP_DATA, |data| data.attribute(NFTA_DATA_VALUE, value))
    })
}

fn expression(list: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    list.nested(NFTA_LIST_ELEM, |inner| {
        inner.text(NFTA_EXPR_NAME, name).nested(NFTA_EXPR_DATA, data)
    })
}

fn change(message: u16, flags: i32) -> Message {
    Message::request(kind(message), flags).fixed(&family_header(NFPROTO_INET, 0))
}

const fn kind(message: u16) -> u16 {
    (SUBSYSTEM << 8) | message
}

/// `struct nfgenmsg`.
fn family_header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

impl Hook {
    const fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Output => "output",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Output => 3,
        }
    }
}

// linux/netfilter/nfnetlink.h and nf_tables.h
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const NF_ACCEPT: u32 = 1;
const PRIORITY_RAW: i32 = -300;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;
const NFT_MSG_DELSETELEM: u16 = 14;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_ID: u16 = 10;
const NFT_SET_TIMEOUT: u32 = 0x10;
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFT_META_NFPROTO: u32 = 15;
const NFT_META_L4PROTO: u32 = 16;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const BASE_NETWORK: u32 = 1;
const BASE_TRANSPORT: u32 = 2;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFT_CMP_EQ: u32 = 0;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_SET_ID: u16 = 4;
/// Sixteen octets wide.
const REGISTER: u32 = 1;
