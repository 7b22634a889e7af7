//! A journal position in the domain's words.

use super::Position;
use crate::domain::log;

impl From<Position> for log::LogPlace {
    fn from(position: Position) -> Self {
        Self { sequence: log::Sequence(position.sequence), position: log::Position(position.offset) }
    }
}

impl From<log::LogPlace> for Position {
    fn from(place: log::LogPlace) -> Self {
        Self { sequence: place.sequence.0, offset: place.position.0 }
    }
}
