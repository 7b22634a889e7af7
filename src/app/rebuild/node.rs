//! A node's projections, built anew.

use std::fs;
use std::path::Path;

use indicatif::ProgressBar;

use super::{Found, Part, RebuildError, failed, in_use, replace, workshop};
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::service::node;
use crate::store::journal::{Journal, JournalOptions, JournalReader};
use crate::store::node::NodeState;
use crate::store::projection::ProjectionError;
use crate::store::sum::TableSum;

/// Builds, compares, and unless `check` replaces. Gives the number of records and what was found.
///
/// # Errors
/// [`RebuildError`]; nothing was replaced.
pub fn rebuild(
    data: &Path,
    check: bool,
    now: Moment,
    progress: &ProgressBar,
) -> Result<(u64, Vec<Part>), RebuildError> {
    let (journal, opened) =
        Journal::open(&data.join(JOURNAL), JournalOptions::default()).map_err(|error| in_use(data, error))?;
    let (reader, workshop) = (journal.reader(), workshop(data)?);
    let end = Sequence(opened.next_sequence);
    progress.set_length(end.0);
    let fresh = NodeState::open_as_it_is(&workshop.join(STATE), end)?;
    node::rebuild(&reader, &fresh, &mut |done| progress.set_position(done))?;
    let found = compare(data, &reader, end, &fresh.sums()?)?;
    fresh.close()?;
    if !check && found != Found::Same {
        replace(data, &workshop, STATE, now)?;
    }
    fs::remove_dir_all(&workshop).map_err(failed("remove", &workshop))?;
    Ok((end.0, vec![Part { name: STATE, found }]))
}

/// Compares the projections that are there with those built anew, after they were brought to the same end.
fn compare(data: &Path, journal: &JournalReader, end: Sequence, fresh: &[TableSum]) -> Result<Found, RebuildError> {
    let path = data.join(STATE);
    if !path.exists() {
        return Ok(Found::Absent);
    }
    let there = match NodeState::open_as_it_is(&path, end) {
        Ok(there) => there,
        Err(ProjectionError::InUse) => return Err(RebuildError::InUse(data.to_owned())),
        Err(error @ ProjectionError::Newer { .. }) => return Err(error.into()),
        Err(error) => return Ok(Found::Unusable(error.to_string())),
    };
    let summed = node::rebuild(journal, &there, &mut |_| ())
        .map_err(|error| error.to_string())
        .and_then(|()| there.sums().map_err(|error| error.to_string()));
    let found = summed.map_or_else(Found::Unusable, |there| Found::of(&there, fresh));
    there.close()?;
    Ok(found)
}

/// The node's journal.
pub const JOURNAL: &str = "journal";
const STATE: &str = "state";
