//! Stand-ins for upstreams, for the tests of this crate: responses from bytes, scripts for tries.

mod evil;
mod pool;
mod randomness;

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::metrics::{Counter, Metrics};
use dunlin_core::wire::{Flags, write_u16};
use dunlin_core::zones::Zone;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ask::Ask;
use crate::error::{Cause, ExchangeError};
use crate::group::{Exchange, Group, Settings, Time, Upstream, Via};
use crate::metrics::ProxyMetrics;
use crate::patience::within;
use crate::response::{self, Response};

/// A query of type A for `name`, without EDNS.
pub(crate) fn ask(name: &str) -> Ask {
    Ask::plain(Zone::new(name).unwrap().as_wire(), 1, true).unwrap()
}

/// The same with an OPT that announces 1232 octets.
pub(crate) fn ask_with_opt(name: &str) -> Ask {
    let mut message = Buffer::copy_of(ask(name).as_bytes());
    write_u16(&mut message, 10, 1);
    message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    Ask::new(&message).unwrap()
}

/// Lets the paused clock go on for this time; whoever has a timer in between gets his turn.
pub(crate) async fn pass(time: Duration) {
    pass_until(Instant::now() + time).await;
}

/// Lets the paused clock go on up to this point.
pub(crate) async fn pass_until(then: Instant) {
    let _always = tokio::time::timeout_at(then, std::future::pending::<()>()).await;
}

/// The bytes of a response: header and question of the query with QR and RA.
pub(crate) fn reply(ask: &Ask) -> Vec<u8> {
    let mut bytes = ask.as_bytes()[..ask.question_end()].to_vec();
    Flags::of(&bytes).with(Flags::QR | Flags::RA, true).store(&mut bytes);
    write_u16(&mut bytes, 10, 0);
    bytes
}

/// A record of the answer section: owner and data as wire bytes.
pub(crate) fn answer(mut reply: Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let count = dunlin_core::wire::counts(&reply)[1];
    write_u16(&mut reply, 6, count + 1);
    reply.extend_from_slice(owner);
    reply.extend_from_slice(&kind.to_be_bytes());
    reply.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    reply.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    reply.extend_from_slice(data);
    reply
}

/// QNAME, compressed.
pub(crate) const QNAME: &[u8] = &[0xc0, 12];

/// A good response: one address.
pub(crate) fn good(ask: &Ask) -> Vec<u8> {
    answer(reply(ask), QNAME, 1, &[192, 0, 2, 1])
}

pub(crate) fn with_rcode(mut bytes: Vec<u8>, rcode: u8) -> Vec<u8> {
    Flags::of(&bytes).with_rcode(rcode).store(&mut bytes);
    bytes
}

/// What a scripted upstream does about one try.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Nothing, until the caller gives up.
    Silence,
    /// Answers after a while, in milliseconds.
    Good(u64),
    /// Answers with an rcode.
    Rcode(u8),
    /// Answers with these bytes instead of the question's answer.
    Bytes(fn(&Ask) -> Vec<u8>),
    /// Refuses at once.
    Refuse,
    /// Fails like this.
    Fail(ExchangeError),
}

type Script = Box<dyn Fn(&Ask, Via, usize) -> Play + Send + Sync>;

/// An upstream that does what the script says for the n-th try, and notes when it was asked.
pub(crate) struct Scripted {
    script: Script,
    probe: Mutex<Play>,
    pub(crate) sends: Mutex<Vec<(u128, Via)>>,
    pub(crate) probes: Mutex<Vec<u128>>,
    started: Instant,
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(&Ask, Via, usize) -> Play + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            probe: Mutex::new(Play::Silence),
            sends: Mutex::default(),
            probes: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// The same play for every try.
    pub(crate) fn always(play: Play) -> Self {
        Self::new(move |_, _, _| play.clone())
    }

    pub(crate) fn set_probe(&self, play: Play) {
        *self.probe.lock() = play;
    }

    /// When it was asked, in milliseconds.
    pub(crate) fn times(&self) -> Vec<u128> {
        self.sends.lock().iter().map(|(time, _)| *time).collect()
    }

    /// Milliseconds since it was made.
    pub(crate) fn now(&self) -> u128 {
        self.started.elapsed().as_millis()
    }
}

impl Exchange for Scripted {
    fn needs_stream(&self) -> bool {
        false
    }

    async fn exchange(
        &self,
        ask: &Ask,
        via: Via,
        Time { until, .. }: Time,
    ) -> Result<Response, ExchangeError> {
        let play = {
            let mut sends = self.sends.lock();
            sends.push((self.now(), via));
            (self.script)(ask, via, sends.len())
        };
        let bytes = match play {
            Play::Silence => {
                let _elapsed = within(until, std::future::pending::<()>()).await;
                return Err(read_error(Cause::Timeout));
            }
            Play::Good(delay) => {
                let answered = Instant::now() + Duration::from_millis(delay);
                if answered > until {
                    pass_until(until).await;
                    return Err(read_error(Cause::Timeout));
                }
                pass_until(answered).await;
                good(ask)
            }
            Play::Rcode(rcode) => with_rcode(reply(ask), rcode),
            Play::Bytes(bytes) => bytes(ask),
            Play::Refuse => return Err(refused()),
            Play::Fail(error) => return Err(error),
        };
        Ok(response::read(bytes.into(), ask.question_end()).expect("a readable reply"))
    }

    async fn probe(&self) -> Result<(), ExchangeError> {
        self.probes.lock().push(self.now());
        let play = self.probe.lock().clone();
        if let Play::Silence = play {
            pass(Duration::from_secs(1)).await;
            return Err(read_error(Cause::Timeout));
        }
        if let Play::Refuse = play { Err(refused()) } else { Ok(()) }
    }
}

pub(crate) fn read_error(cause: Cause) -> ExchangeError {
    let (local, remote) = ("127.0.0.1:9".parse().unwrap(), "127.0.0.1:53".parse().unwrap());
    ExchangeError::Read { network: "udp", local, remote, cause }
}

pub(crate) fn refused() -> ExchangeError {
    let kind = std::io::ErrorKind::ConnectionRefused;
    read_error(Cause::Io(kind, "read: connection refused".into()))
}

/// A group of scripted upstreams; the counter is that of questions with all upstreams down.
pub(crate) fn group_of(
    settings: Settings,
    upstreams: Vec<Scripted>,
) -> (Arc<Group<Scripted>>, Counter, Metrics) {
    let metrics = Metrics::new(0);
    let families = ProxyMetrics::of(&metrics);
    let upstreams = upstreams.into_iter().enumerate().map(|(index, exchange)| {
        let name = format!("192.0.2.{index}:53");
        let numbers = Arc::new(families.upstream("forward", &name));
        Upstream::new(name, exchange, numbers)
    });
    let broken = metrics.counter("coredns_forward_healthcheck_broken_total", "x", &[]).with(&[]);
    (Arc::new(Group::new(upstreams.collect(), settings, broken.clone())), broken, metrics)
}
