//! The network interfaces of this machine, for `bind`.

use std::io;

use dunlin_core::directive::{Interface, Interfaces};
use dunlin_os::interfaces::addresses;

/// Asks the kernel.
pub(super) fn of_this_machine() -> Interfaces {
    Interfaces::new(list)
}

fn list() -> io::Result<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for found in addresses()? {
        match interfaces.iter_mut().find(|known| known.name == found.name) {
            Some(known) => known.addresses.push(found.address),
            None => {
                interfaces.push(Interface { name: found.name, addresses: vec![found.address] });
            }
        }
    }
    Ok(interfaces)
}
