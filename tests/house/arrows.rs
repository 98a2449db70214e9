//! Which crate may use which. Arrows point downwards only; what a crate must not import, and why, stands in `docs/architecture.md`.

use std::io;

use cargo_metadata::{DependencyKind, MetadataCommand, Package as Metadata};

use super::{Finding, manifest, root};

/// What the rules need to know of a package of the workspace. Paths are relative to the repository.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    /// Libraries, binaries and build scripts.
    pub(crate) roots: Vec<String>,
    pub(crate) uses: Vec<(DependencyKind, String)>,
}

/// Each crate, and the crates of this workspace below it.
pub(crate) const BELOW: [(&str, &[&str]); 9] = [
    ("dunlin-corefile", &[]),
    ("dunlin-os", &[]),
    ("dunlin-core", &["dunlin-corefile"]),
    ("dunlin-upstream", &["dunlin-core", "dunlin-os"]),
    ("dunlin-engine", &["dunlin-core", "dunlin-corefile", "dunlin-os"]),
    ("dunlin-plugins", &["dunlin-upstream", "dunlin-core"]),
    ("dunlin-node", &["dunlin-core", "dunlin-corefile", "dunlin-os"]),
    ("dunlin-testkit", &["dunlin-engine", "dunlin-core"]),
    (
        "dunlin",
        &[
            "dunlin-engine",
            "dunlin-plugins",
            "dunlin-node",
            "dunlin-upstream",
            "dunlin-core",
            "dunlin-corefile",
            "dunlin-os",
        ],
    ),
];

/// Foreign crates that a crate must not import, not even in its tests. A trailing `*` stands for any ending.
const FOREIGN: [(&str, &[&str]); 2] = [
    ("dunlin-corefile", &["tokio*", "hickory-*"]),
    ("dunlin-core", &["hickory-server", "hickory-net", "hickory-resolver"]),
];

const TESTKIT: &str = "dunlin-testkit";
const BELOW_TESTKIT: [&str; 3] = ["dunlin-corefile", "dunlin-os", "dunlin-core"];

/// The packages of the workspace, as cargo sees them.
pub(crate) fn packages() -> io::Result<Vec<Package>> {
    let root = root()?;
    let metadata = MetadataCommand::new()
        .manifest_path(root.join(manifest::ROOT))
        .no_deps()
        .exec()
        .map_err(io::Error::other)?;
    let relative = |path: &str| {
        path.strip_prefix(metadata.workspace_root.as_str())
            .unwrap_or(path)
            .trim_start_matches('/')
            .to_owned()
    };
    Ok(metadata.packages.iter().map(|package| describe(package, &relative)).collect())
}

fn describe(package: &Metadata, relative: &dyn Fn(&str) -> String) -> Package {
    let is_root = |target: &&cargo_metadata::Target| {
        !(target.is_test() || target.is_bench() || target.is_example())
    };
    Package {
        name: package.name.to_string(),
        manifest: relative(package.manifest_path.as_str()),
        roots: package
            .targets
            .iter()
            .filter(is_root)
            .map(|target| relative(target.src_path.as_str()))
            .collect(),
        uses: package
            .dependencies
            .iter()
            .map(|dependency| (dependency.kind, dependency.name.clone()))
            .collect(),
    }
}

/// The dependencies of a package that point upwards, or at a crate it must not know.
pub(crate) fn upward(package: &Package, manifest_text: &str) -> Vec<Finding> {
    let found = |what: String, used: &str| {
        Finding::new(&package.manifest, manifest::line_of(manifest_text, used), what)
    };
    let is_example = package.manifest.starts_with("examples/");
    let below = BELOW.iter().find(|(name, _)| *name == package.name).map(|(_, below)| *below);
    if below.is_none() && !is_example {
        return vec![found(
            format!("`{}` has no place in tests/house/arrows.rs yet", package.name),
            "",
        )];
    }
    let wrong = |(kind, used): &(DependencyKind, String)| {
        if used == TESTKIT {
            return testkit(&package.name, *kind);
        }
        if is_foreign_to(&package.name, used) {
            return Some(format!("`{}` must not know `{used}`", package.name));
        }
        let is_ours = BELOW.iter().any(|(name, _)| name == used);
        let is_upward = is_ours
            && *kind != DependencyKind::Development
            && below.is_some_and(|below| !below.contains(&used.as_str()));
        is_upward.then(|| format!("`{used}` does not lie below `{}`", package.name))
    };
    package.uses.iter().filter_map(|edge| wrong(edge).map(|what| found(what, &edge.1))).collect()
}

