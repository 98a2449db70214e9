//! Network namespaces: sockets in that of another process.

use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs `work` in the network namespace of a process. Sockets that it opens stay there, whoever has them.
///
/// # Panics
///
/// If the process is gone, or without the right to enter (CAP_SYS_ADMIN).
#[track_caller]
pub fn inside<T: Send>(process: u32, work: impl FnOnce() -> T + Send) -> T {
    let path = format!("/proc/{process}/ns/net");
    let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // A namespace is a thread's own, and this thread's is left alone.
    thread::scope(|scope| {
        let entering = scope.spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the right to enter a namespace");
            work()
        });
        entering.join().expect("work in a namespace")
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    #[test]
    fn ones_own_namespace_can_be_entered_by_who_may() {
        let is_root = std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .any(|line| line.starts_with("CapEff") && line.ends_with("ffffffff"));
        if !is_root {
            return;
        }
        let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = super::inside(std::process::id(), open);
        assert!(socket.local_addr().unwrap().ip().is_loopback());
    }
}
