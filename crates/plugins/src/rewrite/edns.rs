//! EDNS options: `edns0 local|nsid|subnet`.

use std::net::IpAddr;

use dunlin_core::edns::options;

use super::question::Question;

/// What becomes of an option of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EdnsRule {
    pub(super) action: EdnsAction,
    pub(super) code: u16,
    pub(super) data: EdnsData,
}

/// `set`, `replace`, `append`, `unset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EdnsAction {
    /// There is one option with this data.
    Set,
    /// If there is one, it has this data.
    Replace,
    /// If there is none, there is one with this data.
    Append,
    /// There is none.
    Unset,
}

/// What an option holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EdnsData {
    /// These octets.
    Fixed(Vec<u8>),
    /// What is known of the query.
    Variable(Variable),
    /// The client's network (RFC 7871), so many bits of it.
    Subnet { v4: u8, v6: u8 },
}

/// A word in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Qname,
    Qtype,
    ClientIp,
    ClientPort,
    ServerIp,
    ServerPort,
    Protocol,
    /// Metadata with this label.
    Metadata(String),
}

impl EdnsRule {
    /// Changes the options; `false` if the rule does not fire. CoreDNS adds an OPT to a query without
    /// one even then.
    pub(super) fn apply(&self, question: &mut Question<'_>) -> bool {
        let Some(data) = self.data.of(question) else { return false };
        let options = question.options();
        let known = options.iter_mut().find(|(code, _)| *code == self.code);
        match (self.action, known) {
            (EdnsAction::Unset, _) => options.retain(|(code, _)| *code != self.code),
            (EdnsAction::Set | EdnsAction::Replace, Some((_, slot))) => *slot = data,
            (EdnsAction::Set | EdnsAction::Append, None) => options.push((self.code, data)),
            (EdnsAction::Replace, None) | (EdnsAction::Append, Some(_)) => return false,
        }
        true
    }
}

impl EdnsData {
    /// `None` if there is no such metadata.
    fn of(&self, question: &Question<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Fixed(data) => Some(data.clone()),
            Self::Variable(variable) => variable.of(question),
            Self::Subnet { v4, v6 } => Some(subnet(question.query.client().ip(), *v4, *v6)),
        }
    }
}

impl Variable {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "qname" => Self::Qname,
            "qtype" => Self::Qtype,
            "client_ip" => Self::ClientIp,
            "client_port" => Self::ClientPort,
            "server_ip" => Self::ServerIp,
            "server_port" => Self::ServerPort,
            "protocol" => Self::Protocol,
            _ if dunlin_core::metadata::is_label(name) => Self::Metadata(name.to_owned()),
            _ => return None,
        })
    }

    fn of(&self, question: &Question<'_>) -> Option<Vec<u8>> {
        let query = question.query;
        Some(match self {
            Self::Qname => question.spelled().into_bytes(),
            Self::Qtype => question.qtype.to_be_bytes().into(),
            Self::ClientIp => octets(query.client().ip()),
            Self::ClientPort => query.client().port().to_be_bytes().into(),
            Self::ServerIp => octets(query.local().ip()),
            Self::ServerPort => query.local().port().to_be_bytes().into(),
            Self::Protocol => query.transport().label().into(),
            Self::Metadata(label) => {
                let value = query.metadata()?.get(label).filter(|value| !value.is_empty())?;
                value.into_bytes()
            }
        })
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().into(),
        IpAddr::V6(ip) => ip.octets().into(),
    }
}

/// RFC 7871 §6: family, source prefix length, scope 0, and no more of the address than that.
fn subnet(client: IpAddr, v4: u8, v6: u8) -> Vec<u8> {
    let mut address = octets(client);
    let (family, bits) = if address.len() == 4 { (1, v4) } else { (2, v6) };
    let length = usize::from(bits).div_ceil(8);
    address.truncate(length);
    if let Some(last) = address.last_mut() {
        *last &= 0xff_u8.checked_shl(u32::from((8 - bits % 8) % 8)).unwrap_or(0);
    }
    let mut data = vec![0, family, bits, 0];
    data.append(&mut address);
    data
}

impl EdnsRule {
    pub(super) const NSID: u16 = options::NSID;
    pub(super) const SUBNET: u16 = options::CLIENT_SUBNET;
}
