//! The control messages (`cmsg`) that tell address and time of a datagram, encoded and decoded byte by
//! byte.
//!
//! A control message is a header (`size_t` length including the header, `int` level, `int` type), the
//! payload, and padding to the size of a `size_t`. The layout is the kernel's, whatever libc says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Family, Local};
use crate::address::{put, take};

/// Room for the control messages of one datagram: a packet info of either kind takes 32 or 40 bytes, a
/// time 32.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control([u8; Self::ROOM]);

impl Control {
    pub(super) const ROOM: usize = 72;

    /// No message: its length, which comes first, is 0.
    pub(super) const EMPTY: Self = Self([0; Self::ROOM]);

    /// The message that makes a datagram leave from `local` on a socket of `family`, and its length
    /// with padding. On an IPv6 socket IPv4 addresses travel mapped. `None` if the address cannot be
    /// told to such a socket.
    pub(super) fn encode(local: Local, family: Family) -> Option<(Self, usize)> {
        let mut control = Self::EMPTY;
        let payload = match (family, local.address) {
            (Family::V4, IpAddr::V4(ip)) => {
                // struct in_pktinfo: interface, local address (the source), header address (unused)
                control.put(HEADER + 4, ip.octets());
                control.header(V4_PAYLOAD, libc::IPPROTO_IP, libc::IP_PKTINFO);
                V4_PAYLOAD
            }
            (Family::V4, IpAddr::V6(_)) => return None,
            (Family::V6, ip) => {
                // struct in6_pktinfo: address, interface
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                control.put(HEADER, ip.octets());
                if ip.is_unicast_link_local() {
                    control.put(HEADER + 16, local.interface.to_ne_bytes());
                }
                control.header(V6_PAYLOAD, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
                V6_PAYLOAD
            }
        };
        Some((control, padded(HEADER + payload)))
    }

    /// What the kernel reported: the destination address, IPv4 unmapped, and the time of arrival since
    /// the Unix epoch.
    pub(super) fn decode(&self) -> (Option<Local>, Option<Duration>) {
        let (mut local, mut arrival) = (None, None);
        let mut rest = self.0.as_slice();
        while let Some((level, kind, payload, after)) = split(rest) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => local = v4_local(payload),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => local = v6_local(payload),
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => arrival = time(payload),
                _ => {}
            }
            rest = after;
        }
        (local, arrival)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn header(&mut self, payload: usize, level: libc::c_int, kind: libc::c_int) {
        self.put(0, (HEADER + payload).to_ne_bytes());
        self.put(LENGTH, level.to_ne_bytes());
        self.put(LENGTH + 4, kind.to_ne_bytes());
    }

    #[inline]
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        put(&mut self.0, at, value);
    }
}

/// The first control message, level, kind and payload, and what follows it.
fn split(rest: &[u8]) -> Option<(libc::c_int, libc::c_int, &[u8], &[u8])> {
    let (header, _) = rest.split_first_chunk::<HEADER>()?;
    let length = usize::from_ne_bytes(take(header, 0)?);
    let level = libc::c_int::from_ne_bytes(take(header, LENGTH)?);
    let kind = libc::c_int::from_ne_bytes(take(header, LENGTH + 4)?);
    // The last one need not be padded.
    let after = rest.get(padded(length)..).unwrap_or_default();
    Some((level, kind, rest.get(HEADER..length)?, after))
}

/// The header's address, not `ipi_spec_dst`: so both families report the same.
fn v4_local(payload: &[u8]) -> Option<Local> {
    let address = Ipv4Addr::from(take::<4>(payload, 8)?).into();
    Some(Local { address, interface: u32::from_ne_bytes(take(payload, 0)?) })
}

fn v6_local(payload: &[u8]) -> Option<Local> {
    let address = Ipv6Addr::from(take::<16>(payload, 0)?).to_canonical();
    Some(Local { address, interface: u32::from_ne_bytes(take(payload, 16)?) })
}

/// A `struct timespec`: seconds and nanoseconds, as long as a pointer each.
fn time(payload: &[u8]) -> Option<Duration> {
    let seconds = isize::from_ne_bytes(take(payload, 0)?);
    let nanoseconds = isize::from_ne_bytes(take(payload, LENGTH)?);
    let seconds = u64::try_from(seconds).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanoseconds).ok()?))
}

