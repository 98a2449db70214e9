//! Texts of cgroup files, and what they mean.

use std::fs;
use std::path::PathBuf;

use super::{
    in_groups, parse_cfs, parse_cpu_max, parse_groups, parse_memory, smallest, smallest_v1_quota,
    usable_cpus, worker_count, workers,
};

#[test]
fn memory_limits_are_read() {
    for (text, limit) in [
        ("max\n", None),
        ("178257920\n", Some(178_257_920)),
        ("9223372036854771712\n", None),
        ("18446744073709551615", None),
        ("0", Some(0)),
        ("", None),
        ("-1", None),
    ] {
        assert_eq!(parse_memory(text), limit, "{text:?}");
    }
}

#[test]
fn cpu_quotas_are_read_and_rounded_up() {
    for (text, quota) in [
        ("max 100000\n", None),
        ("150000 100000\n", Some(1500)),
        ("100000 100000\n", Some(1000)),
        ("100001 100000\n", Some(1001)),
        ("5000 100000\n", Some(50)),
        ("1 1000000\n", Some(1)),
        ("100000 0\n", None),
        ("0 100000\n", None),
        ("100000", None),
        ("18446744073709551615 1", None),
        ("", None),
    ] {
        assert_eq!(parse_cpu_max(text), quota, "{text:?}");
    }
    for (quota, period, expected) in [
        ("-1\n", "100000\n", None),
        ("250000\n", "100000\n", Some(2500)),
        ("x", "1", None),
        ("1", "", None),
    ] {
        assert_eq!(parse_cfs(quota, period), expected, "{quota:?} {period:?}");
    }
}

#[test]
fn workers_follow_quota_and_cpus() {
    for (quota, cpus, expected) in [
        (None, 8, 8),
        (Some(1500), 8, 2),
        (Some(1000), 8, 1),
        (Some(50), 8, 1),
        (Some(64_000), 8, 8),
        (Some(u64::MAX), 8, 8),
        (None, 0, 1),
    ] {
        assert_eq!(workers(quota, cpus), expected, "{quota:?} {cpus}");
    }
}

#[test]
fn groups_are_read() {
    let text = "12:cpu,cpuacct:/kubepods/a\n3:name=systemd:/b:c\n0::/\nbroken\n";
    let groups: Vec<_> = parse_groups(text).collect();
    assert_eq!(groups, [("cpu,cpuacct", "kubepods/a"), ("name=systemd", "b:c"), ("", "")]);
}

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let mount = Directory::new("limits-v2");
    mount.write("memory.max", "900");
    mount.write("pod/memory.max", "500");
    mount.write("pod/box/memory.max", "max");
    let files = [("", "memory.max"), ("memory", "memory.limit_in_bytes")];
    for (groups, expected) in
        [("0::/pod/box", Some(500)), ("0::/elsewhere", Some(900)), ("", Some(900))]
    {
        assert_eq!(smallest(&mount.0, groups, &files, parse_memory), expected, "{groups}");
    }
    assert_eq!(in_groups(&mount.0, "0::/pod", "", |_| Some(1)).len(), 2);
}

#[test]
fn version_1_has_a_tree_for_each_controller() {
    let mount = Directory::new("limits-v1");
    mount.write("memory/memory.limit_in_bytes", "700");
    mount.write("cpu/cpu.cfs_quota_us", "150000");
    mount.write("cpu/cpu.cfs_period_us", "100000");
    let groups = "4:memory:/docker/of-the-host\n2:cpu,cpuacct:/docker/of-the-host\n0::/";
    let files = [("", "memory.max"), ("memory", "memory.limit_in_bytes")];
    assert_eq!(smallest(&mount.0, groups, &files, parse_memory), Some(700));
    assert_eq!(smallest_v1_quota(&mount.0, groups), Some(1500));
}

#[test]
fn this_host_has_a_cpu_for_us() {
    assert!(usable_cpus() >= 1);
    assert!((1..=usable_cpus()).contains(&worker_count()));
}

/// A directory of its own under the system's temporary one, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dunlin-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
