//! A study as one entry: folds what its instances say into one set of facts.

use super::facts::{InstanceFacts, Laterality};
use super::reader::Code;
use super::uid::Uid;
use super::when::LocalTime;
use crate::domain::fault::{Fault, Faulty};
use crate::domain::phi::Phi;
use std::collections::{BTreeMap, BTreeSet};

/// What the instances of one study say together. The order in which they are taken does not matter.
#[derive(Debug, Clone)]
pub struct StudyFacts {
    /// The study.
    pub study: Uid,
    /// Whose it is: the first identifier seen.
    pub patient_id: Option<Phi<String>>,
    /// Accession numbers seen; one study has one, unless orders were merged.
    pub accessions: BTreeSet<Phi<String>>,
    /// Descriptions of the study.
    pub descriptions: BTreeSet<String>,
    /// Codes of procedures requested and done.
    pub procedures: BTreeSet<Code>,
    /// Modalities of the pictures and recordings; of the other objects only when there is nothing else.
    pub modalities: BTreeSet<String>,
    /// Body parts examined.
    pub body_parts: BTreeSet<String>,
    /// Codes of anatomic regions.
    pub regions: BTreeSet<Code>,
    /// Sides of the body.
    pub lateralities: BTreeSet<Laterality>,
    /// View positions.
    pub views: BTreeSet<String>,
    /// Whether any instance was taken with contrast; `None` when none says.
    pub contrast: Option<bool>,
    /// The earliest acquisition of a picture or recording.
    pub acquired: Option<LocalTime>,
    /// Start of the study, the earliest stated.
    pub started: Option<LocalTime>,
    /// The series.
    pub series: BTreeMap<Uid, SeriesFacts>,
    /// Whether any text was decoded by a guess.
    pub charset_guessed: bool,
}

/// What the instances of one series say together.
#[derive(Debug, Clone, Default)]
pub struct SeriesFacts {
    /// Modality, in capitals.
    pub modality: Option<String>,
    /// Series description.
    pub description: Option<String>,
    /// Protocol name.
    pub protocol: Option<String>,
    /// Body part examined.
    pub body_part: Option<String>,
    /// Whether any instance was taken with contrast; `None` when none says.
    pub contrast: Option<bool>,
    /// The thinnest slice in millimetres.
    pub slice_thickness_min_mm: Option<f64>,
    /// Magnetic field strength in tesla.
    pub field_tesla: Option<f64>,
    /// The earliest acquisition.
    pub acquired: Option<LocalTime>,
    /// Frames of all instances.
    pub frame_count: u64,
    /// The instances, each with what identifies its bytes.
    pub instances: BTreeMap<Uid, InstanceRecord>,
}

/// What identifies the bytes of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Its class.
    pub sop_class: Uid,
    /// The SHA-256 of the bytes kept.
    pub sha256: [u8; 32],
    /// Their number.
    pub size_bytes: u64,
}

/// What taking an instance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is new.
    New,
    /// The same bytes were there already; nothing changed.
    Again,
}

/// Why an instance was not taken into a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StudyError {
    /// It belongs to another study, or to no series; the caller mixed them up.
    #[error("the instance belongs to another study")]
    OtherStudy,
    /// The study names another patient; keep the instance out until somebody has looked.
    #[error("the instance names another patient than the rest of the study")]
    OtherPatient,
    /// An instance of this UID with other bytes is there; the first one stays.
    #[error("an instance with this UID and other content is known")]
    OtherContent,
}

impl Faulty for StudyError {
    fn fault(&self) -> Fault {
        match self {
            Self::OtherStudy => Fault::BadInput,
            Self::OtherPatient | Self::OtherContent => Fault::Conflict,
        }
    }
}

impl StudyFacts {
    /// Begins a study without instances.
    pub fn new(study: Uid) -> Self {
        Self {
            study,
            patient_id: None,
            accessions: BTreeSet::new(),
            descriptions: BTreeSet::new(),
            procedures: BTreeSet::new(),
            modalities: BTreeSet::new(),
            body_parts: BTreeSet::new(),
            regions: BTreeSet::new(),
            lateralities: BTreeSet::new(),
            views: BTreeSet::new(),
            contrast: None,
            acquired: None,
            started: None,
            series: BTreeMap::new(),
            charset_guessed: false,
        }
    }

