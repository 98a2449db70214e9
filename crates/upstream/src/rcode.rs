//! Names of rcodes, as CoreDNS's library has them: labels of metrics, words in Corefiles.

/// By number; an empty name stands for the number itself.
pub(crate) const RCODES: [&str; 24] = [
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
    "NOTZONE",
    "DSOTYPENI",
    "",
    "",
    "",
    "",
    "BADSIG",
    "BADKEY",
    "BADTIME",
    "BADMODE",
    "BADNAME",
    "BADALG",
    "BADTRUNC",
    "BADCOOKIE",
];

/// The rcode with this name, in any letter case. BADVERS shares its number with BADSIG (RFC 6895
/// §2.3); NOTIMPL is a spelling that CoreDNS knows.
#[must_use]
pub fn rcode_named(name: &str) -> Option<u16> {
    let name = name.to_ascii_uppercase();
    if name == "NOTIMPL" {
        return Some(4);
    }
    let number = RCODES.iter().position(|known| !known.is_empty() && *known == name)?;
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for (name, rcode) in [
            ("NXDOMAIN", Some(3)),
            ("nxdomain", Some(3)),
            ("NoError", Some(0)),
            ("BADCOOKIE", Some(23)),
            ("NOTIMPL", Some(4)),
            ("FOO", None),
            ("", None),
        ] {
            assert_eq!(rcode_named(name), rcode, "{name}");
        }
    }
}
