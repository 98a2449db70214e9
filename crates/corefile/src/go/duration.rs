//! `1h30m`, `300ms`: Go's `time.ParseDuration` and `Duration.String`.

use std::fmt;
use std::time::Duration;

use super::quote;

/// A duration as Go has it: whole nanoseconds with a sign, about 292 years at most. Displays as Go prints it: `2s`,
/// `5m0s`, `1.5s`, `100ms`, `0s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    nanoseconds: i64,
}

impl GoDuration {
    /// From whole nanoseconds.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// Whole nanoseconds, negative for a duration with a minus sign.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    /// The same length of time, or none if it is negative.
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        u64::try_from(self.nanoseconds).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    /// Longer ones become the longest.
    fn from(duration: Duration) -> Self {
        Self { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.nanoseconds.unsigned_abs();
        if self.nanoseconds < 0 {
            formatter.write_str("-")?;
        }
        match total {
            0 => formatter.write_str("0s"),
            1..1_000 => write!(formatter, "{total}ns"),
            1_000..1_000_000 => write!(formatter, "{}µs", decimal(total, 3)),
            1_000_000..1_000_000_000 => write!(formatter, "{}ms", decimal(total, 6)),
            _ => {
                let minutes = total / MINUTE;
                let seconds = decimal(total % MINUTE, 9);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(formatter, "{seconds}s"),
                    (0, minutes) => write!(formatter, "{minutes}m{seconds}s"),
                    (hours, minutes) => write!(formatter, "{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

const MINUTE: u64 = 60_000_000_000;

/// `value` divided by ten to the `digits`, without trailing zeros.
fn decimal(value: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    let width = usize::try_from(digits).unwrap_or_default();
    let text = format!("{}.{:0width$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads a duration: an optional sign, then decimal numbers with a unit each (`ns us µs ms s m h`), or just `0`.
///
/// # Errors
/// Go's texts: `time: invalid duration "x"`, `time: missing unit in duration "5"`, `time: unknown unit "y" in duration
/// "5y"`.
pub fn parse_duration(text: &str) -> Result<GoDuration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(GoDuration::default());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number = Number::read(&mut rest).ok_or_else(invalid)?;
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some(scale) = nanoseconds_of(unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        rest = after;
        let part = number.times(scale).ok_or_else(invalid)?;
        total = total.checked_add(part).filter(|&total| total <= LIMIT).ok_or_else(invalid)?;
    }
    signed(total, negative).map(GoDuration::from_nanoseconds).ok_or_else(invalid)
}

/// The most negative duration is one nanosecond longer than the longest positive one.
const LIMIT: u64 = 1 << 63;

fn signed(total: u64, negative: bool) -> Option<i64> {
    if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }
}

fn nanoseconds_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both signs for micro: U+00B5 and U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => MINUTE,
        "h" => 60 * MINUTE,
        _ => return None,
    })
}

/// A decimal number whose fraction may have more digits than count.
struct Number {
    whole: u64,
    fraction: u64,
    /// Ten to the number of digits in `fraction`.
    scale: f64,
}

impl Number {
    /// None without any digit, or if the whole part is too large.
    fn read(rest: &mut &str) -> Option<Self> {
        let whole = digits(rest);
        let fraction = rest.strip_prefix('.').map(|mut tail| {
            let fraction = digits(&mut tail);
            *rest = tail;
            fraction
        });
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return None;
        }
        let value = whole.bytes().try_fold(0_u64, |value, digit| {
            value
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))
                .filter(|&value| value <= LIMIT)
        })?;
        let mut number = Self { whole: value, fraction: 0, scale: 1.0 };
        number.read_fraction(fraction.unwrap_or_default());
        Some(number)
    }

    /// Digits beyond what fits are too small to matter.
    fn read_fraction(&mut self, digits: &str) {
        for digit in digits.bytes() {
            let next = self
                .fraction
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(digit - b'0')));
            let Some(next) = next.filter(|&value| value < LIMIT) else { return };
            self.fraction = next;
            self.scale *= 10.0;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "Go's own rounding; the product is below the unit, so it fits"
    )]
    fn times(&self, unit: u64) -> Option<u64> {
        let whole = self.whole.checked_mul(unit).filter(|&value| value <= LIMIT)?;
        let fraction = (self.fraction as f64 * (unit as f64 / self.scale)) as u64;
        whole.checked_add(fraction)
    }
}

fn digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}
