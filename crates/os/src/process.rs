//! Settings of the whole process.

use std::io;

/// Keeps the kernel from backing this process' heap with huge pages (`PR_SET_THP_DISABLE`).
///
/// Where they are always on, each thread's first few kilobytes of heap cost 2 MiB: an idle server
/// with two workers has 15 MiB of heap resident instead of 3.
///
/// # Errors
///
/// What the kernel says; an old one does not know the option (`InvalidInput`).
pub fn disable_huge_pages() -> io::Result<()> {
    let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this option takes numbers only and touches no memory of ours.
    let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_that_huge_pages_are_off() {
        disable_huge_pages().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("THP_enabled"));
        assert!(line.is_none_or(|line| line.ends_with('0')), "{line:?}");
    }
}
