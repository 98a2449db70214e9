//! Giving up what a process does not need: capabilities, the hope of getting more, and dumps of its
//! memory. To be called before there are threads: each has rights of its own, and hands them down.

use std::io;

/// A capability (`capabilities(7)`) that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Ports below 1024.
    NetBindService,
    /// Links, addresses, firewall.
    NetAdmin,
    /// What `iptables` asks for besides.
    NetRaw,
}

impl Capability {
    const fn number(self) -> u32 {
        match self {
            Self::NetBindService => 10,
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
        }
    }
}

/// The kernel's last one is below.
const MOST_CAPABILITIES: u32 = 64;
/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 capabilities each.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    /// 0: the calling thread.
    thread: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Keeps these capabilities, as far as the process has them, and drops all others, for this thread and
/// what it starts; programs that it runs get the kept ones too. No program can get more
/// (`no_new_privs`), and the process leaves no image of its memory behind.
///
/// # Errors
/// What the kernel says. What was done before stays done; nothing of it takes a right away that is kept.
pub fn keep_only(kept: &[Capability]) -> io::Result<()> {
    for number in 0..MOST_CAPABILITIES {
        if !kept.iter().any(|capability| capability.number() == number) {
            // Without the right to, or beyond the kernel's last one, there is nothing to drop.
            let _not_there = control(libc::PR_CAPBSET_DROP, number, 0);
        }
    }
    let mask = kept.iter().fold(0, |mask, capability| mask | (1 << capability.number()));
    // All that we keep have numbers below 32.
    let [low, _] = read()?;
    let left = low.permitted & mask;
    let kept_sets = Sets { effective: left, permitted: left, inheritable: left };
    write(&[kept_sets, Sets::default()])?;
    for capability in kept {
        // A user other than root hands them on this way only; an old kernel does not know it.
        let _not_held = control(libc::PR_CAP_AMBIENT, AMBIENT_RAISE, capability.number());
    }
    control(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    control(libc::PR_SET_DUMPABLE, 0, 0)?;
    forbid_core_files()
}

/// Not being dumpable ends with the next program, which inherits this.
fn forbid_core_files() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads one `rlimit`, which is ours.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const AMBIENT_RAISE: u32 = libc::PR_CAP_AMBIENT_RAISE.cast_unsigned();

fn read() -> io::Result<[Sets; 2]> {
    let header = Header { version: VERSION, thread: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: the kernel reads a header and writes two sets of three words, as this version has them;
    // both live on our stack until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) };
    if result == 0 { Ok(sets) } else { Err(io::Error::last_os_error()) }
}

fn write(sets: &[Sets; 2]) -> io::Result<()> {
    let header = Header { version: VERSION, thread: 0 };
    // SAFETY: the kernel reads a header and two sets of three words, as this version has them; both
    // live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn control(option: libc::c_int, one: u32, two: u32) -> io::Result<()> {
    let (one, two, unused) =
        (libc::c_ulong::from(one), libc::c_ulong::from(two), libc::c_ulong::default());
    // SAFETY: the options that are passed here take numbers only and touch no memory of ours.
    let result = unsafe { libc::prctl(option, one, two, unused, unused) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_is_left_and_nothing_can_be_regained() {
        // Rights are a thread's own: the other tests keep theirs.
        let status = std::thread::spawn(|| {
            keep_only(&[Capability::NetBindService]).unwrap();
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        let status = status.join().unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(value(set) & !(1 << 10), 0, "{set}\n{status}");
        }
        assert_eq!(value("CapPrm"), value("CapEff"));
        assert_eq!(value("NoNewPrivs"), 1);
    }
}
