//! What a QC centre says of laboratories.

use crate::doctor::{Doctor, POTASSIUM, refusals, value};
use crate::laboratory::{Report, report};
use crate::patience::until;
use crate::people;
use crate::region::{A, B, CENTRE, Region};

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_one_wrong_row_changes_nothing_and_the_corrected_one_makes_prompts() {
    let region = Region::unqualified().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    doctor.wait_for(&patient, 1).await;
    let before = doctor.order("before", &patient, POTASSIUM).await;
    assert_eq!((before.prompts.len(), refusals(&before)), (0, vec!["NOT_QUALIFIED"]));

    let good = rounds(&region);
    let wrong = good.replacen("5/5", "5/6", 1);
    assert_ne!(good, wrong);
    let refused = region.import(&wrong, "rounds");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("line 2") && said.contains("samples"), "{said} {refused:?}");
    assert_eq!(doctor.order("refused", &patient, POTASSIUM).await.prompts, Vec::new());

    let unlisted = region.import(&good.replacen("L01001", "L99999", 1), "rounds");
    assert!(!unlisted.status.success());
    let said = String::from_utf8_lossy(&unlisted.stdout).into_owned();
    assert!(said.starts_with("line 2, item: "), "{said} {unlisted:?}");

    let taken = region.import(&good, "rounds");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let line = doctor.order("after", &patient, POTASSIUM).await;
    assert_eq!(value(&line.prompts[0]).0, "4.1", "{line:?}");
    assert_eq!(line.prompts[0].evidence.as_ref().unwrap().rounds.len(), 3);
    region.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_reaches_back_takes_the_prompt_away_and_a_restoration_brings_it_again() {
    let region = Region::open().await;
    let (patient, doctor) = (people::canary(), Doctor::at(&region, B));
    report(region.mllp(A), &Report::potassium("K1", &patient, region.began.plus_hours(-5), "4.1").message()).await;
    doctor.wait_for(&patient, 1).await;
    assert_eq!(doctor.order("before", &patient, POTASSIUM).await.prompts.len(), 1);

    let sanction = |what: &str, effective: &str| {
        let of = ["--lab", A.code, "--subject", "L01001", "--effective", effective, "--reason", "calibration lost"];
        let output = region.eqa(CENTRE, &[[what].as_slice(), &of].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    sanction("suspend", &region.day(20));
    let mut asked = 0;
    until("the end of the prompt", async || {
        asked += 1;
        let line = doctor.order(&format!("suspended-{asked}"), &patient, POTASSIUM).await;
        if line.prompts.is_empty() { Ok(line) } else { Err(format!("{line:?}")) }
    })
    .await;
    sanction("restore", &region.day(19));
    until("the prompt", async || {
        asked += 1;
        let line = doctor.order(&format!("restored-{asked}"), &patient, POTASSIUM).await;
        if line.prompts.len() == 1 { Ok(line) } else { Err(format!("{line:?}")) }
    })
    .await;
    region.end().await;
}

/// Three rounds of potassium, passed by hospital A.
fn rounds(region: &Region) -> String {
    let row = |(number, days): (u8, i64)| {
        let (sampled, published) = (region.day(days), region.day(days - 30));
        format!("NCCL-C-01,{},{number},{},L01001,,5/5,{sampled},{published}\n", &sampled[..4], A.code)
    };
    let header = "programme,year,round,laboratory,item,method,samples,sampled_on,published_on\n".to_owned();
    [header].into_iter().chain([(1, 260), (2, 160), (3, 60)].map(row)).collect()
}
