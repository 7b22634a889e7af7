//! What can be asked of each kind of resource: one table, from which searches are read and the capability statement is
//! written, so that the statement lists what works and nothing else.

/// A kind of resource that is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Searchable {
    /// Its name, as `Observation`.
    pub kind: &'static str,
    /// Whether earlier versions can be read.
    pub versions: bool,
    /// Whether it is of one patient, so that a search names the patient.
    pub of_patient: bool,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// The parameter by which matches can be sorted.
    pub sort: Option<&'static str>,
    /// What can be brought along.
    pub includes: &'static [&'static str],
    /// What can be brought along that refers to it.
    pub reverse_includes: &'static [&'static str],
    /// What must be said of it, for people.
    pub documentation: &'static str,
}

/// A search parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// How its values are read.
    pub kind: Kind,
    /// Where it looks in the resource.
    pub paths: &'static [&'static str],
    /// The system that a bare code there is of.
    pub system: &'static str,
}

/// How the values of a parameter are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `system|code`.
    Token,
    /// A prefix and a date.
    Date,
    /// `Type/id` or `id`.
    Reference,
}

impl Kind {
    /// Gives the FHIR name of the type of parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Date => "date",
            Self::Reference => "reference",
        }
    }
}

/// Finds a kind of resource by its name.
pub fn searchable(kind: &str) -> Option<&'static Searchable> {
    SEARCHABLE.iter().find(|known| known.kind == kind)
}

const fn token(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Token, paths, system: "" }
}

const fn code(name: &'static str, paths: &'static [&'static str], system: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Token, paths, system }
}

const fn date(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Date, paths, system: "" }
}

const fn reference(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Reference, paths, system: "" }
}

const ID: Parameter = token("_id", &["id"]);
const PATIENT: Parameter = reference("patient", &["subject"]);
const SUBJECT: Parameter = reference("subject", &["subject"]);
const IDENTIFIER: Parameter = token("identifier", &["identifier"]);

