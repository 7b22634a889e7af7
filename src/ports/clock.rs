//! The clock as the services see it: the machine's in production, a hand-set one in tests and the simulation.

use crate::domain::time::Moment;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Gives the present moment with the offset of the place.
    fn now(&self) -> Moment;
}
