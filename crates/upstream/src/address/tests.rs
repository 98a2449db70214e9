//! What operators write, and what it means.

use super::*;

fn server(scheme: Scheme, ip: &str, port: u16) -> Server {
    Server { scheme, ip: ip.parse().unwrap(), scope: None, port, tls_name: None }
}

#[test]
fn addresses_are_read_as_coredns_reads_them() {
    let dns = |ip, port| server(Scheme::Dns, ip, port);
    let tls = |ip, port, name: Option<&str>| Server {
        tls_name: name.map(str::to_owned),
        ..server(Scheme::Tls, ip, port)
    };
    let scoped =
        |ip, scope: &str| Server { scope: Some(scope.to_owned()), ..server(Scheme::Dns, ip, 53) };
    let table = [
        ("8.8.8.8", dns("8.8.8.8", 53)),
        ("8.8.8.8:153", dns("8.8.8.8", 153)),
        ("dns://8.8.8.8", dns("8.8.8.8", 53)),
        ("DNS://8.8.8.8", dns("8.8.8.8", 53)),
        ("2001:db8::1", dns("2001:db8::1", 53)),
        ("[2001:db8::1]", dns("2001:db8::1", 53)), // F46
        ("[2001:db8::1]:153", dns("2001:db8::1", 153)),
        ("fe80::1%eth0", scoped("fe80::1", "eth0")),
        ("tls://1.1.1.1", tls("1.1.1.1", 853, None)),
        ("tls://1.1.1.1:8853", tls("1.1.1.1", 8853, None)),
        ("tls://1.1.1.1%one.test", tls("1.1.1.1", 853, Some("one.test"))),
        ("tls://1.1.1.1%one.test:8853", tls("1.1.1.1", 8853, Some("one.test"))), // F37
        ("tls://[2001:db8::1%one.test]:8853", tls("2001:db8::1", 8853, Some("one.test"))),
    ];
    for (text, server) in table {
        assert_eq!(Target::parse(text), Ok(Target::Server(server)), "{text}");
    }
}

#[test]
fn what_is_no_address_may_be_a_file_or_a_host() {
    for (text, scheme, rest) in [
        ("/etc/resolv.conf", Scheme::Dns, "/etc/resolv.conf"),
        ("a27.0.0.1", Scheme::Dns, "a27.0.0.1"), // F48
        ("dns.example.org:5353", Scheme::Dns, "dns.example.org:5353"),
        ("tls://dns.example.org", Scheme::Tls, "dns.example.org"),
    ] {
        let expected = Target::FileOrHost { scheme, text: rest.into() };
        assert_eq!(Target::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn refusals_have_coredns_texts() {
    let table = [
        ("dns://", "invalid address: \"dns://\""),
        ("unix://", "invalid address: \"unix://\""),
        (
            "grpc://127.0.0.1:443",
            "'grpc' is not supported as a destination protocol in forward: grpc://127.0.0.1:443",
        ),
        (
            "https://127.0.0.1", // F44
            "'https' is not supported as a destination protocol in forward: https://127.0.0.1",
        ),
        ("127.0.0.1:53x", "not an IP address, file, or valid domain: \"127.0.0.1:53x\""), // F47
    ];
    for (text, error) in table {
        assert_eq!(Target::parse(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn host_names_are_told_from_nonsense() {
    let table = [
        ("dns.example.org", Some(("dns.example.org", 853))),
        ("dns_1.example.org.:53", Some(("dns_1.example.org.", 53))),
        ("/etc/resolv.conf", None),
        ("8.9.1043", None),
        ("a..b", None),
        ("a b", None),
        ("a:x", None),
        ("a:0", None),
    ];
    for (text, expected) in table {
        let expected = expected.map(|(name, port): (&str, u16)| (name.to_owned(), port));
        assert_eq!(host(text, Scheme::Tls).ok(), expected, "{text}");
    }
}

#[test]
fn only_nameserver_lines_of_a_resolv_conf_count() {
    let text = "# nameserver 9.9.9.9\nsearch a b\nnameserver 192.0.2.1 # first\n\
                nameserver\t2001:db8::1%eth0\noptions rotate\nnameserver nonsense\nnameserver\n";
    let expected = [server(Scheme::Dns, "192.0.2.1", 53), server(Scheme::Dns, "2001:db8::1", 53)];
    assert_eq!(nameservers(text), expected);
}

#[test]
fn link_local_addresses_keep_their_scope() {
    let Ok(Target::Server(server)) = Target::parse("fe80::1%eth0") else { panic!("a server") };
    let known = |name: &str| (name == "eth0").then_some(7);
    assert_eq!(server.socket_address(known).unwrap().to_string(), "[fe80::1%7]:53");
    assert_eq!(server.socket_address(|_| None), Err(TargetError::Scope("eth0".into())));
    let Ok(Target::Server(server)) = Target::parse("fe80::1%3") else { panic!("a server") };
    assert_eq!(server.socket_address(|_| None).unwrap().to_string(), "[fe80::1%3]:53");
}
