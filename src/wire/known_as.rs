//! The patient of a message or an image as a person, by the hospital's own table of identifier types. Nothing here
//! judges whether an identifier is strong or right.

use crate::domain::identifier::{BirthDate, CitizenNumber, IdentifierType, RegisteredSex};
use crate::domain::person::{Identifier, Person};
use crate::domain::phi::Phi;
use crate::wire::dicom::facts::PatientFacts;
use crate::wire::hl7::patient::{Patient, Sex};

/// What a hospital's systems call the region's identifier types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentifierTable(Vec<IdentifierRow>);

/// One row: how an identifier is marked where it is sent, and what it is in the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierRow {
    /// CX-5 of table 0203, as `NI`, in any case; empty for an image, and for systems that send none. An unmarked
    /// identifier passes for a citizen number only if it is one, check character and all; the next row has it otherwise.
    pub code: String,
    /// CX-4 or Issuer of Patient ID, whole; nothing where any will do.
    pub authority: Option<String>,
    /// The region's type. One that the region does not call strong is local: it never leaves the hospital, and links
    /// images and reports to the person who carried it beside a strong one. Numbers of one type and authority are one
    /// series, however they are marked.
    pub kind: IdentifierType,
    /// The authority that the region knows it under, where the type needs one; otherwise empty.
    pub known_authority: String,
}

impl IdentifierTable {
    /// Takes the rows, of which the first that fits counts; without any, the usual ones.
    pub fn new(rows: Vec<IdentifierRow>) -> Self {
        if rows.is_empty() { Self::usual() } else { Self(rows) }
    }

    /// Makes the table that fits most hospitals: the marks of table 0203 and those that systems in China send instead.
    /// Record numbers (`MR`, `PI`, `MRN`, `PT` and unmarked ones) are one local series, of the type [`LOCAL`].
    ///
    /// Source: HL7 table 0203.
    pub fn usual() -> Self {
        let rows = USUAL.iter().flat_map(|(kind, codes)| {
            let kind: IdentifierType = kind.parse().unwrap_or_else(|_| unreachable!("the types are well formed"));
            codes.iter().map(move |code| (kind.clone(), *code))
        });
        let row = |(kind, code): (IdentifierType, &str)| {
            let (code, known_authority) = (code.to_owned(), String::new());
            IdentifierRow { code, authority: None, kind, known_authority }
        };
        Self(rows.map(row).collect())
    }

    /// Gives the patient of an HL7 report with the identifiers that the table knows; others stay behind.
    pub fn person_of_report(&self, patient: &Patient) -> Person {
        let identifiers = patient.identifiers.iter().filter_map(|sent| {
            let authorities = [sent.authority.as_str(), sent.authority_universal.as_str()];
            self.identifier(&sent.kind, authorities, &sent.value)
        });
        Person {
            identifiers: identifiers.collect(),
            sex: registered(patient.sex == Sex::Male, patient.sex == Sex::Female),
            birth_date: patient.birth_date.as_ref().and_then(|date| {
                let date = date.reveal();
                let year = u16::try_from(date.year()).ok()?;
                BirthDate::new(year, u8::from(date.month()), date.day()).ok().map(Phi::new)
            }),
        }
    }

    /// Gives the patient of a DICOM instance with the identifiers that the table knows; others stay behind.
    pub fn person_of_instance(&self, patient: &PatientFacts) -> Person {
        let first = patient.id.as_ref().map(|id| (id, patient.issuer.as_deref()));
        let others = patient.other_ids.iter().map(|other| (&other.id, other.issuer.as_deref()));
        let identifiers = first.into_iter().chain(others).filter_map(|(id, issuer)| {
            let issuer = issuer.unwrap_or_default();
            self.identifier("", [issuer, issuer], id)
        });
        let sex = patient.sex.as_deref();
        Person {
            identifiers: identifiers.collect(),
            sex: registered(sex == Some("M"), sex == Some("F")),
            birth_date: patient.birth_date.as_ref().and_then(|date| day(date.reveal())).map(Phi::new),
        }
    }

    fn identifier(&self, code: &str, authorities: [&str; 2], value: &Phi<String>) -> Option<Identifier> {
        let fits = |row: &&IdentifierRow| {
            row.code.eq_ignore_ascii_case(code)
                && row.authority.as_deref().is_none_or(|authority| authorities.contains(&authority))
                && (!code.is_empty() || row.kind.as_str() != IdentifierType::CITIZEN || is_citizen_number(value))
        };
        let row = self.0.iter().find(fits)?;
        Some(Identifier { kind: row.kind.clone(), authority: row.known_authority.clone(), value: value.clone() })
    }
}

