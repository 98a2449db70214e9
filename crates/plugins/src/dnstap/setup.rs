//! From lines to taps at work, and to outlets that begin and end with their generations.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use dunlin_core::{Directive, Entry};

use super::Dnstap;
use super::listen::Listener;
use super::outlet::{Numbers, Outlet, Pace, Side};
use super::parse::{Config, parse};
use super::record::Kind;
use super::tap::Tap;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "dnstap", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let configs = parse(directive)?;
    let mut outlets = Vec::new();
    let mut taps = Vec::new();
    for (number, Config { side, style, choice }) in configs.into_iter().enumerate() {
        let name = side.name();
        let outlet = outlet(directive, number, side, &name);
        let tap = Tap::new(style, choice, Arc::clone(&outlet), directive.metrics(), &name);
        taps.push(Arc::new(tap));
        outlets.push(outlet);
    }
    let for_upstreams = taps.iter().filter(|tap| tap.has(Kind::ForwarderQuery));
    let for_upstreams = for_upstreams.map(|tap| Arc::clone(tap) as Arc<dyn dunlin_core::tap::Tap>);
    directive.parts().taps.extend(for_upstreams);
    taps.retain(|tap| tap.has(Kind::ClientQuery) || tap.has(Kind::ClientResponse));
    directive.add(Dnstap { taps: taps.into() });
    hook(directive, outlets);
    Ok(())
}

/// Each line has an outlet of its own, but a file has one for all lines and server blocks that name it.
fn outlet(directive: &Directive<'_>, number: usize, side: Side, name: &str) -> Arc<Outlet> {
    let is_file = matches!(side, Side::File(_));
    let metrics = directive.metrics().clone();
    let key = format!("{side:?} {}", fingerprint(&side));
    let make = || Outlet::new(side, Pace::default(), Numbers::of(&metrics, name));
    if is_file {
        directive.share(&key, make)
    } else {
        directive.retain(&format!("{number} {key}"), make)
    }
}

/// A generation that did not get as far as this start hook has no part in the outlets, although its
/// stop hooks run.
fn hook(directive: &mut Directive<'_>, outlets: Vec<Arc<Outlet>>) {
    let entered: Arc<parking_lot::Mutex<Vec<Arc<Outlet>>>> = Arc::default();
    let left = Arc::clone(&entered);
    let hooks = &mut directive.parts().hooks;
    hooks.on_start(async move |_| {
        outlets.iter().for_each(Outlet::enter);
        *entered.lock() = outlets;
        Ok(())
    });
    hooks.on_stop(async move || {
        let outlets = std::mem::take(&mut *left.lock());
        let mut leaving = tokio::task::JoinSet::new();
        for outlet in outlets {
            leaving.spawn(async move { outlet.leave().await });
        }
        while leaving.join_next().await.is_some() {}
    });
}

/// What the TLS files hold, so that a renewed certificate makes a new listener.
fn fingerprint(side: &Side) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Side::Listen(Listener { tls: Some(files), .. }) = side {
        for path in [Some(&files.certificate), Some(&files.key), files.authorities.as_ref()] {
            path.and_then(|path| std::fs::read(path).ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

impl Side {
    /// As metrics call it.
    fn name(&self) -> String {
        match self {
            Self::Connect(collector) => collector.endpoint.to_string(),
            Self::Listen(listener) => listener.endpoint.to_string(),
            Self::File(recorder) => recorder.to_string(),
        }
    }
}
