//! A laboratory system at hospital A: its reports, and its end of MLLP.

use std::io;
use std::net::SocketAddr;

use concord::domain::time::Moment;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::people::Patient;

/// A report of one order.
#[derive(Debug, Clone)]
pub struct Report<'p> {
    /// Order number at the laboratory.
    pub order: String,
    /// Whose it is.
    pub patient: &'p Patient,
    /// When the specimen was collected.
    pub collected: Moment,
    /// OBR-25 and OBX-11.
    pub status: &'static str,
    /// LOINC code, value and unit of each result.
    pub results: Vec<(&'static str, String, &'static str)>,
    /// Specimen, code of HL7 table 0487.
    pub specimen: &'static str,
    /// MSH-18.
    pub charset: &'static str,
}

impl<'p> Report<'p> {
    /// Gives a final potassium.
    pub fn potassium(order: &str, patient: &'p Patient, collected: Moment, value: &str) -> Self {
        Self {
            order: order.to_owned(),
            patient,
            collected,
            status: "F",
            results: vec![("2823-3", value.to_owned(), "mmol/L")],
            specimen: "SER",
            charset: "UNICODE UTF-8",
        }
    }

    /// Writes the message in UTF-8.
    pub fn message(&self) -> Vec<u8> {
        let Self { order, patient, status, specimen, charset, .. } = self;
        let Patient { name, number, sex, birth_date } = patient;
        let (collected, reported) = (stamp(self.collected), stamp(self.collected.plus_hours(1)));
        let birth = birth_date.replace('-', "");
        let mut text = format!(
            "MSH|^~\\&|LIS|A|CONCORD|NODE|{reported}||ORU^R01^ORU_R01|{order}{status}|P|2.5.1||||||{charset}\r\
             PID|1||M{order}^^^A^MR~{number}^^^GA^NI||{name}||{birth}|{sex}|||||19900000137\r\
             OBR|1|{order}|{order}-L|T^检验^LIS|||{collected}|||||||{collected}|{specimen}^标本^HL70487|||||||\
             {reported}|||{status}\r"
        );
        for (place, (loinc, value, unit)) in (1..).zip(&self.results) {
            text += &format!("OBX|{place}|NM|{loinc}^项目^LN||{value}|{unit}||N|||{status}|||{collected}\r");
        }
        text.into_bytes()
    }
}

/// A connection to a node's port for HL7 messages.
#[derive(Debug)]
pub struct Sender {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// MSA-1.
    pub code: String,
    /// MSA-2.
    pub control: String,
    /// The whole answer.
    pub text: String,
}

impl Acknowledgement {
    /// Gives what the node says in its own words: MSA-3 and ERR. The rest repeats the sender's header, as HL7 asks.
    pub fn own_words(&self) -> String {
        let segments = self.text.split('\r').filter(|segment| !segment.starts_with("MSH"));
        segments.map(|segment| segment.replacen(&self.control, "", 1)).collect()
    }
}

impl Sender {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, unread: Vec::new() })
    }

    /// Sends a message in a frame and waits for its acknowledgement.
    ///
    /// Source: HL7 Transport Specification, MLLP, Release 1.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<Acknowledgement> {
        self.write(message).await?;
        self.acknowledgement().await
    }

    /// Sends a message in a frame.
    pub async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(&[b"\x0b", message, b"\x1c\r"].concat()).await
    }

    /// Reads the next acknowledgement.
    pub async fn acknowledgement(&mut self) -> io::Result<Acknowledgement> {
        let end = loop {
            if let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\x1c\r") {
                break end;
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
        let text = String::from_utf8_lossy(&frame[1..end]).into_owned();
        let acknowledged = text.split(['\r', '\n']).find_map(|segment| segment.strip_prefix("MSA|"));
        let mut fields = acknowledged.unwrap_or_default().split('|').map(str::to_owned);
        let (code, control) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        Ok(Acknowledgement { code, control, text })
    }
}

/// Sends one message on a connection of its own, and insists that it is accepted.
pub async fn report(address: SocketAddr, message: &[u8]) {
    let answer = Sender::connect(address).await.unwrap().send(message).await.unwrap();
    assert_eq!(answer.code, "AA", "{}", answer.text);
}

/// Writes a moment as HL7 does, `20261120103000+0800`.
fn stamp(at: Moment) -> String {
    let offset = UtcOffset::from_whole_seconds(i32::from(at.offset_minutes()) * 60).unwrap();
    let local = OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1_000).unwrap().to_offset(offset);
    let form =
        format_description!("[year][month][day][hour][minute][second][offset_hour sign:mandatory][offset_minute]");
    local.format(form).unwrap()
}
