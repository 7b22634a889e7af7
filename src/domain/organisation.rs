//! Organisations, the roles they play, and the caller a certificate names. Certificates themselves are parsed in `pki`.

use std::fmt;
use std::str::FromStr;

use super::adcode::Adcode;
use super::fault::{Fault, Faulty};

/// An organisation's unified social credit code: 18 characters whose last one checks the others, in upper case.
///
/// Source: GB 32100-2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationCode([u8; CODE_CHARACTERS]);

/// The part an organisation plays in the exchange. One certificate names exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A hospital or independent laboratory: publishes results and asks for those of others.
    Hospital,
    /// A quality control centre: says who is qualified for which item.
    QcCentre,
    /// A health authority: reads statistics, bulletins and recalls.
    Regulator,
    /// The patients' entrance: records consents and opens results to their subjects.
    PatientGateway,
    /// Whoever runs the region's hub.
    Operator,
}

/// An organisation of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its unified social credit code.
    pub code: OrganisationCode,
    /// The part it plays.
    pub role: Role,
    /// Its registered name in Chinese.
    pub name_zh: String,
    /// Its name in English, as shown to foreign clients.
    pub name_en: String,
    /// The division it lies in.
    pub region: Adcode,
    /// The hospital's grade as its licence writes it (`3A`), empty when it has none.
    pub level: String,
}

/// Who stands at the other end of a connection, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The region whose authority issued the certificate.
    pub region: Adcode,
    /// The part the organisation plays.
    pub role: Role,
    /// The organisation.
    pub organisation: OrganisationCode,
    /// The label in the certificate's subject, for logs and people; proves nothing.
    pub name: String,
    /// The certificate's serial number, by which it is revoked; none where a token named the caller.
    pub serial: Option<CertificateSerial>,
}

/// A certificate's serial number, 1 to 20 bytes without leading zeros, written in lower-case hexadecimal.
///
/// Source: RFC 5280, 4.1.2.2.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSerial(Box<[u8]>);

/// The text or bytes name no organisation, role or certificate; correct the certificate request or the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationError {
    /// An organisation code has another length.
    #[error("an organisation code is 18 characters, this is {0} bytes")]
    Length(usize),
    /// A character cannot stand where it stands.
    #[error("character {0} of the organisation code cannot stand there")]
    Character(usize),
    /// The last character does not check the others: something was mistyped.
    #[error("the check character of the organisation code does not match; compare it with the licence")]
    Check,
    /// No role is spelt so.
    #[error("no such role; roles are hospital, qc-centre, regulator, patient-gateway and operator")]
    Role,
    /// A serial number is empty, zero or longer than 20 bytes, or not hexadecimal.
    #[error("a certificate serial is 1 to 20 bytes in hexadecimal and not zero")]
    Serial,
}

impl OrganisationCode {
    /// Shows the code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for OrganisationCode {
    type Err = OrganisationError;

    /// Reads a code, raising lower-case letters, and verifies its check character.
    fn from_str(text: &str) -> Result<Self, OrganisationError> {
        let given: [u8; CODE_CHARACTERS] =
            text.as_bytes().try_into().map_err(|_| OrganisationError::Length(text.len()))?;
        let code = given.map(|byte| byte.to_ascii_uppercase());
        let mut sum = 0;
        let mut weight = 1;
        for (index, byte) in code.iter().enumerate() {
            let value = ALPHABET.iter().position(|known| known == byte);
            let value = value.filter(|_| !DIVISION.contains(&index) || byte.is_ascii_digit());
            sum += value.ok_or(OrganisationError::Character(index + 1))? * weight;
            // The check character itself weighs 1, so that the whole is divisible.
            weight = if index + 2 == CODE_CHARACTERS { 1 } else { weight * 3 % ALPHABET.len() };
        }
        if !sum.is_multiple_of(ALPHABET.len()) {
            return Err(OrganisationError::Check);
        }
        Ok(Self(code))
    }
}

impl fmt::Display for OrganisationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Role {
    /// Every role, in the order of the glossary.
    pub const ALL: [Role; 5] = [Role::Hospital, Role::QcCentre, Role::Regulator, Role::PatientGateway, Role::Operator];

    /// Spells the role as certificates and commands do.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Hospital => "hospital",
            Role::QcCentre => "qc-centre",
            Role::Regulator => "regulator",
            Role::PatientGateway => "patient-gateway",
            Role::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = OrganisationError;

