//! Endpoints on the loopback, over reloads and to the end.

use std::io::{Read, Write};
use std::net::TcpStream;

use dunlin_testkit::http::{get, try_get};
use dunlin_testkit::ports;
use dunlin_testkit::wait::{DEADLINE, until};

use super::*;

fn endpoint(address: SocketAddr, path: &'static str, body: &'static str) -> HttpEndpoint {
    HttpEndpoint {
        address: address.to_string(),
        path,
        handler: Arc::new(move || HttpResponse::text(200, body)),
        on_failure: OnListenFailure::Abort,
        closing: Closing::Last,
    }
}

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], ports::free()))
}

/// Makes these the endpoints of the next generation; the number of listeners that were opened.
async fn apply(endpoints: &mut Endpoints, wanted: &[HttpEndpoint]) -> usize {
    let prepared = endpoints.prepare(wanted).await.unwrap();
    let opened = prepared.opened.len();
    endpoints.commit(wanted, prepared);
    opened
}

fn is_closed(address: SocketAddr) -> bool {
    try_get(address, "/").is_err()
}

/// Sends a request on an open connection and returns the response's head and body.
fn exchange(stream: &mut TcpStream, request: &str, body_len: usize) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        head.extend_from_slice(&octet);
    }
    let mut body = vec![0; body_len];
    stream.read_exact(&mut body).unwrap();
    (String::from_utf8(head).unwrap().to_ascii_lowercase(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_are_found_exactly_and_methods_checked() {
    let mut endpoints = Endpoints::default();
    let address = free();
    let both = [endpoint(address, "/health", "OK"), endpoint(address, "/metrics", "1")];
    assert_eq!(apply(&mut endpoints, &both).await, 1, "they share a listener");
    assert_eq!(get(address, "/health"), (200, "OK".into()));
    assert_eq!(get(address, "/metrics?a=b"), (200, "1".into()));
    for path in ["/", "/health/", "/Health", "/healthz"] {
        assert_eq!(get(address, path), (404, "404 page not found\n".into()), "{path}");
    }
    let mut stream = TcpStream::connect(address).unwrap();
    let mut ask = |method: &str, body_len| {
        let request = format!("{method} /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        exchange(&mut stream, &request, body_len)
    };
    let (head, body) = ask("POST", 2);
    assert!(head.starts_with("http/1.1 200") && body == b"OK", "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8\r\n"), "{head}");
    let (head, _) = ask("HEAD", 0);
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 2\r\n"), "{head}");
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let (head, body) = ask(method, 19);
        assert!(head.starts_with("http/1.1 405"), "{head}");
        assert!(head.contains("allow: get, head, post\r\n"), "{head}");
        assert_eq!(body, b"method not allowed\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_sockets_and_connections() {
    let mut endpoints = Endpoints::default();
    let (kept, gone, new) = (free(), free(), free());
    let before = [endpoint(kept, "/", "old"), endpoint(gone, "/", "old")];
    assert_eq!(apply(&mut endpoints, &before).await, 2);
    let mut stream = TcpStream::connect(kept).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(exchange(&mut stream, request, 3).1, b"old");
    let routes = Arc::clone(&endpoints.servers[&kept.to_string()].routes);

    let after = [endpoint(kept, "/", "new"), endpoint(new, "/", "new")];
    assert_eq!(apply(&mut endpoints, &after).await, 1, "only what is new is opened");
    assert!(Arc::ptr_eq(&routes, &endpoints.servers[&kept.to_string()].routes));
    assert_eq!(exchange(&mut stream, request, 3).1, b"new", "on the old connection");
    assert_eq!(get(kept, "/"), (200, "new".into()));
    assert_eq!(get(new, "/"), (200, "new".into()));
    until("the old address is closed", || is_closed(gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prepared_and_not_committed_changes_nothing() {
    let mut endpoints = Endpoints::default();
    let (old, new) = (free(), free());
    apply(&mut endpoints, &[endpoint(old, "/", "old")]).await;
    let prepared = endpoints.prepare(&[endpoint(new, "/", "new")]).await.unwrap();
    assert!(!prepared.opened.is_empty());
    drop(prepared);
    assert!(is_closed(new));
    assert_eq!(get(old, "/"), (200, "old".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_aborts_or_is_tried_until_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut endpoints = Endpoints::default();
    let mut wanted = endpoint(address, "/", "OK");
    let error = endpoints.prepare(std::slice::from_ref(&wanted)).await.unwrap_err();
    assert_eq!(error, format!("listen tcp {address}: bind: address already in use"));

    wanted.on_failure = OnListenFailure::Retry("Failed to start: ");
    assert_eq!(apply(&mut endpoints, std::slice::from_ref(&wanted)).await, 0);
    // A reload meanwhile neither gives up nor begins a second attempt.
    assert_eq!(apply(&mut endpoints, std::slice::from_ref(&wanted)).await, 0);
    assert_eq!(endpoints.servers.len(), 1);
    drop(taken);
    until("the endpoint is open", || try_get(address, "/").is_ok_and(|(status, _)| status == 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_close_when_their_time_has_come() {
    let mut endpoints = Endpoints::default();
    let (first, last) = (free(), free());
    let mut early = endpoint(first, "/", "OK");
    early.closing = Closing::First;
    apply(&mut endpoints, &[early, endpoint(last, "/", "OK")]).await;
    endpoints.close(Closing::First);
    until("the first is closed", || is_closed(first));
    assert_eq!(get(last, "/").0, 200);
    endpoints.close(Closing::Last);
    until("the last is closed", || is_closed(last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_spoils_one_connection() {
    let mut endpoints = Endpoints::default();
    let address = free();
    let mut broken = endpoint(address, "/broken", "");
    broken.handler = Arc::new(|| panic!("broken"));
    apply(&mut endpoints, &[broken, endpoint(address, "/", "OK")]).await;
    for _ in 0..=CONNECTIONS {
        assert!(try_get(address, "/broken").is_err());
    }
    assert_eq!(get(address, "/"), (200, "OK".into()));
}
