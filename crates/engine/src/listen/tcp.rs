//! DNS over TCP (RFC 7766): pipelining, replies as they become ready, limits on everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::Transport;
use dunlin_core::buffer::Buffer;
use dunlin_core::query::Source;
use dunlin_core::wire::{HEADER_LEN, read_u16};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::Listener;
use super::connections::{Admission, Connections};
use crate::serve::{Answer, unmapped};

/// A message must be complete this long after the connection began, or after its first octet.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two messages.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Queries of one connection in work; then nothing more is read.
const PIPELINED: usize = 128;
/// A buffer that has grown beyond four of these shrinks again, in octets.
const READ_LEN: usize = 16 * 1024;
/// Pause when there are no descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections on one socket until the listener is told to stop.
pub(crate) async fn serve_tcp(
    listener: Arc<Listener>,
    socket: TcpListener,
    connections: Arc<Connections>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = listener.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let Some(admission) = connections.admit(client.ip().to_canonical()) else {
                    continue;
                };
                if let Some(connection) = Connection::new(&listener, stream, client, admission) {
                    listener.tasks.spawn(connection.run());
                }
            }
            Err(error) => {
                tracing::warn!(%error, address = %listener.address, "accepting failed");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

struct Connection {
    listener: Arc<Listener>,
    client: SocketAddr,
    local: SocketAddr,
    admission: Admission,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// Octets read and not handled yet.
    input: Vec<u8>,
    /// Replies framed and not written yet.
    output: Vec<u8>,
    /// Where late replies come in; `None` is a query that gets none.
    replies: mpsc::Receiver<Option<Buffer>>,
    sender: mpsc::Sender<Option<Buffer>>,
    in_work: usize,
    /// Nothing more will be read.
    ended: bool,
    deadline: Instant,
}

/// What went wrong; the connection is closed and nobody is told.
struct Broken;

impl Connection {
    fn new(
        listener: &Arc<Listener>,
        stream: TcpStream,
        client: SocketAddr,
        admission: Admission,
    ) -> Option<Self> {
        let local = unmapped(stream.local_addr().ok()?);
        let (reader, writer) = stream.into_split();
        let (sender, replies) = mpsc::channel(PIPELINED);
        Some(Self {
            listener: Arc::clone(listener),
            client: unmapped(client),
            local,
            admission,
            reader,
            writer,
            input: Vec::new(),
            output: Vec::new(),
            replies,
            sender,
            in_work: 0,
            ended: false,
            deadline: Instant::now() + READ_TIMEOUT,
        })
    }

    async fn run(mut self) {
        while !(self.ended && self.in_work == 0) {
            if self.step().await.is_err() {
                return;
            }
        }
        // The client may be gone already; there is nothing left to tell it.
        let _closed = timeout(WRITE_TIMEOUT, self.writer.shutdown()).await;
    }

    async fn step(&mut self) -> Result<(), Broken> {
        if self.input.capacity() - self.input.len() < READ_LEN / 8 {
            self.input.reserve(READ_LEN / 4);
        }
        let may_read = !self.ended && self.in_work < PIPELINED;
        let is_waiting = self.in_work == 0;
        let stop = self.listener.stop.clone();
        let evicted = self.admission.evicted.clone();
        tokio::select! {
            // Every branch is cancel-safe: tokio's documentation says so of recv and read_buf.
            reply = self.replies.recv(), if self.in_work > 0 => self.take(reply.flatten()),
            read = self.reader.read_buf(&mut self.input), if may_read => {
                self.has_read(&read)?;
            }
            () = stop.cancelled(), if !self.ended => self.ended = true,
            () = evicted.cancelled() => return Err(Broken),
            () = sleep_until(self.deadline), if is_waiting => return Err(Broken),
        }
        while let Ok(reply) = self.replies.try_recv() {
            self.take(reply);
        }
        if !self.ended || !self.input.is_empty() {
            self.handle_input()?;
        }
        self.write().await
    }

    fn has_read(&mut self, read: &std::io::Result<usize>) -> Result<(), Broken> {
        match read {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(_) => return Err(Broken),
        }
        Ok(())
    }

    fn take(&mut self, reply: Option<Buffer>) {
        self.in_work -= 1;
        if let Some(reply) = reply {
            frame(&reply, &mut self.output);
        }
        if self.in_work == 0 {
            self.deadline = Instant::now() + IDLE_TIMEOUT;
            self.admission.set_idle(true);
        }
    }

    /// Handles all complete messages, as far as the limit allows.
    fn handle_input(&mut self) -> Result<(), Broken> {
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        let now = Instant::now();
        let listener = Arc::clone(&self.listener);
        let table = listener.table.load();
        while self.in_work < PIPELINED
            && let Some(length) = read_u16(&input, at)
            && let Some(message) = input.get(at + 2..at + 2 + usize::from(length))
        {
            if message.len() < HEADER_LEN {
                return Err(Broken);
            }
            at += 2 + message.len();
            let (client, local) = (self.client, self.local);
            let source = Source { client, local, transport: Transport::Tcp, received: now };
            match listener.shared.handle(&table, message, source) {
                Answer::Now(Some(reply)) => frame(&reply, &mut self.output),
                Answer::Now(None) => {}
                Answer::Later(later) => self.answer_later(later),
            }
        }
        if at > 0 {
            let partly_read = at < input.len();
            self.deadline = now + if partly_read { READ_TIMEOUT } else { IDLE_TIMEOUT };
        }
        input.drain(..at);
        self.input = input;
        Ok(())
    }

    fn answer_later(&mut self, later: crate::serve::Later) {
        if self.in_work == 0 {
            self.admission.set_idle(false);
        }
        self.in_work += 1;
        let sender = self.sender.clone();
        self.listener.tasks.spawn(async move {
            // The connection may have broken meanwhile; then nobody wants the reply.
            let _gone = sender.send(later.await).await;
        });
    }

    async fn write(&mut self) -> Result<(), Broken> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_TIMEOUT, self.writer.write_all(&self.output)).await;
        self.output.clear();
        if self.output.capacity() > READ_LEN * 4 {
            self.output.shrink_to(READ_LEN);
        }
        match written {
            Ok(Ok(())) => Ok(()),
            _ => Err(Broken),
        }
    }
}

/// Puts the length in front (RFC 1035 §4.2.2).
fn frame(reply: &Buffer, out: &mut Vec<u8>) {
    if let Ok(length) = u16::try_from(reply.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(reply);
    }
}
