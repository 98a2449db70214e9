//! The signals of core life: caught before anything else happens, told in the order they came.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// All signals that we handle. Made first, so that none can end the process by its default.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    reload: Signal,
    /// HUP and USR2 are taken and ignored.
    hangup: Signal,
    upgrade: Signal,
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Terminate,
    Interrupt,
    Quit,
    Reload,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            reload: signal(SignalKind::user_defined1())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one that means something. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Wish {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => return Wish::Terminate,
                Some(()) = self.interrupt.recv() => return Wish::Interrupt,
                Some(()) = self.quit.recv() => return Wish::Quit,
                Some(()) = self.reload.recv() => return Wish::Reload,
                Some(()) = self.hangup.recv() => {}
                Some(()) = self.upgrade.recv() => {}
            }
        }
    }
}
