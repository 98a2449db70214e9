//! What our cgroup allows us: memory and CPU time, for versions 1 and 2, and the number of workers that
//! follows from it.
//!
//! A limit may sit on our own group or on any above it; the smallest counts. In a container the paths of
//! `/proc/self/cgroup` may be those of the host while only our own group is mounted, so that groups
//! which are not there are passed over. The parsers are pure; the readers below them are thin.

use std::io;
use std::num::NonZero;
use std::path::Path;
use std::{fs, thread};

#[cfg(test)]
mod tests;

/// The memory limit of our cgroup, in bytes; `None` when there is none.
#[must_use]
pub fn memory() -> Option<u64> {
    smallest(
        Path::new(MOUNT),
        &own_groups(),
        &[("", "memory.max"), ("memory", "memory.limit_in_bytes")],
        parse_memory,
    )
}

/// The CPU quota of our cgroup, in thousandths of a CPU, rounded up; `None` when there is none.
#[must_use]
pub fn cpu_quota() -> Option<u64> {
    let groups = own_groups();
    let mount = Path::new(MOUNT);
    let v2 = smallest(mount, &groups, &[("", "cpu.max")], parse_cpu_max);
    v2.or_else(|| smallest_v1_quota(mount, &groups))
}

/// How many workers make sense: the CPU quota rounded up to whole CPUs, at most the CPUs this process
/// may run on, at least 1. (`available_parallelism` of std rounds the quota down.)
#[must_use]
pub fn worker_count() -> usize {
    workers(cpu_quota(), usable_cpus())
}

/// `quota` in thousandths of a CPU.
#[must_use]
pub fn workers(quota: Option<u64>, cpus: usize) -> usize {
    let wanted = quota
        .map_or(usize::MAX, |quota| usize::try_from(quota.div_ceil(1000)).unwrap_or(usize::MAX));
    wanted.min(cpus).max(1)
}

/// The CPUs that this thread may run on (`taskset`, cpusets), whatever the quota.
#[must_use]
pub fn usable_cpus() -> usize {
    affinity().unwrap_or_else(|_| thread::available_parallelism().map_or(1, NonZero::get))
}

/// `memory.max` (version 2) or `memory.limit_in_bytes` (version 1), in bytes. Version 1 spells "no
/// limit" as a number close to the largest there is.
#[must_use]
pub fn parse_memory(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

/// `cpu.max` (version 2), "quota period" in µs or "max period"; thousandths of a CPU, rounded up.
#[must_use]
pub fn parse_cpu_max(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    thousandths(quota.parse().ok()?, period.trim().parse().ok()?)
}

/// `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1); the quota is -1 when there is none.
/// Thousandths of a CPU, rounded up.
#[must_use]
pub fn parse_cfs(quota: &str, period: &str) -> Option<u64> {
    thousandths(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

/// Our groups by controller, from the text of `/proc/self/cgroup`: `(controllers, path)`, the path
/// without its leading slash. Version 2's line has no controllers.
pub fn parse_groups(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        Some((controllers, path.trim_start_matches('/')))
    })
}

fn thousandths(quota: u64, period: u64) -> Option<u64> {
    let exact = quota.checked_mul(1000)?.checked_add(period.checked_sub(1)?)?;
    exact.checked_div(period).filter(|share| *share > 0)
}

/// The smallest limit of any of our groups, and of all above them, that any of the files gives; a file
/// belongs to a controller, the empty one being version 2.
fn smallest(
    mount: &Path,
    groups: &str,
    files: &[(&str, &str)],
    parse: fn(&str) -> Option<u64>,
) -> Option<u64> {
    files
        .iter()
        .flat_map(|(controller, file)| {
            in_groups(mount, groups, controller, |group| {
                parse(&fs::read_to_string(group.join(file)).ok()?)
            })
        })
        .min()
}

fn smallest_v1_quota(mount: &Path, groups: &str) -> Option<u64> {
    let read = |group: &Path, file: &str| fs::read_to_string(group.join(file)).ok();
    in_groups(mount, groups, "cpu", |group| {
        parse_cfs(&read(group, "cpu.cfs_quota_us")?, &read(group, "cpu.cfs_period_us")?)
    })
    .into_iter()
    .min()
}

/// What `look` finds in our group of this controller and in those above it, up to the mount point.
fn in_groups(
    mount: &Path,
    groups: &str,
    controller: &str,
    look: impl Fn(&Path) -> Option<u64>,
) -> Vec<u64> {
    let root = mount.join(controller);
    let own = parse_groups(groups)
        .find(|(controllers, _)| controllers.split(',').any(|name| name == controller))
        .map_or("", |(_, path)| path);
    Path::new(own).ancestors().filter_map(|group| look(&root.join(group))).collect()
}

fn own_groups() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

fn affinity() -> io::Result<usize> {
    // SAFETY: a bit mask, for which all zeros is a valid value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: 0 is the calling thread; the kernel writes at most the given bytes into `set`, which is
    // ours. A host with more CPUs than fit gives an error.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: counts the bits of a set that the kernel filled.
    let count = unsafe { libc::CPU_COUNT(&set) };
    usize::try_from(count).map_err(io::Error::other)
}

/// Where cgroups are mounted by convention (systemd, every container runtime).
const MOUNT: &str = "/sys/fs/cgroup";

/// 4 EiB: no host has it, and version 1's "no limit" (2^63 rounded down to a page) is above.
const UNLIMITED: u64 = 1 << 62;
