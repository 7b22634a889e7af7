//! Who allocates: jemalloc, which serves many small allocations on many threads better than glibc does (ADR 26).
//!
//! The only unsafe code of the package.
#![expect(unsafe_code, reason = "Rust lets nobody say who allocates without it")]

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc;

/// jemalloc, as forgiving as C's: the decoder of JPEG 2000, translated from C, asks for nothing and gives nothing back at
/// times, which jemalloc's front takes for impossible.
#[derive(Debug, Clone, Copy)]
pub struct Allocator;

// SAFETY: jemalloc keeps the contract for every layout that is not empty. An empty one becomes one byte of the same
// alignment when it is allocated, and the same when it is changed or given back. Nothing is done with nothing.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout is not empty.
        unsafe { Jemalloc.alloc(filled(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout is not empty.
        unsafe { Jemalloc.alloc_zeroed(filled(layout)) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if !at.is_null() {
            // SAFETY: it was allocated above, by the same layout.
            unsafe { Jemalloc.dealloc(at, filled(layout)) }
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size_bytes: usize) -> *mut u8 {
        // SAFETY: it was allocated above, by the same layout, and the new size is not 0.
        unsafe { Jemalloc.realloc(at, filled(layout), size_bytes.max(1)) }
    }
}

fn filled(layout: Layout) -> Layout {
    if layout.size() > 0 { layout } else { Layout::from_size_align(1, layout.align()).unwrap_or(layout) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allocated_as_a_byte_of_its_alignment() {
        let empty = Layout::from_size_align(0, 32).unwrap();
        assert_eq!(filled(empty), Layout::from_size_align(1, 32).unwrap());
        assert_eq!(filled(Layout::new::<u64>()), Layout::new::<u64>());
    }
}
