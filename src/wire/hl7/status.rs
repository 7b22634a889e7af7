//! Statuses of reports and of their observations. Must not decide what may be offered for recognition.
//!
//! Source: HL7 tables 0085 (OBX-11) and 0123 (OBR-25).

/// Status of one observation, OBX-11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObservationStatus {
    /// F: final.
    Final,
    /// C: replaces an earlier final value.
    Corrected,
    /// A: amended.
    Amended,
    /// P: preliminary.
    Preliminary,
    /// D: the earlier value is deleted.
    Deleted,
    /// W: the earlier value was wrong, such as one of another patient.
    Wrong,
    /// X: no value can be obtained.
    Cancelled,
    /// U: the value sent before is now final; it is not sent again.
    FinalUnsent,
    /// V: verified final.
    Verified,
    /// N: not asked for; the segment only names something.
    NotAsked,
    /// B, I, O, R or S: ordered, pending, partial or entered, not verified.
    Pending,
    /// Empty or no code of the table, with no final report around it: never taken for final.
    Unstated,
}

impl ObservationStatus {
    /// Reads OBX-11; an empty one, and the `0` some analysers write, follow the report.
    pub fn of(code: &str, report: ReportStatus) -> Self {
        match code {
            "F" => Self::Final,
            "C" => Self::Corrected,
            "A" => Self::Amended,
            "P" => Self::Preliminary,
            "D" => Self::Deleted,
            "W" => Self::Wrong,
            "X" => Self::Cancelled,
            "U" => Self::FinalUnsent,
            "V" => Self::Verified,
            "N" => Self::NotAsked,
            "B" | "I" | "O" | "R" | "S" => Self::Pending,
            "" | "0" => Self::inherited(report),
            _ => Self::Unstated,
        }
    }

    fn inherited(report: ReportStatus) -> Self {
        match report {
            ReportStatus::Final => Self::Final,
            ReportStatus::Corrected => Self::Corrected,
            ReportStatus::Preliminary => Self::Preliminary,
            ReportStatus::Cancelled => Self::Cancelled,
            ReportStatus::Registered | ReportStatus::Partial => Self::Pending,
            ReportStatus::Unmapped | ReportStatus::Unstated => Self::Unstated,
        }
    }
}

/// Status of a report, OBR-25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportStatus {
    /// O, I or S: ordered, in process or scheduled.
    Registered,
    /// P: preliminary.
    Preliminary,
    /// R: results stored, not yet verified.
    Partial,
    /// F: final.
    Final,
    /// C: corrects a final report.
    Corrected,
    /// X: cancelled.
    Cancelled,
    /// A, Y, Z, M, N or no code of the table, such as the D and W that belong in OBX-11.
    Unmapped,
    /// Empty.
    Unstated,
}

impl ReportStatus {
    /// Reads OBR-25.
    pub fn of(code: &str) -> Self {
        match code {
            "O" | "I" | "S" => Self::Registered,
            "P" => Self::Preliminary,
            "R" => Self::Partial,
            "F" => Self::Final,
            "C" => Self::Corrected,
            "X" => Self::Cancelled,
            "" => Self::Unstated,
            _ => Self::Unmapped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_report_makes_a_silent_observation_final() {
        assert_eq!(ObservationStatus::of("", ReportStatus::Final), ObservationStatus::Final);
        assert_eq!(ObservationStatus::of("0", ReportStatus::Corrected), ObservationStatus::Corrected);
        for report in ["", "W", "D", "A", "Z", "?"] {
            assert_eq!(ObservationStatus::of("", ReportStatus::of(report)), ObservationStatus::Unstated, "{report}");
        }
        assert_eq!(ObservationStatus::of("f", ReportStatus::Final), ObservationStatus::Unstated);
    }
}
