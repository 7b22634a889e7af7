//! What the services are, as order screens discover them.

use crate::wire::cds::request::{Hook, PATIENT};
use crate::wire::cds::words::Words;
use crate::wire::fhir::json::{Json, array, object};

/// Id of the service that answers orders.
pub const ORDERS: &str = "mutual-recognition";
/// Id of the service that tells of recent results when a record is opened.
pub const RECENT: &str = "outside-results";

/// Writes the discovery document.
pub fn discovery(words: Words) -> Json {
    let service = |hook: Hook, id: &str, description: String| {
        object([
            ("hook", hook.name().into()),
            ("id", id.into()),
            ("title", words.source().into()),
            ("description", description.into()),
            ("prefetch", object([(PATIENT, "Patient/{{context.patientId}}".into())])),
        ])
    };
    let orders = words.say("开单时查找可互认的近期外院结果", "Finds recent, recognisable results of other hospitals");
    let recent = words.say("打开病历时提示近期外院结果", "Tells that recent results of other hospitals exist");
    let services = array([
        service(Hook::PatientView, RECENT, recent),
        service(Hook::OrderSelect, ORDERS, orders.clone()),
        service(Hook::OrderSign, ORDERS, orders),
    ]);
    object([("services", services)])
}
