//! Tables and bars.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// One point of a curve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// How many of what grows.
    pub(crate) size: u32,
    /// Microseconds a query.
    pub(crate) user: Option<f64>,
    /// Microseconds a query, the kernel's included.
    pub(crate) total: Option<f64>,
    /// Answers a second.
    pub(crate) rate: Option<f64>,
    /// KiB once warm.
    pub(crate) resident: Option<f64>,
    /// From its start to the first answer.
    pub(crate) start: Option<Duration>,
    /// A query.
    pub(crate) instructions: Option<f64>,
}

/// A curve as a table for a Markdown page, with a bar beside each row.
pub(crate) fn table(title: &str, rows: &[Row]) -> String {
    let mut text = format!("\n{title}\n\n");
    if rows.iter().any(|row| row.instructions.is_some()) {
        text += "| | instructions a query | |\n|---|---|---|\n";
        let values: Vec<f64> = rows.iter().filter_map(|row| row.instructions).collect();
        for (row, value) in rows.iter().zip(&values) {
            let _ = writeln!(text, "| {} | {value:.0} | `{}` |", row.label, bar(*value, &values));
        }
        return text;
    }
    text += "| | user µs | total µs | | answers/s | resident MiB | bytes each | start ms |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    let values: Vec<f64> = rows.iter().filter_map(|row| row.user).collect();
    let first = rows.first();
    for row in rows {
        let value = |value: Option<f64>| value.unwrap_or_default();
        let each = first.filter(|first| row.size > first.size).map_or(0.0, |first| {
            let more = f64::from(row.size - first.size);
            (value(row.resident) - value(first.resident)) * 1024.0 / more
        });
        let _ = writeln!(
            text,
            "| {} | {:.3} | {:.2} | `{}` | {:.0} | {:.1} | {each:.0} | {:.1} |",
            row.label,
            value(row.user),
            value(row.total),
            bar(value(row.user), &values),
            value(row.rate),
            value(row.resident) / 1024.0,
            row.start.unwrap_or_default().as_secs_f64() * 1e3,
        );
    }
    text
}

/// As long as the value is large among the others.
fn bar(value: f64, values: &[f64]) -> String {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    "█".repeat((value / most * 20.0).round() as usize)
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Shows a text at once.
pub(crate) fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
