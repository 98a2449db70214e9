//! The link with the local addresses: a dummy, made once, or whatever link of that name is there.
//!
//! A note on the link (its alias) says which process it belongs to and which addresses that put there.
//! It lives in the kernel, so that a successor in another container finds it, whatever became of us.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use dunlin_core::error::in_gos_words;
use dunlin_os::netlink::{Link, Route};

use crate::setup_errors::{ErrorType, SetupErrors};

/// The kernel, or what stands for it in a test.
pub(crate) trait Links {
    fn link(&mut self, name: &str) -> io::Result<Option<Link>>;
    fn add_dummy(&mut self, name: &str) -> io::Result<()>;
    fn set_up(&mut self, index: u32) -> io::Result<()>;
    fn set_alias(&mut self, index: u32, alias: &str) -> io::Result<()>;
    fn delete_link(&mut self, index: u32) -> io::Result<()>;
    fn addresses(&mut self, index: u32) -> io::Result<Vec<IpAddr>>;
    fn add_address(&mut self, index: u32, address: IpAddr) -> io::Result<()>;
    fn delete_address(&mut self, index: u32, address: IpAddr) -> io::Result<()>;
}

/// The link as we keep it.
#[derive(Debug)]
pub(crate) struct LocalLink<L> {
    links: L,
    name: String,
    addresses: Vec<IpAddr>,
    errors: SetupErrors,
    token: String,
    /// Whether this process made the link.
    is_made_here: bool,
    /// What this process, and those it succeeded, put on the link.
    added: BTreeSet<IpAddr>,
    told: String,
}

/// Whose the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This process.
    Ours,
    /// Another one, which came later.
    Theirs,
    /// Nobody's yet, or there is no link.
    Nobody,
}

const NOTE: &str = "dunlin";

impl<L: Links> LocalLink<L> {
    pub(crate) fn new(
        links: L,
        name: &str,
        addresses: &[IpAddr],
        token: &str,
        errors: &SetupErrors,
    ) -> Self {
        Self {
            links,
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            errors: errors.clone(),
            token: token.to_owned(),
            is_made_here: false,
            added: BTreeSet::new(),
            told: String::new(),
        }
    }

    /// Makes what is missing of link and addresses. What fails is counted, logged once, and left to the
    /// next time: the addresses may be elsewhere.
    pub(crate) fn ensure(&mut self) {
        let name = self.name.clone();
        match self.links.link(&name) {
            Ok(Some(link)) => self.ensure_addresses(&link),
            Ok(None) => {
                if let Err(error) = self.links.add_dummy(&name) {
                    let cause = in_gos_words(&error);
                    self.errors.count(ErrorType::InterfaceAdd, 1);
                    self.complain(&format!("Failed to add non-existent interface {name}: {cause}"));
                    return self.check_failed(&error);
                }
                self.is_made_here = true;
                tracing::info!("Added interface - {name}");
                match self.links.link(&name) {
                    Ok(Some(link)) => self.ensure_addresses(&link),
                    Ok(None) => self.check_failed(&io::ErrorKind::NotFound.into()),
                    Err(error) => self.check_failed(&error),
                }
            }
            Err(error) => self.check_failed(&error),
        }
    }

    /// Says that the link is ours from now on.
    pub(crate) fn take(&mut self) {
        let Ok(Some(link)) = self.links.link(&self.name) else { return };
        let note = Note::parse(&link.alias);
        self.added.extend(note.map(|note| note.added).unwrap_or_default());
        let added: Vec<String> = self.added.iter().map(ToString::to_string).collect();
        let alias = format!("{NOTE} {} {}", self.token, added.join(" "));
        if let Err(error) = self.links.set_alias(link.index, alias.trim_end()) {
            self.check_failed(&error);
        }
    }

    pub(crate) fn owner(&mut self) -> Owner {
        let Ok(Some(link)) = self.links.link(&self.name) else { return Owner::Nobody };
        match Note::parse(&link.alias) {
            Some(note) if note.token == self.token => Owner::Ours,
            Some(_) => Owner::Theirs,
            None => Owner::Nobody,
        }
    }

