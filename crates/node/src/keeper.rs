//! The keeper: a thread that gives the node its link and rules once queries are answered, looks after
//! them, and takes them away at the end. DNS never waits for it.
//!
//! Rules exist only while we can answer ourselves. Two processes may serve the same addresses for a while,
//! Dunlin or not. Then whoever ends first leaves all to the other: it sees the other's sockets, or, if
//! it cannot, the note on the link by which a newer one took it over. Who ends last removes all.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use dunlin_os::holders::is_shared;
use dunlin_os::netlink::{Family, Group, Netlink, Route};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::firewall::Firewall;
use crate::flags::Config;
use crate::iptables::Done;
use crate::link::{LocalLink, Owner};
use crate::self_query::is_answered;
use crate::setup_errors::SetupErrors;

/// The way to a running keeper. Clones lead to the same one.
#[derive(Debug, Clone)]
pub struct Keeper {
    wishes: SyncSender<Wish>,
}

/// Told when the server has not answered itself for five seconds, and the rules are gone.
#[derive(Debug)]
pub struct Failure(oneshot::Receiver<()>);

impl Failure {
    /// Waits for it.
    pub async fn happened(self) {
        if self.0.await.is_err() {
            // The keeper has ended well.
            std::future::pending().await
        }
    }
}

#[derive(Debug)]
enum Wish {
    /// The server answers queries.
    Ready,
    /// Something changed in the kernel.
    Look,
    /// Take the rules away.
    Withdraw(oneshot::Sender<()>),
    /// Take the link away too.
    Remove(oneshot::Sender<()>),
    /// The server never ran.
    Abandon(oneshot::Sender<()>),
}

struct Thread {
    config: Config,
    link: Option<LocalLink<Route>>,
    firewall: Firewall,
    wishes: Receiver<Wish>,
    /// Whether a look is among the wishes: one is as good as many, and must not keep others out.
    is_look_wished: Arc<AtomicBool>,
    failed: Option<oneshot::Sender<()>>,
    is_ready: bool,
    is_steering: bool,
    is_ending: bool,
    is_withdrawn: bool,
    /// The next look at everything.
    due: Instant,
    last_look: Instant,
    last_self_query: Instant,
    /// Since when nobody answers, and how often.
    silence: Option<(Instant, u32)>,
}

/// How often we ask ourselves.
const SELF_QUERY: Duration = Duration::from_secs(1);
const FIRST_SELF_QUERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(500);
/// Without an answer for so long, others serve better than we do.
const SILENCE: Duration = Duration::from_secs(5);
const SILENT_QUERIES: u32 = 5;
/// Between two looks because of changes: others may change much and often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(800);
const RETRY: Duration = Duration::from_secs(1);
const STAYS: &str = "another process serves our addresses now: interface and rules stay";
/// What rules may take at the end, of five seconds for all.
const WITHDRAWAL: Duration = Duration::from_secs(3);

impl Keeper {
    /// Makes the link, so that the server can listen on its addresses, and starts the thread.
    ///
    /// # Errors
    /// There are no threads left.
    pub fn start(config: &Config, errors: &SetupErrors) -> std::io::Result<(Self, Failure)> {
        let (wishes, received) = sync_channel(64);
        let (fail, failed) = oneshot::channel();
        let link = config.flags.setup_interface.then(|| link(config, errors)).flatten();
        let now = Instant::now();
        let mut thread = Thread {
            config: config.clone(),
            link,
            firewall: Firewall::choose(config, errors),
            wishes: received,
            is_look_wished: Arc::default(),
            failed: Some(fail),
            is_ready: false,
            is_steering: false,
            is_ending: false,
            is_withdrawn: false,
            due: now,
            last_look: now,
            last_self_query: now,
            silence: None,
        };
        if let Some(link) = &mut thread.link {
            link.ensure();
        }
        let groups = [Group::Link, Group::Ipv4Address, Group::Ipv6Address];
        listen(Family::Route, &groups, &wishes, &thread.is_look_wished);
        listen(Family::Netfilter, &[Group::Nftables], &wishes, &thread.is_look_wished);
        thread::Builder::new().name("keeper".into()).spawn(move || thread.run())?;
        Ok((Self { wishes }, Failure(failed)))
    }

