//! Whether this process may open as many sockets as its pools hold.

/// More sockets than the process may have open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "udp_pool {pool}: {upstreams} upstreams and {workers} workers need {needed} open files, the limit \
     is {limit} (ulimit -n)"
)]
pub struct TooFewDescriptors {
    /// Sockets per upstream and worker.
    pub pool: usize,
    /// Upstreams with a pool.
    pub upstreams: usize,
    /// Worker threads.
    pub workers: usize,
    /// Descriptors for all pools, and what the process needs beside them.
    pub needed: u64,
    /// What the process may have open, the soft limit raised as far as possible.
    pub limit: u64,
}

/// Listeners, clients over TCP, connections to upstreams, files.
const OTHERS: u64 = 512;

/// Sees to it that full pools for that many upstreams may be open; raises the soft limit of open
/// files if it has to and may.
///
/// # Errors
///
/// The operator asked for more than the hard limit allows.
pub fn reserve_for_pools(pool: usize, upstreams: usize) -> Result<(), TooFewDescriptors> {
    let workers = dunlin_os::limits::worker_count();
    reserve(pool, upstreams, workers, |wanted| {
        // Without an answer the kernel's own refusal will have to do.
        dunlin_os::process::allow_open_files(wanted).unwrap_or(u64::MAX)
    })
}

fn reserve(
    pool: usize,
    upstreams: usize,
    workers: usize,
    allow: impl FnOnce(u64) -> u64,
) -> Result<(), TooFewDescriptors> {
    let sockets = pool.saturating_mul(upstreams).saturating_mul(workers);
    if sockets == 0 {
        return Ok(());
    }
    let needed = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let limit = allow(needed);
    if limit < needed {
        return Err(TooFewDescriptors { pool, upstreams, workers, needed, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_cannot_be_full_are_refused_in_one_line() {
        let error = reserve(1024, 2, 4, |_| 4096).unwrap_err();
        assert_eq!(
            error.to_string(),
            "udp_pool 1024: 2 upstreams and 4 workers need 8704 open files, the limit is 4096 \
             (ulimit -n)"
        );
        assert_eq!(reserve(1024, 2, 4, |wanted| wanted), Ok(()));
        assert_eq!(reserve(usize::MAX, 2, 4, |_| 1_000_000).unwrap_err().limit, 1_000_000);
    }

    #[test]
    fn without_pools_nothing_is_asked_for() {
        for (pool, upstreams) in [(0, 3), (1024, 0)] {
            assert_eq!(reserve(pool, upstreams, 4, |_| 0), Ok(()));
        }
    }
}