/// Every kind of resource that is served.
pub const SEARCHABLE: &[Searchable] = &[
    Searchable {
        kind: "Patient",
        versions: false,
        of_patient: false,
        parameters: &[ID, IDENTIFIER],
        sort: None,
        includes: &[],
        reverse_includes: &[],
        documentation: "By the region's pseudonym alone; no name, number or date. `identifier` is taken by POST \
                        _search only, so that no number stands in a URL, and matches exactly.",
    },
    Searchable {
        kind: "Observation",
        versions: true,
        of_patient: true,
        parameters: &[
            ID,
            PATIENT,
            SUBJECT,
            IDENTIFIER,
            token("code", &["code"]),
            token("category", &["category"]),
            code("status", &["status"], "http://hl7.org/fhir/observation-status"),
            date("date", &["effectiveDateTime"]),
            token("value-concept", &["valueCodeableConcept"]),
            token("data-absent-reason", &["dataAbsentReason"]),
            reference("performer", &["performer"]),
        ],
        sort: Some("date"),
        includes: &["Observation:patient", "Observation:subject", "Observation:performer"],
        reverse_includes: &["Provenance:target", "DiagnosticReport:result"],
        documentation: "One laboratory result. A search names the patient, or one `_id`.",
    },
    Searchable {
        kind: "DiagnosticReport",
        versions: false,
        of_patient: true,
        parameters: &[
            ID,
            PATIENT,
            SUBJECT,
            IDENTIFIER,
            token("code", &["code"]),
            token("category", &["category"]),
            code("status", &["status"], "http://hl7.org/fhir/diagnostic-report-status"),
            date("date", &["effectiveDateTime", "effectivePeriod"]),
            date("issued", &["issued"]),
            reference("performer", &["performer"]),
            reference("result", &["result"]),
        ],
        sort: Some("date"),
        includes: &[
            "DiagnosticReport:patient",
            "DiagnosticReport:subject",
            "DiagnosticReport:performer",
            "DiagnosticReport:result",
        ],
        reverse_includes: &["Provenance:target"],
        documentation: "The results of one report, each in its latest version. A search names the patient, \
                        or one `_id`.",
    },
    Searchable {
        kind: "ImagingStudy",
        versions: true,
        of_patient: true,
        parameters: &[
            ID,
            PATIENT,
            SUBJECT,
            IDENTIFIER,
            token("modality", &["series.modality"]),
            token("bodysite", &["series.bodySite"]),
            code("status", &["status"], "http://hl7.org/fhir/imagingstudy-status"),
            date("started", &["started"]),
        ],
        sort: Some("started"),
        includes: &["ImagingStudy:patient", "ImagingStudy:subject"],
        reverse_includes: &["Provenance:target"],
        documentation: "One study of images, by series. A search names the patient, or one `_id`.",
    },
    Searchable {
        kind: "DocumentReference",
        versions: false,
        of_patient: true,
        parameters: &[
            ID,
            PATIENT,
            SUBJECT,
            token("identifier", &["masterIdentifier", "identifier"]),
            token("type", &["type"]),
            token("category", &["category"]),
            token("contenttype", &["content.attachment.contentType"]),
            code("status", &["status"], "http://hl7.org/fhir/document-reference-status"),
            date("date", &["date"]),
            reference("custodian", &["custodian"]),
            reference("related", &["context.related"]),
        ],
        sort: Some("date"),
        includes: &["DocumentReference:patient", "DocumentReference:subject", "DocumentReference:custodian"],
        reverse_includes: &[],
        documentation: "One original as the hospital keeps it, with its SHA-256. Its bytes are fetched over \
                        concord.v1.Retrieval. A search names the patient, or one `_id`.",
    },
    Searchable {
        kind: "ServiceRequest",
        versions: false,
        of_patient: true,
        parameters: &[
            ID,
            PATIENT,
            SUBJECT,
            IDENTIFIER,
            token("code", &["code"]),
            code("status", &["status"], "http://hl7.org/fhir/request-status"),
            date("authored", &["authoredOn"]),
        ],
        sort: Some("authored"),
        includes: &["ServiceRequest:patient", "ServiceRequest:subject"],
        reverse_includes: &[],
        documentation: "An order line that was checked and prompted, as the hub knows it. A search names the patient, \
                        or one `_id`.",
    },
    Searchable {
        kind: "Basic",
        versions: false,
        of_patient: false,
        parameters: &[
            ID,
            token("code", &["code"]),
            PATIENT,
            SUBJECT,
            date("created", &["created"]),
            reference("author", &["author"]),
        ],
        sort: Some("created"),
        includes: &[],
        reverse_includes: &[],
        documentation: "Decisions (code mutual-recognition-decision; a search names the patient) and qualifications \
                        (code eqa-qualification; a search names the laboratory as subject).",
    },
    Searchable {
        kind: "Provenance",
        versions: false,
        of_patient: false,
        parameters: &[
            ID,
            reference("target", &["target"]),
            reference("agent", &["agent.who"]),
            date("recorded", &["recorded"]),
        ],
        sort: None,
        includes: &[],
        reverse_includes: &[],
        documentation: "The publisher's signature over the batch that holds a result, and the place of both in the \
                        hub's log. A search names the target.",
    },
    Searchable {
        kind: "AuditEvent",
        versions: false,
        of_patient: true,
        parameters: &[
            ID,
            reference("patient", &["entity.what"]),
            token("action", &["action"]),
            token("outcome", &["outcome"]),
            token("subtype", &["subtype"]),
            date("date", &["recorded"]),
            reference("agent", &["agent.who"]),
        ],
        sort: Some("date"),
        includes: &[],
        reverse_includes: &[],
        documentation: "An access to a patient's results, in the shape of IHE BALP, the newest 500. A search names the \
                        patient, or one `_id`.",
    },
    Searchable {
        kind: "Consent",
        versions: false,
        of_patient: true,
        parameters: &[
            ID,
            reference("patient", &["patient"]),
            IDENTIFIER,
            code("status", &["status"], "http://hl7.org/fhir/consent-state-codes"),
            token("purpose", &["provision.purpose"]),
            date("date", &["dateTime"]),
            date("period", &["provision.period"]),
            reference("actor", &["provision.actor.reference"]),
        ],
        sort: Some("date"),
        includes: &[],
        reverse_includes: &[],
        documentation: "A consent of a patient, without the secrets of links. A search names the patient, \
                        or one `_id`.",
    },
    Searchable {
        kind: "Organization",
        versions: false,
        of_patient: false,
        parameters: &[ID, IDENTIFIER, token("type", &["type"]), token("active", &["active"])],
        sort: None,
        includes: &[],
        reverse_includes: &[],
        documentation: "The region's table of organisations.",
    },
];
