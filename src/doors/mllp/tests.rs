//! The listener over real loopback sockets.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::time::Moment;
use crate::sys::clock::ManualClock;

/// Remembers what it took. A message with control id `SLOW` is taken only once another was; one with `DOWN` not at all;
/// one with `HELD` when the test says so.
#[derive(Default)]
struct Ledger {
    taken: Mutex<Vec<String>>,
    another: Notify,
    entered: Notify,
    release: Notify,
}

impl Intake for Ledger {
    async fn take(&self, received: Received) -> Result<(), Refusal> {
        let id = received.reading.header.control_id().to_owned();
        match id.as_str() {
            "SLOW" => self.another.notified().await,
            "DOWN" => return Err(Fault::Busy.into()),
            "HELD" => {
                self.entered.notify_one();
                self.release.notified().await;
            }
            _ => self.another.notify_one(),
        }
        self.taken.lock().unwrap().push(id);
        Ok(())
    }
}

struct Running {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

async fn running(settings: MllpSettings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ledger = Arc::new(Ledger::default());
    let clock = Arc::new(ManualClock::new(Moment::new(1_718_418_600_000, 480).unwrap()));
    let door = Arc::new(Door::new(settings, Arc::clone(&ledger), clock));
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, door, plain, stop.clone()));
    Running { address, ledger, stop, server }
}

fn report(id: &str) -> String {
    format!(
        "MSH|^~\\&|LIS|LAB|EMR|HOSPITAL|20240615103000||ORU^R01^ORU_R01|{id}|P|2.5\rPID|1||7^^^H^MR\r\
         OBR|1|||718-7^Hb^LN|||20240615100000|||||||||||||||20240615102000|||F\rOBX|1|NM|718-7^Hb^LN||140|g/L|||||F\r"
    )
}

fn framed(message: &str) -> Vec<u8> {
    [b"\x0b", message.as_bytes(), b"\x1c\r"].concat()
}

/// Reads answers until there are `count`, or the peer closes.
async fn answers(stream: &mut TcpStream, count: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let complete = |bytes: &[u8]| bytes.windows(2).filter(|pair| pair == b"\x1c\r").count() >= count;
    while !complete(&bytes) && stream.read_buf(&mut bytes).await.unwrap() > 0 {}
    let text = String::from_utf8(bytes).unwrap();
    text.split_terminator("\x1c\r").map(|frame| frame.strip_prefix('\x0b').unwrap().to_owned()).collect()
}

async fn exchanged(running: &Running, bytes: &[u8], count: usize) -> Vec<String> {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    answers(&mut stream, count).await
}

fn msa(answer: &str) -> &str {
    answer.split('\r').find(|segment| segment.starts_with("MSA")).unwrap()
}

#[tokio::test]
async fn an_answer_swaps_the_parties_echoes_the_control_id_and_ends_in_a_carriage_return() {
    let running = running(MllpSettings::default()).await;
    let answers = exchanged(&running, &framed(&report("M-1")), 1).await;
    let expected =
        "MSH|^~\\&|EMR|HOSPITAL|LIS|LAB|20240615103000+0800||ACK^R01^ACK|1718418600000-0|P|2.5\rMSA|AA|M-1\r";
    assert_eq!(answers, [expected]);
}

#[tokio::test]
async fn glued_frames_are_answered_in_order_however_long_each_takes() {
    let running = running(MllpSettings::default()).await;
    let stream = [framed(&report("SLOW")), framed(&report("QUICK"))].concat();
    let answers = exchanged(&running, &stream, 2).await;
    assert_eq!(answers.iter().map(|answer| msa(answer)).collect::<Vec<_>>(), ["MSA|AA|SLOW", "MSA|AA|QUICK"]);
    assert_eq!(*running.ledger.taken.lock().unwrap(), ["QUICK", "SLOW"]);
}

