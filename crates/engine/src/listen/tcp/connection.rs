//! One connection: pipelining, replies as they become ready, limits on everything.

use std::net::SocketAddr;
use std::sync::Arc;

use dunlin_core::Transport;
use dunlin_core::buffer::Buffer;
use dunlin_core::directive::QueryLimit;
use dunlin_core::query::Source;
use dunlin_core::wire::{HEADER_LEN, read_u16};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::Limits;
use crate::listen::Listener;
use crate::listen::connections::Admission;
use crate::serve::{Answer, Later, unmapped};

/// Queries of one connection in work; then nothing more is read.
const PIPELINED: usize = 128;
/// What a connection keeps of its buffers, in octets: an empty input shrinks to this, and an output
/// that has grown beyond four of these.
const READ_LEN: usize = 16 * 1024;
/// Replies that are framed and not written, in octets; then no more queries are answered.
const OUTPUT_LEN: usize = 256 * 1024;

/// A connection that was admitted.
pub(super) struct Connection {
    listener: Arc<Listener>,
    client: SocketAddr,
    local: SocketAddr,
    admission: Admission,
    limits: Limits,
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
    /// Queries that are still answered; `None` is no limit.
    left: Option<usize>,
    /// Nothing was read yet.
    is_new: bool,
    /// Nothing more will be read.
    ended: bool,
    deadline: Instant,
}

/// What went wrong; the connection is closed and nobody is told.
struct Broken;

impl Connection {
    pub(super) fn new(
        listener: &Arc<Listener>,
        stream: TcpStream,
        client: SocketAddr,
        admission: Admission,
        limits: Limits,
    ) -> Option<Self> {
        let local = unmapped(stream.local_addr().ok()?);
        let (reader, writer) = stream.into_split();
        let (sender, replies) = mpsc::channel(PIPELINED);
        Some(Self {
            listener: Arc::clone(listener),
            client: unmapped(client),
            local,
            admission,
            limits,
            reader,
            writer,
            input: Vec::new(),
            output: Vec::new(),
            replies,
            sender,
            in_work: 0,
            left: match limits.queries {
                QueryLimit::Unlimited => None,
                QueryLimit::AtMost(count) => Some(count.get()),
            },
            is_new: true,
            ended: false,
            deadline: Instant::now() + limits.read,
        })
    }

    pub(super) async fn run(mut self) {
        while !(self.ended && self.in_work == 0) {
            if self.step().await.is_err() {
                return;
            }
        }
        // The client may be gone already; there is nothing left to tell it.
        let _closed = timeout(self.limits.write, self.writer.shutdown()).await;
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
            () = stop.cancelled(), if !self.ended => self.read_rest().await,
            () = evicted.cancelled() => return Err(Broken),
            () = sleep_until(self.deadline), if is_waiting => return Err(Broken),
        }
        while self.output.len() < OUTPUT_LEN
            && let Ok(reply) = self.replies.try_recv()
        {
            self.take(reply);
        }
        loop {
            self.handle_input();
            let has_room = self.output.len() < OUTPUT_LEN;
            self.write().await?;
            if has_room {
                return Ok(());
            }
        }
    }

    /// What the client sent before the end was announced is still answered.
    async fn read_rest(&mut self) {
        // Lets tokio learn what has come meanwhile.
        tokio::task::yield_now().await;
        if self.is_new || !self.input.is_empty() {
            let _nothing_came = timeout(self.limits.on_its_way, self.reader.readable()).await;
        }
        while self.input.len() < READ_LEN * 4
            && matches!(self.reader.try_read_buf(&mut self.input), Ok(1..))
        {}
        self.ended = true;
    }

    fn has_read(&mut self, read: &std::io::Result<usize>) -> Result<(), Broken> {
        match read {
            Ok(0) => self.ended = true,
            Ok(_) => self.is_new = false,
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
            self.wait_for_client(Instant::now());
        }
    }

    /// Nothing is in work any more, or something was answered at once.
    fn wait_for_client(&mut self, now: Instant) {
        let is_crowded = self.admission.set_idle();
        self.deadline = now
            + match (self.input.is_empty(), is_crowded) {
                (false, _) => self.limits.read,
                (true, true) => self.limits.idle_in_a_crowd,
                (true, false) => self.limits.idle,
            };
    }

    /// Handles all complete messages, as far as the limits allow.
    fn handle_input(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        let now = Instant::now();
        let listener = Arc::clone(&self.listener);
        let table = listener.table.load();
        while self.in_work < PIPELINED
            && self.output.len() < OUTPUT_LEN
            && self.left != Some(0)
            && let Some(length) = read_u16(&input, at)
            && let Some(message) = input.get(at + 2..at + 2 + usize::from(length))
        {
            if message.len() < HEADER_LEN {
                // Who sends this speaks another protocol: the rest means nothing.
                self.ended = true;
                input.clear();
                at = 0;
                break;
            }
            at += 2 + message.len();
            self.left = self.left.map(|left| left - 1);
            let (client, local) = (self.client, self.local);
            let source = Source { client, local, transport: Transport::Tcp, received: now };
            match listener.shared.handle(&table, message, source) {
                Answer::Now(Some(reply)) => frame(&reply, &mut self.output),
                Answer::Now(None) => {}
                Answer::Later(later) => self.answer_later(later),
            }
        }
        input.drain(..at);
        if self.left == Some(0) {
            self.ended = true;
            input.clear();
        }
        if input.is_empty() {
            input.shrink_to(READ_LEN);
        }
        self.input = input;
        if at > 0 && self.in_work == 0 {
            self.wait_for_client(now);
        } else if !self.input.is_empty() {
            // The first octets of a message, or more of them: the whole has to come in time.
            self.deadline = self.deadline.min(now + self.limits.read);
        }
    }

    fn answer_later(&mut self, later: Later) {
        if self.in_work == 0 {
            self.admission.set_busy();
        }
        self.in_work += 1;
        let sender = self.sender.clone();
        self.listener.tasks.spawn(async move {
            // The connection may have broken meanwhile; then nobody wants the reply.
            let _gone = sender.send(later.in_time().await).await;
        });
    }

    async fn write(&mut self) -> Result<(), Broken> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(self.limits.write, self.writer.write_all(&self.output)).await;
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
