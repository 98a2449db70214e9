//! The Corefile side: `prometheus [ADDRESS] { runtime_metrics; tls FILE }`.

use std::sync::{Arc, OnceLock};

use dunlin_core::directive::{Closing, HttpEndpoint, HttpResponse, OnListenFailure, StartContext};
use dunlin_core::metrics::{DnsMetrics, Gauge, GaugeFamily, Metrics, SiteSeries};
use dunlin_core::site::Site;
use dunlin_core::{Directive, Entry, release};
use parking_lot::Mutex;

use super::Prometheus;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "prometheus", setup };

/// Where the metrics are unless the directive says otherwise.
const DEFAULT_ADDRESS: &str = "localhost:9153";

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let address = parse(directive)?;
    let metrics = directive.metrics().clone();
    tell_build(&metrics);
    let enabled = metrics.gauge(
        "coredns_plugin_enabled",
        "A metric that indicates whether a plugin is enabled on per server and zone basis.",
        &["server", "zone", "view", "name"],
    );
    let dns = DnsMetrics::of(&metrics);
    let sites: Arc<OnceLock<Box<[SiteSeries]>>> = Arc::default();
    directive.add(Prometheus { metrics: dns.clone(), sites: Arc::clone(&sites) });
    let held: Arc<Mutex<Vec<Gauge>>> = Arc::default();
    let parts = directive.parts();
    parts.endpoints.push(endpoint(address, metrics));
    let (family, gauges) = (enabled.clone(), Arc::clone(&held));
    parts.hooks.on_start(move |context| async move {
        sites
            .get_or_init(|| context.sites.iter().map(|site| SiteSeries::new(&dns, site)).collect());
        *gauges.lock() = tell_plugins(&family, &context);
        Ok(())
    });
    parts.hooks.on_stop(move || async move {
        held.lock().clear();
        enabled.forget_unheld();
    });
    Ok(())
}

/// The address.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<String> {
    let mut address = DEFAULT_ADDRESS.to_owned();
    let mut is_second = false;
    while directive.next() {
        if is_second {
            directive.only_once()?;
        }
        is_second = true;
        if let Some(given) = directive.endpoint_address()? {
            address = given;
        }
        parse_block(directive)?;
    }
    Ok(address)
}

fn parse_block(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let mut tls = None;
    while directive.next_block() {
        match directive.val() {
            "runtime_metrics" if directive.remaining_args().is_empty() => {}
            "tls" if tls.is_some() => {
                return Err(directive.error("tls block already specified").into());
            }
            "tls" => match directive.remaining_args().as_slice() {
                [_] => tls = Some(directive.error("tls is not supported yet")),
                _ => return Err(directive.arg_error().into()),
            },
            "runtime_metrics" => return Err(directive.arg_error().into()),
            other => return Err(directive.error(format!("unknown option: {other}")).into()),
        }
    }
    tls.map_or(Ok(()), |error| Err(error.into()))
}

fn endpoint(address: String, metrics: Metrics) -> HttpEndpoint {
    let page = move || HttpResponse {
        status: 200,
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        body: metrics.page().into_bytes(),
    };
    HttpEndpoint {
        address,
        path: "/metrics",
        handler: Arc::new(page),
        on_failure: OnListenFailure::Retry("plugin/prometheus: Failed to start metrics handler: "),
        closing: Closing::Last,
    }
}

fn tell_build(metrics: &Metrics) {
    let build = metrics.gauge(
        "coredns_build_info",
        "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
        &["version", "revision", "goversion"],
    );
    build.with(&[release::VERSION, release::REVISION, release::COMPILER]).set(1);
}

/// The series live as long as the gauges: a reload that keeps the block keeps them.
pub(super) fn tell_plugins(enabled: &GaugeFamily, context: &StartContext) -> Vec<Gauge> {
    let at_site = |site: &Arc<Site>| {
        let gauge = |name: &&'static str| {
            let gauge = enabled.with(&[&site.server, &site.zone, &site.view, name]);
            gauge.set(1);
            gauge
        };
        context.plugins.iter().map(gauge).collect::<Vec<Gauge>>()
    };
    context.sites.iter().flat_map(at_site).collect()
}
