//! The loop that serves one connection: queries go out as they come, many in one write; responses
//! are matched by ID and question in any order (RFC 7766 §6.2.1.1, §7).
//!
//! The ID of a query that nobody waits for any more stays taken until its response comes or the
//! connection ends (security.md FW-23). A response that belongs to no query ends the connection
//! (FW-22).

use std::net::SocketAddr;

use dunlin_core::buffer::Buffer;
use dunlin_core::wire::{self, Flags, HEADER_LEN, write_u16};
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::book::{Book, frame};
use super::connection::Order;
use crate::ask::Ask;
use crate::error::{Cause, ExchangeError};

/// Serves until the peer, the clock or the last handle ends it; whoever waits then is told why.
pub(super) async fn drive<S>(stream: S, mut queue: mpsc::Receiver<Order>, mut book: Book)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let error = serve(stream, &mut queue, &mut book).await;
    queue.close();
    book.fail(&error);
    while let Ok(order) = queue.try_recv() {
        let _gone = order.reply.send(Err(error.clone()));
    }
}

async fn serve<S>(stream: S, queue: &mut mpsc::Receiver<Order>, book: &mut Book) -> ExchangeError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let timer = tokio::time::sleep_until(book.next_check());
    tokio::pin!(timer);
    let mut inbox = Vec::with_capacity(4096);
    let (mut open, mut unflushed) = (true, false);
    while open || book.is_awaited() {
        // Reads, writes and receives that lose the race have taken nothing (tokio says so of each),
        // and a flush may be begun again.
        tokio::select! {
            biased;
            read = reader.read_buf(&mut inbox) => match read {
                Ok(0) => return book.read_error(Cause::Eof),
                Ok(_) => if book.take_responses(&mut inbox, Instant::now()).is_err() {
                    return book.wrong_reply();
                },
                Err(error) => return book.read_error(Cause::of(&error, "read")),
            },
            order = queue.recv(), if open && book.has_room() => match order {
                Some(order) => {
                    post_all(order, queue, book);
                    unflushed = true;
                }
                None => open = false,
            },
            sent = write(&mut writer, book.unwritten()), if unflushed => match sent {
                Ok(0) => unflushed = false,
                Ok(count) => book.sent(count, Instant::now()),
                Err(error) => return book.write_error(Cause::of(&error, "write")),
            },
            () = &mut timer => {
                if let Some(error) = book.expired(Instant::now()) {
                    return error;
                }
            }
        }
        let check = book.next_check();
        if timer.is_elapsed() || check < timer.deadline() {
            timer.as_mut().reset(check);
        }
    }
    book.read_error(Cause::Eof)
}

/// Writes some of the octets, or flushes if there are none; says how many were written.
async fn write(writer: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> std::io::Result<usize> {
    if octets.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(octets).await {
        Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
        result => result,
    }
}

/// Takes all that is there, so that it goes out in one write.
fn post_all(first: Order, queue: &mut mpsc::Receiver<Order>, book: &mut Book) {
    let now = Instant::now();
    book.post(first, now);
    while book.has_room() {
        let Ok(order) = queue.try_recv() else { return };
        book.post(order, now);
    }
}

/// One query on a connection of its own: any response with its ID proves that the upstream lives.
pub(super) async fn exchange_once<S>(
    mut stream: S,
    ask: &Ask,
    (local, remote): (SocketAddr, SocketAddr),
) -> Result<(), ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let network = "tcp";
    let failed = |error: &std::io::Error| ExchangeError::Read {
        network,
        local,
        remote,
        cause: Cause::of(error, "read"),
    };
    let mut query = Buffer::copy_of(ask.as_bytes());
    write_u16(&mut query, 0, rand::rng().random());
    let length = u16::try_from(query.len()).unwrap_or_default();
    let framed = [&length.to_be_bytes()[..], &query].concat();
    stream.write_all(&framed).await.map_err(|error| failed(&error))?;
    stream.flush().await.map_err(|error| failed(&error))?;
    let mut inbox = Vec::new();
    loop {
        if let Some(message) = frame(&inbox, 0) {
            let proof = message.len() >= HEADER_LEN
                && wire::id(message) == wire::id(&query)
                && Flags::of(message).has(Flags::QR);
            return if proof { Ok(()) } else { Err(ExchangeError::WrongReply { remote }) };
        }
        if stream.read_buf(&mut inbox).await.map_err(|error| failed(&error))? == 0 {
            let cause = Cause::Eof;
            return Err(ExchangeError::Read { network, local, remote, cause });
        }
    }
}
