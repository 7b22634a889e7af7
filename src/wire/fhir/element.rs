//! Elements that many resources share, and the code systems they name.

use crate::domain::adcode::Adcode;
use crate::domain::id::Pseudonym;
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::pb;

/// LOINC.
pub const LOINC: &str = "http://loinc.org";
/// UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// DICOM's own codes, modalities among them.
pub const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// Items of the region's catalogue.
pub const CATALOGUE: &str = "urn:concord:catalogue";
/// Panels of the region's catalogue.
pub const PANELS: &str = "urn:concord:panel";
/// Body parts of the region's table.
pub const BODY_PARTS: &str = "urn:concord:body-part";
/// Decline reasons of the region's policy.
pub const REASONS: &str = "urn:concord:decline-reason";
/// Unified social credit codes, GB 32100.
pub const USCC: &str = "urn:concord:uscc";
/// Identifiers of DICOM.
pub const DICOM_UID: &str = "urn:dicom:uid";
/// SHA-256 of an original, in hexadecimal.
pub const SHA_256: &str = "urn:concord:sha-256";
/// How a version of a resource stands: `superseded`.
pub const STANDING: &str = "urn:concord:standing";
/// Kinds of our [`Basic`](https://hl7.org/fhir/R4/basic.html) resources.
pub const BASIC_KINDS: &str = "urn:concord:basic";

/// For whom and where resources are written.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The region whose pseudonyms name patients.
    pub region: Adcode,
    /// Where the resources are served, without a slash at the end, as `https://hub.example.cn/fhir/r4`.
    pub base: &'a str,
}

impl Context<'_> {
    /// Gives the absolute address of a resource.
    pub fn url(&self, kind: &str, id: &str) -> String {
        format!("{}/{kind}/{id}", self.base)
    }

    /// Gives the system of the region's pseudonyms.
    pub fn pseudonyms(&self) -> String {
        format!("urn:concord:region:{}:pseudonym", self.region)
    }
}

/// Writes a coding; the display is left out where it is empty.
pub fn coding(system: &str, code: &str, display: &str) -> Json {
    object([("system", system.into()), ("code", code.into()), ("display", display.into())])
}

/// Writes a concept of one coding.
pub fn concept(system: &str, code: &str, display: &str) -> Json {
    object([("coding", array([coding(system, code, display)]))])
}

/// Writes a concept that has no code.
pub fn words(text: &str) -> Json {
    object([("text", text.into())])
}

/// Writes an identifier.
pub fn identifier(system: &str, value: &str) -> Json {
    object([("system", system.into()), ("value", value.into())])
}

/// Writes a reference to a resource of this server.
pub fn reference(kind: &str, id: &str) -> Json {
    object([("reference", format!("{kind}/{id}").into())])
}

/// Writes a reference to a patient.
pub fn patient(pseudonym: Pseudonym) -> Json {
    reference("Patient", &pseudonym.to_string())
}

/// Writes a reference to an organisation, with its code and, where known, its name.
pub fn organisation(code: &str, name: &str) -> Json {
    reference("Organization", code).with("identifier", identifier(USCC, code)).with("display", name.into())
}

/// Writes an extension with one value.
pub fn extension(url: &str, kind: &'static str, value: Json) -> Json {
    if value.is_empty() { Json::Nothing } else { object([("url", url.into()), (kind, value)]) }
}

/// Gives the system of a code that only its sender knows, as a URN; `named` is the system as the sender spells it.
pub fn local_system(publisher: &str, named: &str) -> String {
    let escaped = |text: &str| {
        let mut escaped = String::new();
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => escaped.push(char::from(byte)),
                _ => escaped.push_str(&format!("%{byte:02X}")),
            }
        }
        escaped
    };
    match named {
        "" => format!("urn:concord:local:{publisher}"),
        _ => format!("urn:concord:local:{publisher}:{}", escaped(named)),
    }
}

/// Gives the URI of a code system that HL7 v2 table 0396 names, or the sender's own.
pub fn system_of(publisher: &str, named: &str) -> String {
    match named {
        "LN" | "LOINC" => LOINC.to_owned(),
        "SCT" | "SNM3" | "SNOMED" => SNOMED.to_owned(),
        "UCUM" => UCUM.to_owned(),
        "DCM" => DICOM.to_owned(),
        "I10" | "ICD10" => "http://hl7.org/fhir/sid/icd-10".to_owned(),
        table if table.starts_with("HL7") && table.len() == 7 => {
            format!("http://terminology.hl7.org/CodeSystem/v2-{}", &table[3..])
        }
        uri if uri.starts_with("http://") || uri.starts_with("https://") || uri.starts_with("urn:") => uri.to_owned(),
        own => local_system(publisher, own),
    }
}

/// Gives the name of an organisation that a result carries: Chinese, else English.
pub fn name_of(result: &pb::ResultSummary) -> &str {
    if result.organisation_name_zh.is_empty() { &result.organisation_name_en } else { &result.organisation_name_zh }
}
