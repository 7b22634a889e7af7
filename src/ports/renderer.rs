//! Drawing pictures as the doors see it: a process of its own in production, the drawing itself in tests.

use std::pin::Pin;

use bytes::Bytes;

use crate::domain::picture::{Undrawn, View};

/// Draws pictures where a wrong file can harm nobody else.
pub trait Renderer: Send + Sync {
    /// Draws what is wanted of the picture in a DICOM file, in bounded time and memory.
    fn draw(&self, file: Bytes, view: View) -> Drawing<'_>;
}

/// A picture on its way.
pub type Drawing<'d> = Pin<Box<dyn Future<Output = Result<Bytes, Undrawn>> + Send + 'd>>;
