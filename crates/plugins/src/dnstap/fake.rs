//! A collector for tests: shakes hands, reads records, and remembers what it saw. It reads files too.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use dunlin_testkit::wait::until_async;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a collector saw, in order.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Ready,
    Start,
    Record(Box<Decoded>),
    Stop,
    Closed,
}

/// A record, as far as tests look at it; 0 and nothing for what is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoded {
    pub(crate) identity: String,
    pub(crate) version: String,
    pub(crate) extra: String,
    pub(crate) kind: u64,
    pub(crate) family: u64,
    pub(crate) protocol: u64,
    pub(crate) query_address: Option<SocketAddr>,
    pub(crate) response_address: Option<SocketAddr>,
    /// Seconds.
    pub(crate) query_time: u64,
    pub(crate) response_time: u64,
    pub(crate) query: Vec<u8>,
    pub(crate) response: Vec<u8>,
}

/// How a collector behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    Good,
    /// Reads nothing once the stream has begun.
    Stalls,
}

/// A collector; it goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// Listens; in place of whatever has that name.
    pub(crate) fn unix(path: &Path) -> Self {
        let _none_there = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        Self::spawn(async move |seen| {
            loop {
                let stream = listener.accept().await.unwrap().0;
                let _gone = collect(stream, &seen, Manners::Good).await;
                seen.lock().push(Seen::Closed);
            }
        })
    }

    /// Listens on a port that the kernel chooses, perhaps with TLS.
    pub(crate) async fn tcp(tls: Option<TlsAcceptor>) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self::spawn(async move |seen| {
            loop {
                let tcp = listener.accept().await.unwrap().0;
                let _gone = match &tls {
                    None => collect(tcp, &seen, Manners::Good).await,
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => collect(stream, &seen, Manners::Good).await,
                        Err(error) => Err(error),
                    },
                };
                seen.lock().push(Seen::Closed);
            }
        });
        (collector, address)
    }

    /// Takes records from a connection that it has opened.
    pub(crate) fn on(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        manners: Manners,
    ) -> Self {
        Self::spawn(async move |seen| {
            let _gone = collect(stream, &seen, manners).await;
            seen.lock().push(Seen::Closed);
        })
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Arc<Mutex<Vec<Seen>>>) -> F,
    ) -> Self {
        let seen = Arc::default();
        Self { task: tokio::spawn(work(Arc::clone(&seen))), seen }
    }

    /// What it saw so far, in words.
    pub(crate) fn words(&self) -> String {
        words(&self.seen.lock())
    }

    /// The records so far.
    pub(crate) fn records(&self) -> Vec<Decoded> {
        records(&self.seen.lock())
    }

    /// Waits for so many records.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Decoded> {
        until_async(format!("{count} records, not {}", self.words()), async || {
            self.records().len() >= count
        })
        .await;
        self.records()
    }

    /// Waits until it has seen this, in [`Collector::words`].
    pub(crate) async fn wait_for_words(&self, words: &str) {
        until_async(words, async || self.words().contains(words)).await;
    }
}

