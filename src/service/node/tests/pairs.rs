//! Messages that another converter has turned into FHIR: ours must say the same value, unit, code, status, range and flag.

use std::path::Path;

use serde_json::Value as Json;

use super::drafting::sheets;
use crate::domain::entry::Entry;
use crate::domain::id::Pseudonym;
use crate::service::node::sheet::Change;
use crate::service::node::tests::world::PUBLISHER;
use crate::wire::fhir::Told;
use crate::wire::fhir::observation::observation;
use crate::wire::pb;

/// Message, its pair, and how many of its results the sample catalogue knows; the others wait at the node, and orders are
/// not taken by one.
const PAIRS: [(&str, &str, usize); 3] = [
    ("ms_lab_oru_1_bom_lf_status_FIP.hl7", "v2pair_ms_LAB-ORU-1.json", 3),
    ("ms_lab_oru_2_bom_lf.hl7", "v2pair_ms_LAB-ORU-2.json", 3),
    ("ms_lri_cbc_28obx.hl7", "v2pair_ms_LRI_2.0-NG_CBC_Typ_Message.json", 7),
];

#[test]
fn our_observations_say_what_another_converter_says() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible"));
    if !corpus.is_dir() {
        println!("skipped: the sample collection is not beside the sources");
        return;
    }
    for (message, pair, count) in PAIRS {
        let ours = observations(&std::fs::read(corpus.join("hl7").join(message)).unwrap());
        let pair: Json = serde_json::from_slice(&std::fs::read(corpus.join("fhir").join(pair)).unwrap()).unwrap();
        let entries = pair["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        let theirs: Vec<&Json> = entries.filter(|it| it["resourceType"] == "Observation").collect();
        for our in &ours {
            let is = |their: &&&Json| {
                has_value(their) && codes(our).contains(&their["code"]["coding"][0]["code"]) && same_value(our, their)
            };
            let their = theirs.iter().find(is).unwrap_or_else(|| panic!("{message}: nothing of theirs is like {our}"));
            compare(our, their, message);
        }
        assert_eq!(ours.len(), count, "{message}");
    }
}

fn compare(our: &Json, their: &Json, message: &str) {
    let what = format!("{message}: {}", their["code"]["coding"][0]["code"]);
    // A status that has none in FHIR becomes preliminary here and unknown there.
    let statuses = [&their["status"], if their["status"] == "unknown" { &our["status"] } else { &their["status"] }];
    assert!(statuses.contains(&&our["status"]), "{what}: {} and {}", our["status"], their["status"]);
    assert_eq!(our["referenceRange"][0]["text"], their["referenceRange"][0]["text"], "{what}");
    let flag = |it: &Json| it["interpretation"][0]["coding"][0]["code"].clone();
    assert_eq!(flag(our), flag(their), "{what}");
}

fn has_value(their: &Json) -> bool {
    VALUES.iter().any(|name| their.get(name).is_some())
}

fn codes(our: &Json) -> Vec<Json> {
    our["code"]["coding"].as_array().unwrap().iter().map(|coding| coding["code"].clone()).collect()
}

fn same_value(our: &Json, their: &Json) -> bool {
    if let Some(quantity) = their.get("valueQuantity") {
        let ours = &our["valueQuantity"];
        let sent = &ours["extension"][0]["valueQuantity"];
        let number = |it: &Json| it["value"].as_f64();
        let units = |it: &Json| {
            [it["unit"].clone(), it["code"].clone()].map(|unit| unit != Json::Null && told(quantity).contains(&unit))
        };
        return [ours, sent].iter().any(|it| number(it) == number(quantity) && units(it).contains(&true));
    }
    if let Some(text) = their.get("valueString") {
        return our["valueString"] == *text;
    }
    our["valueCodeableConcept"]["coding"][0]["code"] == their["valueCodeableConcept"]["coding"][0]["code"]
}

/// Units as their quantity names them: as a code, and as a text.
fn told(quantity: &Json) -> [Json; 2] {
    [quantity["unit"].clone(), quantity["code"].clone()]
}

fn observations(message: &[u8]) -> Vec<Json> {
    let changes = sheets(message).into_iter().flat_map(|sheet| sheet.changes);
    let entries = changes.filter_map(|change| match change {
        Change::Say(draft) => Some(draft.entry(PUBLISHER.parse().unwrap(), Pseudonym::new([1; 16]), 1)),
        _ => None,
    });
    entries.map(|entry| written(&entry)).collect()
}

fn written(entry: &Entry) -> Json {
    let sent = pb::Entry::from(entry);
    let Some(pb::entry::Content::LaboratoryResult(result)) = sent.content else { panic!("no laboratory result") };
    let summary = pb::ResultSummary {
        result_id: sent.result_id,
        version: sent.version,
        status: sent.status,
        organisation: sent.publisher,
        items: sent.items,
        collected_at: sent.collected_at,
        reported_at: sent.reported_at,
        report_id: sent.report_id,
        content: Some(pb::result_summary::Content::LaboratoryResult(result)),
        ..Default::default()
    };
    let written = observation(&Told::new(&summary, entry.patient).unwrap()).to_string();
    serde_json::from_str(&written).unwrap()
}

const VALUES: [&str; 3] = ["valueQuantity", "valueString", "valueCodeableConcept"];
