//! A short notation for packets, for tables of them. Words are joined by blanks:
//!
//! | word | stands for |
//! |---|---|
//! | `-` | nothing |
//! | `h0100/1.0.0.1` | a header: ID 0x1234, flags, four counts in decimal (missing ones are 0) |
//! | `u0100/1` | the same with ID 0, as queries to upstreams leave us |
//! | `q`, `q:252`, `q:1/3` | the question `wWw.eXample.org` A IN; with another type; and class |
//! | `n63.1*3` | an uncompressed name of labels with these lengths |
//! | `o`, `o512/00008000:000a0000` | an OPT: UDP size, TTL field, options |
//! | `r1:c0000201` | a record of type 1 with this RDATA, owner `c00c`, class IN, TTL 0 |
//! | `00*20_ff` | hexadecimal octets; `*` repeats, `_` joins |

/// The octets that a packet in this notation has.
pub(crate) fn packet(text: &str) -> Vec<u8> {
    text.split_whitespace().flat_map(word).collect()
}

fn word(text: &str) -> Vec<u8> {
    let (kind, rest) = text.split_at(1);
    match kind {
        "-" => Vec::new(),
        "h" => header(&[0x12, 0x34], rest),
        "u" => header(&[0, 0], rest),
        "q" => question(rest),
        "n" => name(rest),
        "o" => opt(rest),
        "r" => {
            let (kind, data) = rest.split_once(':').unwrap();
            record(&[0xc0, 0x0c], kind.parse().unwrap(), 1, &[0; 4], &hex(data))
        }
        _ => hex(text),
    }
}

fn header(id: &[u8], text: &str) -> Vec<u8> {
    let (flags, counts) = text.split_once('/').unwrap();
    let mut numbers: Vec<u16> = counts.split('.').map(|count| count.parse().unwrap()).collect();
    numbers.resize(4, 0);
    [id.to_vec(), hex(flags), numbers.into_iter().flat_map(u16::to_be_bytes).collect()].concat()
}

fn question(text: &str) -> Vec<u8> {
    let numbers = text.strip_prefix(':').unwrap_or("1");
    let (kind, class) = numbers.split_once('/').unwrap_or((numbers, "1"));
    let [kind, class] = [kind, class].map(|number| number.parse::<u16>().unwrap().to_be_bytes());
    [&b"\x03wWw\x07eXample\x03org\x00"[..], &kind, &class].concat()
}

fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for labels in text.split('.') {
        let (length, times) = labels.split_once('*').unwrap_or((labels, "1"));
        let length: u8 = length.parse().unwrap();
        let label = [vec![length], vec![b'a'; usize::from(length)]].concat();
        wire.extend(label.repeat(times.parse().unwrap()));
    }
    wire.push(0);
    wire
}

fn opt(text: &str) -> Vec<u8> {
    let (fixed, options) = text.split_once(':').unwrap_or((text, ""));
    let (size, ttl) = fixed.split_once('/').unwrap_or((fixed, "00000000"));
    let size = if size.is_empty() { 1232 } else { size.parse().unwrap() };
    record(&[0], 41, size, &hex(ttl), &hex(options))
}

fn record(owner: &[u8], kind: u16, class: u16, ttl: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &kind.to_be_bytes(), &class.to_be_bytes(), ttl, &length, data].concat()
}

fn hex(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for part in text.split('_').filter(|part| !part.is_empty()) {
        let (digits, times) = part.split_once('*').unwrap_or((part, "1"));
        assert!(digits.len().is_multiple_of(2), "half an octet in {text}");
        let pairs = (0..digits.len()).step_by(2);
        let once: Vec<u8> = pairs
            .map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap(), 16).unwrap())
            .collect();
        octets.extend(once.repeat(times.parse().unwrap()));
    }
    octets
}

#[test]
fn words_become_octets() {
    assert_eq!(packet("h8100/1.0.2"), [0x12, 0x34, 0x81, 0, 0, 1, 0, 0, 0, 2, 0, 0]);
    assert_eq!(packet("- n1*2.2 00*2_ff"), b"\x01a\x01a\x02aa\x00\x00\x00\xff");
    assert_eq!(packet("o512/00008000:ff"), b"\x00\x00\x29\x02\x00\x00\x00\x80\x00\x00\x01\xff");
    assert_eq!(packet("q:252/3"), b"\x03wWw\x07eXample\x03org\x00\x00\xfc\x00\x03");
}
