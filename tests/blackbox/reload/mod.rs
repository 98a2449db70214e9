//! Changing the configuration while serving: core.md §19 and §20, reload.md §6, requirements P-09, P-10
//! and P-26. A version of the configuration is told by the zone it serves.

mod continuity;
mod failures;
mod files;

use dunlin_testkit::client::ask;
use dunlin_testkit::process::{Server, Setup};
use dunlin_testkit::wait;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::kit::{metric, out, with_corefile};

/// A configuration that serves `zone`, with endpoints and a poll every two seconds.
pub(crate) fn serving(zone: &str) -> String {
    with_lines(zone, "")
}

/// As [`serving`], with further lines in the server block.
pub(crate) fn with_lines(zone: &str, lines: &str) -> String {
    format!(
        "{zone}:{{{{port}}}} {{\n  bind 127.0.0.1\n  reload 2s 0s\n  errors\n  health \
         127.0.0.1:{{{{health}}}}\n  prometheus 127.0.0.1:{{{{metrics}}}}\n  {lines}\n  \
         whoami\n}}\n"
    )
}

/// A server with this Corefile, once its banner is out.
#[track_caller]
pub(crate) fn start(corefile: &str) -> Server {
    started(with_corefile(corefile))
}

#[track_caller]
pub(crate) fn started(setup: Setup) -> Server {
    let server = setup.start();
    server.wait_for_line("Dunlin-");
    server
}

/// Whether a server block for this zone answers.
#[track_caller]
pub(crate) fn serves(server: &Server, zone: &str) -> bool {
    ask(server.address(), zone, RecordType::A).send().rcode() == ResponseCode::NoError
}

#[track_caller]
pub(crate) fn wait_until_served(server: &Server, zone: &str) {
    wait::until(format_args!("{zone}; the server said: {:#?}", server.lines()), || {
        serves(server, zone)
    });
}

/// How many lines of standard output have this text.
pub(crate) fn count(server: &Server, text: &str) -> usize {
    out(server).iter().filter(|line| line.contains(text)).count()
}

/// Waits until the files were looked at again, changed or not: a poll every two seconds, a retry no
/// later, and the health check, which counts the seconds.
#[track_caller]
pub(crate) fn let_a_poll_pass(server: &Server) {
    let seconds = || metric(server, "coredns_health_request_duration_seconds_count", &[]);
    let start = seconds();
    wait::until("three health checks", || seconds() >= start + 3.0);
}
