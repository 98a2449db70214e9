//! An HTTP server that keeps what is posted to it, and answers what it is told to.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wait;

/// A server on 127.0.0.1. Connections are kept until the client or the drop of this ends them.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// `POST`.
    pub method: String,
    /// With the query, as it was sent.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Posted {
    /// The value of a header; its name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// This status, and the end of the connection without a word of it.
    StatusAndHangUp(u16),
    /// Nothing, ever.
    Silence,
}

#[derive(Debug, Default)]
struct Shared {
    posted: Mutex<Vec<Posted>>,
    answers: Mutex<VecDeque<Answer>>,
    streams: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

impl Collector {
    /// Answers everything with 202.
    pub fn start() -> Self {
        Self::on("127.0.0.1:0".parse().unwrap())
    }

    /// As [`start`](Self::start), at this address.
    pub fn on(address: SocketAddr) -> Self {
        Self::serve(address, None)
    }

    /// As [`start`](Self::start), over TLS: [`crate::tls::Authority::server_config`].
    pub fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::serve("127.0.0.1:0".parse().unwrap(), Some(config))
    }

    fn serve(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let sharing = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if sharing.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let end = stream.try_clone().unwrap();
                sharing.streams.lock().push(stream.try_clone().unwrap());
                let (shared, tls) = (Arc::clone(&sharing), tls.clone());
                thread::spawn(move || {
                    match tls {
                        None => converse(stream, &shared),
                        Some(config) => {
                            let tls = ServerConnection::new(config).unwrap();
                            converse(StreamOwned::new(tls, stream), &shared);
                        }
                    }
                    hang_up(&end);
                });
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next requests get these answers, the others 202.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.answers.lock().extend(answers);
    }

    /// All requests so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().clone()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.streams.lock().len()
    }

    /// Waits until there are so many requests, and returns all of them.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Posted> {
        wait::some(format!("{count} requests"), || {
            Some(self.posted()).filter(|posted| posted.len() >= count)
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        self.shared.streams.lock().iter().for_each(hang_up);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

fn hang_up(stream: &TcpStream) {
    // It may be gone already.
    let _gone = stream.shutdown(Shutdown::Both);
}

/// Ends with the connection.
fn converse(stream: impl Read + Write, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(posted)) = read(&mut stream) {
        let answer = shared.answers.lock().pop_front().unwrap_or(Answer::Status(202));
        shared.posted.lock().push(posted);
        let status = match answer {
            Answer::Status(status) | Answer::StatusAndHangUp(status) => status,
            Answer::Silence => continue,
        };
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: 2\r\n\r\nok");
        let written = stream.get_mut().write_all(head.as_bytes());
        if written.and_then(|()| stream.get_mut().flush()).is_err()
            || answer == Answer::StatusAndHangUp(status)
        {
            return;
        }
    }
}

/// The next request; none if the connection has ended before it.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Posted>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut posted = Posted { method, path, headers, body: Vec::new() };
    let length = posted.header("content-length").and_then(|length| length.parse().ok());
    posted.body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut posted.body)?;
    Ok(Some(posted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(stream: &mut TcpStream, body: &str) {
        let length = body.len();
        let text =
            format!("POST /a?b HTTP/1.1\r\nX-Some: thing\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((text + body).as_bytes()).unwrap();
    }

    #[test]
    fn requests_are_kept_and_answered_as_told() {
        let collector = Collector::start();
        collector.answer([Answer::Status(500), Answer::StatusAndHangUp(200)]);
        let mut stream = TcpStream::connect(collector.address()).unwrap();
        post(&mut stream, "one");
        post(&mut stream, "");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let expected = ["500", "200"]
            .map(|status| format!("HTTP/1.1 {status} Said\r\nContent-Length: 2\r\n\r\nok"));
        assert_eq!(answers, expected.concat());
        let posted = collector.wait_for(2);
        assert_eq!((posted[0].method.as_str(), posted[0].path.as_str()), ("POST", "/a?b"));
        assert_eq!(posted[0].header("x-some"), Some("thing"));
        assert_eq!([&posted[0].body, &posted[1].body], [b"one".as_slice(), b""]);
        assert_eq!(collector.connections(), 1);
    }
}