fn is_citizen_number(value: &Phi<String>) -> bool {
    value.reveal().trim().parse::<CitizenNumber>().is_ok()
}

fn registered(is_male: bool, is_female: bool) -> Option<Phi<RegisteredSex>> {
    match (is_male, is_female) {
        (true, false) => Some(Phi::new(RegisteredSex::Male)),
        (false, true) => Some(Phi::new(RegisteredSex::Female)),
        _ => None,
    }
}

fn day(text: &str) -> Option<BirthDate> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    BirthDate::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// The type of a hospital's own record numbers.
pub const LOCAL: &str = "MRN";
/// The usual table: a type of the region, and the marks (CX-5) that mean it. An unmarked number is a citizen number if
/// it is a valid one, and otherwise a record number of the hospital.
pub const USUAL: [(&str, &[&str]); 4] = [
    (IdentifierType::CITIZEN, &["NI", "NN", "NNCHN", "CN-ID", "ID", "IDCARD", "SFZ", ""]),
    ("HEALTH-CARD", &["JHN", "HC", "HEALTHCARD"]),
    ("PASSPORT", &["PPN"]),
    (LOCAL, &["MR", "PI", "MRN", "PT", ""]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dicom::facts::OtherId;

    fn table() -> IdentifierTable {
        let row = |code: &str, authority: Option<&str>, kind: &str| IdentifierRow {
            code: code.into(),
            authority: authority.map(str::to_owned),
            kind: kind.parse().unwrap(),
            known_authority: String::new(),
        };
        IdentifierTable::new(vec![
            row("NI", None, "CN-ID"),
            row("", Some("GA"), "CN-ID"),
            row("JHN", Some("FJ"), "HEALTH-CARD"),
        ])
    }

    #[test]
    fn only_identifiers_of_the_table_leave_the_hospital() {
        let message = "MSH|^~\\&|LIS|H|||20260101||ORU^R01|1|P|2.5\r\
                       PID|1||7^^^H^MR~11010519491231002X^^^GA^NI~8^^^FJ2^JHN||张^三||19491231|F\rOBR|1|A|B|C\r";
        let reports = crate::wire::hl7::read(message.as_bytes(), &Default::default()).remove(0).unwrap();
        let person = table().person_of_report(&reports[0].patient);
        assert_eq!(person.identifiers.len(), 1, "the record number is nobody else's business, FJ2 is not FJ");
        assert_eq!(person.identifiers[0].kind.as_str(), "CN-ID");
        assert_eq!(person.sex, Some(Phi::new(RegisteredSex::Female)));
        assert_eq!(person.birth_date, Some(Phi::new(BirthDate::new(1949, 12, 31).unwrap())));
    }

    #[test]
    fn images_name_the_issuer_instead_of_a_type() {
        let patient = PatientFacts {
            id: Some(Phi::new("7".into())),
            issuer: Some("PACS".into()),
            other_ids: vec![OtherId { id: Phi::new("11010519491231002X".into()), issuer: Some("GA".into()) }],
            name: None,
            birth_date: Some(Phi::new("19491231".into())),
            sex: Some("O".into()),
        };
        let person = table().person_of_instance(&patient);
        assert_eq!(person.identifiers.len(), 1);
        assert_eq!((person.sex, person.birth_date.is_some()), (None, true));
    }

    #[test]
    fn the_usual_table_tells_people_from_records() {
        let kinds = |identifiers: &str| {
            let message =
                format!("MSH|^~\\&|LIS|H|||20260101||ORU^R01|1|P|2.5\rPID|1||{identifiers}||张^三\rOBR|1|A|B|C\r");
            let reports = crate::wire::hl7::read(message.as_bytes(), &Default::default()).remove(0).unwrap();
            let person = IdentifierTable::usual().person_of_report(&reports[0].patient);
            person.identifiers.iter().map(|one| one.kind.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(kinds("1^^^^MR~2^^^H^pi~3~4^^^^XX"), "MRN MRN MRN");
        assert_eq!(kinds("110105194912310021^^^^NI~1^^^^SFZ~E1^^^^PPN~H1^^^^JHN"), "CN-ID CN-ID PASSPORT HEALTH-CARD");
        assert_eq!(IdentifierTable::new(Vec::new()), IdentifierTable::usual());
        assert_eq!(kinds("11010519491231002x~110105194912310021"), "CN-ID MRN", "unmarked and mistyped is no number");
    }
}
