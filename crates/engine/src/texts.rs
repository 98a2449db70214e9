//! The operating system's errors in the words that operators of CoreDNS know.

use std::io;
use std::net::SocketAddr;

/// What went wrong, lower case and without a number: `address already in use`.
pub(crate) fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// `listen tcp 127.0.0.1:53: bind: address already in use`.
pub(crate) fn listen_error(network: &str, address: SocketAddr, error: &io::Error) -> String {
    let shown = if address.ip().is_unspecified() {
        format!(":{}", address.port())
    } else {
        address.to_string()
    };
    format!("listen {network} {shown}: bind: {}", os_error(error))
}
