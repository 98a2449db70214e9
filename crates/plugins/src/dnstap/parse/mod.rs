//! The Corefile side: lines `dnstap [listen] SOCKET [full] [WRITEBUFFER] [QUEUE]` and
//! `dnstap file PATH [full] [rotate SIZE]`.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::PathBuf;

use dunlin_core::Directive;
use dunlin_core::corefile::go::{atoi, quote};
use dunlin_core::release::VERSION;
use dunlin_core::replacer::Format;

use super::choice::{Choice, Kinds};
use super::connect::Collector;
use super::endpoint::Endpoint;
use super::file::Recorder;
use super::listen::Listener;
use super::outlet::Side;
use super::tap::Style;
use super::tls::{Client, ServerFiles};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) side: Side,
    pub(super) style: Style,
    pub(super) choice: Choice,
}

/// All lines, in their order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Config>> {
    let mut configs = Vec::new();
    while directive.next() {
        configs.push(parse_line(directive)?);
    }
    Ok(configs)
}

fn parse_line(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let (target, full) = parse_arguments(directive)?;
    let style = Style {
        full,
        identity: directive.host_name(),
        version: format!("Dunlin-{VERSION}"),
        extra: None,
    };
    let mut block = Block { style, choice: Choice::default(), tls: None, skip_verify: false };
    while directive.next_block() {
        block.read(directive, &target)?;
    }
    let Block { style, choice, tls, skip_verify } = block;
    let side = match target {
        Target::Listen(endpoint) => {
            let tls = tls.map(|files| ServerFiles { optional: skip_verify, ..files });
            Side::Listen(Listener { endpoint, tls })
        }
        Target::Connect(endpoint, Sizes { send_buffer, queue }) => {
            let tls = if skip_verify { Client::Trusting } else { Client::Verifying(None) };
            Side::Connect(Collector { endpoint, tls, send_buffer, queue })
        }
        Target::File(recorder) => Side::File(recorder),
    };
    Ok(Config { side, style, choice })
}

/// Where records are to go.
enum Target {
    Connect(Endpoint, Sizes),
    Listen(Endpoint),
    File(Recorder),
}

/// What stands in the line, and whether that is `full`.
fn parse_arguments(directive: &mut Directive<'_>) -> anyhow::Result<(Target, bool)> {
    let arguments = directive.remaining_args();
    match arguments.as_slice() {
        [] => Err(directive.arg_error().into()),
        ["listen"] => Err(directive.error("dnstap listen requires an endpoint argument").into()),
        ["listen", socket, options @ ..] => {
            let (endpoint, _sizes) = parse_socket(directive, socket, options)?;
            Ok((Target::Listen(endpoint), !options.is_empty()))
        }
        // To CoreDNS the others are sockets called `file`.
        ["file", path, options @ ..] if *path != "full" => parse_file(directive, path, options),
        [socket, options @ ..] => {
            let (endpoint, sizes) = parse_socket(directive, socket, options)?;
            Ok((Target::Connect(endpoint, sizes), !options.is_empty()))
        }
    }
}

fn parse_socket(
    directive: &Directive<'_>,
    socket: &str,
    options: &[&str],
) -> anyhow::Result<(Endpoint, Sizes)> {
    let endpoint = Endpoint::parse(socket).map_err(|error| directive.error(error))?;
    let sizes = Sizes::parse(options).map_err(|text| directive.error(text))?;
    Ok((endpoint, sizes))
}

/// The two numbers.
struct Sizes {
    send_buffer: u32,
    queue: usize,
}

impl Sizes {
    /// What stands behind the socket; more than three words mean nothing, as in CoreDNS.
    fn parse(options: &[&str]) -> Result<Self, String> {
        let multiple = |at: usize, name: &str, limit: u32, unit: &str| {
            options.get(at).map_or(Ok(1), |text| number(text, name, limit, unit))
        };
        let buffer = multiple(1, "MultipleTcpWriteBuf", 1024, "MiB units")?;
        let queue = multiple(2, "MultipleQueue", 4096, "x10k messages")?;
        if let Some(other) = options.first().filter(|word| **word != "full") {
            return Err(format!("dnstap: invalid option {}, expected \"full\"", quote(other)));
        }
        let queue = usize::try_from(queue).unwrap_or(1).saturating_mul(QUEUE_UNIT);
        Ok(Self { send_buffer: buffer.saturating_mul(1 << 20), queue })
    }
}

const QUEUE_UNIT: usize = 10_000;