    /// Removes the link if it is a dummy, else our addresses from it.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let Some(link) = self.links.link(&self.name)? else { return Ok(()) };
        if link.kind == DUMMY {
            return self.links.delete_link(link.index);
        }
        let note = Note::parse(&link.alias);
        self.added.extend(note.map(|note| note.added).unwrap_or_default());
        for address in std::mem::take(&mut self.added) {
            self.links.delete_address(link.index, address)?;
        }
        self.links.set_alias(link.index, "")
    }

    /// Takes back what this process did before it failed to start, unless somebody has made it theirs.
    pub(crate) fn abandon(&mut self) {
        let Ok(Some(link)) = self.links.link(&self.name) else { return };
        if Note::parse(&link.alias).is_some() {
            return;
        }
        let result = if self.is_made_here {
            self.links.delete_link(link.index)
        } else {
            let mut added = std::mem::take(&mut self.added).into_iter();
            added.try_for_each(|address| self.links.delete_address(link.index, address))
        };
        if let Err(error) = result {
            tracing::warn!("Failed to remove interface {}: {}", self.name, in_gos_words(&error));
        }
    }

    fn ensure_addresses(&mut self, link: &Link) {
        let mut failed = None;
        if !link.is_up {
            failed = self.links.set_up(link.index).err();
        }
        match self.links.addresses(link.index) {
            Ok(there) => {
                for address in self.addresses.clone() {
                    if there.contains(&address) {
                        continue;
                    }
                    match self.links.add_address(link.index, address) {
                        Ok(()) => _ = self.added.insert(address),
                        Err(error) => failed = Some(error),
                    }
                }
            }
            Err(error) => failed = Some(error),
        }
        match failed {
            Some(error) => self.check_failed(&error),
            None => self.told.clear(),
        }
    }

    fn check_failed(&mut self, error: &io::Error) {
        self.errors.count(ErrorType::InterfaceCheck, 1);
        let text = format!("Error checking dummy device {} - {}", self.name, in_gos_words(error));
        self.complain(&text);
    }

    fn complain(&mut self, text: &str) {
        if !self.told.contains(text) {
            tracing::error!("{text}");
            self.told.push_str(text);
        }
    }
}

const DUMMY: &str = "dummy";

/// `dunlin TOKEN ADDRESS…`
struct Note {
    token: String,
    added: BTreeSet<IpAddr>,
}

impl Note {
    fn parse(alias: &str) -> Option<Self> {
        let mut words = alias.split(' ');
        let is_ours = words.next() == Some(NOTE);
        let token = words.next().filter(|_| is_ours)?.to_owned();
        Some(Self { token, added: words.filter_map(|word| word.parse().ok()).collect() })
    }
}

impl Links for Route {
    fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        Self::link(self, name)
    }

    fn add_dummy(&mut self, name: &str) -> io::Result<()> {
        Self::add_dummy(self, name)
    }

    fn set_up(&mut self, index: u32) -> io::Result<()> {
        Self::set_up(self, index)
    }

    fn set_alias(&mut self, index: u32, alias: &str) -> io::Result<()> {
        Self::set_alias(self, index, alias)
    }

    fn delete_link(&mut self, index: u32) -> io::Result<()> {
        Self::delete_link(self, index)
    }

    fn addresses(&mut self, index: u32) -> io::Result<Vec<IpAddr>> {
        Self::addresses(self, index)
    }

    fn add_address(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        Self::add_address(self, index, address)
    }

    fn delete_address(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        Self::delete_address(self, index, address)
    }
}

#[cfg(test)]
mod tests {
    use dunlin_core::metrics::Metrics;

    use super::*;

    /// A kernel with at most one link.
    #[derive(Default)]
    struct Kernel {
        link: Option<Link>,
        addresses: Vec<IpAddr>,
        has_no_dummy: bool,
    }

    impl Links for &mut Kernel {
        fn link(&mut self, _name: &str) -> io::Result<Option<Link>> {
            Ok(self.link.clone())
        }

        fn add_dummy(&mut self, _name: &str) -> io::Result<()> {
            if self.has_no_dummy {
                return Err(io::Error::from_raw_os_error(95));
            }
            self.link = Some(link("dummy"));
            Ok(())
        }

