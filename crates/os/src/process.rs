//! Settings of the whole process.

use std::{io, ptr, slice};

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

/// Gives back the pages of program code and constants that were touched so far. They stay in the
/// page cache, and what is needed again is mapped again at its next use; what only the start needed
/// no longer counts as this process' memory (file pages of an idle server: 8.0 to 6.5 MB).
pub fn release_program_pages() {
    // SAFETY: the callback fits its declaration, takes no data, and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(release_object), ptr::null_mut()) };
}

/// For one loaded object: every segment that the program cannot write to.
///
/// # Safety
/// `info` is what `dl_iterate_phdr` passes.
unsafe extern "C" fn release_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the linker passes a valid structure, and keeps it and the headers that it points to
    // for the time of this call.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr, slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = (base + header.p_vaddr) / PAGE * PAGE;
        let end = base + header.p_vaddr + header.p_memsz;
        let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            continue;
        };
        // SAFETY: the range is a private mapping of a file that was never writable: its pages are
        // the file's, and come back unchanged when they are touched. An error changes nothing.
        unsafe { libc::madvise(ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED) };
    }
    0
}

/// The smallest page there is: the kernel rounds the length up by itself.
const PAGE: u64 = 4096;

/// Lets this process have `wanted` descriptors open, if it may: raises the soft limit (`ulimit -Sn`)
/// as far as the hard one allows, and never lowers it. Returns the limit that holds now.
///
/// # Errors
///
/// What the kernel says to `getrlimit` or `setrlimit`.
pub fn allow_open_files(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`, which is ours.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur >= wanted {
        return Ok(limit.rlim_cur);
    }
    limit.rlim_cur = wanted.min(limit.rlim_max);
    // SAFETY: the kernel reads one `rlimit`, which is ours.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_goes_on_with_fewer_pages() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        release_program_pages();
        let after = resident();
        assert!(after < before, "{before} kB before, {after} kB after");
    }

    #[test]
    fn the_kernel_says_that_huge_pages_are_off() {
        disable_huge_pages().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("THP_enabled"));
        assert!(line.is_none_or(|line| line.ends_with('0')), "{line:?}");
    }

    #[test]
    fn the_limit_of_open_files_rises_as_far_as_it_may_and_never_falls() {
        let now = allow_open_files(0).unwrap();
        assert_eq!(allow_open_files(1).unwrap(), now);
        let most = allow_open_files(u64::MAX).unwrap();
        assert!(most >= now);
        assert_eq!(allow_open_files(0).unwrap(), most);
    }
}
