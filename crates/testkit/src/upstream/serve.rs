//! The sockets of a fake upstream, and what is done on them.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{io, mem};

use hickory_proto::op::Message;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Action, Asked, Behave, Reply, Transport};

/// What the thread and the test share.
pub(super) struct Shared {
    pub(super) script: Mutex<Script>,
    pub(super) asked: Mutex<Vec<Asked>>,
    connections: AtomicU64,
    acceptor: Option<TlsAcceptor>,
}

pub(super) struct Script {
    pub(super) names: HashMap<String, Arc<dyn Behave>>,
    pub(super) otherwise: Arc<dyn Behave>,
}

pub(super) struct Sockets {
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: TcpListener,
}

impl Shared {
    pub(super) fn new(acceptor: Option<TlsAcceptor>, otherwise: Reply) -> Self {
        let script = Script { names: HashMap::new(), otherwise: Arc::new(otherwise) };
        let connections = AtomicU64::new(0);
        Self { script: Mutex::new(script), asked: Mutex::default(), connections, acceptor }
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Remembers the query and looks up what to do about it.
    fn take(
        &self,
        bytes: &[u8],
        transport: Transport,
        client: SocketAddr,
        connection: u64,
    ) -> (Asked, Vec<Action>) {
        let message = Message::from_vec(bytes).ok();
        let asked = Asked { bytes: bytes.to_vec(), message, transport, client, connection };
        self.asked.lock().push(asked.clone());
        let behavior = {
            let script = self.script.lock();
            Arc::clone(script.names.get(&asked.name()).unwrap_or(&script.otherwise))
        };
        let actions = behavior.actions(&asked);
        (asked, actions)
    }
}

/// Serves until `stopped`, then closes everything: the tasks end with the runtime.
pub(super) fn run(sockets: Sockets, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if let Some(udp) = sockets.udp {
            tokio::spawn(serve_udp(udp, Arc::clone(&shared)));
        }
        tokio::spawn(serve_tcp(sockets.tcp, shared));
        let _ = stopped.await;
    });
}

async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>) {
    socket.set_nonblocking(true).expect("a socket");
    let socket = Arc::new(tokio::net::UdpSocket::from_std(socket).expect("a socket"));
    let mut buffer = vec![0; 65_535];
    loop {
        // An error is ICMP's news of a client that has gone.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let (asked, actions) = shared.take(&buffer[..length], Transport::Udp, client, 0);
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            for action in actions {
                let bytes = match action {
                    Action::Reply(reply) => reply.encode(&asked),
                    Action::Raw(bytes) | Action::Unframed(bytes) => Some(bytes),
                    Action::Wait(time) => wait(time).await,
                    Action::Close | Action::Reset => None,
                };
                if let Some(bytes) = bytes {
                    let _ = socket.send_to(&bytes, client).await;
                }
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    loop {
        let Ok((stream, client)) = listener.accept().await else { continue };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::spawn(serve_connection(stream, client, number, Arc::clone(&shared)));
    }
}

async fn serve_connection(
    stream: TcpStream,
    client: SocketAddr,
    number: u64,
    shared: Arc<Shared>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let descriptor = stream.as_fd().try_clone_to_owned()?;
    let acceptor = shared.acceptor.clone();
    let transport = if acceptor.is_some() { Transport::Tls } else { Transport::Tcp };
    let connection = Connection { shared, transport, client, number, descriptor };
    match acceptor {
        Some(acceptor) => connection.serve(acceptor.accept(stream).await?).await,
        None => connection.serve(stream).await,
    }
}

struct Connection {
    shared: Arc<Shared>,
    transport: Transport,
    client: SocketAddr,
    number: u64,
    /// The socket once more, to reset it through.
    descriptor: OwnedFd,
}

type Writer<S> = Arc<tokio::sync::Mutex<WriteHalf<S>>>;

/// What becomes of a connection after the actions for one query.
enum After {
    Open,
    Close,
    Reset,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Send + 'static>(self, stream: S) -> io::Result<()> {
        let (mut reader, writer) = tokio::io::split(stream);
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        let mut tasks = JoinSet::new();
        let mut buffer = Vec::new();
        let mut open = true;
        while open || !tasks.is_empty() {
            // Both branches are cancel-safe: bytes read are in `buffer`, tasks stay in their set.
            tokio::select! {
                read = reader.read_buf(&mut buffer), if open => {
                    open = read? > 0;
                    for bytes in messages(&mut buffer) {
                        let (asked, actions) = self.shared.take(&bytes, self.transport, self.client, self.number);
                        tasks.spawn(perform(Arc::clone(&writer), asked, actions));
                    }
                }
                Some(after) = tasks.join_next() => match after.expect("no panic")? {
                    After::Open => {}
                    After::Close => break,
                    After::Reset => return SockRef::from(&self.descriptor).set_linger(Some(Duration::ZERO)),
                }
            }
        }
        writer.lock().await.shutdown().await
    }
}

async fn perform<S: AsyncWrite>(
    writer: Writer<S>,
    asked: Asked,
    actions: Vec<Action>,
) -> io::Result<After> {
    for action in actions {
        let bytes = match action {
            Action::Reply(reply) => reply.encode(&asked).map(|bytes| framed(&bytes)),
            Action::Raw(bytes) => Some(framed(&bytes)),
            Action::Unframed(bytes) => Some(bytes),
            Action::Wait(time) => wait(time).await,
            Action::Close => return Ok(After::Close),
            Action::Reset => return Ok(After::Reset),
        };
        if let Some(bytes) = bytes {
            let mut writer = writer.lock().await;
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
    }
    Ok(After::Open)
}

/// Nothing to send, only later.
async fn wait(time: Duration) -> Option<Vec<u8>> {
    tokio::time::sleep(time).await;
    None
}

/// Takes the complete messages out of what was read.
fn messages(buffer: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(prefix) = buffer.first_chunk() {
        let end = 2 + usize::from(u16::from_be_bytes(*prefix));
        if buffer.len() < end {
            break;
        }
        let rest = buffer.split_off(end);
        messages.push(mem::replace(buffer, rest).split_off(2));
    }
    messages
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a message of at most 65535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}
