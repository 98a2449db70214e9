//! Decisions over made-up contents and times, and changes as inotify tells them.

use std::path::Path;
use std::time::Duration;

use dunlin_core::directive::ReloadTimes;
use dunlin_testkit::process::ConfigMap;
use dunlin_testkit::wait;

use super::*;

const TIMES: ReloadTimes =
    ReloadTimes { interval: Duration::from_secs(30), jitter: Duration::from_secs(15) };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Clock {
    now: Instant,
    decision: Decision,
}

impl Clock {
    fn armed(running: &str, times: Option<ReloadTimes>) -> Self {
        let (now, mut decision) = (Instant::now(), Decision::default());
        decision.arm(running.into(), times, now, 0.0);
        Self { now, decision }
    }

    /// Waits as the server does, then looks.
    fn look(&mut self, seen: &str) -> Step {
        self.now = self.decision.next().expect("a time to look");
        self.notice(seen)
    }

    /// Looks at once, because of a change that was told.
    fn notice(&mut self, seen: &str) -> Step {
        let now = self.now;
        assert!(self.decision.is_time(now, 0.0));
        let is_good = seen.starts_with("good");
        self.decision.looked(now, seen.into(), (!is_good).then(|| format!("{seen}!")))
    }

    fn wait(&self) -> Option<Duration> {
        self.decision.next().map(|next| next - self.now)
    }
}

fn refuse(text: &str) -> Step {
    Step::Refuse(text.into())
}

#[test]
fn a_change_is_loaded_and_what_is_unchanged_is_not() {
    let mut clock = Clock::armed("good 1", Some(TIMES));
    assert_eq!(clock.look("good 1"), Step::Nothing);
    assert_eq!(clock.wait(), Some(seconds(30)));
    assert_eq!(clock.notice("good 2"), Step::Load);
    clock.decision.arm("good 2".into(), Some(TIMES), clock.now, 0.0);
    assert_eq!(clock.look("good 2"), Step::Nothing);
}

#[test]
fn what_cannot_be_tried_is_told_once_a_content() {
    let mut clock = Clock::armed("good", Some(TIMES));
    assert_eq!(clock.look("empty"), refuse("empty!"));
    assert_eq!(clock.look("empty"), Step::Nothing);
    assert_eq!(clock.look("gone"), refuse("gone!"));
    assert_eq!(clock.look("empty"), refuse("empty!"));
    assert_eq!(clock.look("good"), Step::Settled, "what runs is back");
    assert_eq!(clock.look("good"), Step::Nothing);
    assert_eq!(clock.look("good too"), Step::Load);
}

#[test]
fn a_failure_is_tried_again_with_growing_pauses_and_told_once() {
    let mut clock = Clock::armed("good 1", Some(ReloadTimes { interval: seconds(90), ..TIMES }));
    assert_eq!(clock.look("good 2"), Step::Load);
    assert!(clock.decision.failed(clock.now, "port busy"));
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(clock.wait(), Some(seconds(pause)));
        assert_eq!(clock.notice("good 2"), Step::Nothing, "not before its time");
        assert_eq!(clock.look("good 2"), Step::Load);
        assert!(!clock.decision.failed(clock.now, "port busy"), "told already");
    }
    assert_eq!(clock.look("good 2"), Step::Load);
    assert!(clock.decision.failed(clock.now, "another reason"));
    assert_eq!(clock.notice("good 3"), Step::Load, "new content needs no patience");
    assert!(clock.decision.failed(clock.now, "another reason"), "it is news of this content");
    assert_eq!(clock.wait(), Some(seconds(1)), "and begins anew");
    assert_eq!(clock.notice("good 1"), Step::Settled);
    assert_eq!(clock.wait(), Some(seconds(90)), "nothing is left to be retried");
}

/// It was retried without a pause, for ever.
#[test]
fn what_the_operator_forced_and_cannot_be_tried_is_left_alone() {
    for times in [None, Some(TIMES)] {
        let mut clock = Clock::armed("good", times);
        clock.decision.forced("broken".into());
        assert!(clock.decision.failed(clock.now, "syntax"));
        assert_eq!(clock.wait(), Some(seconds(1)));
        assert_eq!(clock.look("broken"), refuse("broken!"));
        assert_eq!(clock.wait(), times.map(|times| times.interval));
    }
}

#[test]
fn what_runs_is_loaded_again_if_the_operator_said_so_and_it_failed() {
    let mut clock = Clock::armed("good", None);
    assert_eq!(clock.wait(), None);
    clock.decision.forced("good".into());
    assert!(clock.decision.failed(clock.now, "port busy"));
    assert_eq!(clock.look("good"), Step::Load);
    clock.decision.arm("good".into(), None, clock.now, 0.0);
    assert!(!clock.decision.is_time(clock.now, 0.0), "nobody watches the files");
}

#[test]
fn polls_follow_interval_and_jitter_up_to_two_minutes() {
    let table = [
        (30, 15, 0.0, 30.0),
        (30, 15, -0.5, 22.5),
        (30, 15, 0.49, 37.35),
        (2, 0, 0.3, 2.0),
        (119, 60, 0.4, 120.0),
        (3600, 1800, -0.5, 120.0),
        (u64::MAX, u64::MAX / 2, 0.4, 120.0),
    ];
    for (interval, jitter, chance, wait) in table {
        let times = ReloadTimes { interval: seconds(interval), jitter: seconds(jitter) };
        let (now, mut decision) = (Instant::now(), Decision::default());
        decision.arm(String::new(), Some(times), now, chance);
        let found = decision.next().map(|next| next - now);
        assert_eq!(found, Some(Duration::from_secs_f64(wait)), "{times:?} {chance}");
    }
    assert!((0..1000).all(|_| (-0.5..0.5).contains(&chance())));
}

/// Waits for a change in real time.
async fn changed(watch: &mut Watch) {
    let changed = tokio::time::timeout(wait::DEADLINE, watch.changed()).await;
    changed.expect("a change is told");
}

#[tokio::test]
async fn the_swap_of_a_config_map_is_seen_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut map = ConfigMap::new(folder.path());
    map.swap(&[("Corefile", "a {\n}\n")]);
    let mut watch = Watch::default();
    watch.set(&[map.path("Corefile")]);
    for text in ["b {\n}\n", "c {\n}\n"] {
        map.swap(&[("Corefile", text)]);
        changed(&mut watch).await;
    }
}

#[tokio::test]
async fn files_that_are_written_moved_removed_or_made_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Corefile");
    let mut watch = Watch::default();
    watch.set(std::slice::from_ref(&path));
    let new = folder.path().join("new");
    let changes: [&dyn Fn(&Path); 4] = [
        &|path| std::fs::write(path, "a").unwrap(),
        &|path| std::fs::write(path, "b").unwrap(),
        &|path| {
            std::fs::write(&new, "c").unwrap();
            std::fs::rename(&new, path).unwrap();
        },
        &|path| std::fs::remove_file(path).unwrap(),
    ];
    for change in changes {
        change(&path);
        changed(&mut watch).await;
    }
}