fn padded(length: usize) -> usize {
    length.saturating_add(LENGTH - 1) & !(LENGTH - 1)
}

const LENGTH: usize = size_of::<usize>();
const HEADER: usize = LENGTH + 8;
const V4_PAYLOAD: usize = size_of::<libc::in_pktinfo>();
const V6_PAYLOAD: usize = size_of::<libc::in6_pktinfo>();

const _: () = assert!(HEADER == size_of::<libc::cmsghdr>() && V4_PAYLOAD == 12 && V6_PAYLOAD == 20);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Control, Family, HEADER, LENGTH, Local};

    #[test]
    fn the_kernels_packet_info_is_understood() {
        let local = |ip: &str| Local { address: ip.parse().unwrap(), interface: 7 };
        for (family, sent, understood) in [
            (Family::V6, "2001:db8::1", "2001:db8::1"),
            (Family::V6, "fe80::1", "fe80::1"),
            (Family::V6, "192.0.2.1", "192.0.2.1"),
        ] {
            let (mut control, length) = Control::encode(local(sent), family).unwrap();
            assert_eq!(length, (HEADER + 20).next_multiple_of(LENGTH), "{sent}");
            control.put(HEADER + 16, 7_u32.to_ne_bytes());
            assert_eq!(control.decode(), (Some(local(understood)), None), "{sent}");
        }
        let (mut control, length) = Control::encode(local("192.0.2.1"), Family::V4).unwrap();
        assert_eq!(length, (HEADER + 12).next_multiple_of(LENGTH));
        control.put(HEADER, 7_u32.to_ne_bytes());
        control.put(HEADER + 8, [198, 51, 100, 9]);
        assert_eq!(control.decode(), (Some(local("198.51.100.9")), None));
        assert!(Control::encode(local("::1"), Family::V4).is_none());
    }

    #[test]
    fn foreign_messages_are_skipped_and_broken_ones_end_the_search() {
        let mut control = Control::EMPTY;
        assert_eq!(control.decode(), (None, None));
        control.header(4, libc::SOL_SOCKET, libc::SO_RXQ_OVFL);
        assert_eq!(control.decode(), (None, None));
        control.put(0, usize::MAX.to_ne_bytes());
        assert_eq!(control.decode(), (None, None));
        control.put(0, HEADER.to_ne_bytes());
        control.put(LENGTH, libc::IPPROTO_IP.to_ne_bytes());
        control.put(LENGTH + 4, libc::IP_PKTINFO.to_ne_bytes());
        assert_eq!(control.decode(), (None, None));
    }

    #[test]
    fn the_time_of_arrival_stands_behind_the_address_or_alone() {
        let arrival = Duration::new(1_700_000_000, 5);
        let mut message = [0; HEADER + 2 * LENGTH];
        message[..LENGTH].copy_from_slice(&(HEADER + 2 * LENGTH).to_ne_bytes());
        message[LENGTH..LENGTH + 4].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        message[LENGTH + 4..HEADER].copy_from_slice(&libc::SCM_TIMESTAMPNS.to_ne_bytes());
        message[HEADER..HEADER + LENGTH].copy_from_slice(&1_700_000_000_isize.to_ne_bytes());
        message[HEADER + LENGTH..].copy_from_slice(&5_isize.to_ne_bytes());
        for (ip, family) in [("192.0.2.1", Family::V4), ("2001:db8::1", Family::V6)] {
            let local = Local { address: ip.parse().unwrap(), interface: 0 };
            let (mut control, length) = Control::encode(local, family).unwrap();
            control.put(length, message);
            assert_eq!(control.decode().1, Some(arrival), "{ip}");
            assert!(control.decode().0.is_some(), "{ip}");
        }
        let mut control = Control::EMPTY;
        control.put(0, message);
        assert_eq!(control.decode(), (None, Some(arrival)));
    }

    #[test]
    fn only_link_local_replies_are_bound_to_an_interface() {
        let interface = |ip: &str| {
            let local = Local { address: ip.parse().unwrap(), interface: 7 };
            Control::encode(local, Family::V6).unwrap().0.decode().0.unwrap().interface
        };
        assert_eq!(
            (interface("fe80::1"), interface("2001:db8::1"), interface("192.0.2.1")),
            (7, 0, 0)
        );
    }
}
