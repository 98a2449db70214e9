//! ConfigMaps in a hurry and in disorder: swapped without a pause, half written, gone, forbidden, and not
//! told of by the kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use dunlin_testkit::client::ask;
use dunlin_testkit::process::{Server, Setup};
use dunlin_testkit::wait;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::namespace::find;
use super::{BINARY, corefile, map, with_template};
use crate::kit::metric_at;

const TEMPLATE: &str = "\
.:{{port}} {
    bind __PILLAR__LOCAL__DNS__
    reload
    forward unused.test __PILLAR__UPSTREAM__SERVERS__
    whoami
}
";

fn start() -> Server {
    with_template("127.0.0.1", TEMPLATE).start()
}

/// This binary, run by a program that changes what it may do.
fn run_by(program: &str, arguments: &[&str]) -> Setup {
    let setup = Server::of(find(program).unwrap());
    let setup = arguments.iter().fold(setup, |setup, word| setup.argument(word)).argument(BINARY);
    super::with_files(super::with_flags(setup, "127.0.0.1"), TEMPLATE)
}

#[track_caller]
fn assert_served(server: &Server) {
    assert_eq!(
        ask(server.address(), "example.org", RecordType::A).send().rcode(),
        ResponseCode::NoError
    );
}

fn errors(server: &Server) -> f64 {
    let name = "coredns_nodecache_setup_errors_total";
    metric_at(server.address_of("own"), name, &[("errortype", "configmap")])
}

fn base(server: &Server) -> PathBuf {
    server.directory().join("base/Corefile.base")
}

/// A ConfigMap with this server for all names outside the cluster.
fn upstream(last: u32) -> String {
    format!("[\"192.0.2.{last}\"]")
}

#[track_caller]
fn wait_for_upstream(server: &Server, last: u32) {
    let wanted = format!("forward unused.test 192.0.2.{last}\n");
    wait::until(&wanted, || fs::read_to_string(corefile(server)).unwrap().contains(&wanted));
    assert_served(server);
}

#[test]
fn swaps_each_five_milliseconds_end_with_the_last_version() {
    let server = start();
    let mut kube_dns = map(&server, "kube-dns");
    wait::paced(Duration::from_millis(5), 400, |round| {
        let text = upstream(round % 200 + 1);
        // Each third one is cut off.
        let length = if round % 3 == 0 { text.len() / 2 } else { text.len() };
        kube_dns.swap(&[("upstreamNameservers", text.get(..length).unwrap())]);
        if round % 20 == 0 {
            assert_served(&server);
        }
    });
    kube_dns.swap(&[("upstreamNameservers", &upstream(250))]);
    wait_for_upstream(&server, 250);
    server.wait_for_line("[INFO] Reloading complete");
}

#[test]
fn a_template_that_is_half_written_is_refused_counted_and_replaced() {
    let server = start();
    let whole = fs::read_to_string(base(&server)).unwrap();
    let before = fs::read_to_string(corefile(&server)).unwrap();
    for (count, length) in (1..).zip([whole.len() / 2, whole.len() - 3, whole.len() / 5, 0]) {
        // In place, as an editor does it.
        fs::write(base(&server), whole.get(..length).unwrap()).unwrap();
        wait::until(format_args!("{count} errors"), || errors(&server) >= f64::from(count));
        assert_eq!(fs::read_to_string(corefile(&server)).unwrap(), before, "{length}");
        assert_served(&server);
    }
    fs::write(base(&server), whole.replace("whoami", "errors\n    whoami")).unwrap();
    wait::until("the whole one", || {
        fs::read_to_string(corefile(&server)).unwrap().contains("errors")
    });
    server.wait_for_line("[INFO] Reloading complete");
    assert_served(&server);
}

