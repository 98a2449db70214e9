//! A panic in a plugin costs one reply, not the process.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a future and turns a panic inside it into a value.
pub(super) struct CatchPanic<F>(pub(super) F);

/// What is known of a panic.
#[derive(Debug)]
pub(super) struct Caught {
    pub(super) text: String,
    pub(super) backtrace: String,
}

thread_local! {
    static BACKTRACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics from printing by themselves: they are logged where they are caught, with a
/// backtrace that only this hook can take. Panics elsewhere are logged at once.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::force_capture();
        if CATCHING.get() {
            BACKTRACE.set(Some(format!("at {place}\n{backtrace}")));
        } else {
            let text = text_of(panic.payload());
            tracing::error!("panic at {place}: {text}\n{backtrace}");
        }
    }));
}

impl<F: Future + Unpin> Future for CatchPanic<F> {
    type Output = Result<F::Output, Caught>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The query and this future are never touched again.
        match catch(|| Pin::new(&mut self.0).poll(context)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(caught) => Poll::Ready(Err(caught)),
        }
    }
}

/// Runs code of plugins and turns a panic in it into a value. Their own state is behind locks and
/// atomics that a panic cannot leave half done.
pub(super) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Caught> {
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(false);
    result.map_err(|payload| Caught {
        text: text_of(&*payload),
        backtrace: BACKTRACE.take().unwrap_or_default(),
    })
}

fn text_of(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".into())
}