        fn set_up(&mut self, _index: u32) -> io::Result<()> {
            self.link.as_mut().unwrap().is_up = true;
            Ok(())
        }

        fn set_alias(&mut self, _index: u32, alias: &str) -> io::Result<()> {
            self.link.as_mut().unwrap().alias = alias.to_owned();
            Ok(())
        }

        fn delete_link(&mut self, _index: u32) -> io::Result<()> {
            self.addresses.clear();
            self.link.take().map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn addresses(&mut self, _index: u32) -> io::Result<Vec<IpAddr>> {
            Ok(self.addresses.clone())
        }

        fn add_address(&mut self, _index: u32, address: IpAddr) -> io::Result<()> {
            assert!(!self.addresses.contains(&address), "{address} is added twice");
            self.addresses.push(address);
            Ok(())
        }

        fn delete_address(&mut self, _index: u32, address: IpAddr) -> io::Result<()> {
            self.addresses.retain(|known| *known != address);
            Ok(())
        }
    }

    fn link(kind: &str) -> Link {
        Link { index: 7, kind: kind.into(), alias: String::new(), is_up: false }
    }

    fn addresses() -> Vec<IpAddr> {
        ["169.254.20.10", "fd00::a"].map(|text| text.parse().unwrap()).to_vec()
    }

    fn keep<'a>(
        kernel: &'a mut Kernel,
        token: &str,
        metrics: &Metrics,
    ) -> LocalLink<&'a mut Kernel> {
        LocalLink::new(kernel, "nodelocaldns", &addresses(), token, &SetupErrors::new(metrics))
    }

    #[test]
    fn a_dummy_is_made_with_each_address_once_and_removed_whole() {
        let (mut kernel, metrics) = (Kernel::default(), Metrics::new(1));
        let mut local = keep(&mut kernel, "a", &metrics);
        local.ensure();
        local.ensure();
        assert_eq!(local.links.addresses, addresses());
        assert!(local.links.link.as_ref().unwrap().is_up);
        assert_eq!(local.owner(), Owner::Nobody);
        local.take();
        assert_eq!(local.owner(), Owner::Ours);
        local.remove().unwrap();
        assert!(kernel.link.is_none());
    }

    #[test]
    fn of_another_kind_of_link_only_our_addresses_are_removed() {
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        let mut kernel =
            Kernel { link: Some(link("bridge")), addresses: vec![own], ..Kernel::default() };
        let metrics = Metrics::new(1);
        let mut first = keep(&mut kernel, "a", &metrics);
        first.ensure();
        first.take();
        // It dies; its successor removes what it has left.
        let mut second = keep(&mut kernel, "b", &metrics);
        second.ensure();
        second.take();
        second.remove().unwrap();
        assert_eq!(kernel.addresses, [own]);
        assert_eq!(kernel.link.unwrap().alias, "");
    }

    #[test]
    fn a_link_that_a_successor_took_is_not_ours() {
        let (mut kernel, metrics) = (Kernel::default(), Metrics::new(1));
        let mut first = keep(&mut kernel, "a", &metrics);
        first.ensure();
        first.take();
        let alias = "dunlin b 169.254.20.10".to_owned();
        first.links.link.as_mut().unwrap().alias = alias;
        assert_eq!(first.owner(), Owner::Theirs);
        first.abandon();
        assert!(kernel.link.is_some());
    }

    #[test]
    fn a_failed_start_takes_back_what_it_did() {
        let (mut kernel, metrics) = (Kernel::default(), Metrics::new(1));
        let mut local = keep(&mut kernel, "a", &metrics);
        local.ensure();
        local.abandon();
        assert!(kernel.link.is_none());
    }

    #[test]
    fn a_kernel_without_dummy_links_is_counted_twice_as_in_the_original() {
        let mut kernel = Kernel { has_no_dummy: true, ..Kernel::default() };
        let metrics = Metrics::new(1);
        keep(&mut kernel, "a", &metrics).ensure();
        let page = metrics.page();
        for kind in ["interface_add", "interface_check"] {
            let name = "coredns_nodecache_setup_errors_total";
            let value = dunlin_testkit::metrics::value(&page, name, &[("errortype", kind)]);
            assert_eq!(value, Some(1.0), "{kind}");
        }
    }
}
