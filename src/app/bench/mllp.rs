//! Reports of a laboratory over MLLP, each acknowledged before the next on its connection; beside a file to which the
//! same messages are written and synced one by one.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::app::bench::load::{Run, flat_out};
use crate::app::bench::people::person;
use crate::app::bench::region::Region;
use crate::app::bench::report::{Report, Yardstick, progress};
use crate::app::bench::{BenchArgs, BenchError};
use crate::domain::time::Moment;
use crate::ports::clock::Clock;

/// Measures messages.
///
/// # Errors
/// [`BenchError`]; nothing was measured.
pub async fn run(args: &BenchArgs, region: &mut Region, clock: &Arc<dyn Clock>) -> Result<Report, BenchError> {
    region.start_hub().await?;
    region.start_node(0).await?;
    let address = region.settled.nodes[0].mllp;
    let now = clock.now();
    let bar = progress(args, "measuring, steps", 5);
    let file = region.layout.path("yardstick");
    let numbers = AtomicU64::new(0);
    let (mut synced, mut sent) = (Vec::new(), Run::default());
    send(address, args.clients, args.seconds / 8.0, &numbers, now).await?;
    let before = region.usage();
    for _ in 0..2 {
        synced.push(synced_per_second(&file, args.seconds / 8.0, now)?);
        bar.inc(1);
        sent = sent.and(&send(address, args.clients, args.seconds / 2.0, &numbers, now).await?);
        bar.inc(1);
    }
    let after = region.usage();
    synced.push(synced_per_second(&file, args.seconds / 8.0, now)?);
    bar.finish_and_clear();
    let per_second = synced.iter().sum::<f64>() / synced.len() as f64;
    let mut report = Report::new("mllp", args);
    report.tell("message_bytes", message(0, now).len());
    report.tell("results_per_message", RESULTS.len());
    let name = "the same messages written to a file and synced one by one".to_owned();
    report.tell_run("messages/s, durable", &sent, &Yardstick { name, per_second });
    report.tell_usage(before, after, sent.latencies.total());
    Ok(report)
}

async fn send(
    address: SocketAddr,
    clients: usize,
    seconds: f64,
    numbers: &AtomicU64,
    now: Moment,
) -> Result<Run, BenchError> {
    let mut lines = Vec::with_capacity(clients);
    for _ in 0..clients.max(1) {
        let stream = TcpStream::connect(address).await.map_err(BenchError::io("connect to the node's MLLP door"))?;
        stream.set_nodelay(true).map_err(BenchError::io("connect to the node's MLLP door"))?;
        lines.push(Mutex::new(stream));
    }
    let lines = Arc::new(lines);
    flat_out(clients, seconds, numbers, move |client, number| {
        let lines = Arc::clone(&lines);
        async move {
            let frame = [b"\x0b", message(number, now).as_bytes(), b"\x1c\r"].concat();
            let mut line = lines[client].lock().await;
            let answer = asked(&mut line, &frame).await.map_err(BenchError::io("send over MLLP"))?;
            let accepted = answer.windows(7).any(|window| window == b"MSA|AA|");
            let found = || String::from_utf8_lossy(&answer).into_owned();
            if accepted { Ok(()) } else { Err(BenchError::Unexpected { what: "an acknowledgement", found: found() }) }
        }
    })
    .await
}

async fn asked(line: &mut TcpStream, frame: &[u8]) -> std::io::Result<Vec<u8>> {
    line.write_all(frame).await?;
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\x1c\r") {
        if line.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(answer)
}

fn synced_per_second(path: &Path, seconds: f64, now: Moment) -> Result<f64, BenchError> {
    let write = || {
        let mut file = std::fs::File::create(path)?;
        let (began, mut count) = (Instant::now(), 0_u64);
        while began.elapsed() < Duration::from_secs_f64(seconds) {
            file.write_all(message(count, now).as_bytes())?;
            file.sync_data()?;
            count += 1;
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    };
    let rate = write().map_err(BenchError::io("write the yardstick's file"));
    let _ = std::fs::remove_file(path);
    rate
}

/// Writes a report of eight results, as a laboratory's system does.
pub fn message(number: u64, now: Moment) -> String {
    let (person, at, sent) = (person(number % 100_000), stamp(now.plus_hours(-2)), stamp(now));
    let mut text = format!(
        "MSH|^~\\&|LIS|GUIYANG|CONCORD|NODE|{sent}||ORU^R01^ORU_R01|B{number}|P|2.5.1||||||UNICODE UTF-8\r\
         PID|1||M{number}^^^GUIYANG^MR~{}^^^GA^NI||样例^甲||{}|{}\rPV1|1|O|检验科门诊^^^GUIYANG\r\
         ORC|RE|B{number}|B{number}-L\r\
         OBR|1|B{number}|B{number}-L|ELEC^生化^LIS|||{at}|||||||{at}|SER^血清^HL70487|||||||{at}|||F\r",
        person.number, person.birth_date, person.sex,
    );
    for (place, (loinc, name, value)) in RESULTS.iter().enumerate() {
        let place = place + 1;
        text += &format!(
            "OBX|{place}|NM|{loinc}^{name}^LN||{value}|mmol/L^^UCUM|1.0-150|N|||F|||{at}||检验师甲^检验师甲|ISE^离子选择电极法\r"
        );
    }
    text + &format!("SPM|1|B{number}-S||SER^血清^HL70487|||||||||||||{at}|{at}\r")
}

/// Writes a moment as HL7 does.
fn stamp(at: Moment) -> String {
    let offset = UtcOffset::from_whole_seconds(i32::from(at.offset_minutes()) * 60).unwrap_or(UtcOffset::UTC);
    let local = OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1_000).map(|at| at.to_offset(offset));
    let form =
        format_description!("[year][month][day][hour][minute][second][offset_hour sign:mandatory][offset_minute]");
    local.ok().and_then(|local| local.format(form).ok()).unwrap_or_default()
}

const RESULTS: [(&str, &str, &str); 8] = [
    ("2823-3", "Potassium", "4.1"),
    ("2951-2", "Sodium", "141"),
    ("2075-0", "Chloride", "103"),
    ("2000-8", "Calcium", "2.31"),
    ("2777-1", "Phosphate", "1.1"),
    ("2601-3", "Magnesium", "0.9"),
    ("14749-6", "Glucose", "5.4"),
    ("22664-7", "Urea", "5.0"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hl7::{self, SourceSettings};

    #[test]
    fn a_message_is_read_whole() {
        let now = Moment::new(1_800_000_000_000, 480).unwrap();
        let read = hl7::read(message(7, now).as_bytes(), &SourceSettings::default()).remove(0).unwrap();
        assert_eq!(read.iter().map(|report| report.observations.len()).sum::<usize>(), RESULTS.len());
    }
}
