//! Which build this is: what `-version` prints and `coredns_build_info` tells.

/// The version of Dunlin.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this was built from; empty unless `DUNLIN_REVISION` was set in the build.
pub const REVISION: &str = match option_env!("DUNLIN_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// The compiler, for example `rustc1.95.0`; CoreDNS has `go1.26.6` in its place.
pub const COMPILER: &str = env!("DUNLIN_COMPILER");
