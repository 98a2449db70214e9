//! Setup as authors meet it: order, once-only, retained state, readiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::testing;

fn nothing(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()
}

const WHOAMI: Entry = Entry { name: "whoami", setup: nothing };

#[test]
fn arguments_and_braces_are_refused_where_none_belong() {
    let table = [
        ("whoami", None),
        ("whoami\nwhoami", None),
        (
            "whoami x",
            Some(
                "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'",
            ),
        ),
        (
            "whoami {\n}",
            Some("Corefile:2 - Error during parsing: Unexpected token '{', expecting argument"),
        ),
    ];
    for (text, error) in table {
        let result = testing::setup(&WHOAMI, text).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(result.err().as_deref(), error, "{text}");
    }
}

#[test]
fn a_second_use_is_refused_when_one_is_all() {
    let once = Entry { name: "whoami", setup: |directive| directive.only_once() };
    assert!(testing::setup(&once, "whoami").is_ok());
    let error = testing::setup(&once, "whoami\nwhoami").unwrap_err();
    assert_eq!(error.to_string(), "this plugin can only be used once per Server Block");
}

#[test]
fn state_is_retained_under_the_same_key_only() {
    let first = Retain::default();
    let one = first.get_or_make("key", || 1u32);
    let next = first.next();
    assert!(Arc::ptr_eq(&one, &next.get_or_make("key", || 2u32)));
    assert_eq!(*next.get_or_make("other", || 2u32), 2);
    assert_eq!(*next.get_or_make("key", || 2u64), 2, "another type is another state");
    assert_eq!(*next.next().next().get_or_make("key", || 3u32), 3, "skipping one forgets");
}

#[test]
fn a_plugin_is_asked_until_it_is_ready_or_each_time() {
    for (monitor, after) in [(Monitor::UntilReady, vec![]), (Monitor::Continuously, vec!["b"])] {
        let state = Arc::new(AtomicBool::new(false));
        let readiness = Readiness::default();
        let check = Arc::clone(&state);
        readiness.add(0, "b", Arc::new(move || check.load(Ordering::Relaxed)));
        readiness.add(0, "a", Arc::new(|| false));
        readiness.add(1, "elsewhere", Arc::new(|| false));
        assert!(readiness.unready().is_empty(), "nobody reports yet");
        readiness.report(0, monitor);
        assert_eq!(readiness.unready(), ["a", "b"]);
        state.store(true, Ordering::Relaxed);
        assert_eq!(readiness.unready(), ["a"]);
        state.store(false, Ordering::Relaxed);
        let mut expected = vec!["a"];
        expected.extend(after);
        assert_eq!(readiness.unready(), expected, "{monitor:?}");
    }
}

/// ready.md R10. In CoreDNS one of two plugins of one name hides the other.
#[test]
fn of_two_blocks_the_one_that_is_not_ready_counts() {
    let table = [
        (&[0][..], [true, true], &[][..]),
        (&[0, 1], [true, true], &[]),
        (&[0, 1], [true, false], &["p"]),
        (&[0, 1], [false, true], &["p"]),
        (&[0, 1], [false, false], &["p"]),
        (&[0], [true, false], &[]),
    ];
    for (reported, states, expected) in table {
        let readiness = Readiness::default();
        for (block, state) in states.into_iter().enumerate() {
            readiness.add(block, "p", Arc::new(move || state));
        }
        reported.iter().for_each(|block| readiness.report(*block, Monitor::default()));
        assert_eq!(readiness.unready(), expected, "{reported:?} {states:?}");
    }
}

#[test]
fn the_fingerprint_behind_sees_what_stands_behind_and_nothing_else() {
    let entries: Vec<Entry> =
        ["log", "cache", "forward"].map(|name| Entry { name, setup: |_| Ok(()) }).into();
    let of =
        |text: &str| testing::block(&entries, text).unwrap().block().fingerprint_behind("cache");
    let one = of("log\ncache 30\nforward . 1.1.1.1");
    assert_eq!(one, of("# moved\nforward  . 1.1.1.1\ncache 30\nlog . {common}"));
    assert_ne!(one, of("log\ncache 31\nforward . 1.1.1.1"));
    assert_ne!(one, of("log\ncache 30\nforward . 1.1.1.2"));
}

#[test]
fn the_fingerprint_sees_the_content_of_files_that_are_named() {
    let entries = [Entry { name: "forward", setup: |_| Ok(()) }];
    let file = std::env::temp_dir().join(format!("dunlin-fingerprint-{}", std::process::id()));
    let of = |content: &str| {
        std::fs::write(&file, content).unwrap();
        let text = format!("forward . {}", file.display());
        testing::block(&entries, &text).unwrap().block().fingerprint_of("forward")
    };
    let one = of("nameserver 192.0.2.1");
    assert_eq!(one, of("nameserver 192.0.2.1"));
    assert_ne!(one, of("nameserver 192.0.2.2"));
    std::fs::remove_file(file).unwrap();
}

/// Leaves where it lies when it serves.
struct Lies(Arc<AtomicUsize>);

#[crate::async_trait]
impl Plugin for Lies {
    fn name(&self) -> &'static str {
        "lies"
    }

    async fn serve(
        &self,
        query: &mut crate::Query,
        _: crate::Next<'_>,
    ) -> crate::Result<crate::Reply> {
        self.0.store(std::ptr::from_ref(self).addr(), Ordering::Relaxed);
        Ok(query.reply())
    }
}

/// Writes its name before and behind what it wraps.
struct Around(&'static str, Box<dyn Plugin>, Arc<parking_lot::Mutex<Vec<&'static str>>>);

#[crate::async_trait]
impl Plugin for Around {
    fn name(&self) -> &'static str {
        self.1.name()
    }

    async fn serve(
        &self,
        query: &mut crate::Query,
        next: crate::Next<'_>,
    ) -> crate::Result<crate::Reply> {
        self.2.lock().push(self.0);
        let reply = self.1.serve(query, next).await;
        self.2.lock().push(self.0);
        reply
    }
}

#[tokio::test]
async fn without_wraps_the_chain_holds_the_plugins_as_they_are() {
    let served_at = Arc::new(AtomicUsize::new(0));
    let plugin = Box::new(Lies(Arc::clone(&served_at)));
    let address = std::ptr::from_ref(&*plugin).addr();
    let mut parts = Parts::default();
    parts.plugins.push(plugin);
    let mut query = testing::query("a", crate::rr::RecordType::A).build();
    parts.chain().run(&mut query).await.unwrap();
    assert_eq!(served_at.load(Ordering::Relaxed), address);
}

#[tokio::test]
async fn wraps_hold_each_plugin_also_those_that_come_later() {
    let written = Arc::default();
    let mut parts = Parts::default();
    for name in ["inner", "outer"] {
        let written = Arc::clone(&written);
        parts.wraps.push(Box::new(move |plugin| {
            Box::new(Around(name, plugin, Arc::clone(&written))) as _
        }));
    }
    parts.plugins.push(Box::new(Lies(Arc::default())));
    let chain = parts.chain();
    assert_eq!(chain.names().collect::<Vec<_>>(), ["lies"]);
    let mut query = testing::query("a", crate::rr::RecordType::A).build();
    let reply = chain.run(&mut query).await.unwrap();
    assert_eq!(reply.author(), Some("lies"));
    assert_eq!(*written.lock(), ["outer", "inner", "inner", "outer"]);
}
