//! The heap: mimalloc, asked by its shortest way.
//!
//! The crate `mimalloc` asks for an alignment with every block, which takes twenty instructions more
//! than asking for a size; and nearly everything wants no more alignment than any block has.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mimalloc;

/// The allocator of the binaries: `#[global_allocator] static HEAP: Heap = Heap;`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// Blocks of any size are aligned to this many octets.
const USUAL: usize = 8;

// SAFETY: mimalloc's functions keep the contract of malloc: a block is exclusively the caller's until
// it is freed, has at least the octets that were asked for, and no function unwinds. Blocks without an
// alignment of their own have at least the usual one, and each function frees or moves blocks of all.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = if layout.align() <= USUAL {
            // SAFETY: every size may be asked for.
            unsafe { mimalloc::mi_malloc(layout.size()) }
        } else {
            // SAFETY: as above, and the alignment of a layout is a power of two.
            unsafe { mimalloc::mi_malloc_aligned(layout.size(), layout.align()) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = if layout.align() <= USUAL {
            // SAFETY: every size may be asked for.
            unsafe { mimalloc::mi_zalloc(layout.size()) }
        } else {
            // SAFETY: as above, and the alignment of a layout is a power of two.
            unsafe { mimalloc::mi_zalloc_aligned(layout.size(), layout.align()) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller gives back a block of ours, once.
        unsafe { mimalloc::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = if layout.align() <= USUAL {
            // SAFETY: the caller gives back a block of ours, once, and gets another for it.
            unsafe { mimalloc::mi_realloc(block.cast(), size) }
        } else {
            // SAFETY: as above, with the alignment that the block was asked for with.
            unsafe { mimalloc::mi_realloc_aligned(block.cast(), size, layout.align()) }
        };
        block.cast()
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout};

    use super::Heap;

    fn is_aligned(block: *mut u8, align: usize) -> bool {
        !block.is_null() && block.addr().is_multiple_of(align)
    }

    #[test]
    fn blocks_are_aligned_filled_and_grown_as_asked() {
        for size in (1..200).chain([1 << 10, 1 << 16, 1 << 22]) {
            for align in [1, 2, 4, 8, 16, 64, 128, 4096] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: each block is used within its size, moved once and freed once.
                unsafe {
                    let block = Heap.alloc(layout);
                    assert!(is_aligned(block, align), "{layout:?}");
                    block.write_bytes(7, size);
                    let grown = Heap.realloc(block, layout, size * 2);
                    assert!(is_aligned(grown, align), "{layout:?}");
                    assert!((0..size).all(|at| grown.add(at).read() == 7), "{layout:?}");
                    let zeroed = Heap.alloc_zeroed(layout);
                    assert!(is_aligned(zeroed, align), "{layout:?}");
                    assert!((0..size).all(|at| zeroed.add(at).read() == 0), "{layout:?}");
                    Heap.dealloc(grown, Layout::from_size_align(size * 2, align).unwrap());
                    Heap.dealloc(zeroed, layout);
                }
            }
        }
    }
}
