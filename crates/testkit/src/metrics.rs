//! Values from a page of metrics in Prometheus' text format.

/// The value of the series `name` that have all these labels, whatever other labels they have; the sum
/// if there are several, `None` if there is none. A histogram's parts go by their own names
/// (`NAME_count`).
///
/// ```
/// let page = "# TYPE hits counter\nhits{zone=\".\",type=\"A\"} 2\nhits{zone=\".\",type=\"MX\"} 1\n";
/// assert_eq!(dunlin_testkit::metrics::value(page, "hits", &[("type", "A")]), Some(2.0));
/// assert_eq!(dunlin_testkit::metrics::value(page, "hits", &[]), Some(3.0));
/// assert_eq!(dunlin_testkit::metrics::value(page, "hits", &[("type", "TXT")]), None);
/// ```
pub fn value(page: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let (labels_of_line, value) = series(line, name)?;
        let has = |(label, value): &(&str, &str)| {
            labels_of_line.iter().any(|(l, v)| l == label && v == value)
        };
        labels.iter().all(has).then_some(value)
    });
    values.reduce(|sum, value| sum + value)
}

/// Labels and value of a line, if it is about `name`.
fn series(line: &str, name: &str) -> Option<(Vec<(String, String)>, f64)> {
    let rest = line.strip_prefix(name)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None if rest.starts_with(' ') => (Vec::new(), rest),
        None => return None,
    };
    Some((labels, rest.split_whitespace().next()?.parse().ok()?))
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (label, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquote(quoted)?;
        labels.push((label.to_owned(), value));
        rest = after;
    }
}

/// The text up to the closing quote, escapes resolved, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_are_found_by_name_and_labels() {
        let page = concat!(
            "# HELP up Is it?\n",
            "up 1\n",
            "upper 7\n",
            "requests_total{server=\"dns://:53\",text=\"a\\\"},b\\\\\"} 1.5e3 1700000000\n",
            "seconds_bucket{le=\"+Inf\"} 4\n",
            "limit +Inf\n",
        );
        for (name, labels, expected) in [
            ("up", &[][..], Some(1.0)),
            ("requests_total", &[("server", "dns://:53")], Some(1500.0)),
            ("requests_total", &[("text", "a\"},b\\"), ("server", "dns://:53")], Some(1500.0)),
            ("requests_total", &[("server", "x")], None),
            ("requests", &[], None),
            ("seconds_bucket", &[("le", "+Inf")], Some(4.0)),
            ("limit", &[], Some(f64::INFINITY)),
            ("down", &[], None),
        ] {
            assert_eq!(value(page, name, labels), expected, "{name} {labels:?}");
        }
    }
}
