//! Links and their addresses.

use std::io;
use std::net::IpAddr;

use super::message::{u16_at, u32_at};
use super::{Attributes, Family, Message, Netlink};

/// Makes, finds and changes network links.
#[derive(Debug)]
pub struct Route(Netlink);

/// A network link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// `dummy`, `bridge`; empty for hardware.
    pub kind: String,
    /// A note that anybody with the right to change the link may leave on it.
    pub alias: String,
    /// Whether it is up.
    pub is_up: bool,
}

const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

impl Route {
    /// Opens a socket.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        Netlink::open(Family::Route).map(Self)
    }

    /// The link of this name, if there is one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = Message::request(libc::RTM_GETLINK, 0)
            .fixed(&link_header(0, 0, 0))
            .text(libc::IFLA_IFNAME, name);
        match self.0.request(&mut message) {
            Ok(replies) => Ok(replies.iter().find_map(|reply| parse_link(&reply.body))),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a link of type `dummy`.
    ///
    /// # Errors
    /// A kernel without this type (`Unsupported`), no permission, a name that is taken.
    pub fn add_dummy(&mut self, name: &str) -> io::Result<()> {
        self.0.request(&mut new_dummy(name)).map(drop)
    }

    /// Sets a link up.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        let up = u32::try_from(libc::IFF_UP).unwrap_or_default();
        let mut message = Message::request(libc::RTM_NEWLINK, 0).fixed(&link_header(index, up, up));
        self.0.request(&mut message).map(drop)
    }

    /// Leaves a note on a link; an empty one takes it away.
    ///
    /// # Errors
    /// What the kernel says; it takes 255 octets at most.
    pub fn set_alias(&mut self, index: u32, alias: &str) -> io::Result<()> {
        let mut message = Message::request(libc::RTM_NEWLINK, 0)
            .fixed(&link_header(index, 0, 0))
            .attribute(libc::IFLA_IFALIAS, alias.as_bytes());
        self.0.request(&mut message).map(drop)
    }

    /// Removes a link and all its addresses.
    ///
    /// # Errors
    /// What the kernel says; hardware cannot be removed.
    pub fn delete_link(&mut self, index: u32) -> io::Result<()> {
        let mut message = Message::request(libc::RTM_DELLINK, 0).fixed(&link_header(index, 0, 0));
        self.0.request(&mut message).map(drop)
    }

    /// The addresses of a link.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn addresses(&mut self, index: u32) -> io::Result<Vec<IpAddr>> {
        let mut message =
            Message::request(libc::RTM_GETADDR, libc::NLM_F_DUMP).fixed(&[0; ADDRESS_HEADER]);
        let replies = self.0.request(&mut message)?;
        Ok(replies.iter().filter_map(|reply| parse_address(&reply.body, index)).collect())
    }

    /// Gives a link a host address; one that is there stays as it is. IPv6 is usable at once: nobody
    /// else has such an address, so nobody is asked.
    ///
    /// # Errors
    /// What the kernel says; a host without IPv6 takes no such address.
    pub fn add_address(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        match self.0.request(&mut about_address(libc::RTM_NEWADDR, flags, index, address)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result.map(drop),
        }
    }

    /// Takes an address from a link; one that is not there is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_address(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        match self.0.request(&mut about_address(libc::RTM_DELADDR, 0, index, address)) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
            result => result.map(drop),
        }
    }
}

pub(super) fn new_dummy(name: &str) -> Message {
    Message::request(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .fixed(&link_header(0, 0, 0))
        .text(libc::IFLA_IFNAME, name)
        .nested(libc::IFLA_LINKINFO, |info| info.text(libc::IFLA_INFO_KIND, "dummy"))
}

pub(super) fn about_address(kind: u16, flags: i32, index: u32, address: IpAddr) -> Message {
    let (family, prefix, octets): (i32, u8, &[u8]) = match &address {
        IpAddr::V4(v4) => (libc::AF_INET, 32, &v4.octets()),
        IpAddr::V6(v6) => (libc::AF_INET6, 128, &v6.octets()),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let no_detection = u8::try_from(libc::IFA_F_NODAD).unwrap_or_default();
    let flag = if address.is_ipv6() { no_detection } else { 0 };
    let mut header = vec![family, prefix, flag, 0];
    header.extend_from_slice(&index.to_ne_bytes());
    Message::request(kind, flags)
        .fixed(&header)
        .attribute(libc::IFA_LOCAL, octets)
        .attribute(libc::IFA_ADDRESS, octets)
}

/// `struct ifinfomsg`.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let words = [0, index, flags, change];
    words.iter().flat_map(|word: &u32| word.to_ne_bytes()).collect()
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let attributes = Attributes(body.get(LINK_HEADER..)?);
    let kind = attributes
        .value(libc::IFLA_LINKINFO)
        .and_then(|info| Attributes(info).text(libc::IFLA_INFO_KIND));
    let up = u32::try_from(libc::IFF_UP).unwrap_or_default();
    Some(Link {
        index: u32_at(body, 4)?,
        kind: kind.unwrap_or_default(),
        alias: attributes.text(libc::IFLA_IFALIAS).unwrap_or_default(),
        is_up: u32_at(body, 8)? & up != 0,
    })
}

fn parse_address(body: &[u8], index: u32) -> Option<IpAddr> {
    if u32_at(body, 4)? != index {
        return None;
    }
    let attributes = Attributes(body.get(ADDRESS_HEADER..)?);
    let octets =
        attributes.value(libc::IFA_LOCAL).or_else(|| attributes.value(libc::IFA_ADDRESS))?;
    // The family is the first octet of two, prefix length the second.
    match i32::from(u16_at(body, 0)?.to_ne_bytes()[0]) {
        libc::AF_INET => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        libc::AF_INET6 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}