    /// The server answers queries: from now on the node may be told to ask it.
    pub fn ready(&self) {
        self.wish(Wish::Ready);
    }

    /// Takes the rules away, if they are ours, so that nobody is sent to us any more.
    pub fn withdraw(&self) -> impl Future<Output = ()> + Send + use<> {
        self.asked(Wish::Withdraw)
    }

    /// Takes what is left away, if it is ours.
    pub fn remove(&self) -> impl Future<Output = ()> + Send + use<> {
        self.asked(Wish::Remove)
    }

    /// Takes back what was made for a server that did not start.
    pub fn abandon(&self) -> impl Future<Output = ()> + Send + use<> {
        self.asked(Wish::Abandon)
    }

    fn asked(
        &self,
        wish: fn(oneshot::Sender<()>) -> Wish,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (done, waiting) = oneshot::channel();
        self.wish(wish(done));
        async move {
            // Whoever cannot answer any more has ended.
            let _done = waiting.await;
        }
    }

    fn wish(&self, wish: Wish) {
        // Full only if the thread hangs: then nothing helps.
        if self.wishes.try_send(wish).is_err() {
            tracing::warn!("the keeper of interface and rules does not answer");
        }
    }
}

impl Thread {
    fn run(mut self) {
        loop {
            let wait =
                self.due.min(self.next_self_query()).saturating_duration_since(Instant::now());
            match self.wishes.recv_timeout(wait) {
                Ok(wish) => {
                    if !self.act(wish) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.turn();
        }
    }

    /// False when all is done.
    fn act(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Ready => self.is_ready = true,
            Wish::Look => {
                self.is_look_wished.store(false, Relaxed);
                self.due = self.due.min(self.last_look + BETWEEN_LOOKS);
            }
            Wish::Withdraw(done) => {
                self.withdraw();
                let _gone = done.send(());
            }
            Wish::Remove(done) => {
                tracing::warn!("Exiting iptables/interface check goroutine");
                self.remove();
                let _gone = done.send(());
                return false;
            }
            Wish::Abandon(done) => {
                if let Some(link) = &mut self.link {
                    link.abandon();
                }
                let _gone = done.send(());
                return false;
            }
        }
        true
    }

    /// What is due.
    fn turn(&mut self) {
        if !self.is_ready || self.is_ending {
            self.due = Instant::now() + self.config.flags.interval;
            return;
        }
        let now = Instant::now();
        if self.next_self_query() <= now {
            self.ask_ourselves();
        }
        if self.is_steering && self.due <= now {
            self.look();
        }
    }

    fn next_self_query(&self) -> Instant {
        let is_calm = self.is_steering || self.silence.is_some();
        let calm = Firewall::pulse(&self.config).unwrap_or(SELF_QUERY).min(SELF_QUERY);
        let pause = if is_calm { calm } else { FIRST_SELF_QUERY };
        if self.is_ready && !self.is_ending { self.last_self_query + pause } else { self.due }
    }

    fn ask_ourselves(&mut self) {
        let answered = self.is_answered();
        self.last_self_query = Instant::now();
        if answered {
            self.silence = None;
            if self.is_steering {
                self.firewall.renew();
            } else {
                self.steer();
            }
            return;
        }
        // Who is not steering has no other look at the link: a predecessor may have taken it along.
        if let (Some(link), false) = (&mut self.link, self.is_steering) {
            link.ensure();
        }
        let (since, times) = self.silence.unwrap_or_else(|| (Instant::now(), 0));
        self.silence = Some((since, times + 1));
        // Both: a process that was stopped for a while is not to blame.
        if self.is_steering && since.elapsed() >= SILENCE && times >= SILENT_QUERIES {
            tracing::error!("no answer to our own queries for {SILENCE:?}: giving up");
            // Whoever else is there does not answer either, unless it has taken over.
            if self.link.as_mut().is_none_or(|link| link.owner() != Owner::Theirs) {
                self.remove_rules();
            }
            self.is_ending = true;
            if let Some(failed) = self.failed.take() {
                let _gone = failed.send(());
            }
        }
    }

    fn steer(&mut self) {
        if let Some(link) = &mut self.link {
            link.take();
        }
        self.is_steering = true;
        self.look();
    }

    fn look(&mut self) {
        let done = self.firewall.ensure();
        if let Some(link) = &mut self.link {
            link.ensure();
            // A link that somebody took away and we made again.
            if link.owner() == Owner::Nobody {
                link.take();
            }
        }
        self.last_look = Instant::now();
        let pause = if done == Done::Locked { RETRY } else { self.config.flags.interval };
        self.due = self.last_look + pause;
    }

    fn is_answered(&self) -> bool {
        let (addresses, port) = (&self.config.local_ips, self.config.port);
        addresses.iter().any(|address| is_answered(*address, port, PATIENCE))
    }

    /// While our sockets are still open. Rules that were there before us lead nowhere without us too.
    fn withdraw(&mut self) {
        if !self.is_ending && (self.is_last() || self.is_table_in_the_way()) {
            self.remove_rules();
        }
        self.is_ending = true;
    }

    /// When our sockets are closed: of two processes that end at the same time, one at least finds itself
    /// to be the last.
    fn remove(&mut self) {
        self.is_ending = true;
        if !self.is_last() {
            if self.is_table_in_the_way() {
                self.remove_rules();
            }
            return tracing::info!("{STAYS}");
        }
        self.remove_rules();
        let Some(link) = &mut self.link else { return };
        if let Err(error) = link.remove() {
            tracing::error!("Failed to remove interface {}: {error}", self.config.flags.interface);
        }
    }

    fn remove_rules(&mut self) {
        if !self.is_withdrawn {
            self.is_withdrawn = true;
            self.firewall.withdraw(Instant::now() + WITHDRAWAL);
        }
    }

    /// Whether there is a table of nftables that nobody would remove: an original does not know it. An older
    /// process of ours makes a new one at once; a newer one has left its note.
    fn is_table_in_the_way(&mut self) -> bool {
        let owner = self.link.as_mut().map(LocalLink::owner);
        !self.firewall.is_the_originals() && owner != Some(Owner::Theirs)
    }

    /// Whether nobody else serves our addresses.
    fn is_last(&mut self) -> bool {
        let at = |ip: &IpAddr| SocketAddr::new(*ip, self.config.port);
        let addresses: Vec<SocketAddr> = self.config.local_ips.iter().map(at).collect();
        match is_shared(&addresses) {
            Ok(is_shared) => !is_shared,
            Err(error) => {
                tracing::debug!(%error, "other processes at our addresses cannot be seen");
                let owner = self.link.as_mut().map(LocalLink::owner);
                owner.map_or_else(|| !self.is_answered(), |owner| owner != Owner::Theirs)
            }
        }
    }
}

fn link(config: &Config, errors: &SetupErrors) -> Option<LocalLink<Route>> {
    let route = Route::open().inspect_err(|error| {
        tracing::error!("Error checking dummy device {} - {error}", config.flags.interface);
    });
    let name = &config.flags.interface;
    Some(LocalLink::new(route.ok()?, name, &config.local_ips, &token(), errors))
}

/// No other process has it.
fn token() -> String {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{}.{}", std::process::id(), since_1970.unwrap_or_default().as_nanos())
}

/// Wakes the keeper at every change; the thread lives as long as the process.
fn listen(
    family: Family,
    groups: &[Group],
    wishes: &SyncSender<Wish>,
    is_look_wished: &Arc<AtomicBool>,
) {
    let socket = match Netlink::listen(family, groups) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "{family:?}: changes are seen at the next interval only");
            return;
        }
    };
    let (wishes, is_wished) = (wishes.clone(), Arc::clone(is_look_wished));
    let listening = move || {
        while socket.wait().is_ok() {
            if !is_wished.swap(true, Relaxed) && wishes.try_send(Wish::Look).is_err() {
                return;
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("netlink".into()).spawn(listening) {
        tracing::debug!(%error, "{family:?}: changes are seen at the next interval only");
    }
}
