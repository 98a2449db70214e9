//! The client: closed loops that keep a number of queries in flight over UDP sockets or TCP
//! connections.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{bail, ensure};
use dunlin_os::batch::{Family, Inbox, Outbox, Route};
use tokio::io::Interest;
use tokio::time::Instant;

use crate::names::Questions;

/// What one client does.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) questions: Questions,
    pub(crate) carrier: Carrier,
    /// Sockets or connections.
    pub(crate) sockets: usize,
    /// Queries in flight on each of them.
    pub(crate) window: usize,
    /// How it waits for replies.
    pub(crate) wait: Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Udp,
    Tcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It asks the kernel again and again, so that the server never pays for waking it.
    Spinning,
    /// It sleeps, and leaves its processor to others.
    Asleep,
}

/// When a client stops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    After(Duration),
    Answered(u64),
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: u64,
    /// Of them, replies other than NOERROR.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
}

impl Load {
    /// Asks until the end has come.
    pub(crate) fn run(&self, server: SocketAddr, end: End) -> anyhow::Result<Outcome> {
        let talks = (0..self.sockets).map(|_| Talk::open(server, self.carrier));
        self.run_over(talks.collect::<io::Result<_>>()?, end)
    }

    /// The same over sockets that are open already.
    pub(crate) fn run_over(&self, mut talks: Vec<Talk>, end: End) -> anyhow::Result<Outcome> {
        let mut questions = self.questions.clone();
        talks.iter_mut().for_each(|talk| talk.window = self.window);
        let started = Instant::now();
        let mut outcome = match self.wait {
            Wait::Spinning => spin(&mut talks, &mut questions, started, end)?,
            Wait::Asleep => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(sleep_between(talks, questions, started, end))?
            }
        };
        outcome.seconds = started.elapsed().as_secs_f64();
        ensure!(outcome.answered > 0, "no answer");
        Ok(outcome)
    }
}

/// Time without any reply after which what is in flight counts as lost.
const STALL: Duration = Duration::from_secs(8);

fn spin(
    talks: &mut [Talk],
    questions: &mut Questions,
    started: Instant,
    end: End,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut heard = started;
    loop {
        let before = outcome.answered;
        for talk in &mut *talks {
            talk.turn(questions, &mut outcome)?;
        }
        let now = Instant::now();
        if outcome.answered > before {
            heard = now;
        }
        ensure!(now - heard < STALL, "no answer for {STALL:?}");
        if is_over(end, &outcome, now - started) {
            return Ok(outcome);
        }
    }
}

async fn sleep_between(
    talks: Vec<Talk>,
    mut questions: Questions,
    started: Instant,
    end: End,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut talks = talks.into_iter().map(|talk| talk.watch()).collect::<io::Result<Vec<_>>>()?;
    for (talk, _) in &mut talks {
        talk.turn(&mut questions, &mut outcome)?;
    }
    while !is_over(end, &outcome, started.elapsed()) {
        let turns =
            poll_fn(|context| turn_ready(context, &mut talks, &mut questions, &mut outcome));
        match tokio::time::timeout(STALL, turns).await {
            Ok(turned) => turned?,
            Err(_elapsed) => bail!("no answer for {STALL:?}"),
        }
    }
    Ok(outcome)
}

/// A turn of every socket that has something; pending if none has.
fn turn_ready(
    context: &mut Context<'_>,
    talks: &mut [(Talk, Watch)],
    questions: &mut Questions,
    outcome: &mut Outcome,
) -> Poll<anyhow::Result<()>> {
    let mut any = false;
    for (talk, watch) in talks {
        let Poll::Ready(ready) = watch.poll_ready(context) else { continue };
        ready?;
        any = true;
        if !talk.turn(questions, outcome)? {
            watch.was_emptied();
        }
    }
    if any { Poll::Ready(Ok(())) } else { Poll::Pending }
}

fn is_over(end: End, outcome: &Outcome, elapsed: Duration) -> bool {
    match end {
        End::After(time) => elapsed >= time,
        End::Answered(count) => outcome.answered >= count,
    }
}

/// A socket's descriptor in the runtime's care.
enum Watch {
    Udp(tokio::net::UdpSocket),
    Tcp(tokio::net::TcpStream),
}

impl Watch {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(socket) => socket.poll_recv_ready(context),
            Self::Tcp(stream) => stream.poll_read_ready(context),
        }
    }

    /// What was there has been read: the next poll waits for the kernel.
    fn was_emptied(&self) {
        let nothing = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        let _ = match self {
            Self::Udp(socket) => socket.try_io(Interest::READABLE, nothing),
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
        };
    }
}

/// One socket with what is in flight on it.
pub(crate) struct Talk {
    line: Line,
    window: usize,
    in_flight: usize,
    id: u16,
}

