//! A laboratory corrects a value that a doctor accepted: the doctor is told, takes note, and the health authority sees it.

use std::io;

use bytes::Bytes;

use crate::app::demo::doctor::{Doctor, actor, only_prompt, person};
use crate::app::demo::links::World;
use crate::app::demo::mllp;
use crate::app::demo::reports::{CORRECTED_REPORT, MISREAD_REPORT, Report};
use crate::app::demo::step::{Found, StepError, patiently, same, text};
use crate::app::demo::tell::Teller;
use crate::app::sample::cast::{MISREAD, REGULATOR, ZUNYI};
use crate::domain::id::ResultId;
use crate::domain::recall;
use crate::wire::field::fixed;
use crate::wire::pb;
use crate::wire::pb::oversight_client::OversightClient;
use crate::wire::pb::recalls_client::RecallsClient;
use crate::wire::recall::{Fact, recall_id};

/// Tells the chapter.
pub async fn tell(world: &World, teller: &mut Teller<'_>) -> io::Result<()> {
    let mut recalled = None;
    let title = text(
        "检验科更正医生已采纳的血钾：医生收到召回",
        "The laboratory corrects potassium that a doctor accepted: she is told",
    );
    teller.step("recalled", title, corrected(world, &mut recalled)).await?;
    let title = text("医生确认已知悉，监管部门看到", "The doctor takes note, and the health authority sees it");
    teller.step("noted", title, noted(world, recalled)).await
}

async fn corrected(world: &World, recalled: &mut Option<Bytes>) -> Result<Found, StepError> {
    let doctor = Doctor::at(world, 1)?;
    report(world, MISREAD_REPORT).await?;
    doctor.wait_for(&MISREAD, 4).await?;
    let line = doctor.order("recall", &MISREAD, ("catalogue", "L01001")).await?;
    let (known, ..) = doctor.accept("recall-accept", only_prompt(&line)?).await?;
    report(world, CORRECTED_REPORT).await?;
    let id = name(&known)?;
    let told = patiently(async || {
        let row = row(world, &id).await?;
        // After a second start it has been taken note of, and is listed no more.
        match (open(world).await?, row.acknowledged_at.is_some()) {
            (Some(recall), false) => same("the recall at the node", &row.recall_id, &recall.recall_id).map(|()| recall),
            (None, true) => Ok(pb::Recall::default()),
            (found, _) => Err(StepError::unexpected("the recall at the node", "open", found.is_some())),
        }
    });
    let recall = told.await?;
    let shown = hex::encode(&id);
    *recalled = Some(id);
    let (was, is) = (MISREAD_REPORT.potassium.0, CORRECTED_REPORT.potassium.0);
    Ok(Found::default()
        .line(
            format!("血钾 {was} → {is} mmol/L；{}", recall.text_zh),
            format!("potassium {was} → {is} mmol/L; {}", recall.text_en),
        )
        .fact("recall", shown)
        .fact("text", recall.text_zh))
}

async fn noted(world: &World, recalled: Option<Bytes>) -> Result<Found, StepError> {
    let id = recalled.ok_or(StepError::Unfounded)?;
    let note = pb::AcknowledgeRecallRequest { recall_id: id.clone(), actor: Some(actor()) };
    let call = RecallsClient::new(world.node(1)?).acknowledge(note).await;
    call.map_err(StepError::refused("Recalls.Acknowledge"))?;
    same("recalls that are open", None, open(world).await?.map(|recall| recall.recall_id))?;
    patiently(async || same("taken note of", true, row(world, &id).await?.acknowledged_at.is_some())).await?;
    let command = format!(
        "concord recalls list --hub {} --server-name localhost --cert {}/tls.pem ..",
        world.settled.hub,
        world.layout.client(REGULATOR.folder).display()
    );
    Ok(Found::default().line(command.clone(), command).fact("recall", hex::encode(&id)))
}

async fn report(world: &World, report: Report) -> Result<(), StepError> {
    let address = world.settled.nodes[report.hospital].mllp;
    let code = patiently(async || mllp::send(address, &report.message(world.began)).await).await?;
    same("acknowledgement", "AA", code.as_str())
}

/// Gives the doctor's recall about the patient, as the hospital's node lists it.
async fn open(world: &World) -> Result<Option<pb::Recall>, StepError> {
    let asked = pb::ListRecallsRequest { practitioner: actor().practitioner, patient: Some(person(&MISREAD)) };
    let call = RecallsClient::new(world.node(1)?).list(asked).await;
    Ok(call.map_err(StepError::refused("Recalls.List"))?.into_inner().recalls.pop())
}

/// Names the recall: the same fact has the same name at every start.
fn name(known: &pb::ResultSummary) -> Result<Bytes, StepError> {
    let unread = |error: &dyn std::fmt::Display| StepError::unexpected("the accepted result", "a name", error);
    let organisation = ZUNYI.code.parse().map_err(|error| unread(&error))?;
    let result: ResultId = fixed("name", &known.name).map_err(|error| unread(&error))?;
    let told = recall::Doctor { organisation, practitioner: actor().practitioner };
    Ok(Bytes::copy_from_slice(recall_id(&told, result, Fact::Version(2)).as_bytes()))
}

/// Gives a recall as the health authority sees it.
async fn row(world: &World, id: &Bytes) -> Result<pb::RecallRow, StepError> {
    let asked = pb::RecallsRequest { organisation: ZUNYI.code.to_owned(), open_only: false, limit: 1_000 };
    let call = OversightClient::new(world.hub(REGULATOR.folder)?).recalls(asked).await;
    let found = call.map_err(StepError::refused("Oversight.Recalls"))?.into_inner();
    let row = found.recalls.into_iter().find(|row| row.recall_id == id);
    row.ok_or_else(|| StepError::unexpected("the recall at the hub", "one", "none"))
}
