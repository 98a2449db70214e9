//! The scripted rest of the chain: it answers what a line of text says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::edns::ExtendedError;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::Flags;
use dunlin_core::zones::wire_name;
use dunlin_core::{Error, Next, Plugin, Query, Reply, Result, async_trait};
use parking_lot::Mutex;

/// `RCODE [aa] [ra] [ad] [tc] [after MS]; an TYPE TTL [DATA] [@OWNER]; ns …; ar …; opt CODE HEX`.
/// Without an owner a record belongs to QNAME, by a pointer to the question. Other words for the
/// rcode: `FAIL`, `FAIL-LOCAL`, `FAIL-REFUSED` (an error of the plugin), `SILENCE`, `STRAY` (an
/// answer to another question). `after` makes it wait.
#[derive(Debug, Clone, Default)]
pub(in crate::cache) struct Upstream(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    script: Mutex<String>,
    asked: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// Counts exchanges that run at the same time, whatever their end.
struct Running(Arc<Inner>);

impl Upstream {
    pub(in crate::cache) fn says(&self, script: &str) {
        script.clone_into(&mut self.0.script.lock());
    }

    /// How many queries came.
    pub(in crate::cache) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// How many queries were here at the same time, at most.
    pub(in crate::cache) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }
}

impl Running {
    fn new(inner: &Arc<Inner>) -> Self {
        let now = inner.running.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Plugin for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    async fn serve(&self, query: &mut Query, _next: Next<'_>) -> Result<Reply> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let _running = Running::new(&self.0);
        assert!(query.flags().has(Flags::AD), "AD goes upstream with every query");
        let script = self.0.script.lock().clone();
        let mut parts = script.split(';').map(str::trim);
        let head: Vec<&str> = parts.next().unwrap().split(' ').collect();
        if let Some(at) = head.iter().position(|word| *word == "after") {
            let delay = Duration::from_millis(head[at + 1].parse().unwrap());
            let _elapsed = tokio::time::timeout(delay, std::future::pending::<()>()).await;
        }
        let failed = |code| {
            Error::new("upstream failed").with_extended_error(ExtendedError::new(code, "down"))
        };
        match head[0] {
            "FAIL" => Err(failed(ExtendedError::NETWORK_ERROR)),
            "FAIL-LOCAL" => Err(failed(ExtendedError::NOT_READY)),
            "FAIL-REFUSED" => Err(Error::new("full").with_rcode(ResponseCode::Refused)),
            "SILENCE" => Ok(Reply::silence()),
            _ => Ok(Reply::from_wire(Buffer::from(response(query, &head, parts))).unwrap()),
        }
    }
}

fn response<'a>(query: &Query, head: &[&str], parts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let rcodes = [
        ("NOERROR", 0u16),
        ("FORMERR", 1),
        ("SERVFAIL", 2),
        ("NXDOMAIN", 3),
        ("NOTIMP", 4),
        ("REFUSED", 5),
        ("YXDOMAIN", 6),
        ("STRAY", 0),
        ("BADVERS", 16),
    ];
    let rcode = rcodes.into_iter().find(|(name, _)| *name == head[0]).expect(head[0]).1;
    let flag = |name: &str, mask| if head.contains(&name) { mask } else { 0 };
    let flags = Flags::QR
        | query.flags().0 & (Flags::RD | Flags::CD)
        | flag("aa", Flags::AA)
        | flag("ra", Flags::RA)
        | flag("ad", Flags::AD)
        | flag("tc", Flags::TC)
        | rcode & 15;
    let mut counts = [1u16, 0, 0, 0];
    let mut records = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let words: Vec<&str> = part.split(' ').collect();
        let section = match words[0] {
            "an" => 1,
            "ns" => 2,
            _ => 3,
        };
        counts[section] += 1;
        records.extend(record(&words, rcode, query.qclass_code()));
    }
    let mut bytes = vec![0, 0];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(counts.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend_from_slice(query.question());
    if head[0] == "STRAY" {
        bytes[13] ^= 1;
    }
    bytes.extend(records);
    bytes
}

fn record(words: &[&str], rcode: u16, class: u16) -> Vec<u8> {
    if words[0] == "opt" {
        let data = words.get(2).map_or(Vec::new(), |data| hex(data));
        let extended = u8::try_from(rcode >> 4).unwrap();
        let mut opt = vec![0, 0, 41, 4, 208, extended, 0, 0, 0];
        opt.extend(u16::try_from(data.len() + 4).unwrap().to_be_bytes());
        opt.extend(words[1].parse::<u16>().unwrap().to_be_bytes());
        opt.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        opt.extend(data);
        return opt;
    }
    let owner = words.iter().find_map(|word| word.strip_prefix('@'));
    let data = words.get(3).filter(|word| !word.starts_with('@'));
    let name = |text: &str| wire_name(text).unwrap().as_bytes().to_vec();
    let number = |at: usize| words[at].parse::<u32>().unwrap().to_be_bytes();
    let (kind, data) = match words[1] {
        "A" => (1u16, vec![10, 0, 0, data.map_or(1, |octet| octet.parse().unwrap())]),
        "NS" => (2, name("ns.test")),
        "CNAME" => (5, name(data.unwrap())),
        "SOA" => {
            let fixed = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
            (6, [vec![0, 0], fixed.to_vec(), number(3).to_vec()].concat())
        }
        other => panic!("no type {other}"),
    };
    let mut record = owner.map_or_else(|| vec![0xc0, 12], name);
    record.extend(kind.to_be_bytes());
    record.extend(class.to_be_bytes());
    record.extend(number(2));
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
