//! Mistakes in regular expressions, in the words of Go's parser.

/// What Go says about the expression `pattern`; `error` is the text of the `regex` crate's error.
///
/// Mistakes that people make have Go's words, others those of `error`.
#[must_use]
pub fn regexp_error(error: &str, pattern: &str) -> String {
    let reason = error.lines().last().unwrap_or_default();
    let reason = match reason.strip_prefix("error: ").unwrap_or(reason) {
        "unclosed group" => "missing closing )",
        "unopened group" => "unexpected )",
        "unclosed character class" => "missing closing ]",
        "repetition operator missing expression" => "missing argument to repetition operator",
        "unrecognized escape sequence" => "invalid escape sequence",
        other => other,
    };
    format!("error parsing regexp: {reason}: `{pattern}`")
}
