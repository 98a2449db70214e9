//! What the kernel offers and std and tokio do not: batches of datagrams with the address they were
//! sent to, socket options, interface addresses, whose a port is, the limits of our cgroup, and the heap.
//!
//! The only crate of Dunlin with `unsafe` code, so that it can be audited alone. It knows nothing of
//! DNS and of no async runtime: sockets are non-blocking descriptors, and whoever owns them waits.
//! Linux only. An `unsafe` block is one call into libc, or reads what libc passes to a callback; what
//! the kernel writes or reads is encoded and decoded by safe code ([`batch`]).

#[cfg(not(target_os = "linux"))]
compile_error!("dunlin-os uses recvmmsg, packet info and cgroups: Linux only");

mod address;
pub mod batch;
pub mod heap;
pub mod holders;
pub mod interfaces;
pub mod limits;
pub mod netlink;
pub mod privileges;
pub mod process;
pub mod sockets;
pub mod watch;
