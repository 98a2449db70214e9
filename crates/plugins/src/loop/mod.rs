#![doc = include_str!("README.md")]

mod detector;
mod exchange;
mod prober;
mod setup;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use dunlin_core::directive::Control;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::types;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::detector::{Detector, Verdict};
pub use self::setup::ENTRY;

/// Looks for our own probes among the queries; everything else passes.
#[derive(Debug)]
struct Loop {
    detector: Arc<Detector>,
    on_loop: OnLoop,
    control: Arc<OnceLock<Control>>,
}

/// What a loop means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum OnLoop {
    /// The process ends.
    #[default]
    Exit,
    /// The probe is answered, so that the loop ends, and the process serves on.
    Servfail,
}

#[async_trait]
impl Plugin for Loop {
    fn name(&self) -> &'static str {
        "loop"
    }

    fn ignores(&self, query: &Query) -> bool {
        query.qtype_code() != types::HINFO
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.qtype_code() != types::HINFO {
            return next.run(query).await;
        }
        match self.detector.see(query.qname(), query.client()) {
            Verdict::Pass => return next.run(query).await,
            Verdict::Known => {}
            Verdict::New(text) => self.announce(&text),
        }
        // Whatever happens next, this probe goes round no more.
        Ok(query.error(ResponseCode::ServFail))
    }
}

impl Loop {
    fn announce(&self, text: &str) {
        match (self.on_loop, self.control.get()) {
            (OnLoop::Exit, Some(control)) => control.end_with_error(format!("plugin/loop: {text}")),
            _ => tracing::error!(target: "plugin/loop", "{text}"),
        }
    }
}
