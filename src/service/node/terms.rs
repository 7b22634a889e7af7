//! What a hospital's codes mean in the region: the catalogue and the hospital's own table, replaced as a whole while the
//! node runs. Also what a study shows, from what its instances say.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::catalogue::{Catalogue, Item};
use crate::domain::entry::LocalCode;
use crate::domain::imaging::{Contrast, Coverage};
use crate::domain::item::{ItemCode, Loinc};
use crate::domain::mapping::{ImagingTerms, Mapped, Mapping, coverage_of, items_shown};
use crate::domain::specimen::Specimen;
use crate::wire::dicom::StudyFacts;
use crate::wire::dicom::facts::Laterality;

/// Catalogue and mapping of one moment.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The region's catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The hospital's own table.
    pub mapping: Arc<Mapping>,
}

impl Terms {
    /// Finds the laboratory item of a result, with its specimen; nothing where neither table nor LOINC codes lead to one.
    pub fn laboratory(&self, local: &LocalCode, loincs: &[Loinc], specimen: Option<Specimen>) -> Option<Mapped> {
        let mapped = self.mapping.map(local, loincs, specimen, &self.catalogue).ok()?;
        let item = self.catalogue.item(mapped.item).and_then(Item::laboratory);
        item.is_some().then_some(mapped)
    }

    /// Says what a study shows, one element a body part: by the parts that its instances name, else by the procedures
    /// that the hospital's table knows.
    pub fn coverage(&self, study: &StudyFacts) -> Vec<Coverage> {
        let named = study.body_parts.iter().map(String::as_str);
        let regions = study.regions.iter().map(|region| region.meaning.as_str());
        let mut shown: Vec<Coverage> =
            named.chain(regions).filter_map(|part| coverage_of(&terms_of(study, part), &self.catalogue)).collect();
        if shown.is_empty() {
            shown.extend(self.procedures(study).filter_map(|item| {
                let imaging = self.catalogue.item(item)?.imaging()?;
                coverage_of(&terms_of(study, &imaging.body_part), &self.catalogue)
            }));
        }
        shown.sort();
        shown.dedup();
        shown
    }

    /// Finds the imaging items that a study answers.
    pub fn imaging(&self, shown: &[Coverage]) -> BTreeSet<ItemCode> {
        shown.iter().flat_map(|coverage| items_shown(coverage, &self.catalogue)).collect()
    }

    fn procedures<'t>(&'t self, study: &'t StudyFacts) -> impl Iterator<Item = ItemCode> + 't {
        study.procedures.iter().filter_map(|code| {
            let local = LocalCode { code: code.value.clone(), name: code.meaning.clone(), system: code.scheme.clone() };
            self.mapping.map(&local, &[], None, &self.catalogue).ok().map(|mapped| mapped.item)
        })
    }
}

fn terms_of<'t>(study: &'t StudyFacts, body_part: &'t str) -> ImagingTerms<'t> {
    let sides = [Laterality::Left, Laterality::Right].map(|side| study.lateralities.contains(&side));
    let laterality = match (study.lateralities.contains(&Laterality::Both), sides) {
        (true, _) | (_, [true, true]) => "B",
        (_, [true, false]) => "L",
        (_, [false, true]) => "R",
        _ if study.lateralities.contains(&Laterality::Unpaired) => "U",
        _ => "",
    };
    ImagingTerms {
        modality: study.modality().unwrap_or_default(),
        body_part,
        laterality,
        views: &study.views,
        contrast: contrast_of(study),
    }
}

/// Tells from the series whether contrast was given in all, some or none; one that does not say leaves it unknown.
fn contrast_of(study: &StudyFacts) -> Contrast {
    if study.modality().is_some_and(|modality| WITHOUT_CONTRAST.contains(&modality)) {
        return Contrast::NotApplicable;
    }
    let said: BTreeSet<Option<bool>> = study.series.values().map(|series| series.contrast).collect();
    match (said.contains(&Some(true)), said.contains(&Some(false)), said.contains(&None)) {
        (true, true, _) => Contrast::PlainAndEnhanced,
        (true, false, _) => Contrast::Enhanced,
        (false, true, false) => Contrast::Plain,
        _ => Contrast::Unknown,
    }
}

/// Modalities of which nobody asks for contrast medium. Source: DICOM PS3.3, C.7.3.1.1.1.
const WITHOUT_CONTRAST: [&str; 8] = ["CR", "DX", "DR", "MG", "US", "ECG", "BMD", "PX"];
