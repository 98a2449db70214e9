//! Databases for tests, in MaxMind's format 2.0: a tree over the bits of an address, then the records,
//! then what there is to know of the whole.

use std::net::IpAddr;

use ipnet::IpNet;

/// A value of a record.
pub(super) enum Value {
    Text(&'static str),
    Double(f64),
    Short(u16),
    Number(u32),
    Long(u64),
    Bool(bool),
    Map(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Record(usize),
}

/// A database of this type: a record for each network.
pub(super) fn database(kind: &'static str, build_epoch: u64, records: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (network, record) in records {
        let at = data.len();
        encode(record, &mut data);
        insert(&mut nodes, network.parse().unwrap(), at);
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for child in nodes.iter().flatten() {
        let number = match child {
            Child::Nothing => count,
            Child::Node(node) => *node,
            Child::Record(at) => count + 16 + at,
        };
        bytes.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let about = vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(build_epoch)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Short(6)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("node_count", Value::Number(u32::try_from(count).unwrap())),
        ("record_size", Value::Short(32)),
    ];
    encode(&Value::Map(about), &mut bytes);
    bytes
}

/// IPv4 lies below `::/96`.
fn insert(nodes: &mut Vec<[Child; 2]>, network: IpNet, at: usize) {
    let (address, length) = match network.network() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 96 + network.prefix_len()),
        IpAddr::V6(address) => (u128::from(address), network.prefix_len()),
    };
    let mut node = 0;
    for bit in 0..length {
        let side = usize::from(address >> (127 - bit) & 1 == 1);
        if bit + 1 == length {
            nodes[node][side] = Child::Record(at);
            return;
        }
        node = match nodes[node][side] {
            Child::Node(next) => next,
            _ => {
                nodes.push([Child::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Child::Node(next);
                next
            }
        };
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            head(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Double(number) => {
            head(3, 8, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Short(number) => unsigned(5, (*number).into(), out),
        Value::Number(number) => unsigned(6, (*number).into(), out),
        Value::Long(number) => unsigned(9, *number, out),
        Value::Bool(truth) => head(14, usize::from(*truth), out),
        Value::Map(entries) => {
            head(7, entries.len(), out);
            for (key, value) in entries {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
        Value::List(items) => {
            head(11, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
    }
}

/// A number without the octets that are zero at its beginning.
fn unsigned(kind: u8, number: u64, out: &mut Vec<u8>) {
    let octets = number.to_be_bytes();
    let used = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
    head(kind, used.len(), out);
    out.extend_from_slice(used);
}

/// Type and size; sizes in tests are short.
fn head(kind: u8, size: usize, out: &mut Vec<u8>) {
    let size = u8::try_from(size).unwrap();
    let (short, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    out.push(if kind < 8 { kind << 5 } else { 0 } | short);
    out.extend((kind >= 8).then(|| kind - 7));
    out.extend(more);
}
