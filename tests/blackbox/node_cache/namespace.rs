//! A network namespace for each node: its interfaces and rules are nobody else's. It lives as long as the
//! first process in it. Making one takes root and the tools of the node; without, a test says so.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Command, Output};

use dunlin_testkit::load::Load;
use dunlin_testkit::network;
use dunlin_testkit::process::{Server, Setup};
use dunlin_testkit::wait;

use super::BINARY;

/// Where the node's cache is.
pub(crate) const ADDRESS: &str = "169.254.20.10";
/// Counts the rules of one address in the table raw: 8 if all are there, each once.
pub(crate) const COUNT: &str = "iptables -w -t raw -S | grep -c 'skip conntrack' || true";

/// What happens in a new namespace before the process starts: a bridge stands for the dummy link where the
/// kernel has no such type.
const PREPARE: &str = "ip link set lo up; ip link add nodelocaldns type bridge || exit 9; \
                       exec env PATH=\"${NODE_PATH:-$PATH}\" \"$@\"";

/// Whether a namespace with these tools can be made here; if not, says why.
pub(crate) fn is_possible(tools: &[&str]) -> bool {
    let needed = ["unshare", "nsenter", "ip", "dig"].iter().chain(tools);
    let missing: Vec<&&str> = needed.filter(|tool| find(tool).is_none()).collect();
    let unshared = Command::new("unshare").args(["-n", "true"]).output();
    let is_root = unshared.is_ok_and(|output| output.status.success());
    if !is_root || !missing.is_empty() {
        eprintln!(
            "SKIP: no network namespace can be made here (root: {is_root}, missing: {missing:?})"
        );
    }
    is_root && missing.is_empty()
}

/// The path of a program.
pub(crate) fn find(tool: &str) -> Option<String> {
    let mut paths =
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|place| format!("{place}/{tool}"));
    paths.iter_mut().find(|path| std::path::Path::new(path.as_str()).exists()).map(std::mem::take)
}

/// A process in a namespace of its own, serving these addresses on port 53. It looks at interface and rules
/// every minute, which is longer than any test waits: earlier only if the kernel tells of a change.
pub(crate) fn first(local: &str, prepare: &str) -> Setup {
    let script = format!("{prepare}{PREPARE}");
    let shell = ["-n", "sh", "-c", &script, "sh", BINARY];
    with_corefile(Server::of(find("unshare").unwrap()), &shell, local)
}

/// A process in a namespace of its own that has link and rules.
#[track_caller]
pub(crate) fn start() -> Server {
    let server = first(ADDRESS, "").spawn();
    server.wait_for_line("Dunlin-");
    wait_until_said(&server, COUNT, "8\n");
    server
}

/// One more process in the namespace of a running one.
pub(crate) fn beside(server: &Server, local: &str) -> Setup {
    let id = server.id().to_string();
    with_corefile(Server::of(find("nsenter").unwrap()), &["-t", &id, "-n", BINARY], local)
}

fn with_corefile(setup: Setup, command: &[&str], local: &str) -> Setup {
    let setup = command.iter().fold(setup, |setup, word| setup.argument(word));
    setup
        .argument("-localip")
        .argument(local)
        .argument("-basecorefile={{dir}}/base/Corefile.base")
        .argument("-conf={{dir}}/Corefile")
        .file("base/Corefile.base", ".:53 {\n    bind __PILLAR__LOCAL__DNS__\n    whoami\n}\n")
}

/// Sockets of clients in the namespace of a process, connected to [`ADDRESS`]. Each has another port, so
/// that all sockets of all servers get their share.
pub(crate) fn clients(server: &Server, count: usize) -> Vec<UdpSocket> {
    let server_at: (IpAddr, u16) = (ADDRESS.parse().unwrap(), 53);
    network::inside(server.id(), || {
        let client = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.connect(server_at).unwrap();
            socket
        };
        (0..count).map(client).collect()
    })
}

/// A thousand queries a second, whatever happens.
pub(crate) fn load(server: &Server) -> Load {
    Load::start(clients(server, 16), "example.org", 1000)
}

/// Ends the load, which must have been answered in full.
#[track_caller]
pub(crate) fn assert_nothing_is_lost(load: Load) {
    let report = load.finish();
    eprintln!("{report}");
    let expected =
        dunlin_testkit::load::Report { answered: report.sent, failed: 0, refused: 0, ..report };
    assert_eq!(report, expected, "{report}");
}

/// Runs a command in the namespace of a process.
pub(crate) fn inside(server: &Server, command: &str) -> Output {
    let id = server.id().to_string();
    let run = Command::new("nsenter").args(["-t", &id, "-n", "sh", "-c", command]).output();
    run.unwrap()
}

/// The standard output of a command that succeeds.
pub(crate) fn say(server: &Server, command: &str) -> String {
    let output = inside(server, command);
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether DNS is answered at an address of the namespace.
pub(crate) fn answers(server: &Server, address: &str) -> bool {
    let command = format!("dig +tries=1 +time=1 @{address} example.org A");
    let output = inside(server, &command);
    String::from_utf8_lossy(&output.stdout).contains("status: NOERROR")
}

/// Waits until a command of the namespace says this.
#[track_caller]
pub(crate) fn wait_until_said(server: &Server, command: &str, expected: &str) {
    wait::until(format!("{command} to say:\n{expected}"), || say(server, command) == expected);
}

/// Waits until interface and rules belong to this process.
#[track_caller]
pub(crate) fn wait_for_owner(owner: &Server) {
    let command = format!("ip link show nodelocaldns | grep -c 'dunlin {}[.]' || true", owner.id());
    wait_until_said(owner, &command, "1\n");
}

/// The page of metrics at the usual port of the namespace.
pub(crate) fn scrape(server: &Server) -> String {
    let get =
        "exec 3<>/dev/tcp/127.0.0.1/9353; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    say(server, &format!("bash -c \"{get}\""))
}

/// A process that keeps the namespace open and touches nothing of it.
pub(crate) fn witness(server: &Server) -> Server {
    let id = server.id().to_string();
    let words = ["-t", &id, "-n", "sleep", "1000"];
    let setup = Server::of(find("nsenter").unwrap());
    let witness = words.iter().fold(setup, |setup, word| setup.argument(word)).spawn();
    let namespace = |id: u32| std::fs::read_link(format!("/proc/{id}/ns/net")).ok();
    let home = namespace(server.id());
    wait::until("the witness to be there", || namespace(witness.id()) == home);
    witness
}
