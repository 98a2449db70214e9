//! The addresses of the network interfaces, as the `bind` plugin wants them: by interface name.

use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};
use std::{io, ptr, slice};

use crate::address;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface, `eth0`.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// For a link-local IPv6 address the index of its interface, without which it cannot be bound;
    /// otherwise 0.
    pub scope: u32,
}

impl InterfaceAddress {
    /// The address with a port, and with its scope if it has one: ready to be bound.
    #[must_use]
    pub fn with_port(&self, port: u16) -> SocketAddr {
        let mut address = SocketAddr::new(self.address, port);
        if let SocketAddr::V6(v6) = &mut address {
            v6.set_scope_id(self.scope);
        }
        address
    }
}

/// All IPv4 and IPv6 addresses of all interfaces, whether up or down, in the kernel's order.
///
/// # Errors
///
/// What the kernel says; it cannot be asked when the process has no descriptor left.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let list = List::new()?;
    let mut found = Vec::new();
    let mut next = list.0;
    // SAFETY: `next` is null or an element of the list, which `list` keeps alive and nobody changes.
    while let Some(entry) = unsafe { next.as_ref() } {
        found.extend(read(entry));
        next = entry.ifa_next;
    }
    Ok(found)
}

fn read(entry: &libc::ifaddrs) -> Option<InterfaceAddress> {
    if entry.ifa_addr.is_null() {
        return None;
    }
    // SAFETY: not null, so an address of the list that `addresses` keeps alive; each starts with its
    // family. It may be shorter than a `sockaddr`, so only the family is read.
    let family = unsafe { (&raw const (*entry.ifa_addr).sa_family).read() };
    let length = match libc::c_int::from(family) {
        libc::AF_INET => address::Name::V4,
        libc::AF_INET6 => address::Name::V6,
        _ => return None,
    };
    // SAFETY: an address of this family has this many bytes, all written by getifaddrs; they live as
    // long as the list, longer than this borrow.
    let bytes = unsafe { slice::from_raw_parts(entry.ifa_addr.cast::<u8>(), length) };
    // SAFETY: getifaddrs gives every entry a C string, which lives as long as the list.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) };
    let address = address::decode(bytes)?;
    let scope = match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id(),
        _ => 0,
    };
    Some(InterfaceAddress {
        name: name.to_string_lossy().into_owned(),
        address: address.ip(),
        scope,
    })
}

/// The list that getifaddrs allocates.
struct List(*mut libc::ifaddrs);

impl List {
    fn new() -> io::Result<Self> {
        let mut first = ptr::null_mut();
        // SAFETY: getifaddrs writes one pointer, into a variable of ours.
        match unsafe { libc::getifaddrs(&raw mut first) } {
            0 => Ok(Self(first)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the pointer is what getifaddrs gave us; it is freed here only, and nothing that was
        // read from the list borrows from it any more.
        unsafe { libc::freeifaddrs(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use super::addresses;

    #[test]
    fn loopback_is_there() {
        let all = addresses().unwrap();
        assert!(
            all.iter().any(|a| a.name == "lo" && a.address == IpAddr::V4(Ipv4Addr::LOCALHOST)),
            "{all:?}"
        );
    }

    #[test]
    fn every_link_local_address_has_the_interface_it_needs() {
        for entry in addresses().unwrap() {
            match entry.address {
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                    assert_ne!(entry.scope, 0, "{entry:?}");
                    // EINVAL without a scope; other errors (interface down, address tentative) may be.
                    let bound = UdpSocket::bind(entry.with_port(0));
                    assert_ne!(
                        bound.err().and_then(|e| e.raw_os_error()),
                        Some(libc::EINVAL),
                        "{entry:?}"
                    );
                }
                _ => assert_eq!(entry.scope, 0, "{entry:?}"),
            }
        }
    }
}