    fn from_str(text: &str) -> Result<Self, OrganisationError> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(OrganisationError::Role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl CertificateSerial {
    /// Takes the big-endian bytes of a serial number, with or without leading zeros.
    ///
    /// # Errors
    /// [`OrganisationError::Serial`] when nothing is left or more than 20 bytes are; refuse the certificate.
    pub fn new(bytes: &[u8]) -> Result<Self, OrganisationError> {
        let start = bytes.iter().position(|byte| *byte != 0).ok_or(OrganisationError::Serial)?;
        let significant = bytes.get(start..).filter(|rest| rest.len() <= SERIAL_BYTES_MAX);
        Ok(Self(significant.ok_or(OrganisationError::Serial)?.into()))
    }

    /// Gives the big-endian bytes, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for CertificateSerial {
    type Err = OrganisationError;

    fn from_str(text: &str) -> Result<Self, OrganisationError> {
        if text.len() > 2 * (SERIAL_BYTES_MAX + 1) {
            return Err(OrganisationError::Serial);
        }
        let even = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
        Self::new(&hex::decode(even).map_err(|_| OrganisationError::Serial)?)
    }
}

impl fmt::Display for CertificateSerial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateSerial({self})")
    }
}

impl Faulty for OrganisationError {
    fn fault(&self) -> Fault {
        Fault::BadInput
    }
}

const CODE_CHARACTERS: usize = 18;
const SERIAL_BYTES_MAX: usize = 20;
/// Characters by their value: I, O, S, V and Z are left out for looking like digits.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Where the division of registration stands, digits only.
const DIVISION: std::ops::Range<usize> = 2..8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Codes printed on public registers.
    const REAL: [&str; 4] = ["91350100M000100Y43", "91110000600037341L", "12100000400000624D", "91440300708461136T"];

    /// Makes a valid code from seventeen values, by the definition of the standard.
    fn completed(values: &[usize]) -> String {
        let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        let sum: usize = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        let check = (31 - sum % 31) % 31;
        values.iter().chain([&check]).map(|value| char::from(ALPHABET[*value])).collect()
    }

    fn any_code() -> impl Strategy<Value = String> {
        (
            prop::collection::vec(0..31usize, 2),
            prop::collection::vec(0..10usize, 6),
            prop::collection::vec(0..31usize, 9),
        )
            .prop_map(|(head, division, tail)| completed(&[head, division, tail].concat()))
    }

    #[test]
    fn registered_codes_are_accepted_in_either_case() {
        for code in REAL {
            assert_eq!(code.parse::<OrganisationCode>().unwrap().as_str(), code);
            assert_eq!(code.to_lowercase().parse::<OrganisationCode>().unwrap().as_str(), code);
        }
    }

    #[test]
    fn characters_and_lengths_are_named_by_position() {
        assert_eq!("91350100M000100Y4".parse::<OrganisationCode>(), Err(OrganisationError::Length(17)));
        assert_eq!("91350100I000100Y43".parse::<OrganisationCode>(), Err(OrganisationError::Character(9)));
        assert_eq!("9135010AM000100Y43".parse::<OrganisationCode>(), Err(OrganisationError::Character(8)));
        assert_eq!("贵贵贵贵贵贵".parse::<OrganisationCode>(), Err(OrganisationError::Character(1)));
    }

    proptest! {
        #[test]
        fn every_single_wrong_character_is_caught(code in any_code(), at in 0..18usize, with in 0..31usize) {
            prop_assert!(code.parse::<OrganisationCode>().is_ok());
            let mut wrong = code.clone().into_bytes();
            wrong[at] = ALPHABET[with];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(wrong.parse::<OrganisationCode>().is_ok(), wrong == code);
        }

        #[test]
        fn every_swap_of_neighbours_is_caught(code in any_code(), at in 0..17usize) {
            let mut swapped = code.clone().into_bytes();
            swapped.swap(at, at + 1);
            let swapped = String::from_utf8(swapped).unwrap();
            prop_assert_eq!(swapped.parse::<OrganisationCode>().is_ok(), swapped == code);
        }

        #[test]
        fn serials_survive_writing(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(serial) = CertificateSerial::new(&bytes) {
                prop_assert_eq!(serial.to_string().parse::<CertificateSerial>(), Ok(serial));
            }
        }
    }

    #[test]
    fn roles_are_spelt_one_way_only() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
        }
        for text in ["Hospital", "hospital ", "", "qc_centre", "hospitals"] {
            assert_eq!(text.parse::<Role>(), Err(OrganisationError::Role));
        }
    }

    #[test]
    fn serials_compare_without_leading_zeros() {
        let padded = CertificateSerial::new(&[0, 0x8f, 1]).unwrap();
        assert_eq!(padded, "8f01".parse().unwrap());
        assert_eq!(CertificateSerial::new(&[0, 0]), Err(OrganisationError::Serial));
        assert_eq!(CertificateSerial::new(&[1; 21]), Err(OrganisationError::Serial));
    }
}
