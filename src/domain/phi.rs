//! A wrapper that keeps whatever could name a patient out of logs and errors. `reveal` may be called only in
//! `domain`, `wire` and `store`.

use std::fmt;

/// Holds a value that could name a patient; its `Debug` prints `[phi]`, and it has no `Display`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value the moment it is read from outside.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Shows the value to code that must compare, convert or store it; never to a log, metric, error text or URL.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[phi]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        let shown = format!("{:?}", Some(Phi::new("CANARY^PATIENT")));
        assert_eq!(shown, "Some([phi])");
    }
}