enum Line {
    Udp { socket: UdpSocket, inbox: Box<Inbox>, outbox: Box<Outbox>, route: Route },
    Tcp { stream: TcpStream, received: Vec<u8>, unsent: Vec<u8> },
}

impl Talk {
    pub(crate) fn open(server: SocketAddr, carrier: Carrier) -> io::Result<Self> {
        let line = match carrier {
            Carrier::Udp => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                socket.set_nonblocking(true)?;
                let (inbox, outbox) = (Inbox::new(), Outbox::new(Family::V4, 1024));
                let (inbox, outbox) = (Box::new(inbox), Box::new(outbox));
                Line::Udp { socket, inbox, outbox, route: server.into() }
            }
            Carrier::Tcp => {
                let stream = TcpStream::connect(server)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Line::Tcp { stream, received: Vec::new(), unsent: Vec::new() }
            }
        };
        Ok(Self { line, window: 1, in_flight: 0, id: 0 })
    }

    /// A few questions, one after the other.
    pub(crate) fn chat(&mut self, questions: &Questions, count: u64) -> anyhow::Result<()> {
        let talks = std::slice::from_mut(self);
        spin(talks, &mut questions.clone(), Instant::now(), End::Answered(count)).map(drop)
    }

    /// The same, and its descriptor in the runtime's care.
    fn watch(self) -> io::Result<(Self, Watch)> {
        let watch = match &self.line {
            Line::Udp { socket, .. } => {
                Watch::Udp(tokio::net::UdpSocket::from_std(socket.try_clone()?)?)
            }
            Line::Tcp { stream, .. } => {
                Watch::Tcp(tokio::net::TcpStream::from_std(stream.try_clone()?)?)
            }
        };
        Ok((self, watch))
    }

    /// Takes what has arrived and asks as much again. `false`: nothing more is there.
    fn turn(&mut self, questions: &mut Questions, outcome: &mut Outcome) -> anyhow::Result<bool> {
        let (got, more) = self.line.receive(outcome)?;
        self.in_flight = self.in_flight.saturating_sub(got);
        let wanted = self.window - self.in_flight;
        for _ in 0..wanted {
            let question = questions.next();
            self.id = self.id.wrapping_add(1);
            if let Some(id) = question.first_chunk_mut() {
                *id = self.id.to_be_bytes();
            }
            self.line.queue(question);
        }
        self.in_flight = self.window;
        self.line.flush()?;
        Ok(more)
    }
}

impl Line {
    fn receive(&mut self, outcome: &mut Outcome) -> anyhow::Result<(usize, bool)> {
        match self {
            Self::Udp { socket, inbox, .. } => {
                let count = match inbox.receive(socket) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(error) => return Err(error.into()),
                };
                inbox.drain().for_each(|datagram| judge(datagram.bytes, outcome));
                Ok((count, count == dunlin_os::batch::BATCH))
            }
            Self::Tcp { stream, received, .. } => {
                let mut room = [0; 16384];
                let more = match stream.read(&mut room) {
                    Ok(0) => bail!("the server closed a connection"),
                    Ok(count) => {
                        received.extend_from_slice(room.get(..count).unwrap_or_default());
                        count == room.len()
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
                    Err(error) => return Err(error.into()),
                };
                let (mut rest, mut count) = (received.as_slice(), 0);
                while let Some((length, after)) = rest.split_first_chunk()
                    && let Some((message, after)) =
                        after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
                {
                    judge(message, outcome);
                    (rest, count) = (after, count + 1);
                }
                let used = received.len() - rest.len();
                received.drain(..used);
                Ok((count, more))
            }
        }
    }

    fn queue(&mut self, question: &[u8]) {
        match self {
            Self::Udp { outbox, route, .. } => outbox.push(question, route),
            Self::Tcp { unsent, .. } => {
                unsent.extend_from_slice(&(question.len() as u16).to_be_bytes());
                unsent.extend_from_slice(question);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = match self {
            Self::Udp { socket, outbox, .. } => outbox.flush(socket).map(drop),
            Self::Tcp { unsent, .. } if unsent.is_empty() => Ok(()),
            Self::Tcp { stream, unsent, .. } => {
                stream.write(unsent).map(|count| drop(unsent.drain(..count)))
            }
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            sent => sent,
        }
    }
}

/// A reply is counted; one without NOERROR also as failed.
fn judge(message: &[u8], outcome: &mut Outcome) {
    outcome.answered += 1;
    let good = message.get(2).is_some_and(|octet| octet & 0x80 != 0)
        && message.get(3).is_some_and(|octet| octet & 0x0f == 0);
    outcome.failed += u64::from(!good);
}
