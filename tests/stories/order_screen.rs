//! An order screen of hospital B that speaks CDS Hooks, as the README connects one: its blocks of commands are run.

use std::path::Path;
use std::process::{Command, Output};

use crate::doctor::Doctor;
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::process::BINARY;
use crate::region::{A, B, Region};

const CLIENT: &str = "\n[[https.clients]]\nissuer = \"https://emr.example.cn\"\nkeys = \"../screen/emr.jwks\"\n";

/// Gives the block of commands after a mark of the README.
fn block(mark: &str) -> String {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once(&format!("<!-- story: {mark} -->\n```\n")).unwrap();
    after.split_once("\n```").unwrap().0.to_owned()
}

fn run(folder: &Path, mark: &str, variables: &[(&str, String)]) -> Output {
    let script = format!("set -euo pipefail\n{}", block(mark));
    let variables = variables.iter().map(|(name, value)| (*name, value));
    let output = Command::new("bash").arg("-c").arg(script).current_dir(folder).envs(variables).output().unwrap();
    assert!(output.status.success(), "{mark}: {output:?}");
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_screen_is_connected_as_the_readme_says() {
    let is_absent = |program: &&&str| Command::new(program).arg("--help").output().is_err();
    if let Some(absent) = ["bash", "curl", "openssl"].iter().find(is_absent) {
        eprintln!("skipped: there is no {absent} here");
        return;
    }
    let mut region = Region::open().await;
    let screen = region.path("screen");
    std::fs::create_dir(&screen).unwrap();
    run(&screen, "emr key", &[]);
    let configuration = region.path(B.folder).join("node.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, text + CLIENT).unwrap();
    region.restart_node(B);
    region.serving().await;

    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    doctor.wait_for(&patient, 1).await;
    let file = |path: &str| region.path(path).to_str().unwrap().to_owned();
    let node = format!("https://localhost:{}", region.https(B).port());
    let variables = [
        ("NODE", node.clone()),
        ("CA", file("ca/ca.pem")),
        ("CERT", file("b/tls.pem")),
        ("KEY", file("b/tls.key")),
        ("CITIZEN", patient.number.clone()),
        ("LOG_KEY", std::fs::read_to_string(region.path("hub/data/log.vkey")).unwrap().trim().to_owned()),
        ("PATH", format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), std::env::var("PATH").unwrap())),
    ];
    let said = String::from_utf8(run(&screen, "emr", &variables).stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let [services, cards, same, twice, proved, told] = lines.as_slice() else { panic!("{said}") };
    let services: serde_json::Value = serde_json::from_str(services).unwrap();
    assert_eq!(services["services"].as_array().unwrap().len(), 3);
    let cards: serde_json::Value = serde_json::from_str(cards).unwrap();
    assert_eq!(cards["cards"].as_array().unwrap().len(), 1, "{cards}");
    assert!(cards["cards"][0]["detail"].as_str().unwrap().contains("4.1 mmol/L"), "{cards}");
    assert!(!cards.to_string().contains(&patient.number));
    assert!(proved.contains(": L01001 4.1 mmol/L, collected ") && proved.contains(" of its batch 1, "), "{proved}");
    assert_eq!((*same, *twice, *told), ("the same cards", "used twice: 401", "feedback: 200"));
    until("the figures", async || {
        let row = region.figures(B).await?;
        let counted = (row.checks, row.prompts, row.shown, row.accepted, row.reports_recognised);
        if counted == (1, 1, 1, 1, 1) { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;

    let mut other = Command::new("curl");
    other.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &file("ca/ca.pem")]);
    other.args(["--cert", &file("a/tls.pem"), "--key", &file("a/tls.key"), &format!("{node}/cds-services")]);
    let other = other.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&other.stdout), "403", "a node serves its own hospital alone");
    region.end().await;
}
