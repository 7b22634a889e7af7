//! The laboratory reports of the story: the samples of `deploy/demo`, filled in for patients and times.

use encoding_rs::{Encoding, GB18030, UTF_8};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::app::sample::cast::{DOUBTED, FRESH, LOCAL, MISREAD, Patient, STALE};
use crate::domain::time::Moment;

/// One report of the story.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Order number at the laboratory, and control id of the message.
    pub order: &'static str,
    /// Which hospital sends it: its place in the cast.
    pub hospital: usize,
    /// Whose it is.
    pub patient: Patient,
    /// Hours from the collection of the specimen to the beginning of the story.
    pub age_hours: i64,
    /// Potassium in mmol/L, and its flag.
    pub potassium: (&'static str, &'static str),
    /// `F`, or `C` for a correction, which is a message of its own.
    status: &'static str,
    sample: &'static [u8],
    charset: &'static Encoding,
}

/// Fresh electrolytes from the laboratory that is qualified nationally.
pub const FRESH_REPORT: Report = Report {
    order: "GY-2001",
    hospital: 0,
    patient: FRESH,
    age_hours: 5,
    potassium: ("4.1", "N"),
    status: "F",
    sample: ELECTROLYTES,
    charset: UTF_8,
};

/// The same, collected nine days ago: the window is seven days.
pub const STALE_REPORT: Report =
    Report { order: "GY-2002", age_hours: 9 * 24, patient: STALE, potassium: ("5.6", "H"), ..FRESH_REPORT };

/// From the laboratory whose qualification counts in its city.
pub const LOCAL_REPORT: Report = Report {
    order: "ZY-3001",
    hospital: 1,
    patient: LOCAL,
    age_hours: 3,
    potassium: ("3.9", "N"),
    status: "F",
    sample: POTASSIUM_GB18030,
    charset: GB18030,
};

/// From the suspended laboratory.
pub const DOUBTED_REPORT: Report = Report {
    order: "HH-4001",
    hospital: 2,
    patient: DOUBTED,
    age_hours: 4,
    potassium: ("3.2", "L"),
    status: "F",
    sample: POTASSIUM,
    charset: UTF_8,
};

/// A value that the laboratory misread.
pub const MISREAD_REPORT: Report =
    Report { order: "GY-2003", age_hours: 6, patient: MISREAD, potassium: ("7.9", "H"), ..FRESH_REPORT };

/// The same report, corrected.
pub const CORRECTED_REPORT: Report = Report { potassium: ("4.4", "N"), status: "C", ..MISREAD_REPORT };

/// The reports that the story begins with, in the order they are sent.
pub const REPORTS: [Report; 4] = [FRESH_REPORT, STALE_REPORT, LOCAL_REPORT, DOUBTED_REPORT];

impl Report {
    /// Writes the message as the laboratory's system would, in its character set.
    pub fn message(&self, began: Moment) -> Vec<u8> {
        let (family, given) = self.patient.name;
        let collected = began.plus_hours(-self.age_hours);
        let filled = [
            ("{sent}", stamp(collected.plus_hours(2))),
            ("{control}", format!("{}{}", self.order, if self.status == "C" { "-C" } else { "" })),
            ("{mrn}", format!("M{}", self.order)),
            ("{number}", self.patient.number.to_owned()),
            ("{name}", format!("{family}^{given}")),
            ("{birth}", self.patient.birth_date.replace('-', "")),
            ("{sex}", self.patient.sex.to_owned()),
            ("{order}", self.order.to_owned()),
            ("{collected}", stamp(collected)),
            ("{received}", stamp(collected.plus_hours(1))),
            ("{reported}", stamp(collected.plus_hours(2))),
            ("{potassium}", self.potassium.0.to_owned()),
            ("{flag}", self.potassium.1.to_owned()),
            ("{status}", self.status.to_owned()),
        ];
        let (text, _, _) = self.charset.decode(self.sample);
        let text = filled.iter().fold(text.into_owned(), |text, (word, value)| text.replace(word, value));
        self.charset.encode(&text).0.into_owned()
    }
}

/// Writes a moment as HL7 does, `20261120103000+0800`.
fn stamp(at: Moment) -> String {
    let offset = UtcOffset::from_whole_seconds(i32::from(at.offset_minutes()) * 60).unwrap_or(UtcOffset::UTC);
    let local = OffsetDateTime::from_unix_timestamp(at.unix_ms() / 1_000).map(|at| at.to_offset(offset));
    let form =
        format_description!("[year][month][day][hour][minute][second][offset_hour sign:mandatory][offset_minute]");
    local.ok().and_then(|local| local.format(form).ok()).unwrap_or_default()
}

const ELECTROLYTES: &[u8] = include_bytes!("../../../deploy/demo/electrolytes.hl7");
const POTASSIUM_GB18030: &[u8] = include_bytes!("../../../deploy/demo/potassium_gb18030.hl7");
const POTASSIUM: &[u8] = include_bytes!("../../../deploy/demo/potassium.hl7");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phi::Phi;
    use crate::wire::hl7::{self, SourceSettings};

    #[test]
    fn every_report_is_read_whole_in_its_character_set() {
        let began = Moment::new(1_800_000_000_000, 480).unwrap();
        for report in REPORTS.into_iter().chain([MISREAD_REPORT, CORRECTED_REPORT]) {
            let message = report.message(began);
            assert!(!message.contains(&b'{'), "{}: a word was not filled in", report.order);
            let read = hl7::read(&message, &SourceSettings::default()).remove(0).unwrap();
            assert_eq!(read.len(), 1, "{}", report.order);
            assert_eq!(read[0].patient.family_name, Phi::new(report.patient.name.0.to_owned()));
            assert_eq!(read[0].patient.given_name, Phi::new(report.patient.name.1.to_owned()));
        }
    }
}
