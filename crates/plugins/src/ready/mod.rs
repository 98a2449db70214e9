#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::corefile::go::quote;
use dunlin_core::directive::HttpResponse;

pub use self::setup::ENTRY;

/// What `/ready` answers while these plugins are not ready.
fn answer(unready: &[&str]) -> HttpResponse {
    if unready.is_empty() {
        return HttpResponse::text(200, "OK");
    }
    let names = unready.join(",");
    tracing::info!(target: "plugin/ready", "Plugins not ready: {}", quote(&names));
    HttpResponse::text(503, names)
}
