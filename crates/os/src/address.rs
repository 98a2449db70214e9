//! Socket addresses as the kernel lays them out (`sockaddr_in`, `sockaddr_in6`), encoded and decoded
//! byte by byte: no pointer casts, no `unsafe`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for either kind of address, aligned as the kernel's structures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(crate) struct Name([u8; 28]);

impl Name {
    /// Bytes of a `sockaddr_in`.
    pub(crate) const V4: usize = 16;
    /// Bytes of a `sockaddr_in6`.
    pub(crate) const V6: usize = 28;

    /// What the kernel is told of the room.
    pub(crate) const ROOM: libc::socklen_t = 28;

    /// No address; the family is 0, `AF_UNSPEC`.
    pub(crate) const EMPTY: Self = Self([0; Self::V6]);

    /// The address in its own family.
    pub(crate) fn encode(address: SocketAddr) -> Self {
        let mut name = Self::EMPTY;
        match address {
            SocketAddr::V4(v4) => {
                name.put(0, AF_INET.to_ne_bytes());
                name.put(2, v4.port().to_be_bytes());
                name.put(4, v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                name.put(0, AF_INET6.to_ne_bytes());
                name.put(2, v6.port().to_be_bytes());
                name.put(4, v6.flowinfo().to_ne_bytes());
                name.put(8, v6.ip().octets());
                name.put(24, v6.scope_id().to_ne_bytes());
            }
        }
        name
    }

    /// The address the kernel wrote, exactly as it wrote it (a mapped IPv4 address stays IPv6).
    pub(crate) fn decode(&self) -> Option<SocketAddr> {
        decode(&self.0)
    }

    /// How many of the bytes the kernel is to read.
    pub(crate) fn length(&self) -> libc::socklen_t {
        if self.0.starts_with(&AF_INET.to_ne_bytes()) { 16 } else { Self::ROOM }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        put(&mut self.0, at, value);
    }
}

/// Reads a `sockaddr_in` or `sockaddr_in6`; `None` for other families and for too few bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(take(bytes, 0)?);
    let port = u16::from_be_bytes(take(bytes, 2)?);
    match family {
        AF_INET => {
            let ip = Ipv4Addr::from(take::<4>(bytes, 4)?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 => {
            let flow = u32::from_ne_bytes(take(bytes, 4)?);
            let ip = Ipv6Addr::from(take::<16>(bytes, 8)?);
            let scope = u32::from_ne_bytes(take(bytes, 24)?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

/// `N` bytes at `at`.
#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Writes `N` bytes at `at`, if they fit. With numbers known to the compiler it is one move.
#[inline]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(slot) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *slot = value;
    }
}

/// IPv4-mapped addresses become plain IPv4; everything else stays, scope included.
pub(crate) fn unmap(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// The address as an IPv6 socket wants it: IPv4 becomes IPv4-mapped.
pub(crate) fn map(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const _: () = {
    assert!(AF_INET as libc::c_int == libc::AF_INET && AF_INET6 as libc::c_int == libc::AF_INET6);
    assert!(size_of::<libc::sockaddr_in>() == Name::V4);
    assert!(size_of::<libc::sockaddr_in6>() == Name::V6);
};

#[cfg(test)]
mod tests {
    use super::{Name, decode, map, unmap};

    #[test]
    fn addresses_survive_the_kernels_layout() {
        for text in ["192.0.2.7:53", "[2001:db8::7]:5353", "[fe80::1%7]:1", "[::ffff:192.0.2.7]:53"]
        {
            let address = text.parse().unwrap();
            let name = Name::encode(address);
            assert_eq!(name.decode(), Some(address), "{text}");
            assert_eq!(decode(&name.bytes()[..name.length() as usize]), Some(address), "{text}");
            assert_eq!(decode(&name.bytes()[..7]), None, "{text}");
        }
        assert_eq!(Name::EMPTY.decode(), None);
    }

    #[test]
    fn mapping_goes_there_and_back() {
        for (plain, mapped) in [
            ("192.0.2.7:53", "[::ffff:192.0.2.7]:53"),
            ("[2001:db8::7]:53", "[2001:db8::7]:53"),
            ("[fe80::1%7]:53", "[fe80::1%7]:53"),
        ] {
            let (plain, mapped) = (plain.parse().unwrap(), mapped.parse().unwrap());
            assert_eq!((map(plain), unmap(mapped)), (mapped, plain));
        }
    }
}
