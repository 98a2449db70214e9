//! Every Corefile that we show to somebody is one that loads, and answers: core.md §25, row 36.

use std::fs;
use std::path::{Path, PathBuf};

use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::kit::{dunlin, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The texts between fences that are tagged `corefile`.
fn examples(page: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = page.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        if line.trim_start() == "```corefile" {
            let indent = line.len() - line.trim_start().len();
            let text = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let text = text.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n");
            examples.push(text.collect());
        }
    }
    examples
}

/// Manual pages of plugins, and what is written for operators.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let rooms = fs::read_dir(root.join("crates/plugins/src")).unwrap();
    let mut pages: Vec<PathBuf> =
        rooms.map(|entry| entry.unwrap().path().join("README.md")).collect();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs);
    pages.push(root.join("README.md"));
    pages.retain(|page| page.is_file() && page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages
}

#[test]
fn the_corefiles_of_all_pages_load() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        for example in examples(&fs::read_to_string(&page).unwrap()) {
            let setup = dunlin().argument("check").argument("-conf").argument("Corefile");
            let ended = run(setup.file("Corefile", &example));
            count += 1;
            if ended.status != Some(0) {
                wrong.push(format!("{}:\n{example}\n{}", page.display(), ended.out));
            }
        }
    }
    assert!(count > 10, "only {count} examples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corefile_that_is_shipped_loads() {
    let path = root().join("Corefile.example");
    let ended = run(dunlin().argument("check").argument("-conf").argument(path.to_str().unwrap()));
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), ""));
    let built_in = run(Server::of(crate::kit::BINARY).argument("check"));
    assert_eq!((built_in.status, built_in.out.as_str()), (Some(0), ""));
}

/// The manifests below `examples`.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            manifests(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
}

/// The blocks of text in a manifest whose key is `Corefile`, with the words of node-cache filled in as
/// node-cache, or who installs it, would.
fn corefiles_of_manifest(manifest: &str) -> Vec<String> {
    let mut corefiles = Vec::new();
    let mut lines = manifest.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(indent) = line.find("Corefile: |").filter(|_| line.trim() == "Corefile: |") else {
            continue;
        };
        let mut text = String::new();
        while let Some(line) = lines
            .next_if(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > indent)
        {
            text.push_str(line.trim_start());
            text.push('\n');
        }
        for (word, value) in WORDS {
            text = text.replace(word, value);
        }
        corefiles.push(text);
    }
    corefiles
}

const WORDS: [(&str, &str); 5] = [
    ("__PILLAR__LOCAL__DNS__", "127.0.0.20"),
    ("__PILLAR__DNS__SERVER__", "127.0.0.21"),
    ("__PILLAR__DNS__DOMAIN__", "cluster.local"),
    ("__PILLAR__CLUSTER__DNS__", "192.0.2.10"),
    ("__PILLAR__UPSTREAM__SERVERS__", "192.0.2.53"),
];

/// All Corefiles that are shown or shipped, and where.
fn all() -> Vec<(PathBuf, String)> {
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let of_pages = pages().into_iter().map(|page| (examples(&read(&page)), page));
    let mut found = Vec::new();
    manifests(&root().join("examples"), &mut found);
    let of_manifests = found.into_iter().map(|path| (corefiles_of_manifest(&read(&path)), path));
    let shipped = root().join("Corefile.example");
    let all = of_pages.chain(of_manifests).chain([(vec![read(&shipped)], shipped)]);
    all.flat_map(|(texts, path)| texts.into_iter().map(move |text| (path.clone(), text))).collect()
}

#[test]
fn the_corefiles_inside_manifests_load() {
    let mut found = Vec::new();
    manifests(&root().join("examples"), &mut found);
    let mut count = 0;
    for path in found {
        for text in corefiles_of_manifest(&fs::read_to_string(&path).unwrap()) {
            assert!(!text.contains("__PILLAR__"), "{}:\n{text}", path.display());
            let setup = dunlin().argument("check").argument("-conf").argument("Corefile");
            let ended = run(setup.file("Corefile", &text));
            assert_eq!(ended.status, Some(0), "{}:\n{text}\n{}", path.display(), ended.out);
            count += 1;
        }
    }
    assert!(count >= 2, "only {count} Corefiles were found in manifests");
}

/// The Corefile with a fake upstream in place of those that it names by address.
fn with_upstream(text: &str, upstream: &str) -> String {
    let is_address = |word: &str| {
        let word = word.strip_prefix("dns://").unwrap_or(word);
        word.parse::<std::net::IpAddr>().is_ok() || word.parse::<std::net::SocketAddr>().is_ok()
    };
    let line = |line: &str| -> String {
        let mut words = line.split_whitespace();
        if words.next() != Some("forward") {
            return line.to_owned() + "\n";
        }
        let words = words.map(|word| if is_address(word) { upstream } else { word });
        format!("forward {}\n", words.collect::<Vec<_>>().join(" "))
    };
    text.lines().map(line).collect()
}

/// A name below the zone of the first server block.
fn name_in(text: &str) -> String {
    let is_key = |line: &&str| {
        line.ends_with('{') && !line.starts_with(['#', '(', ' ', '\t']) && line.len() > 1
    };
    let key = text.lines().find(is_key).unwrap_or(". {");
    let key = key.split([' ', ',']).next().unwrap_or(".");
    let key = key.rsplit_once("://").map_or(key, |(_, rest)| rest);
    let zone = key.split(':').next().unwrap_or(".");
    if zone.contains('/') {
        return "1.2.0.192.in-addr.arpa.".into();
    }
    if zone == "." { "www.example.org.".into() } else { format!("www.{zone}") }
}

/// Names that `hosts` has in the Corefile itself.
fn names_of_hosts(text: &str) -> impl Iterator<Item = &str> {
    let words = text.lines().map(str::split_whitespace);
    words.filter_map(|mut words| {
        words.next()?.parse::<std::net::IpAddr>().ok()?;
        words.next()
    })
}

/// What an example comes to that is asked for a name: the reply, or what went wrong.
fn answer(text: &str, name: &str, is_offline: bool) -> Result<(), String> {
    let setup = dunlin().argument("explain").file("Corefile", text);
    let setup = setup.argument("-conf").argument("Corefile").argument(name);
    let ended = run(if is_offline { setup.argument("-offline") } else { setup });
    let reply = ended.out.lines().find_map(|line| line.strip_prefix("reply     "));
    let answers = reply.is_some_and(|reply| is_offline || !reply.starts_with("SERVFAIL"));
    let has_block = !ended.out.contains("block     none");
    if ended.status == Some(0) && answers && has_block {
        return Ok(());
    }
    Err(format!("{name}\n{text}\n{}{}", ended.out, ended.err))
}

#[test]
fn every_example_is_asked_and_answers() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    let (mut wrong, mut asked, mut offline) = (Vec::new(), 0, 0);
    for (path, text) in all() {
        let text = with_upstream(&text, &upstream.address().to_string());
        let is_offline = text.contains("tls://") || text.contains("/etc/resolv.conf");
        let mut first = answer(&text, &name_in(&text), is_offline);
        for name in names_of_hosts(&text) {
            first = first.or_else(|_| answer(&text, name, is_offline));
        }
        asked += 1;
        offline += usize::from(is_offline);
        wrong.extend(first.err().map(|error| format!("{} {error}", path.display())));
    }
    assert!(asked > 60 && offline < 10, "{asked} examples were asked, {offline} without upstreams");
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
}
