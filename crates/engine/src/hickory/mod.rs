//! The other driver: hickory-server owns the UDP and TCP sockets and calls our handler, which
//! hands the raw bytes to the same engine. It is how Dunlin is embedded in a hickory server.

mod embedded;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dunlin_core::Transport;
use dunlin_core::buffer::Buffer;
use dunlin_core::op::{Header, HeaderCounts, Message, Metadata};
use dunlin_core::query::Source;
use hickory_proto::op::{MessageType, OpCode};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use self::embedded::Embedded;
use crate::listen::Listener;
use crate::serve::{Answer, unmapped};

/// The sockets that hickory-server drives.
#[derive(Debug, Default)]
pub(crate) struct Hickory {
    servers: TaskTracker,
}

/// Between two messages of a connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Replies that may wait for a slow client, per connection.
const RESPONSES: usize = 128;
/// Queries in flight may take this long to be answered.
const GRACE: Duration = Duration::from_secs(5);
/// What hickory-server needs to send the replies that it was handed.
const FLUSH: Duration = Duration::from_millis(100);

impl Hickory {
    /// Serves the sockets of a listener until it is told to stop.
    pub(crate) fn serve(&self, listener: &Arc<Listener>, sockets: Vec<(UdpSocket, TcpListener)>) {
        let mut server = Server::new(Bridge(Arc::clone(listener)));
        for (udp, tcp) in sockets {
            match tokio::net::UdpSocket::from_std(udp) {
                Ok(socket) => server.register_socket(socket),
                Err(error) => tracing::error!(%error, "a UDP socket cannot be served"),
            }
            match tokio::net::TcpListener::from_std(tcp) {
                Ok(socket) => server.register_listener(socket, IDLE_TIMEOUT, RESPONSES),
                Err(error) => tracing::error!(%error, "a TCP socket cannot be served"),
            }
        }
        let listener = Arc::clone(listener);
        self.servers.spawn(async move {
            listener.stop.cancelled().await;
            // Its own graceful shutdown drops what is in flight: wait for that first.
            let _patience = tokio::time::timeout(GRACE, listener.tasks.wait()).await;
            // The last replies are in its queues, of which nobody can ask whether they are empty.
            tokio::time::sleep(FLUSH).await;
            if let Err(error) = server.shutdown_gracefully().await {
                tracing::debug!(%error, "hickory-server did not stop cleanly");
            }
        });
    }

    /// Waits until all servers have stopped.
    pub(crate) async fn drain(&self) {
        self.servers.close();
        self.servers.wait().await;
    }
}

/// Our engine as a handler of hickory-server.
pub(crate) struct Bridge(Arc<Listener>);

#[async_trait]
impl RequestHandler for Bridge {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response: R,
    ) -> ResponseInfo {
        let transport = match request.protocol() {
            Protocol::Udp => Transport::Udp,
            _ => Transport::Tcp,
        };
        let serving = answer(&self.0, request.as_slice(), request.src(), transport);
        let handled = async {
            match serving.await {
                Some(reply) => send(&reply, request, response).await,
                None => silence(request),
            }
        };
        self.0.tasks.track_future(handled).await
    }
}

/// One message through the engine, whoever read it.
pub(crate) async fn answer(
    listener: &Arc<Listener>,
    message: &[u8],
    client: SocketAddr,
    transport: Transport,
) -> Option<Buffer> {
    let (client, local) = (unmapped(client), listener.address);
    let source = Source { client, local, transport, received: Instant::now() };
    let answer = {
        let table = listener.table.load();
        listener.shared.handle(&table, message, source)
    };
    match answer {
        Answer::Now(reply) => reply,
        Answer::Later(later) => later.in_time().await,
    }
}

/// hickory-server takes records, not bytes.
async fn send<R: ResponseHandler>(reply: &Buffer, request: &Request, mut to: R) -> ResponseInfo {
    let Ok(message) = Message::from_vec(reply) else {
        tracing::error!("a reply does not decode and was not sent");
        return silence(request);
    };
    let none = Queries::read(&mut BinDecoder::new(&[]), 0);
    let queries = match (&none, message.queries.is_empty()) {
        (Ok(none), true) => none,
        _ => &request.queries,
    };
    let builder = MessageResponseBuilder::new(queries, message.edns.as_ref());
    let response = builder.build(
        message.metadata,
        &message.answers,
        &message.authorities,
        [],
        &message.additionals,
    );
    to.send_response(response).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "a reply could not be sent");
        silence(request)
    })
}

fn silence(request: &Request) -> ResponseInfo {
    let metadata = Metadata::new(request.metadata.id, MessageType::Response, OpCode::Query);
    ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
}