/// A word for each: the types of records, and what stands around them.
fn words(seen: &[Seen]) -> String {
    let word = |seen: &Seen| match seen {
        Seen::Record(record) => record.kind.to_string(),
        other => format!("{other:?}").to_lowercase(),
    };
    seen.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn records(seen: &[Seen]) -> Vec<Decoded> {
    let record = |seen: &Seen| match seen {
        Seen::Record(record) => Some(Decoded::clone(record)),
        _ => None,
    };
    seen.iter().filter_map(record).collect()
}

/// What is in a file, in words, and its records. Nothing may stand behind its stop.
pub(crate) async fn read(path: &Path) -> (String, Vec<Decoded>) {
    let content = std::fs::read(path).unwrap();
    let (mut rest, seen) = (&*content, Mutex::default());
    let _open = collect(tokio::io::join(&mut rest, tokio::io::sink()), &seen, Manners::Good).await;
    assert_eq!(rest, b"");
    let seen = seen.into_inner();
    (words(&seen), records(&seen))
}

async fn collect(
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    seen: &Mutex<Vec<Seen>>,
    manners: Manners,
) -> io::Result<()> {
    const TYPE: &[u8] = b"\0\0\0\x01\0\0\0\x16protobuf:dnstap.Dnstap";
    loop {
        let size = stream.read_u32().await?;
        if size > 0 {
            let mut record = vec![0; size.try_into().unwrap()];
            stream.read_exact(&mut record).await?;
            seen.lock().push(Seen::Record(Box::new(decode(&record))));
            continue;
        }
        let mut control = vec![0; stream.read_u32().await?.try_into().unwrap()];
        stream.read_exact(&mut control).await?;
        let (kind, fields) = control.split_at(4);
        match kind {
            b"\0\0\0\x04" => {
                assert_eq!(fields, TYPE);
                seen.lock().push(Seen::Ready);
                stream.write_all(b"\0\0\0\0\0\0\0\x22\0\0\0\x01").await?;
                stream.write_all(TYPE).await?;
                stream.flush().await?;
            }
            b"\0\0\0\x02" => {
                assert_eq!(fields, TYPE);
                seen.lock().push(Seen::Start);
                if manners == Manners::Stalls {
                    std::future::pending::<()>().await;
                }
            }
            b"\0\0\0\x03" => {
                assert_eq!(fields, b"");
                seen.lock().push(Seen::Stop);
                stream.write_all(b"\0\0\0\0\0\0\0\x04\0\0\0\x05").await?;
                return stream.flush().await;
            }
            other => panic!("control frame {other:?}"),
        }
    }
}

/// Reads a record.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let mut record = Decoded::default();
    let mut message = Vec::new();
    for (field, value) in fields(bytes) {
        match (field, value) {
            (1, Value::Octets(text)) => record.identity = String::from_utf8(text).unwrap(),
            (2, Value::Octets(text)) => record.version = String::from_utf8(text).unwrap(),
            (3, Value::Octets(text)) => record.extra = String::from_utf8(text).unwrap(),
            (14, Value::Octets(octets)) => message = octets,
            (15, Value::Number(1)) => {}
            other => panic!("{other:?}"),
        }
    }
    let (mut ports, mut addresses) = ([0; 2], [None, None]);
    for (field, value) in fields(&message) {
        match (field, value) {
            (1, Value::Number(kind)) => record.kind = kind,
            (2, Value::Number(family)) => record.family = family,
            (3, Value::Number(protocol)) => record.protocol = protocol,
            (4 | 5, Value::Octets(octets)) => addresses[field - 4] = Some(address(&octets)),
            (6 | 7, Value::Number(port)) => ports[field - 6] = port.try_into().unwrap(),
            (8, Value::Number(seconds)) => record.query_time = seconds,
            (12, Value::Number(seconds)) => record.response_time = seconds,
            (9 | 13, Value::Number(nanoseconds)) => assert!(nanoseconds < 1_000_000_000),
            (10, Value::Octets(octets)) => record.query = octets,
            (14, Value::Octets(octets)) => record.response = octets,
            other => panic!("{other:?}"),
        }
    }
    let place = |at: usize| addresses[at].map(|ip| SocketAddr::new(ip, ports[at]));
    (record.query_address, record.response_address) = (place(0), place(1));
    record
}

fn address(octets: &[u8]) -> IpAddr {
    match <[u8; 4]>::try_from(octets) {
        Ok(v4) => v4.into(),
        Err(_) => <[u8; 16]>::try_from(octets).unwrap().into(),
    }
}

#[derive(Debug)]
enum Value {
    Number(u64),
    Octets(Vec<u8>),
}

fn fields(mut bytes: &[u8]) -> Vec<(usize, Value)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            2 => {
                let size = varint(&mut bytes).try_into().unwrap();
                let (value, rest) = bytes.split_at(size);
                bytes = rest;
                Value::Octets(value.to_vec())
            }
            5 => {
                let (value, rest) = bytes.split_first_chunk().unwrap();
                bytes = rest;
                Value::Number(u32::from_le_bytes(*value).into())
            }
            other => panic!("wire type {other}"),
        };
        found.push(((tag >> 3).try_into().unwrap(), value));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (octet, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            break;
        }
    }
    number
}
