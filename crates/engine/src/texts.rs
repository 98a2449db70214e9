//! Why an address cannot be listened on, in the words that operators of CoreDNS know.

use std::net::SocketAddr;
use std::{fmt, io};

use dunlin_core::error::in_gos_words;
use dunlin_os::holders::{Network, holder};

/// `listen tcp 127.0.0.1:53: bind: address already in use`.
fn listen_error(network: &str, address: SocketAddr, error: &io::Error) -> String {
    let shown = if address.ip().is_unspecified() {
        format!(":{}", address.port())
    } else {
        address.to_string()
    };
    format!("listen {network} {shown}: bind: {}", in_gos_words(error))
}

/// Why an address cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unopened {
    text: String,
    /// It is somebody else's.
    taken: Option<(Network, SocketAddr)>,
}

impl Unopened {
    /// Of a listener of this kind, at this address.
    pub(crate) fn new(network: Network, address: SocketAddr, error: &io::Error) -> Self {
        let name = if network == Network::Tcp { "tcp" } else { "udp" };
        let is_taken = error.kind() == io::ErrorKind::AddrInUse;
        Self {
            text: listen_error(name, address, error),
            taken: is_taken.then_some((network, address)),
        }
    }

    /// The same with something in front.
    pub(crate) fn within(self, call: &str) -> Self {
        Self { text: format!("{call}: {}", self.text), ..self }
    }

    /// The text, with the process that has the address, if that can be known.
    pub(crate) async fn told(self) -> String {
        let Self { text, taken: Some((network, address)) } = self else { return self.text };
        // All descriptors of all processes are looked through.
        let looked = tokio::task::spawn_blocking(move || holder(network, address)).await;
        match looked.ok().flatten() {
            Some(process) => format!("{text} (by {}, process {})", process.name, process.id),
            None => text,
        }
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Unopened {
    fn from(text: String) -> Self {
        Self { text, taken: None }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_has_an_address_is_told_if_it_can_be_known() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = io::Error::from(io::ErrorKind::AddrInUse);
        let of = |address| Unopened::new(Network::Tcp, address, &error).within("Listen");
        let text = format!("Listen: listen tcp {address}: bind: {}", in_gos_words(&error));
        assert_eq!(of(address).to_string(), text);
        let told = of(address).told().await;
        assert!(told.starts_with(&format!("{text} (by ")), "{told}");
        assert!(told.ends_with(&format!(", process {})", std::process::id())), "{told}");
        let nobody: SocketAddr = "127.1.2.3:1".parse().unwrap();
        assert_eq!(of(nobody).told().await, of(nobody).to_string());
    }
}
