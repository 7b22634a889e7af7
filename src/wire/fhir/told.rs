//! A result as the writers take it: what is said of it, whose it is, and what it is called in the region.

use crate::domain::id::{Pseudonym, ReportId, ResultId, ResultLocator};
use crate::domain::organisation::OrganisationCode;
use crate::domain::time::Moment;
use crate::wire::fhir::element::{STANDING, coding};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::when::instant;
use crate::wire::field::{FieldError, fixed, moment, optional_moment, parsed};
use crate::wire::pb;
use crate::wire::regional::{regional, report_tag};

/// A result of a patient.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What is said of it.
    pub result: &'a pb::ResultSummary,
    /// Whose it is.
    pub patient: Pseudonym,
    /// Who publishes it.
    pub publisher: OrganisationCode,
    /// Its name in the region, the same in every version.
    pub name: ResultId,
    /// The publisher's name of the report that holds it.
    pub report: ReportId,
    /// When the specimen was collected or the image acquired.
    pub collected: Moment,
    /// When it was reported.
    pub reported: Option<Moment>,
    /// Whether a later version took its place.
    pub superseded: bool,
    /// When the hub took this version, where that is known.
    pub updated: Option<Moment>,
}

impl<'a> Told<'a> {
    /// Reads the names in a result; it stands, and nothing is known of when the hub took it.
    ///
    /// # Errors
    /// [`FieldError`] when a name is malformed, which no result of the hub is.
    pub fn new(result: &'a pb::ResultSummary, patient: Pseudonym) -> Result<Self, FieldError> {
        let publisher = parsed("organisation", &result.organisation, "organisation code")?;
        Ok(Self {
            result,
            patient,
            publisher,
            name: regional(publisher, fixed("result_id", &result.result_id)?),
            report: fixed("report_id", &result.report_id)?,
            collected: moment("collected_at", result.collected_at.as_ref())?,
            reported: optional_moment("reported_at", result.reported_at.as_ref())?,
            superseded: false,
            updated: None,
        })
    }

    /// Gives the id of the resource that is the result itself.
    pub fn id(&self) -> String {
        ResultLocator::of(report_tag(self.publisher, self.report), self.name).to_string()
    }

    /// Gives the id of the report that holds it: reports are found by their patient.
    pub fn report_id(&self) -> String {
        format!("{}.{}", self.patient, report_tag(self.publisher, self.report))
    }

    /// Gives the kind of resource that is the result itself.
    pub fn kind(&self) -> &'static str {
        match self.result.content {
            Some(pb::result_summary::Content::ImagingStudy(_)) => "ImagingStudy",
            Some(pb::result_summary::Content::LaboratoryResult(_)) | None => "Observation",
        }
    }

    /// Writes the version, when the hub took it, who may see it, and that it was superseded.
    pub fn meta(&self) -> Json {
        let sensitive = self.result.sensitivity() == pb::Sensitivity::Sensitive;
        let restricted = || coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R", "restricted");
        object([
            ("versionId", self.result.version.to_string().into()),
            ("lastUpdated", self.updated.map_or(Json::Nothing, instant)),
            ("security", array(sensitive.then(restricted))),
            ("tag", array(self.superseded.then(|| coding(STANDING, "superseded", "superseded by a later version")))),
        ])
    }
}
