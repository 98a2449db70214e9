//! Message buffers that are used again: one small pool a thread, so that a cached answer costs
//! no trip to the allocator.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A `Vec<u8>` that returns to its thread's pool when dropped.
#[derive(Default, PartialEq, Eq)]
pub struct Buffer(Vec<u8>);

/// What a fresh buffer holds without growing: most messages.
const CAPACITY: usize = 2048;
/// Buffers kept by a thread; more than a batch ever needs at once.
const KEPT: usize = 128;
/// Larger ones are given back to the allocator.
const MAX_KEPT_CAPACITY: usize = 8192;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl Buffer {
    /// An empty buffer from the pool.
    #[must_use]
    pub fn new() -> Self {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Self(pooled.unwrap_or_else(|| Vec::with_capacity(CAPACITY)))
    }

    /// A buffer that holds a copy of these bytes.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::new();
        buffer.extend_from_slice(bytes);
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if bytes.capacity() == 0 || bytes.capacity() > MAX_KEPT_CAPACITY {
            return;
        }
        bytes.clear();
        // At thread exit the pool may be gone already: then the memory goes with the thread.
        let _gone = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(bytes);
            }
        });
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} octets)", self.0.len())
    }
}
