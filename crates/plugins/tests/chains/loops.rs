//! `loop` where its probes really travel: over UDP, through a whole chain, to an upstream that may be
//! the server itself. Rows LP1 to LP3, LP6, LP11 and LP12.

use std::net::SocketAddr;
use std::sync::Arc;

use dunlin_core::buffer::Buffer;
use dunlin_core::gate::{self, Opcodes};
use dunlin_core::op::ResponseCode;
use dunlin_core::plugin::Chain;
use dunlin_core::query::Source;
use dunlin_core::rr::RecordType;
use dunlin_core::site::Site;
use dunlin_core::testing::TestBlock;
use dunlin_core::wire::{WireName, write_u16};
use dunlin_core::{Query, Transport};
use dunlin_testkit::upstream::{Reply, Transport as Over, Upstream};
use dunlin_testkit::wait;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::kit::{block_for, metric};

/// A server block that answers on a socket of its own.
struct Listener {
    block: TestBlock,
    tasks: JoinSet<()>,
}

impl Listener {
    async fn start(socket: UdpSocket, keys: &str, lines: &str) -> Self {
        let mut block = block_for(keys, lines).listening_on(socket.local_addr().unwrap());
        let (chain, site) = (block.chain(), block.site());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(Arc::new(socket), chain, site));
        block.start().await.unwrap();
        Self { block, tasks }
    }

    async fn stop(mut self) -> TestBlock {
        self.block.stop().await;
        self.tasks.shutdown().await;
        self.block
    }
}

async fn serve(socket: Arc<UdpSocket>, chain: Arc<Chain>, site: Arc<Site>) {
    let local = socket.local_addr().unwrap();
    let mut queries = JoinSet::new();
    let mut buffer = [0; 1500];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        let mut query = arrived(&buffer[..length], client, local);
        query.place(Arc::clone(&site));
        let (socket, chain) = (Arc::clone(&socket), Arc::clone(&chain));
        queries.spawn(async move {
            let failed = |error: dunlin_core::Error| query.error(error.rcode());
            let mut query = query.duplicate();
            let result = chain.run(&mut query).await;
            let mut reply = result.unwrap_or_else(failed);
            let mut bytes = reply.wire().unwrap().0.to_vec();
            write_u16(&mut bytes, 0, query.id());
            socket.send_to(&bytes, client).await.unwrap();
        });
    }
}

fn arrived(bytes: &[u8], client: SocketAddr, local: SocketAddr) -> Query {
    let mut name = WireName::new();
    let transport = Transport::Udp;
    let view = gate::accept(bytes, client, transport, Opcodes::default(), &mut name).unwrap();
    let source = Source { client, local, transport, received: Instant::now() };
    Query::new(Buffer::copy_of(bytes), view, &name, source)
}

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Neither what `cache` remembers nor what it shares hides a loop.
#[tokio::test]
async fn lp1_a_server_that_forwards_to_itself_ends_whatever_stands_in_front() {
    for front in [
        "",
        "cache",
        "cache {\nserve_stale 1h verify\nprefetch 1\n}",
        "metadata\nprometheus\nerrors\nlog\ncache {\nservfail 1m\n}",
    ] {
        let (socket, address) = socket().await;
        let lines = format!("{front}\nloop\nforward . {address}");
        let listener = Listener::start(socket, ".", &lines).await;
        wait::until_async(front, async || !listener.block.ended().is_empty()).await;
        let ended = listener.stop().await.ended();
        let [text] = ended.as_slice() else { panic!("{front}: {ended:?}") };
        assert!(text.starts_with("plugin/loop: Loop (127.0.0.1:"), "{front}: {text}");
        let tail = format!(" -> {address}) detected for zone \".\", see ");
        assert!(text.contains(&tail), "{front}: {text}");
    }
}

#[tokio::test]
async fn lp6_of_two_servers_that_forward_to_each_other_one_ends() {
    for front in ["", "cache"] {
        let ((first, at_first), (second, at_second)) = (socket().await, socket().await);
        let lines = |other: SocketAddr| format!("{front}\nloop\nforward . {other}");
        let one = Listener::start(first, ".", &lines(at_second)).await;
        let two = Listener::start(second, ".", &lines(at_first)).await;
        let ended = || one.block.ended().len() + two.block.ended().len();
        wait::until_async(front, async || ended() > 0).await;
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test]
async fn lp2_lp11_one_probe_for_the_first_zone_reaches_an_upstream_that_is_another_server() {
    for (front, rcode) in [
        ("", ResponseCode::NXDomain),
        ("cache", ResponseCode::NXDomain),
        ("cache", ResponseCode::Refused),
    ] {
        let upstream = Upstream::start();
        upstream.always(Reply::new().rcode(rcode));
        let (socket, _) = socket().await;
        let lines = format!("{front}\nloop\nforward . {upstream}");
        let listener = Listener::start(socket, "a.test b.test", &lines).await;
        wait::until_async("the probe", async || upstream.count_all() > 0).await;
        let block = listener.stop().await;
        let asked = upstream.asked();
        assert_eq!((asked.len(), asked[0].transport), (1, Over::Udp), "{front} {rcode}");
        assert_eq!(asked[0].kind(), Some(RecordType::HINFO), "{front} {rcode}");
        assert!(asked[0].name().ends_with(".a.test."), "{}", asked[0].name());
        assert!(block.ended().is_empty(), "{front} {rcode}");
    }
}

#[tokio::test]
async fn lp3_the_probe_is_a_query_like_others() {
    let (socket, _) = socket().await;
    let listener = Listener::start(socket, ".", "prometheus\nlog\nloop\nwhoami").await;
    let counted = async || metric(&listener.block, REQUESTS, &[]) == 1;
    wait::until_async("the probe", counted).await;
    let block = listener.stop().await;
    let lines = block.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(" \"HINFO IN ") && lines[0].contains(" NOERROR "), "{lines:?}");
    assert!(block.ended().is_empty());
}

const REQUESTS: &str = "coredns_dns_requests_total";
