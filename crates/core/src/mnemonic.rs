//! IANA's short names of rcodes, types and classes, as CoreDNS prints them in log lines, metric
//! labels and error texts. It knows what `miekg/dns` knows, and leaves open what to print for the
//! rest: the places differ there.

/// The name of an RCODE, extended ones included. 16 is `BADSIG`, not `BADVERS`, as in CoreDNS.
#[must_use]
pub fn rcode(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        16 => "BADSIG",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        _ => return None,
    })
}

/// The name of a CLASS; elsewhere `CLASS` and the number stand for it (RFC 3597 §5).
#[must_use]
pub fn class(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "IN",
        2 => "CS",
        3 => "CH",
        4 => "HS",
        254 => "NONE",
        255 => "ANY",
        _ => return None,
    })
}

/// The name of a TYPE; elsewhere `TYPE` and the number stand for it (RFC 3597 §5).
#[must_use]
pub fn rtype(code: u16) -> Option<&'static str> {
    match code {
        0..=53 => below_54(code),
        _ => from_54(code),
    }
}

/// The TYPE with this name, in upper case; `None` and `Reserved` are no names to write.
#[must_use]
pub fn type_named(name: &str) -> Option<u16> {
    (0..=261).chain([32768, 32769]).find(|code| rtype(*code) == Some(name))
}

/// The CLASS with this name, in upper case.
#[must_use]
pub fn class_named(name: &str) -> Option<u16> {
    (0..=255).find(|code| class(*code) == Some(name))
}

/// The RCODE with this name, in upper case; `NOTIMPL` is another one for NOTIMP.
#[must_use]
pub fn rcode_named(name: &str) -> Option<u16> {
    let name = if name == "NOTIMPL" { "NOTIMP" } else { name };
    (0..=23).find(|code| rcode(*code) == Some(name))
}

fn below_54(code: u16) -> Option<&'static str> {
    NAMES.get(usize::from(code)).copied().filter(|name| !name.is_empty())
}

fn from_54(code: u16) -> Option<&'static str> {
    Some(match code {
        55 => "HIP",
        56 => "NINFO",
        57 => "RKEY",
        58 => "TALINK",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        62 => "CSYNC",
        63 => "ZONEMD",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        100 => "UINFO",
        101 => "UID",
        102 => "GID",
        103 => "UNSPEC",
        104 => "NID",
        105 => "L32",
        106 => "L64",
        107 => "LP",
        108 => "EUI48",
        109 => "EUI64",
        128 => "NXNAME",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        258 => "AVC",
        260 => "AMTRELAY",
        261 => "RESINFO",
        32768 => "TA",
        32769 => "DLV",
        65535 => "Reserved",
        _ => return None,
    })
}

/// TYPE 0 to 53; empty where CoreDNS has no name.
const NAMES: [&str; 54] = [
    "None",
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "NULL",
    "",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AFSDB",
    "X25",
    "ISDN",
    "RT",
    "",
    "NSAP-PTR",
    "SIG",
    "KEY",
    "PX",
    "GPOS",
    "AAAA",
    "LOC",
    "NXT",
    "EID",
    "NIMLOC",
    "SRV",
    "ATMA",
    "NAPTR",
    "KX",
    "CERT",
    "",
    "DNAME",
    "",
    "OPT",
    "APL",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "DHCID",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SMIMEA",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_coredns() {
        let types = [
            (1, Some("A")),
            (11, None),
            (22, None),
            (23, Some("NSAP-PTR")),
            (28, Some("AAAA")),
            (39, Some("DNAME")),
            (41, Some("OPT")),
            (53, Some("SMIMEA")),
            (54, None),
            (65, Some("HTTPS")),
            (65399, None),
        ];
        for (code, name) in types {
            assert_eq!(rtype(code), name, "TYPE{code}");
        }
        assert_eq!((rcode(16), rcode(12), rcode(24)), (Some("BADSIG"), None, None));
        assert_eq!((class(3), class(7)), (Some("CH"), None));
        assert_eq!((type_named("HTTPS"), type_named("DLV")), (Some(65), Some(32769)));
        assert_eq!((type_named("https"), type_named("NONE")), (None, None));
        assert_eq!((class_named("ANY"), class_named("X")), (Some(255), None));
        assert_eq!((rcode_named("NOTIMPL"), rcode_named("BADCOOKIE")), (Some(4), Some(23)));
    }
}