#[test]
fn files_and_directories_that_vanish_and_come_back_change_nothing_meanwhile() {
    let server = start();
    let mut kube_dns = map(&server, "kube-dns");
    kube_dns.swap(&[("upstreamNameservers", &upstream(1))]);
    wait_for_upstream(&server, 1);
    // What the link leads to.
    let data = kube_dns.directory().join(fs::read_link(kube_dns.path("..data")).unwrap());
    let aside = server.directory().join("aside");
    fs::rename(&data, &aside).unwrap();
    server.wait_for_line("Error loading config from ");
    assert_eq!(errors(&server), 1.0);
    wait_for_upstream(&server, 1);
    fs::rename(&aside, &data).unwrap();
    kube_dns.swap(&[("upstreamNameservers", &upstream(2))]);
    wait_for_upstream(&server, 2);
    // The directory itself.
    fs::rename(kube_dns.directory(), &aside).unwrap();
    server.wait_for_line("lstat ");
    assert_eq!(errors(&server), 2.0);
    wait_for_upstream(&server, 2);
    fs::rename(&aside, kube_dns.directory()).unwrap();
    kube_dns.swap(&[("upstreamNameservers", &upstream(3))]);
    wait_for_upstream(&server, 3);
    // The template.
    let (template, hidden) = (base(&server), base(&server).with_file_name(".hidden"));
    fs::rename(&template, &hidden).unwrap();
    server.wait_for_line("[ERROR] Failed to read node-cache coreFile ");
    assert_eq!(errors(&server), 3.0);
    assert_served(&server);
    fs::rename(&hidden, &template).unwrap();
    kube_dns.swap(&[("upstreamNameservers", &upstream(4))]);
    wait_for_upstream(&server, 4);
}

#[test]
fn a_file_that_may_not_be_read_changes_nothing_until_it_may() {
    let user = ["--reuid=65532", "--regid=65532", "--clear-groups"];
    let may_run = find("setpriv").is_some_and(|setpriv| {
        let run = Command::new(setpriv).args(user).args([BINARY, "-h"]).output();
        run.is_ok_and(|output| output.status.success())
    });
    if !may_run {
        eprintln!("SKIP: setpriv and root are needed, and a binary that every user may run");
        return;
    }
    let open =
        "chown -R 65532:65532 .; exec setpriv --reuid=65532 --regid=65532 --clear-groups \"$@\"";
    let server = run_by("sh", &["-c", open, "sh"]).start();
    let mut kube_dns = map(&server, "kube-dns");
    kube_dns.swap(&[("upstreamNameservers", &upstream(1))]);
    wait_for_upstream(&server, 1);
    let allow = |mode| {
        let file = kube_dns.path("upstreamNameservers");
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    };
    // The kernel tells of it only if the file itself is watched: a swap is what makes us look.
    allow(0o000);
    fs::write(kube_dns.path("other"), "").unwrap();
    server.wait_for_line("permission denied");
    assert_eq!(errors(&server), 1.0);
    wait_for_upstream(&server, 1);
    fs::write(kube_dns.path("upstreamNameservers"), upstream(2)).unwrap();
    assert_eq!(errors(&server), 1.0);
    allow(0o644);
    wait_for_upstream(&server, 2);
}

#[test]
fn where_the_kernel_does_not_tell_of_changes_they_are_polled_for() {
    let none = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
    let possible = Command::new("unshare").args(["-Ur", "sh", "-c", none, "sh", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: no user namespace without inotify can be made here");
        return;
    }
    let server = run_by("unshare", &["-Ur", "sh", "-c", none, "sh"]).start();
    server.wait_for_line("files cannot be watched: changes are seen by polling only");
    let mut kube_dns = map(&server, "kube-dns");
    for last in 1..=3 {
        kube_dns.swap(&[("upstreamNameservers", &upstream(last))]);
        let wanted = format!("forward unused.test 192.0.2.{last}\n");
        let time = wait::measure(&wanted, || {
            fs::read_to_string(corefile(&server)).unwrap().contains(&wanted)
        });
        // The goal is two seconds, of which the poll takes one at most; ten would be that of the original.
        eprintln!("without inotify a change was there after {time:?}");
        assert!(time < Duration::from_secs(8), "{time:?}");
    }
    server.wait_for_lines("[INFO] Reloading complete", 1);
    kube_dns.swap(&[("upstreamNameservers", "[")]);
    wait::until("an error", || errors(&server) >= 1.0);
    wait_for_upstream(&server, 3);
}