/// A number from 1 to `limit`.
fn number(text: &str, name: &str, limit: u32, unit: &str) -> Result<u32, String> {
    let number =
        atoi(text).map_err(|error| format!("dnstap: invalid {name} {}: {error}", quote(text)))?;
    let within = u32::try_from(number).ok().filter(|count| (1..=limit).contains(count));
    within.ok_or_else(|| format!("dnstap: {name} must be between 1 and {limit} ({unit}): {number}"))
}

fn parse_file(
    directive: &Directive<'_>,
    path: &str,
    options: &[&str],
) -> anyhow::Result<(Target, bool)> {
    let (full, rest) = match options {
        ["full", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let limit = match rest {
        [] => None,
        ["rotate", size] => Some(parse_size(size).map_err(|text| directive.error(text))?),
        ["rotate"] | ["rotate", _, _, ..] => return Err(directive.arg_error().into()),
        [other, ..] => {
            let other = quote(other);
            let text = format!("dnstap: invalid option {other}, expected \"full\" or \"rotate\"");
            return Err(directive.error(text).into());
        }
    };
    Ok((Target::File(Recorder { path: directive.file(path), limit }), full))
}

/// Octets: a number, perhaps with a unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit: Option<u64> = match text.trim_start_matches(digits) {
        "" => Some(1),
        "KiB" | "K" => Some(1 << 10),
        "MiB" | "M" => Some(1 << 20),
        "GiB" | "G" => Some(1 << 30),
        _ => None,
    };
    let octets = digits.parse().ok().zip(unit).and_then(|(count, unit)| unit.checked_mul(count));
    let octets = octets.ok_or_else(|| {
        let text = quote(text);
        format!(
            "dnstap: invalid rotate size {text}, expected a number with KiB, MiB, GiB or nothing"
        )
    })?;
    if octets < MIN_FILE {
        return Err(format!("dnstap: rotate size must be at least 1MiB: {text}"));
    }
    Ok(octets)
}

/// Many times what is written at once.
const MIN_FILE: u64 = 1 << 20;
/// The largest number of queries of which one is taken.
const MAX_SAMPLE: u32 = 1_000_000;

/// What the block says.
struct Block {
    style: Style,
    choice: Choice,
    tls: Option<ServerFiles>,
    skip_verify: bool,
}

impl Block {
    /// Reads one property.
    fn read(&mut self, directive: &mut Directive<'_>, target: &Target) -> anyhow::Result<()> {
        match directive.val() {
            "skipverify" => self.skip_verify = true,
            "tls" => self.tls = Some(parse_tls(directive, target)?),
            "identity" => self.style.identity = value(directive)?.to_owned(),
            "version" => self.style.version = value(directive)?.to_owned(),
            "extra" => {
                let format = value(directive)?;
                self.style.extra = (!format.is_empty()).then(|| Format::compile(format));
            }
            "sample" => {
                let one_in = number(value(directive)?, "sample", MAX_SAMPLE, "queries");
                let one_in = one_in.map_err(|text| directive.error(text))?;
                self.choice.sample = NonZeroU32::new(one_in).unwrap_or(NonZeroU32::MIN);
            }
            "only" => self.choice.kinds = parse_kinds(directive)?,
            other => return Err(directive.error(format!("unknown property '{other}'")).into()),
        }
        Ok(())
    }
}

fn parse_tls(directive: &mut Directive<'_>, target: &Target) -> anyhow::Result<ServerFiles> {
    if !matches!(target, Target::Listen(_)) {
        return Err(directive.error("tls directive only valid for listeners").into());
    }
    let files = directive.remaining_args();
    let [certificate, key, rest @ ..] = files.as_slice() else {
        return Err(directive.error("tls requires cert and key file paths").into());
    };
    Ok(ServerFiles {
        certificate: certificate.into(),
        key: key.into(),
        authorities: rest.first().map(PathBuf::from),
        optional: false,
    })
}

fn parse_kinds(directive: &mut Directive<'_>) -> anyhow::Result<Kinds> {
    let words = directive.remaining_args();
    if words.is_empty() {
        return Err(directive.arg_error().into());
    }
    let mut kinds = Kinds::default();
    match words.into_iter().find(|word| !kinds.add(word)) {
        None => Ok(kinds),
        Some(other) => {
            let text = format!(
                "dnstap: invalid kind of records {}, expected \"query\", \"response\" or \"forward\"",
                quote(other)
            );
            Err(directive.error(text).into())
        }
    }
}

fn value<'a>(directive: &mut Directive<'a>) -> anyhow::Result<&'a str> {
    Ok(directive.arg().ok_or_else(|| directive.arg_error())?)
}
