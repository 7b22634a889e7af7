//! How the sample patients log in: the files of the issuer, the hub's part about it, and what foreign clients are told.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::demo::issuer::{
    ClientPart, DIRECT_GRANT, IssuerAddress, IssuerConfig, IssuerTls, STRONG, SamplePatient, WEAK,
};
use crate::app::sample::SampleError;
use crate::app::sample::cast::{PATIENTS, Patient};
use crate::app::sample::layout::{Layout, Settled};
use crate::app::sample::processes::Process;
use crate::sys::{files, random};

/// Writes the issuer's configuration, and the hub's secret there.
///
/// # Errors
/// [`SampleError::File`].
pub fn write(layout: &Layout, settled: &Settled) -> Result<(), SampleError> {
    let secret = Zeroizing::new(hex::encode(random::bytes::<32>()));
    files::write_secret(&layout.hub().join(SECRET), secret.as_bytes())?;
    let config = IssuerConfig {
        https: IssuerAddress { listen: settled.issuer, base_url: issuer(settled) },
        tls: IssuerTls {
            authority: "../ca/ca.pem".into(),
            revocation_list: "../ca/crl.pem".into(),
            certificate: "tls/tls.pem".into(),
            key: "tls/tls.key".into(),
        },
        client: ClientPart {
            id: CLIENT.to_owned(),
            secret: secret.to_string(),
            redirect_uri: format!("{}/me/login/back", hub(settled)),
        },
        audience: audience(settled),
        patients: PATIENTS.iter().map(sample).collect(),
    };
    let text = toml::to_string(&config).unwrap_or_else(|error| unreachable!("plain data: {error}"));
    Ok(files::write_secret(&layout.issuer().join("issuer.toml"), text.as_bytes())?)
}

/// Gives the part of `hub.toml` about patients.
pub fn hub_part(settled: &Settled) -> String {
    format!(
        r#"[patients]
issuer = "{issuer}"
authority = "../ca/ca.pem"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
audience = "{audience}"

[patients.assurance]
values = ["{STRONG}"]
"#,
        issuer = issuer(settled),
        audience = audience(settled),
    )
}

/// Tells a foreign client how to log a sample patient in.
pub fn description(settled: &Settled, process: &Process) -> Value {
    let (issuer, hub) = (issuer(settled), hub(settled));
    json!({
        "url": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "grant_type": DIRECT_GRANT,
        "audience": audience(settled),
        "client_id": CLIENT,
        "assurance": { "claim": "acr", "sufficient": [STRONG], "insufficient": [WEAK] },
        "patient_api": format!("{hub}/patient/v1"),
        "patient_page": format!("{hub}/me"),
        "log": process.log,
        "pid": process.id(),
        "argv": process.argv,
    })
}

/// Gives what the issuer calls a patient: words that say nothing.
pub fn subject(patient: &Patient) -> String {
    let place = PATIENTS.iter().position(|other| other == patient).map_or(0, |place| place + 1);
    format!("sample-{place}")
}

fn sample(patient: &Patient) -> SamplePatient {
    let (family, given) = patient.name;
    SamplePatient {
        subject: subject(patient),
        name: format!("{family}{given}"),
        part: patient.part.to_owned(),
        identifier_type: "CN-ID".to_owned(),
        identifier: patient.number.to_owned(),
        sex: if patient.sex == "M" { "male" } else { "female" }.to_owned(),
        birth_date: patient.birth_date.to_owned(),
    }
}

fn issuer(settled: &Settled) -> String {
    format!("https://localhost:{}", settled.issuer.port())
}

fn hub(settled: &Settled) -> String {
    format!("https://localhost:{}", settled.hub_https.port())
}

fn audience(settled: &Settled) -> String {
    format!("{}/patient/v1", hub(settled))
}

const CLIENT: &str = "concord-hub";
/// Beside `hub.toml`.
const SECRET: &str = "issuer.secret";