    /// Takes one instance, whose bytes `record` identifies.
    ///
    /// # Errors
    /// [`StudyError`]; the study is then unchanged.
    pub fn take(&mut self, facts: &InstanceFacts, record: InstanceRecord) -> Result<Taken, StudyError> {
        let Some(series_uid) = facts.series.as_ref().filter(|_| facts.study.as_ref() == Some(&self.study)) else {
            return Err(StudyError::OtherStudy);
        };
        if let Some(known) = self.series.values().find_map(|series| series.instances.get(&facts.sop_instance)) {
            return if *known == record { Ok(Taken::Again) } else { Err(StudyError::OtherContent) };
        }
        match (&self.patient_id, &facts.patient.id) {
            (Some(known), Some(named)) if known != named => return Err(StudyError::OtherPatient),
            (None, Some(named)) => self.patient_id = Some(named.clone()),
            _ => {}
        }
        self.fold_study(facts);
        let series = self.series.entry(series_uid.clone()).or_default();
        series.fold(facts);
        series.instances.insert(facts.sop_instance.clone(), record);
        self.settle_modalities();
        Ok(Taken::New)
    }

    /// Counts the instances of all series.
    pub fn instance_count(&self) -> usize {
        self.series.values().map(|series| series.instances.len()).sum()
    }

    /// Gives the modality that has most instances, the first by name among equals.
    pub fn modality(&self) -> Option<&str> {
        let count = |wanted: &str| {
            let of_it = self.series.values().filter(|series| series.modality.as_deref() == Some(wanted));
            of_it.map(|series| series.instances.len()).sum::<usize>()
        };
        self.modalities.iter().map(String::as_str).rev().max_by_key(|modality| count(modality))
    }

    fn fold_study(&mut self, facts: &InstanceFacts) {
        let (order, acquisition) = (&facts.order, &facts.acquisition);
        self.accessions.extend(order.accession.clone());
        self.descriptions.extend(order.study_description.clone());
        self.procedures.extend(order.requested_procedures.iter().chain(&order.procedures).cloned());
        self.started = earlier(self.started, order.study_started);
        self.charset_guessed |= facts.charset_guessed;
        // A report or a segmentation is made later, about pictures; it does not say how those were taken.
        if !is_about_others(acquisition.modality.as_deref()) {
            self.body_parts.extend(acquisition.body_part.clone());
            self.regions.extend(acquisition.regions.iter().cloned());
            self.lateralities.extend(acquisition.laterality);
            self.views.extend(acquisition.view.clone());
            self.contrast = either(self.contrast, acquisition.contrast);
            self.acquired = earlier(self.acquired, acquisition.acquired);
        }
    }

    fn settle_modalities(&mut self) {
        let all: BTreeSet<String> = self.series.values().filter_map(|series| series.modality.clone()).collect();
        let taken: BTreeSet<String> = all.iter().filter(|name| !is_about_others(Some(name))).cloned().collect();
        self.modalities = if taken.is_empty() { all } else { taken };
    }
}

impl SeriesFacts {
    fn fold(&mut self, facts: &InstanceFacts) {
        let (order, acquisition, picture) = (&facts.order, &facts.acquisition, &facts.picture);
        first(&mut self.modality, &acquisition.modality);
        first(&mut self.description, &order.series_description);
        first(&mut self.protocol, &order.protocol);
        first(&mut self.body_part, &acquisition.body_part);
        self.contrast = either(self.contrast, acquisition.contrast);
        self.field_tesla = self.field_tesla.or(acquisition.field_tesla);
        self.acquired = earlier(self.acquired, acquisition.acquired);
        self.frame_count += u64::from(picture.frames);
        self.slice_thickness_min_mm = match (self.slice_thickness_min_mm, picture.slice_thickness_mm) {
            (Some(known), Some(other)) => Some(known.min(other)),
            (known, other) => known.or(other),
        };
    }
}

/// Says whether objects of the modality are about pictures rather than pictures: reports, marks, plans, documents.
///
/// Source: DICOM PS3.3, C.7.3.1.1.1.
fn is_about_others(modality: Option<&str>) -> bool {
    let about = [
        "SR",
        "KO",
        "PR",
        "SEG",
        "REG",
        "FID",
        "RWV",
        "DOC",
        "RTSTRUCT",
        "RTPLAN",
        "RTDOSE",
        "RTRECORD",
        "PLAN",
        "AU",
        "ANN",
        "STAIN",
        "SMR",
        "TEXTUREMAP",
        "HC",
    ];
    modality.is_none_or(|modality| about.contains(&modality))
}

/// Keeps the value that sorts first, so that the order of instances does not matter.
fn first(kept: &mut Option<String>, seen: &Option<String>) {
    if let Some(seen) = seen
        && kept.as_ref().is_none_or(|kept| seen < kept)
    {
        *kept = Some(seen.clone());
    }
}

fn either(known: Option<bool>, said: Option<bool>) -> Option<bool> {
    match (known, said) {
        (Some(known), Some(said)) => Some(known || said),
        (known, said) => known.or(said),
    }
}

fn earlier(known: Option<LocalTime>, seen: Option<LocalTime>) -> Option<LocalTime> {
    match (known, seen) {
        (Some(known), Some(seen)) => Some(known.min(seen)),
        (known, seen) => known.or(seen),
    }
}