#[tokio::test]
async fn a_pipeline_longer_than_its_bound_is_answered_whole() {
    let running = running(MllpSettings { pipeline_max: 2, ..MllpSettings::default() }).await;
    let ids: Vec<String> = (0..50).map(|number| format!("M{number}")).collect();
    let stream: Vec<u8> = ids.iter().flat_map(|id| framed(&report(id))).collect();
    let answers = exchanged(&running, &stream, 50).await;
    let expected: Vec<String> = ids.iter().map(|id| format!("MSA|AA|{id}")).collect();
    assert_eq!(answers.iter().map(|answer| msa(answer)).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn every_message_of_a_batch_is_answered_and_a_wrong_count_too() {
    let running = running(MllpSettings::default()).await;
    let batch = format!("BHS|^~\\&|LIS|LAB|EMR|H|2024||||B7\r{}{}BTS|3\r", report("1"), report("2"));
    let answers = exchanged(&running, &framed(&batch), 3).await;
    let wrong = "MSA|AE|B7|BTS[1]-1: trailer counts 3, 2 arrived";
    assert_eq!(answers.iter().map(|answer| msa(answer)).collect::<Vec<_>>(), ["MSA|AA|1", "MSA|AA|2", wrong]);
}

#[tokio::test]
async fn refusals_name_the_place_and_our_own_faults_do_not_blame_the_message() {
    let running = running(MllpSettings::default()).await;
    let nobody = report("1").replace("7^^^H^MR", "");
    let query = "MSH|^~\\&|BC|M|||2024||ORM^O01|4|P|2.3.1\rORC|RF||S1\r";
    let stream = [framed(&nobody), framed(query), framed(&report("DOWN")), framed("")].concat();
    let answers = exchanged(&running, &stream, 4).await;
    assert_eq!(msa(&answers[0]), "MSA|AE|1|PID[1]-3: required field is empty");
    assert!(answers[0].contains("\rERR||PID^1^3|101^Required field missing^HL70357|E|||"));
    assert_eq!(msa(&answers[1]), "MSA|AR|4|MSH[1]-9.1: unsupported message type");
    assert!(answers[1].ends_with("\rERR|MSH^1^9^200&Unsupported message type&HL70357\r"));
    assert_eq!(msa(&answers[2]), "MSA|AE|DOWN|not stored; send again later");
    assert!(answers[2].contains("\rERR|||207^Application internal error^HL70357|E|||"));
    assert_eq!(msa(&answers[3]), "MSA|AE||MSH[1]: message does not begin with MSH");
    assert_eq!(
        *running.ledger.taken.lock().unwrap(),
        ["1", "4", ""],
        "what is refused is kept for somebody to look at"
    );
}

#[tokio::test]
async fn an_acknowledgement_is_never_answered() {
    let running = running(MllpSettings::default()).await;
    let ack = "MSH|^~\\&|LIS||||2025||ACK^R01|1|P|2.3.1\rMSA|AA|1\r";
    let answers = exchanged(&running, &[framed(ack), framed(&report("M"))].concat(), 1).await;
    assert_eq!(answers.iter().map(|answer| msa(answer)).collect::<Vec<_>>(), ["MSA|AA|M"]);
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_and_the_connection_closed() {
    let running = running(MllpSettings { frame_bytes_max: 1_000, ..MllpSettings::default() }).await;
    let long = report(&"M".repeat(8)) + &"NTE|1||x\r".repeat(200);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&framed(&report("M"))).await.unwrap();
    stream.write_all(&framed(&long)).await.unwrap();
    stream.shutdown().await.unwrap();
    let answers = answers(&mut stream, 3).await;
    let refused = "MSA|AE|MMMMMMMM|MSH[1]: value is longer than 1000 bytes";
    assert_eq!(answers.iter().map(|answer| msa(answer)).collect::<Vec<_>>(), ["MSA|AA|M", refused]);
}

#[tokio::test]
async fn a_peer_that_stops_within_a_frame_holds_nobody_up_and_is_let_go() {
    let wait = Duration::from_millis(20);
    let running = running(MllpSettings { frame_wait_max: wait, ..MllpSettings::default() }).await;
    let mut stuck = TcpStream::connect(running.address).await.unwrap();
    stuck.write_all(b"\x0bMSH|^~\\&|").await.unwrap();
    assert_eq!(msa(&exchanged(&running, &framed(&report("M")), 1).await[0]), "MSA|AA|M");
    assert_eq!(stuck.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed() {
    let running = running(MllpSettings { connections_max: 1, ..MllpSettings::default() }).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(&framed(&report("M"))).await.unwrap();
    assert_eq!(answers(&mut first, 1).await.len(), 1);
    let mut second = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(second.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn who_only_holds_connections_open_keeps_nobody_out() {
    let running = running(MllpSettings { connections_max: 2, ..MllpSettings::default() }).await;
    let mut idle =
        [TcpStream::connect(running.address).await.unwrap(), TcpStream::connect(running.address).await.unwrap()];
    idle[0].write_all(b"\x0bMSH|^~\\&|").await.unwrap();
    assert_eq!(msa(&exchanged(&running, &framed(&report("M")), 1).await[0]), "MSA|AA|M");
    assert_eq!(idle[0].read(&mut [0; 8]).await.unwrap_or(0), 0);
    idle[1].write_all(&framed(&report("N"))).await.unwrap();
    assert_eq!(msa(&answers(&mut idle[1], 1).await[0]), "MSA|AA|N", "the younger one stayed");
}

#[tokio::test]
async fn stopping_answers_what_has_arrived_and_closes() {
    let running = running(MllpSettings::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&framed(&report("HELD"))).await.unwrap();
    running.ledger.entered.notified().await;
    running.stop.cancel();
    running.ledger.release.notify_one();
    assert_eq!(msa(&answers(&mut stream, 2).await[0]), "MSA|AA|HELD");
    running.server.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}
