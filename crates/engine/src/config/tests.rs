//! Corefiles that are wrong, and in which words; listeners; files that change while they are read.

use std::cell::Cell;
use std::io::Write;
use std::os::fd::AsRawFd;

use dunlin_core::Directive;
use dunlin_core::corefile::Loader;
use dunlin_core::testing::stub;
use tempfile::TempDir;

use super::*;

fn takes_anything(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.add(stub(|query| Box::pin(async { Ok(query.reply()) })));
    Ok(())
}

fn takes_nothing(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()
}

fn fails(_: &mut Directive<'_>) -> anyhow::Result<()> {
    anyhow::bail!("it never works")
}

fn bind(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let mut hosts = directive.parts().hosts.take().unwrap_or_default();
    while directive.next() {
        while directive.next_arg() {
            hosts.push(directive.val().to_owned());
        }
    }
    directive.parts().hosts = Some(hosts);
    Ok(())
}

/// In CoreDNS's order, with one of our own behind `errors`.
fn registry() -> Registry {
    Registry::new(vec![
        Entry { name: "bind", setup: bind },
        Entry { name: "errors", setup: takes_nothing },
        Entry { name: "own", setup: takes_anything },
        Entry { name: "cache", setup: fails },
        Entry { name: "whoami", setup: takes_anything },
    ])
}

fn setup(origin: Origin) -> Setup {
    Setup { origin, port: 5300, registry: registry(), fallback: ".:1053 {\n whoami\n}\n".into() }
}

fn of_text(text: &str) -> Setup {
    setup(Origin::Stdin(text.as_bytes().to_vec()))
}

fn lines(setup: &Setup) -> Vec<String> {
    check(setup).into_iter().map(|found| found.compatible).collect()
}

/// core.md §9 and rows 3, 10 to 13; bind.md B02, B10, B11.
#[test]
fn mistakes_are_told_in_coredns_words() {
    let defined = |what: &str| format!("cannot serve {what} - it is already defined");
    let overlap = |one: &str, other: &str| {
        format!("cannot serve {one} - zone overlap listener capacity with {other}")
    };
    let (bound, unbound) = ("dns://.:5300 on 127.0.0.20", "dns://.:5300");
    let table = [
        (". {\n whoami\n}\n. {\n whoami\n}", vec![defined(unbound)]),
        (". . {\n whoami\n}", vec![defined(unbound)]),
        ("a.test {\n whoami\n}\nA.TEST. {\n whoami\n}", vec![defined("dns://a.test.:5300")]),
        (
            "10.0.0.0/24 0.0.10.in-addr.arpa {\n whoami\n}",
            vec![defined("dns://0.0.10.in-addr.arpa.:5300")],
        ),
        (". {\n bind 127.0.0.20 127.0.0.20\n whoami\n}", vec![defined(bound)]),
        (". {\n bind ::1\n}\n. {\n bind 0:0::1\n}", vec![defined("dns://.:5300 on 0:0::1")]),
        (". {\n bind 0.0.0.0\n}\n. {\n bind ::\n}", vec![defined("dns://.:5300 on ::")]),
        (". {\n bind 127.0.0.20\n}\n. {\n}", vec![overlap(unbound, bound)]),
        (". {\n}\n. {\n bind 127.0.0.20\n}", vec![overlap(bound, unbound)]),
        (". {\n bind 127.0.0.20\n}\n. {\n bind 127.0.0.21\n}", vec![]),
        (". {\n bind 0.0.0.0\n}\n. {\n bind 127.0.0.20\n}", vec![]),
        (". {\n}\n.:5301 {\n bind 127.0.0.20\n}", vec![]),
        (
            "tls://. {\n whoami\n}",
            vec!["cannot serve tls://.:853 - tls requires TLS, no TLS config found".into()],
        ),
        (
            "https://. {\n whoami\n}",
            vec!["cannot serve https://.:443 - https requires TLS, no TLS config found".into()],
        ),
        (
            ". {\n acl\n}",
            vec![
                "no action found for directive 'acl' with server type 'dns' (missing a plugin?)"
                    .into(),
            ],
        ),
        (". {\n nothing\n}", vec![
            "/dev/stdin:2 - Error during parsing: Unknown directive 'nothing'".into(),
        ]),
        (". {\n errors\n}", vec![]),
        (". {\n errors now\n}", vec![
            "plugin/errors: /dev/stdin:2 - Error during parsing: Wrong argument count or unexpected line ending after 'now'".into(),
        ]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(&of_text(text)), expected, "{text}");
    }
}

