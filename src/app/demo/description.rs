//! `demo.json`: all that a foreign client must know to take part in the demo.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::app::sample::SampleError;
use crate::app::sample::authority::clients;
use crate::app::sample::cast::{HOSPITALS, OPERATOR, PATIENTS, Patient, REGION};
use crate::app::sample::layout::{Layout, Settled};
use crate::app::sample::login;
use crate::app::sample::processes::Processes;
use crate::sys::files;
use crate::wire::known_as::USUAL;

/// Writes the file.
///
/// # Errors
/// [`SampleError::File`].
pub fn write(layout: &Layout, settled: &Settled, processes: &Processes) -> Result<(), SampleError> {
    let data = layout.hub().join("data");
    let hub = json!({
        "org": OPERATOR.code,
        "grpc": settled.hub,
        "https": https(settled.hub_https),
        "metrics": settled.metrics.first(),
        "server_name": SERVER_NAME,
        "data": data,
        "log_vkey": data.join("log.vkey"),
        "log": processes.hub.log,
        "pid": processes.hub.id(),
        "argv": processes.hub.argv,
    });
    let metrics = settled.metrics.iter().skip(1).map(Some).chain(std::iter::repeat(None));
    let nodes = HOSPITALS.iter().zip(&settled.nodes).zip(&processes.nodes).zip(metrics);
    let nodes = nodes.map(|(((hospital, ports), process), metrics)| {
        json!({
            "metrics": metrics,
            "org": hospital.code,
            "name": hospital.folder,
            "name_zh": hospital.name_zh,
            "name_en": hospital.name_en,
            "region": hospital.region,
            "mllp": ports.mllp,
            "dicom": { "address": ports.dicom, "ae_title": hospital.ae_title },
            "grpc": ports.grpc,
            "https": https(ports.https),
            "server_name": SERVER_NAME,
            "data": layout.node(hospital).join("data"),
            "log": process.log,
            "pid": process.id(),
            "argv": process.argv,
        })
    });
    let clients = clients().into_iter().map(|client| {
        let folder = layout.client(client.folder);
        json!({
            "org": client.org,
            "role": client.role,
            "cert": folder.join("tls.pem"),
            "key": folder.join("tls.key"),
            "purpose": client.purpose,
        })
    });
    let kinds = USUAL.iter().map(|(kind, codes)| json!({ "type": kind, "codes": codes }));
    let description = json!({
        "region": REGION,
        "hub": hub,
        "nodes": nodes.collect::<Value>(),
        "ca": layout.authority().join("ca.pem"),
        "crl": layout.authority().join("crl.pem"),
        "clients": clients.collect::<Value>(),
        "patients": PATIENTS.iter().map(patient).collect::<Value>(),
        "issuer": login::description(settled, &processes.issuer),
        "identifier_types": kinds.collect::<Value>(),
    });
    Ok(files::write(&layout.path("demo.json"), format!("{description:#}\n").as_bytes())?)
}

fn patient(patient: &Patient) -> Value {
    let (family, given) = patient.name;
    json!({
        "name": format!("{family}{given}"),
        "identifiers": [{
            "type": "CN-ID",
            "authority": "",
            "value": patient.number,
            "pid3": format!("{}^^^GA^NI", patient.number),
        }],
        "sex": if patient.sex == "M" { "SEX_MALE" } else { "SEX_FEMALE" },
        "birth_date": patient.birth_date,
        "part": patient.part,
        "subject": login::subject(patient),
    })
}

/// Gives the address of an HTTPS door, under the name in its certificate.
fn https(address: SocketAddr) -> String {
    format!("https://{SERVER_NAME}:{}", address.port())
}

/// The name in every server's certificate.
const SERVER_NAME: &str = "localhost";
