//! Rows of the specification that can be shown in process, and the check that health makes of
//! itself.

use std::io;
use std::time::Duration;

use dunlin_core::directive::{Closing, HttpResponse, OnListenFailure};
use dunlin_core::metrics::Metrics;
use dunlin_core::testing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ENTRY;
use super::get::exchange;
use super::self_check::{SelfCheck, Target};

#[test]
fn h01_the_endpoint_says_ok_to_the_last() {
    let block = testing::setup(&ENTRY, "health 127.0.0.1:0").unwrap();
    let [endpoint] = block.parts().endpoints.as_slice() else { panic!("one endpoint") };
    assert_eq!((endpoint.address.as_str(), endpoint.path), ("127.0.0.1:0", "/health"));
    assert_eq!(endpoint.on_failure, OnListenFailure::Abort, "H10");
    assert_eq!(endpoint.closing, Closing::Last, "H03");
    let response = (endpoint.handler)();
    assert_eq!(response, HttpResponse::text(200, "OK"));
    assert_eq!(response.content_type, "text/plain; charset=utf-8");
}

#[test]
fn the_last_address_and_the_last_lameduck_win() {
    let table = [
        ("", "health", ":8080", 0),
        ("H03", "health {\n lameduck 2s\n}", ":8080", 2_000),
        ("H09", "health :1\nhealth :2", ":2", 0),
        ("", "health :1 {\n lameduck 5s\n}\nhealth", ":1", 5_000),
        ("", "health {\n lameduck 5s\n lameduck 1s500ms\n}", ":8080", 1_500),
        ("", "health {\n lameduck -5s\n}", ":8080", 0),
        ("", "health [::1]:80", "[::1]:80", 0),
    ];
    for (row, text, address, lameduck) in table {
        let block = testing::setup(&ENTRY, text).unwrap();
        let parts = block.parts();
        let addresses: Vec<_> = parts.endpoints.iter().map(|made| made.address.as_str()).collect();
        assert_eq!(addresses, [address], "{row} {text}");
        assert_eq!(parts.lameduck, Duration::from_millis(lameduck), "{row} {text}");
    }
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let unit =
        "unable to parse lameduck duration value: '5' : time: missing unit in duration \"5\"";
    let table = [
        ("H05", "health 8080", "address 8080: missing port in address".to_owned()),
        ("H06", "health a b", parsing(2, &format!("{count} 'b'"))),
        ("H07", "health {\n lameduck\n}", parsing(3, &format!("{count} 'lameduck'"))),
        ("H07", "health {\n lameduck 5\n}", unit.to_owned()),
        ("", "health {\n lameduck 5s 6s\n}", parsing(3, &format!("{count} '6s'"))),
        ("H08", "health {\n foo\n}", parsing(3, "unknown property 'foo'")),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

#[test]
fn an_endpoint_on_all_addresses_is_asked_on_the_loopback_addresses() {
    let table: [(&str, &str, &[&str]); 3] = [
        (":8080", "localhost:8080", &["127.0.0.1:8080", "[::1]:8080"]),
        ("192.0.2.1:80", "192.0.2.1:80", &["192.0.2.1:80"]),
        ("[::1]:80", "[::1]:80", &["[::1]:80"]),
    ];
    for (address, authority, addresses) in table {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let expected = Target { authority: authority.to_owned(), addresses };
        assert_eq!(Target::new(address), expected);
    }
}

#[test]
fn failures_and_slow_answers_are_told_and_counted() {
    const URL: &str = "\"http://localhost:8080/health\"";
    let metrics = Metrics::new(0);
    let check = SelfCheck::new(Target::new(":8080"), &metrics);
    let refused = || Some(io::Error::other("connection refused"));
    let table = [
        (5, None, None),
        (1_000, None, None),
        (1_500, None, Some(format!("Local health request to {URL} took more than 1s: 1.5s"))),
        (
            2_000,
            refused(),
            Some(format!("Local health request to {URL} failed: Get {URL}: connection refused")),
        ),
    ];
    for (millis, error, warning) in table {
        assert_eq!(check.judge(Duration::from_millis(millis), error), warning, "{millis}");
    }
    let page = metrics.page();
    for line in [
        "coredns_health_request_duration_seconds_bucket{le=\"0.025\"} 1",
        "coredns_health_request_duration_seconds_bucket{le=\"2.5\"} 4",
        "coredns_health_request_duration_seconds_count 4",
        "coredns_health_request_failures_total 1",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn h04_it_asks_itself_every_second_and_waits_three() {
    let metrics = Metrics::new(0);
    let check = SelfCheck::new(Target::new(":8080"), &metrics);
    let prompt = check.run(|_| async { Ok(()) });
    let late = tokio::time::timeout(Duration::from_millis(2_500), prompt).await;
    assert!(late.is_err(), "it goes on for ever");
    let page = metrics.page();
    assert!(page.contains("coredns_health_request_duration_seconds_count 2"), "{page}");
    assert!(page.contains("coredns_health_request_failures_total 0"), "{page}");

    let check = SelfCheck::new(Target::new(":8080"), &metrics);
    let stuck = check.run(|_| std::future::pending());
    let late = tokio::time::timeout(Duration::from_millis(4_500), stuck).await;
    assert!(late.is_err(), "it goes on for ever");
    let page = metrics.page();
    assert!(page.contains("coredns_health_request_failures_total 1"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn the_check_starts_and_ends_with_its_generation() {
    // Nobody serves HTTP on this port, so each check fails.
    let mut block = testing::setup(&ENTRY, "health 127.0.0.1:1").unwrap();
    block.start().await.unwrap();
    let failed = |number: u32| format!("\ncoredns_health_request_failures_total {number}\n");
    let first_check = async {
        while !block.metrics().page().contains(&failed(1)) {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), first_check).await.unwrap();
    block.stop().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(block.metrics().page().contains(&failed(1)), "it has ended");
}

#[tokio::test]
async fn any_http_response_is_success() {
    let table = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", true),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", true),
        ("SSH-2.0-x\r\n", false),
        ("", false),
    ];
    for (response, is_success) in table {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let server = async move {
            let mut request = [0; 1024];
            let length = theirs.read(&mut request).await.unwrap();
            theirs.write_all(response.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        };
        let (result, request) = tokio::join!(exchange(ours, "localhost:8080"), server);
        assert!(request.starts_with("GET /health HTTP/1.1\r\nHost: localhost:8080\r\n"));
        assert_eq!(result.is_ok(), is_success, "{response}");
    }
}
