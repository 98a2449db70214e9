//! Background work that generations share: it begins with the first generation that uses it, and ends
//! after the last. What stays the same over a reload so keeps its connections and queues.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The task behind state that was [retained](crate::Directive::retain), and how many generations use it.
#[derive(Debug, Default)]
pub struct Upkeep(Mutex<Life>);

#[derive(Debug, Default)]
struct Life {
    users: usize,
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    /// Dropped to end it.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Upkeep {
    /// A generation begins to use it. For the first one `start` sets the task going, which gets what is
    /// resolved when it is to end.
    pub fn enter(&self, start: impl FnOnce(oneshot::Receiver<()>) -> JoinHandle<()>) {
        let mut life = self.0.lock();
        life.users += 1;
        if life.work.is_none() {
            let (stop, stopped) = oneshot::channel();
            life.work = Some(Work { stop, task: start(stopped) });
        }
    }

    /// A generation that has entered ends. With the last one `close` is called, and the task has this
    /// long to come to its end; it is gone when this returns. Says whether it was the last.
    pub async fn leave(&self, close: impl FnOnce() + Send, patience: Duration) -> bool {
        let work = {
            let mut life = self.0.lock();
            life.users = life.users.saturating_sub(1);
            if life.users > 0 {
                return false;
            }
            close();
            life.work.take()
        };
        let Some(Work { stop, mut task }) = work else { return true };
        drop(stop);
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
            // It says that it was ended, which we know.
            let _ended = task.await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_work_lasts_from_the_first_user_to_the_last() {
        let (upkeep, alive) = (Upkeep::default(), Arc::new(AtomicUsize::new(0)));
        let enter = || {
            let alive = Arc::clone(&alive);
            upkeep.enter(move |stopped| {
                alive.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    assert!(stopped.await.is_err());
                    alive.fetch_sub(1, Relaxed);
                })
            });
        };
        let patience = Duration::from_secs(5);
        enter();
        enter();
        assert_eq!(alive.load(Relaxed), 1);
        assert!(!upkeep.leave(|| panic!("too early"), patience).await);
        assert_eq!(alive.load(Relaxed), 1);
        assert!(upkeep.leave(|| (), patience).await);
        assert_eq!(alive.load(Relaxed), 0);
        enter();
        assert_eq!(alive.load(Relaxed), 1, "it can begin again");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_end_is_ended() {
        let upkeep = Upkeep::default();
        let token = Arc::new(());
        let held = Arc::clone(&token);
        upkeep.enter(|_stopped| {
            tokio::spawn(async move {
                let _held = held;
                std::future::pending().await
            })
        });
        assert!(upkeep.leave(|| (), Duration::from_secs(5)).await);
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
