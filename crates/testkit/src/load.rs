//! Queries at a steady pace, whatever becomes of their replies: an open loop. A server that pauses gets all
//! that its clients would have sent meanwhile, and each query that is lost is seen, because none is repeated.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::wait;

/// A load that goes on until it is finished.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
    receivers: Vec<JoinHandle<()>>,
}

/// What became of the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Queries sent.
    pub sent: usize,
    /// Replies without an error, one for each query.
    pub answered: usize,
    /// Replies with an error.
    pub failed: usize,
    /// How often a closed port was reported (ICMP).
    pub refused: usize,
    /// The longest time from a query to its reply. To be printed, not to be judged.
    pub longest: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, answered, failed, refused, longest } = self;
        write!(
            f,
            "{sent} sent, {answered} answered, {failed} failed, {refused} refused, the longest took {longest:?}"
        )
    }
}

#[derive(Debug)]
struct Shared {
    clients: Vec<Client>,
    report: Mutex<Report>,
    sent: AtomicUsize,
    is_ending: AtomicBool,
}

#[derive(Debug)]
struct Client {
    socket: UdpSocket,
    /// Queries without a reply, by their ids.
    waiting: Mutex<HashMap<u16, Instant>>,
}

/// How often a receiver looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

impl Load {
    /// Asks for the A records of a name, so many times a second, from these connected sockets in turn.
    ///
    /// # Panics
    ///
    /// If a socket takes no time-out.
    pub fn start(sockets: Vec<UdpSocket>, name: &str, per_second: u32) -> Self {
        let client = |socket: UdpSocket| {
            socket.set_read_timeout(Some(LOOK)).expect("a time-out");
            Client { socket, waiting: Mutex::default() }
        };
        let shared = Arc::new(Shared {
            clients: sockets.into_iter().map(client).collect(),
            report: Mutex::default(),
            sent: AtomicUsize::new(0),
            is_ending: AtomicBool::new(false),
        });
        let receivers = (0..shared.clients.len()).map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.receive(&shared.clients[index]))
        });
        let receivers = receivers.collect();
        let (query, sending) = (query(name), Arc::clone(&shared));
        let pause = Duration::from_secs(1) / per_second;
        Self { shared, sender: thread::spawn(move || sending.send(query, pause)), receivers }
    }

    /// Waits until so many more queries are sent.
    ///
    /// # Panics
    ///
    /// If they are not within the deadline.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        let goal = self.shared.sent.load(Relaxed) + count;
        wait::until(format_args!("{count} queries"), || self.shared.sent.load(Relaxed) >= goal);
    }

    /// Sends no more, and waits for the replies that are due, or for the deadline.
    ///
    /// # Panics
    ///
    /// If a thread did.
    pub fn finish(self) -> Report {
        self.shared.is_ending.store(true, Relaxed);
        self.sender.join().expect("a sender");
        for receiver in self.receivers {
            receiver.join().expect("a receiver");
        }
        let sent = self.shared.sent.load(Relaxed);
        Report { sent, ..*self.shared.report.lock() }
    }
}

impl Shared {
    fn send(&self, mut query: Vec<u8>, pause: Duration) {
        let start = wait::now();
        for number in 0.. {
            if self.is_ending.load(Relaxed) {
                return;
            }
            let due = pause * u32::try_from(number).expect("a load that ends");
            wait::sleep(due.saturating_sub(start.elapsed()));
            let client = &self.clients[number % self.clients.len()];
            let id = u16::try_from(number / self.clients.len() % 0x1_0000).unwrap_or_default();
            query[..2].copy_from_slice(&id.to_be_bytes());
            client.waiting.lock().insert(id, wait::now());
            // An error is that of an earlier query, and nothing was sent.
            while client.socket.send(&query).is_err() {
                self.report.lock().refused += 1;
            }
            self.sent.fetch_add(1, Relaxed);
        }
    }

    fn receive(&self, client: &Client) {
        let mut reply = [0; 4096];
        let mut ended: Option<Instant> = None;
        loop {
            match client.socket.recv(&mut reply) {
                Ok(length @ 12..) => self.take(client, &reply[..length]),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.report.lock().refused += 1;
                }
                Err(_nothing) => {}
            }
            if self.is_ending.load(Relaxed) {
                let since = *ended.get_or_insert_with(wait::now);
                if client.waiting.lock().is_empty() || since.elapsed() > PATIENCE {
                    return;
                }
            }
        }
    }

    fn take(&self, client: &Client, reply: &[u8]) {
        let id = u16::from_be_bytes([reply[0], reply[1]]);
        let Some(sent) = client.waiting.lock().remove(&id) else { return };
        let mut report = self.report.lock();
        report.longest = report.longest.max(sent.elapsed());
        let is_good = reply[3] & 0x0f == 0;
        *if is_good { &mut report.answered } else { &mut report.failed } += 1;
    }
}

/// What a client of DNS waits, usually.
const PATIENCE: Duration = Duration::from_secs(5);

/// A query with recursion desired, id 0.
fn query(name: &str) -> Vec<u8> {
    let mut octets = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        octets.push(u8::try_from(label.len()).expect("a label"));
        octets.extend_from_slice(label.as_bytes());
    }
    octets.extend_from_slice(&[0, 0, 1, 0, 1]);
    octets
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::upstream::{Reply, Upstream};

    fn to(server: std::net::SocketAddr) -> Vec<UdpSocket> {
        let socket = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.connect(server).unwrap();
            socket
        };
        (0..3).map(socket).collect()
    }

    #[test]
    fn each_query_has_an_end() {
        let upstream = Upstream::start();
        upstream.on("example.org", Reply::new().answer("example.org. 30 IN A 192.0.2.1"));
        for (name, is_good) in [("example.org", true), ("other.test.", false)] {
            let load = Load::start(to(upstream.address()), name, 500);
            load.wait_for(100);
            let report = load.finish();
            assert!(report.sent >= 100, "{report}");
            let expected = if is_good { report.answered } else { report.failed };
            assert_eq!((report.sent, report.refused), (expected, 0), "{report}");
            assert!(report.longest > Duration::ZERO);
        }
    }

    #[test]
    fn a_closed_port_is_seen_and_its_queries_are_not_answered() {
        let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let load = Load::start(to(closed), "example.org", 500);
        load.wait_for(10);
        let report = load.finish();
        assert!(report.refused > 0 && report.answered == 0, "{report}");
    }
}
