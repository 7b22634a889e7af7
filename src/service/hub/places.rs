//! Places: so many of one thing that lasts for each organisation at once, so that what one holds open is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::organisation::OrganisationCode;
use crate::service::hub::error::HubError;

/// The places of each organisation.
pub(super) struct Places {
    each_max: usize,
    places: Mutex<HashMap<OrganisationCode, Arc<Semaphore>>>,
}

impl Places {
    /// Gives every organisation so many.
    pub(super) fn new(each_max: usize) -> Self {
        Self { each_max, places: Mutex::default() }
    }

    /// Takes a place, given back when it is dropped.
    ///
    /// # Errors
    /// [`HubError::Limited`] when the organisation has taken all of its own.
    pub(super) fn take(&self, organisation: OrganisationCode) -> Result<OwnedSemaphorePermit, HubError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let own = places.entry(organisation).or_insert_with(|| Arc::new(Semaphore::new(self.each_max)));
        Arc::clone(own).try_acquire_owned().map_err(|_| HubError::Limited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::hub::testing::{HOSPITAL, OTHER_HOSPITAL, code};

    #[test]
    fn one_organisation_takes_its_own_places_and_nobody_elses() {
        let places = Places::new(2);
        let taken = [places.take(code(HOSPITAL)).unwrap(), places.take(code(HOSPITAL)).unwrap()];
        assert!(matches!(places.take(code(HOSPITAL)), Err(HubError::Limited)));
        drop(places.take(code(OTHER_HOSPITAL)).unwrap());
        drop(taken);
        drop(places.take(code(HOSPITAL)).unwrap());
    }
}
