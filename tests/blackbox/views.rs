//! `view`: server blocks that share a zone, and what metrics say of them.

use dunlin_testkit::client::ask;
use hickory_proto::rr::RecordType;

use crate::kit::{metric, with_corefile};
use crate::queries::DRIVERS;

#[test]
fn each_query_goes_to_its_view_and_is_counted_there() {
    let block = |view: &str| {
        format!(
            ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  {view}\n  prometheus 127.0.0.1:{{{{metrics}}}}\n  \
             whoami\n}}\n"
        )
    };
    let text = block("view mail {\n expr type() == 'MX'\n}")
        + &block("view streams {\n expr proto() == 'tcp'\n}")
        + &block("");
    for driver in DRIVERS {
        let server = with_corefile(&text).argument("-driver").argument(driver).start();
        server.wait_for_reply(server.address());
        let count = |view: &str, kind: &str| {
            let labels = [("view", view), ("type", kind), ("zone", ".")];
            metric(&server, "coredns_dns_requests_total", &labels)
        };
        ask(server.address(), "a.", RecordType::MX).send();
        ask(server.address(), "a.", RecordType::MX).tcp().send();
        ask(server.address(), "a.", RecordType::TXT).tcp().send();
        ask(server.address(), "a.", RecordType::TXT).send();
        let found =
            [("mail", "MX"), ("streams", "TXT"), ("", "TXT"), ("", "MX"), ("streams", "MX")]
                .map(|(view, kind)| count(view, kind).to_string());
        assert_eq!(found, ["2", "1", "1", "0", "0"], "{driver}");
    }
}
