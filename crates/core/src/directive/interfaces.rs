//! The network interfaces of this machine, as `bind` sees them. Whoever builds a generation says how
//! they are listed: this crate asks no kernel.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`.
    pub name: String,
    /// What it has now, perhaps nothing.
    pub addresses: Vec<IpAddr>,
}

/// Lists the network interfaces. Clones share the way to do it.
#[derive(Clone)]
pub struct Interfaces(Arc<dyn Fn() -> io::Result<Vec<Interface>> + Send + Sync>);

impl Interfaces {
    /// `list` is called once for every `bind` that is set up.
    #[must_use]
    pub fn new(list: impl Fn() -> io::Result<Vec<Interface>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(list))
    }

    /// All interfaces, in the kernel's order.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn list(&self) -> io::Result<Vec<Interface>> {
        (self.0)()
    }
}

impl fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interfaces")
    }
}
