//! What a hospital's codes mean in the region: the catalogue, and the ways from local codes to its items. Replaced as a
//! whole while the node runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::catalogue::Catalogue;
use crate::domain::entry::LocalCode;
use crate::domain::imaging::Coverage;
use crate::domain::item::{ItemCode, Loinc};
use crate::wire::dicom::StudyFacts;

/// Catalogue and mapping of one moment.
#[derive(Clone)]
pub struct Terms {
    /// The region's catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The hospital's own table: a local code, by system and code, to an item.
    pub local: BTreeMap<(String, String), ItemCode>,
    /// What a study shows, by the hospital's and the region's tables; nothing where that cannot be said.
    pub coverage: Arc<CoverageOf>,
}

/// Says what a study shows, one element a body part.
pub type CoverageOf = dyn Fn(&Catalogue, &StudyFacts) -> Vec<Coverage> + Send + Sync;

impl Terms {
    /// Finds the item of a laboratory result: by the hospital's table, else by its LOINC code; never by its name.
    pub fn item_of(&self, local: &LocalCode, loinc: Option<Loinc>) -> Option<ItemCode> {
        let own = self.local.get(&(local.system.clone(), local.code.clone()));
        own.or_else(|| self.catalogue.by_loinc.get(&loinc?)).copied().filter(|code| self.is_laboratory(*code))
    }

    fn is_laboratory(&self, code: ItemCode) -> bool {
        self.catalogue.item(code).is_some_and(|item| item.laboratory().is_some())
    }
}
