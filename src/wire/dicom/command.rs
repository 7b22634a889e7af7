//! DIMSE command sets: always implicit little endian, always small.

use super::error::DicomError;
use super::precheck::{DataSet, walk};
use super::syntax::Encoding;
use super::uid::Uid;
use crate::domain::limits::DICOM_COMMAND_BYTES_MAX;
use dicom_core::Tag;

/// A status of a DIMSE response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

/// Statuses of C-STORE and of DIMSE at large that this house answers.
///
/// Source: DICOM PS3.4, B.2.3 and PS3.7, annex C.
impl Status {
    /// Done; for a store, durable.
    pub const SUCCESS: Self = Self(0x0000);
    /// The instance cannot be processed; sending it again will not help.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// An instance of this UID with other content is kept already.
    pub const DUPLICATE_INSTANCE: Self = Self(0x0111);
    /// The SOP instance UID in the command is none.
    pub const INVALID_INSTANCE: Self = Self(0x0117);
    /// The class is not one that is stored.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x0122);
    /// The caller may not do this.
    pub const NOT_AUTHORISED: Self = Self(0x0124);
    /// The command is not one of this service.
    pub const UNRECOGNISED_OPERATION: Self = Self(0x0211);
    /// No room now; send it again later.
    pub const OUT_OF_RESOURCES: Self = Self(0xA700);
    /// The data set contradicts the command.
    pub const DATA_SET_DIFFERS: Self = Self(0xA900);
    /// The data set is damaged or truncated.
    pub const CANNOT_UNDERSTAND: Self = Self(0xC000);
}

/// A command set as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is asked (0000,0100).
    pub operation: Operation,
    /// The number a response must name (0000,0110).
    pub message_id: u16,
    /// The class it is about (0000,0002).
    pub sop_class: Option<Uid>,
    /// The instance it is about (0000,1000).
    pub sop_instance: Option<Uid>,
    /// Whether a data set follows (0000,0800).
    pub has_data_set: bool,
    /// The outcome, in a response (0000,0900).
    pub status: Option<Status>,
}

/// The operation of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// C-STORE-RQ.
    Store,
    /// C-ECHO-RQ.
    Echo,
    /// C-CANCEL-RQ, which is never answered.
    Cancel,
    /// Any other, by its command field.
    Other(u16),
}

/// Reads a whole command set.
///
/// # Errors
/// [`DicomError`] when it is damaged or lacks what every command has; abort the association.
///
/// Source: DICOM PS3.7, 6.3.1 and annex E.
pub fn decode(bytes: &[u8]) -> Result<Command, DicomError> {
    if bytes.len() > DICOM_COMMAND_BYTES_MAX {
        return Err(DicomError::Elements { offset: DICOM_COMMAND_BYTES_MAX });
    }
    let set = walk(bytes, Encoding::ImplicitLittle)?;
    let field = required(&set, COMMAND_FIELD)?;
    let operation = match field {
        STORE_REQUEST => Operation::Store,
        ECHO_REQUEST => Operation::Echo,
        CANCEL_REQUEST => Operation::Cancel,
        other => Operation::Other(other),
    };
    let is_answer = field & RESPONSE_BIT != 0 || operation == Operation::Cancel;
    let message_id = required(&set, if is_answer { MESSAGE_ID_ANSWERED } else { MESSAGE_ID })?;
    Ok(Command {
        operation,
        message_id,
        sop_class: uid(&set, AFFECTED_CLASS).or_else(|| uid(&set, REQUESTED_CLASS)),
        sop_instance: uid(&set, AFFECTED_INSTANCE).or_else(|| uid(&set, REQUESTED_INSTANCE)),
        has_data_set: required(&set, DATA_SET_TYPE)? != NO_DATA_SET,
        status: number(&set, STATUS).map(Status),
    })
}

/// Writes the response to a command, without data set.
///
/// Source: DICOM PS3.7, 9.3.1.2 and 9.3.5.2.
pub fn response(command: &Command, status: Status) -> Vec<u8> {
    let field = match command.operation {
        Operation::Store => STORE_REQUEST,
        Operation::Echo => ECHO_REQUEST,
        Operation::Cancel => CANCEL_REQUEST,
        Operation::Other(field) => field,
    };
    let mut set = Writer::new(command.sop_class.as_ref());
    set.number(COMMAND_FIELD, field | RESPONSE_BIT);
    set.number(MESSAGE_ID_ANSWERED, command.message_id);
    set.number(DATA_SET_TYPE, NO_DATA_SET);
    set.number(STATUS, status.0);
    set.uid(AFFECTED_INSTANCE, command.sop_instance.as_ref());
    set.finish()
}

/// Writes a C-ECHO-RQ.
///
/// Source: DICOM PS3.7, 9.3.5.1.
pub fn echo_request(message_id: u16) -> Vec<u8> {
    let mut set = Writer::new(Uid::parse(VERIFICATION).as_ref());
    set.number(COMMAND_FIELD, ECHO_REQUEST);
    set.number(MESSAGE_ID, message_id);
    set.number(DATA_SET_TYPE, NO_DATA_SET);
    set.finish()
}

