//! The Corefile side: reads the directive, finds the upstreams, keeps what a reload did not change.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use dunlin_core::{Directive, Entry};
use dunlin_upstream::tls::{TlsClient, TlsFiles};
use dunlin_upstream::{Group, Remote, Server};

use super::Forward;
use super::build::{self, Located, Place};
use super::config::{Config, parse};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "forward", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let configs = parse(directive)?;
    directive.serve_any_class();
    let rejects = build::rejects(directive.metrics());
    let taps = directive.parts().taps.clone();
    for (number, config) in configs.into_iter().enumerate() {
        let located = Located::find(&config.targets, directive.listeners(), read_file)?;
        for file in &located.files {
            directive.watch(file);
        }
        for own in &located.own {
            tracing::warn!(
                target: "plugin/forward",
                "Upstream {own} is left out: this server listens there"
            );
        }
        if located.places.is_empty() {
            tracing::error!(
                target: "plugin/forward",
                "No upstream is left for {}: its queries fail until the file changes", config.from
            );
        }
        let tls = build::tls_client(&config, located.needs_tls())?;
        let group = Arc::new(OnceLock::new());
        directive.add(Forward {
            from: config.from.clone(),
            except: config.except.clone(),
            handover: config.handover.clone(),
            group: Arc::clone(&group),
            rejects: rejects.clone(),
            taps: taps.clone(),
        });
        if located.has_hosts() {
            fill_at_start(directive, config, located.places, tls, group);
        } else {
            let made = retained(directive, number, &config, &located.places, tls.as_ref())?;
            let _first = group.set(made);
        }
    }
    Ok(())
}

/// The group of this `forward`, that of the generation before if nothing it depends on has changed:
/// then connections and what is known of the upstreams' health stay.
fn retained(
    directive: &Directive<'_>,
    number: usize,
    config: &Config,
    places: &[Place],
    tls: Option<&TlsClient>,
) -> anyhow::Result<Arc<Group<Remote>>> {
    let servers: Vec<Server> = places
        .iter()
        .filter_map(|place| match place {
            Place::Server(server) => Some(server.clone()),
            Place::Host { .. } => None,
        })
        .collect();
    let remotes = build::remotes(config, &servers, tls)?;
    let addresses = build::addresses(&remotes);
    let files = config.tls.as_ref().map(fingerprint);
    let key = format!("{number} {config:?} {addresses:?} {files:?}");
    Ok(directive.retain(&key, || build::group(config, remotes, directive.metrics())))
}

/// Host names are resolved when the generation starts; if one is not, it does not.
fn fill_at_start(
    directive: &mut Directive<'_>,
    config: Config,
    places: Vec<Place>,
    tls: Option<TlsClient>,
    group: Arc<OnceLock<Arc<Group<Remote>>>>,
) {
    let metrics = directive.metrics().clone();
    directive.parts().hooks.on_start(async move |context| {
        if context.offline {
            return Ok(());
        }
        let servers = Located::resolve(places, &config.resolvers).await;
        let servers = servers.map_err(|error| anyhow!("plugin/forward: {error:#}"))?;
        let remotes = build::remotes(&config, &servers, tls.as_ref())?;
        let _first = group.set(Arc::new(build::group(&config, remotes, &metrics)));
        Ok(())
    });
}

/// What the TLS files hold, so that a renewed certificate makes a new group.
fn fingerprint(files: &TlsFiles) -> u64 {
    let mut hasher = DefaultHasher::new();
    let identity = files.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    for path in identity.chain(&files.authorities) {
        std::fs::read(path).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// The content of a file; `None` if there is none of that name.
fn read_file(path: &Path) -> Option<io::Result<String>> {
    if path.is_dir() || !path.exists() {
        return None;
    }
    Some(std::fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()))
}
