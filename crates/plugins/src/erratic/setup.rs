//! The Corefile side: `erratic { drop [N]; truncate [N]; delay [N [DURATION]]; large }`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dunlin_core::corefile::go;
use dunlin_core::{Directive, Entry};

use super::{Config, Erratic, is_ready};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "erratic", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    directive.ready_when(move || is_ready(counted.load(Ordering::Relaxed)));
    directive.add(Erratic { config, count });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config { drop: 2, truncate: 0, delay: 0, duration: DEFAULT_DELAY, copies: 1 };
    let mut drops_for_sure = false;
    while directive.next() {
        while directive.next_block() {
            let property = directive.val();
            let arguments = directive.remaining_args();
            match (property, arguments.as_slice()) {
                ("drop", []) => {}
                ("drop", [text]) => {
                    config.drop = amount(text)?;
                    drops_for_sure = true;
                }
                ("truncate", []) => config.truncate = DEFAULT_AMOUNT,
                ("truncate", [text]) => config.truncate = amount(text)?,
                ("delay", words @ ([] | [_] | [_, _])) => delay(&mut config, words)?,
                ("large", _) => config.copies = LARGE,
                ("drop" | "truncate" | "delay", _) => return Err(directive.arg_error().into()),
                (other, _) => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    // Who asks for something else does not want drops, unless that was said in numbers.
    if (config.delay > 0 || config.truncate > 0) && !drops_for_sure {
        config.drop = 0;
    }
    Ok(config)
}

fn delay(config: &mut Config, words: &[&str]) -> anyhow::Result<()> {
    config.delay = words.first().map_or(Ok(DEFAULT_AMOUNT), |text| amount(text))?;
    config.duration = match words.get(1) {
        Some(text) => {
            let duration = go::parse_duration(text).map_err(anyhow::Error::msg)?;
            duration.positive().unwrap_or_default()
        }
        None => DEFAULT_DELAY,
    };
    Ok(())
}

/// A 32-bit number with the texts of Go's `strconv.ParseInt`.
fn amount(text: &str) -> anyhow::Result<u64> {
    let number = go::atoi(text)
        .map_err(|error| anyhow::Error::msg(error.replace("strconv.Atoi", "strconv.ParseInt")))?;
    let number = i32::try_from(number).map_err(|_| {
        anyhow::anyhow!("strconv.ParseInt: parsing {}: value out of range", go::quote(text))
    })?;
    u64::try_from(number)
        .map_err(|_| anyhow::anyhow!("illegal amount value given {}", go::quote(text)))
}

const DEFAULT_AMOUNT: u64 = 2;
const DEFAULT_DELAY: Duration = Duration::from_millis(100);
/// So many copies do not fit into 512 octets.
const LARGE: usize = 30;