fn testkit(user: &str, kind: DependencyKind) -> Option<String> {
    if kind != DependencyKind::Development {
        return Some(format!("`{TESTKIT}` is for tests: a dev-dependency"));
    }
    BELOW_TESTKIT.contains(&user).then(|| format!("`{TESTKIT}` lies above `{user}`"))
}

fn is_foreign_to(user: &str, used: &str) -> bool {
    let banned =
        FOREIGN.iter().filter(|(name, _)| *name == user).flat_map(|(_, banned)| banned.iter());
    banned.into_iter().any(|banned| {
        banned.strip_suffix('*').map_or(*banned == used, |start| used.starts_with(start))
    })
}

#[test]
fn upward_arrows_are_found() {
    use DependencyKind::{Build, Development, Normal};
    let table = [
        ("dunlin-core", Normal, "dunlin-corefile", true),
        ("dunlin-core", Normal, "dunlin-engine", false),
        ("dunlin-core", Build, "dunlin-engine", false),
        ("dunlin-core", Normal, "hickory-proto", true),
        ("dunlin-core", Normal, "hickory-server", false),
        ("dunlin-core", Development, "hickory-resolver", false),
        ("dunlin-core", Development, "dunlin-testkit", false),
        ("dunlin-corefile", Normal, "tokio-util", false),
        ("dunlin-corefile", Normal, "hickory-proto", false),
        ("dunlin-corefile", Normal, "dunlin-os", false),
        ("dunlin-os", Normal, "dunlin-core", false),
        ("dunlin-os", Normal, "tokio", true),
        ("dunlin-upstream", Normal, "dunlin-os", true),
        ("dunlin-upstream", Normal, "dunlin-corefile", false),
        ("dunlin-upstream", Normal, "dunlin-plugins", false),
        ("dunlin-engine", Normal, "dunlin-plugins", false),
        ("dunlin-engine", Normal, "dunlin-upstream", false),
        ("dunlin-engine", Normal, "dunlin-testkit", false),
        ("dunlin-engine", Development, "dunlin-testkit", true),
        ("dunlin-plugins", Normal, "dunlin-engine", false),
        ("dunlin-plugins", Normal, "dunlin-os", false),
        ("dunlin-node", Normal, "dunlin-engine", false),
        ("dunlin-node", Normal, "dunlin-plugins", false),
        ("dunlin", Normal, "dunlin-plugins", true),
        ("dunlin", Normal, "dunlin-testkit", false),
        ("dunlin-new", Normal, "libc", false),
    ];
    for (name, kind, used, allowed) in table {
        let package = Package {
            name: name.into(),
            manifest: "a/Cargo.toml".into(),
            roots: Vec::new(),
            uses: vec![(kind, used.into())],
        };
        let found = upward(&package, &format!("[dependencies]\n{used}.workspace = true"));
        assert_eq!(found.is_empty(), allowed, "{name} {kind} {used}: {found:?}");
    }
}

#[test]
fn an_example_may_use_all_but_testkit() {
    let uses = vec![
        (DependencyKind::Normal, "dunlin".to_owned()),
        (DependencyKind::Normal, TESTKIT.to_owned()),
    ];
    let package = Package {
        name: "own".into(),
        manifest: "examples/own/Cargo.toml".into(),
        roots: Vec::new(),
        uses,
    };
    let found = upward(
        &package,
        "[dependencies]\ndunlin.workspace = true\ndunlin-testkit.workspace = true",
    );
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
}