/// core.md §10: directives in their order, whatever the lines say, and then listeners.
#[test]
fn all_mistakes_are_told_and_the_first_is_the_one_of_coredns() {
    let text = ". {\n kubernetes\n whoami\n cache\n acl\n errors now\n}\n. {\n rewrite\n cache\n}";
    let found = check(&of_text(text));
    let starts: Vec<(&str, u32)> = found
        .iter()
        .map(|found| {
            let words = found.compatible.trim_start_matches("no action found for directive ");
            (words.split([' ', ':']).next().unwrap(), found.position.line)
        })
        .collect();
    let expected = [
        ("plugin/errors", 6),
        ("'rewrite'", 9),
        ("'acl'", 5),
        ("plugin/cache", 4),
        ("plugin/cache", 10),
        ("'kubernetes'", 2),
        ("cannot", 8),
    ];
    assert_eq!(starts, expected, "{found:#?}");
}

#[test]
fn keys_that_meet_on_an_address_share_a_listener() {
    let text = "a.test b.test:5301 {\n bind 127.0.0.1 ::1\n whoami\n}\nc.test {\n bind 0::1\n}
        d.test {\n}\ne.test {\n bind 0.0.0.0\n}";
    let setup = of_text(text);
    let loaded = setup.load();
    let draft = setup
        .set_up(&loaded.corefile, &Metrics::new(0), &Lines::discarded(), &Retain::default())
        .unwrap();
    let seen: Vec<_> = draft
        .plans
        .iter()
        .map(|plan| {
            let zones = plan.zones.iter().map(|(zone, block)| format!("{zone}{block}"));
            (plan.address.to_string(), plan.server(), zones.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let expected = [
        ("127.0.0.1:5300", "dns://127.0.0.1:5300", "a.test.0"),
        ("[::1]:5300", "dns://[::1]:5300", "a.test.0 c.test.1"),
        ("127.0.0.1:5301", "dns://127.0.0.1:5301", "b.test.0"),
        ("[::1]:5301", "dns://[::1]:5301", "b.test.0"),
        ("[::]:5300", "dns://:5300", "d.test.2 e.test.3"),
    ];
    assert_eq!(seen, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    assert_eq!(draft.plans[1].zone_lines(), ["a.test.:5300 on ::1", "c.test.:5300 on ::1"]);
    assert_eq!(draft.plans[4].zone_lines(), ["d.test.:5300", "e.test.:5300"]);
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// core.md row 18.
#[test]
fn a_file_that_cannot_be_read_is_told_as_caddy_does() {
    let folder = folder(&[]);
    let missing = folder.path().join("Corefile");
    let directory = folder.path().to_path_buf();
    let table = [
        (
            Origin::Named(missing.clone()),
            format!(
                "loading Caddyfile via flag: open {}: no such file or directory",
                missing.display()
            ),
        ),
        (
            Origin::Named(directory.clone()),
            format!("loading Caddyfile via flag: read {}: is a directory", directory.display()),
        ),
        (
            Origin::Usual(directory.clone()),
            format!("loading Caddyfile via default: read {}: is a directory", directory.display()),
        ),
    ];
    for (origin, expected) in table {
        let loaded = setup(origin.clone()).load();
        assert!(loaded.is_broken() && !loaded.is_fallback);
        assert_eq!(lines(&setup(origin.clone()))[0], expected, "{origin:?}");
        let watched = origin.path().unwrap();
        assert!(loaded.sources.contains(&watched), "{:?}", loaded.sources);
    }
}

/// core.md row 17.
#[test]
fn the_fallback_stands_in_for_a_corefile_without_server_blocks() {
    let folder = folder(&[("empty", ""), ("comments", "# nothing\n\n"), ("full", "a {\n}\n")]);
    let path = |name: &str| folder.path().join(name);
    let table = [
        (Origin::Usual(path("missing")), true),
        (Origin::Usual(path("empty")), true),
        (Origin::Named(path("comments")), true),
        (Origin::Stdin(Vec::new()), true),
        (Origin::Usual(path("full")), false),
    ];
    for (origin, is_fallback) in table {
        let setup = setup(origin.clone());
        let loaded = setup.load();
        assert_eq!(loaded.is_fallback, is_fallback, "{origin:?}");
        let key = if is_fallback { ".:1053" } else { "a" };
        assert_eq!(&*loaded.corefile.blocks[0].keys[0].text, key, "{origin:?}");
        assert_eq!(loaded.sources.into_iter().next(), origin.path(), "{origin:?}");
        assert_eq!(lines(&setup), [""; 0], "{origin:?}");
    }
}

#[test]
fn the_hash_is_of_what_counts() {
    let hash = |text: &str| of_text(text).load().hash;
    let reference = hash("a {\n whoami\n}");
    assert_eq!(reference.len(), 128);
    for same in ["# new\na {\n\n  whoami # now\n}\n", "a {\r\n\twhoami\r\n}", "\"a\" {\n whoami\n}"]
    {
        assert_eq!(hash(same), reference, "{same}");
    }
    for other in
        ["b {\n whoami\n}", "a {\n whoami x\n}", "a {\n errors\n}", "a {\n whoami\n whoami\n}"]
    {
        assert_ne!(hash(other), reference, "{other}");
    }
}

/// CF-02: what was read before a change and after it is not one configuration.
#[test]
fn files_that_change_meanwhile_are_read_again() {
    let folder = folder(&[("Corefile", "import part\n"), ("part", "old {\n}\n")]);
    let path = |name: &str| folder.path().join(name);
    let reads = Cell::new(0);
    let texts = Cell::new(Vec::new());
    let loaded = disk::consistently(|loader| {
        reads.set(reads.get() + 1);
        let main = loader.read(&path("Corefile")).unwrap();
        if reads.get() == 1 {
            // Longer than before, so that it differs even within a tick of the file system's clock.
            std::fs::write(path("Corefile"), "import part # second\n").unwrap();
        }
        let part = loader.read(&path("part")).unwrap();
        if reads.get() == 2 {
            std::fs::write(path("part.new"), "new {\n}\n").unwrap();
            std::fs::rename(path("part.new"), path("part")).unwrap();
        }
        texts.set(vec![main, part]);
        Loaded { hash: reads.get().to_string(), ..Loaded::default() }
    });
    assert_eq!((loaded.hash.as_str(), reads.get()), ("3", 3));
    assert_eq!(texts.take(), [b"import part # second\n".to_vec(), b"new {\n}\n".to_vec()]);
}

#[test]
fn files_that_never_rest_are_an_error() {
    let folder = folder(&[]);
    let path = folder.path().join("Corefile");
    let mut text = String::new();
    let loaded = disk::consistently(|loader| {
        let _text = loader.read(&path);
        text.push('#');
        std::fs::write(&path, &text).unwrap();
        Loaded { sources: [path.clone()].into(), ..Loaded::default() }
    });
    assert!(loaded.is_broken());
    assert!(loaded.sources.contains(&path));
}

#[test]
fn new_files_in_an_imported_directory_are_noticed() {
    let folder = folder(&[("a.conf", "a {\n}\n")]);
    let mut reads = 0;
    let loaded = disk::consistently(|loader| {
        reads += 1;
        let names = loader.list(folder.path());
        if reads == 1 {
            std::fs::create_dir(folder.path().join("b.conf")).unwrap();
        }
        Loaded { hash: names.len().to_string(), ..Loaded::default() }
    });
    assert_eq!((loaded.hash.as_str(), reads), ("2", 2));
}

/// `-conf /dev/stdin`, or a shell's `<(…)`.
#[test]
fn a_pipe_is_read_once() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let mut reads = 0;
    disk::consistently(|loader| {
        reads += 1;
        assert_eq!(loader.list(path.as_ref()), [""; 0]);
        writer.write_all(b"a {\n}\n").unwrap();
        Loaded::default()
    });
    assert_eq!(reads, 1);
    drop(writer);
    let loaded = setup(Origin::Named(path.into())).load();
    assert!(!loaded.is_fallback, "{:?}", loaded.diagnostics);
}
