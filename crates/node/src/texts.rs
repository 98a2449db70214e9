//! The operating system's errors in the words that operators of node-cache know.

use std::io;

/// Lower case and without a number: `no such file or directory`.
pub(crate) fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
