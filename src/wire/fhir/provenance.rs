//! The publisher's signature over a result's batch, and where both lie in the hub's log: enough to verify one against
//! the other without the hub's word.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::time::Moment;
use crate::wire::batch::Batch;
use crate::wire::fhir::element::{SHA_256, coding, concept, extension, identifier, name_of, organisation, reference};
use crate::wire::fhir::json::{Json, array, object};
use crate::wire::fhir::told::Told;
use crate::wire::fhir::when::instant;

/// Gives the id of the Provenance of a result's version.
pub fn provenance_id(told: &Told<'_>) -> String {
    format!("{}-{}", told.id(), told.result.version)
}

/// Writes the Provenance of a result that came in `batch`, which the hub took at `received_at`.
///
/// `Signature.data` is the Ed25519 signature over `concord/batch/v1`, a zero byte, and the header's bytes, which stand
/// beside it; the header's root is the RFC 6962 root over the entries' bytes, of which `log-place` names one.
pub fn provenance(told: &Told<'_>, batch: &Batch, received_at: Moment) -> Json {
    let publisher = || organisation(&told.result.organisation, name_of(told.result));
    let author = concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author", "Author");
    let signature = object([
        (
            "extension",
            array([
                extension(
                    "urn:concord:fhir:signed-bytes",
                    "valueBase64Binary",
                    STANDARD.encode(&batch.header_bytes).into(),
                ),
                extension("urn:concord:fhir:key-id", "valueString", hex::encode(batch.header.key_id).into()),
            ]),
        ),
        ("type", array([coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.1", "Author's Signature")])),
        ("when", instant(batch.header.sealed_at)),
        ("who", publisher()),
        ("targetFormat", "application/vnd.concord.batch-header-v1+protobuf".into()),
        ("sigFormat", "application/vnd.concord.batch-signature-v1+ed25519".into()),
        ("data", STANDARD.encode(batch.signature).into()),
    ]);
    let place = object([
        ("url", "urn:concord:fhir:log-place".into()),
        (
            "extension",
            array([
                extension("log-index", "valueString", told.result.log_index.to_string().into()),
                extension("entry", "valueUnsignedInt", u64::from(told.result.entry).into()),
            ]),
        ),
    ]);
    let header = object([("identifier", identifier(SHA_256, &batch.header_digest().to_string()))]);
    let version = format!("{}/_history/{}", told.id(), told.result.version);
    object([
        ("resourceType", "Provenance".into()),
        ("id", provenance_id(told).into()),
        ("extension", array([place])),
        ("target", array([reference(told.kind(), &version), reference("DiagnosticReport", &told.report_id())])),
        ("recorded", instant(received_at)),
        ("agent", array([object([("type", author), ("who", publisher())])])),
        ("entity", array([object([("role", "source".into()), ("what", header)])])),
        ("signature", array([signature])),
    ])
}