/// Writes a C-STORE-RQ of medium priority.
///
/// Source: DICOM PS3.7, 9.3.1.1.
pub fn store_request(message_id: u16, sop_class: &Uid, sop_instance: &Uid) -> Vec<u8> {
    let mut set = Writer::new(Some(sop_class));
    set.number(COMMAND_FIELD, STORE_REQUEST);
    set.number(MESSAGE_ID, message_id);
    set.number(PRIORITY, 0);
    set.number(DATA_SET_TYPE, DATA_SET_FOLLOWS);
    set.uid(AFFECTED_INSTANCE, Some(sop_instance));
    set.finish()
}

/// Writes elements in ascending order behind a group length that is filled in last.
struct Writer(Vec<u8>);

impl Writer {
    fn new(sop_class: Option<&Uid>) -> Self {
        let mut set = Self(Vec::with_capacity(256));
        set.element(GROUP_LENGTH, &[0; 4]);
        set.uid(AFFECTED_CLASS, sop_class);
        set
    }

    fn number(&mut self, tag: Tag, number: u16) {
        self.element(tag, &number.to_le_bytes());
    }

    fn uid(&mut self, tag: Tag, uid: Option<&Uid>) {
        let Some(uid) = uid else { return };
        let mut padded = uid.as_str().as_bytes().to_vec();
        if padded.len() % 2 == 1 {
            padded.push(0);
        }
        self.element(tag, &padded);
    }

    fn element(&mut self, tag: Tag, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend(tag.group().to_le_bytes());
        self.0.extend(tag.element().to_le_bytes());
        self.0.extend(length.to_le_bytes());
        self.0.extend(value);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - GROUP_LENGTH_BYTES).unwrap_or(u32::MAX);
        self.0.splice(8..GROUP_LENGTH_BYTES, length.to_le_bytes());
        self.0
    }
}

fn number(set: &DataSet<'_>, tag: Tag) -> Option<u16> {
    set.find(tag)?.value.try_into().ok().map(u16::from_le_bytes)
}

fn required(set: &DataSet<'_>, tag: Tag) -> Result<u16, DicomError> {
    number(set, tag).ok_or(DicomError::Missing { tag })
}

fn uid(set: &DataSet<'_>, tag: Tag) -> Option<Uid> {
    str::from_utf8(set.find(tag)?.value).ok().and_then(Uid::parse)
}

/// The abstract syntax of C-ECHO.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
const GROUP_LENGTH: Tag = Tag(0x0000, 0x0000);
const AFFECTED_CLASS: Tag = Tag(0x0000, 0x0002);
const REQUESTED_CLASS: Tag = Tag(0x0000, 0x0003);
const COMMAND_FIELD: Tag = Tag(0x0000, 0x0100);
const MESSAGE_ID: Tag = Tag(0x0000, 0x0110);
const MESSAGE_ID_ANSWERED: Tag = Tag(0x0000, 0x0120);
const PRIORITY: Tag = Tag(0x0000, 0x0700);
const DATA_SET_TYPE: Tag = Tag(0x0000, 0x0800);
const STATUS: Tag = Tag(0x0000, 0x0900);
const AFFECTED_INSTANCE: Tag = Tag(0x0000, 0x1000);
const REQUESTED_INSTANCE: Tag = Tag(0x0000, 0x1001);
const GROUP_LENGTH_BYTES: usize = 12;
const STORE_REQUEST: u16 = 0x0001;
const ECHO_REQUEST: u16 = 0x0030;
const CANCEL_REQUEST: u16 = 0x0FFF;
const RESPONSE_BIT: u16 = 0x8000;
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_comes_back_as_it_was_written() {
        let (class, instance) = (Uid::parse("1.2.3").unwrap(), Uid::parse("1.2.34").unwrap());
        let command = decode(&store_request(7, &class, &instance)).unwrap();
        assert_eq!((command.operation, command.message_id, command.has_data_set), (Operation::Store, 7, true));
        let answer = decode(&response(&command, Status::CANNOT_UNDERSTAND)).unwrap();
        assert_eq!(answer.operation, Operation::Other(0x8001));
        assert_eq!((answer.message_id, answer.status, answer.has_data_set), (7, Some(Status(0xC000)), false));
        assert_eq!((answer.sop_class, answer.sop_instance), (Some(class), Some(instance)));
    }

    #[test]
    fn the_group_length_counts_what_follows_it() {
        let echo = echo_request(1);
        assert_eq!(u32::from_le_bytes(echo[8..12].try_into().unwrap()) as usize, echo.len() - 12);
    }

    #[test]
    fn every_prefix_is_refused() {
        let whole = store_request(7, &Uid::parse("1.2.3").unwrap(), &Uid::parse("1.2.34").unwrap());
        let without_instance = whole.len() - 16;
        for length in (0..whole.len()).filter(|length| *length != without_instance + 2) {
            if let Ok(command) = decode(&whole[..length]) {
                assert_eq!(command.sop_instance, None, "cut at {length}");
            }
        }
    }
}
