//! Files that come, change, go bad and go.

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::metrics::Metrics;
use dunlin_core::rr::RecordType::A;
use dunlin_core::zones::{Zone, Zones, wire_name};
use dunlin_testkit::metrics::value;
use dunlin_testkit::wait;

use super::super::file::HostsFile;
use super::super::text::{Direction, Options};
use super::{FILE, Scene};

const OLD: &str = "NoError, aa, b.test. 3600 IN A 10.0.0.1";

#[tokio::test(start_paused = true)]
async fn ho16_a_line_that_was_appended_is_served() {
    let mut scene = Scene::new("hosts F {\n reload 500ms\n}", FILE).await;
    scene.write(&format!("{FILE}10.0.0.8 new.test\n"));
    assert_eq!(scene.ask("new.test.", A).await, "ServFail");
    tokio::time::advance(Duration::from_millis(501)).await;
    let found = "NoError, aa, new.test. 3600 IN A 10.0.0.8";
    wait::until_async("the new entry", async || scene.ask("new.test.", A).await == found).await;
    assert_eq!(scene.metric("coredns_hosts_entries"), 15.0);
    scene.block.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_read_once_is_not_looked_at_again() {
    let mut scene = Scene::new("hosts F {\n reload 0s\n}", FILE).await;
    scene.write("10.0.0.8 new.test\n");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(scene.ask("b.test.", A).await, OLD);
}

struct Watched {
    file: Arc<HostsFile>,
    metrics: Metrics,
    folder: tempfile::TempDir,
}

impl Watched {
    fn new() -> Self {
        let (folder, metrics) = (tempfile::TempDir::new().unwrap(), Metrics::new(0));
        let zones = Zones::new(vec![Zone::root()]);
        let options = Options { zones, reverse: Direction::Both };
        let file = HostsFile::new(folder.path().join("F"), options, 1, &metrics);
        Self { file: Arc::new(file), metrics, folder }
    }

    fn write(&self, content: &[u8]) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.path().join("F")).unwrap();
    }

    /// What is served for `b.test.`, and the failures so far.
    fn look(&self) -> (usize, f64) {
        self.file.refresh();
        let found = self.file.table().find(wire_name("b.test").unwrap().as_bytes()).v4().len();
        let failures = value(&self.metrics.page(), "dunlin_hosts_failed_reloads_total", &[]);
        (found, failures.unwrap_or(0.0))
    }
}

#[test]
fn what_cannot_be_used_leaves_the_old_entries_and_is_counted_once() {
    let watched = Watched::new();
    assert_eq!(watched.look(), (0, 0.0), "HO14: a file that never was there is no failure");
    watched.write(FILE.as_bytes());
    assert_eq!(watched.look(), (1, 0.0));
    let path = watched.folder.path().join("F");
    std::fs::remove_file(&path).unwrap();
    assert_eq!([watched.look(), watched.look()], [(1, 1.0); 2], "HO15: it is gone");
    std::fs::create_dir(&path).unwrap();
    assert_eq!([watched.look(), watched.look()], [(1, 2.0); 2], "a directory");
    std::fs::remove_dir(&path).unwrap();
    watched.write(b"\x7fELF\x00\x01 garbage\nand words\n");
    assert_eq!([watched.look(), watched.look()], [(1, 3.0); 2], "not one address");
    watched.write(b"\x7fELF\x00\x02 garbage\nand words\n");
    assert_eq!([watched.look(), watched.look()], [(1, 4.0); 2], "another such file");
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(super::super::MAX_LEN + 1).unwrap();
    assert_eq!([watched.look(), watched.look()], [(1, 5.0); 2], "too large");
    watched.write(b"# nobody is left\n");
    assert_eq!(watched.look(), (0, 5.0), "an empty file is a file without entries");
    assert_eq!(value(&watched.metrics.page(), "coredns_hosts_entries", &[]), Some(1.0));
}

#[test]
fn a_file_that_was_gone_for_a_while_is_served_on_and_may_go_again() {
    let watched = Watched::new();
    watched.write(FILE.as_bytes());
    let (path, away) = (watched.folder.path().join("F"), watched.folder.path().join("away"));
    for failures in [1.0, 2.0] {
        watched.look();
        std::fs::rename(&path, &away).unwrap();
        assert_eq!(watched.look(), (1, failures));
        std::fs::rename(&away, &path).unwrap();
    }
    assert_eq!(watched.look(), (1, 2.0));
}

/// A ConfigMap is swapped by a symbolic link; size and time may be the same.
#[test]
fn a_swapped_link_is_a_change() {
    let watched = Watched::new();
    let at = |name: &str| watched.folder.path().join(name);
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for (folder, content) in [("one", "10.0.0.1 b.test\n"), ("two", "10.0.0.1 c.test\n")] {
        std::fs::create_dir(at(folder)).unwrap();
        std::fs::write(at(folder).join("F"), content).unwrap();
        std::fs::File::options()
            .write(true)
            .open(at(folder).join("F"))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    std::os::unix::fs::symlink("one/F", at("F")).unwrap();
    assert_eq!(watched.look().0, 1);
    std::os::unix::fs::symlink("two/F", at("new")).unwrap();
    std::fs::rename(at("new"), at("F")).unwrap();
    assert_eq!(watched.look().0, 0);
}
