//! Every limit of the house in one place: unit and bound are in the name.

/// Largest MLLP frame, in bytes; a scanned report in an ED value must fit.
pub const MLLP_FRAME_BYTES_MAX: usize = 16 << 20;
/// Most fields, repetitions, components and subcomponents of one HL7 message, counted by their separators.
pub const HL7_PARTS_MAX: usize = 200_000;
/// Most messages of one MLLP frame or HL7 file.
pub const HL7_BATCH_MESSAGES_MAX: usize = 10_000;
/// Most open connections of one MLLP listener, where its configuration says nothing else.
pub const MLLP_CONNECTIONS_MAX: usize = 256;
/// Most messages of one MLLP connection that are worked on at once.
pub const MLLP_PIPELINE_MAX: usize = 32;
/// Largest DICOM instance taken over a network association, in bytes.
pub const INSTANCE_BYTES_MAX: u64 = 2 << 30;
/// Deepest nesting of DICOM sequences.
pub const SEQUENCE_DEPTH_MAX: u8 = 32;
/// Most elements of one DICOM data set or item, those of nested items not counted.
pub const DICOM_ELEMENTS_MAX: usize = 65_536;
/// Most items read of one DICOM sequence; more are walked, and not read.
pub const DICOM_ITEMS_READ_MAX: usize = 64;
/// Most images read that one DICOM rejection note names in one series.
pub const REJECTED_INSTANCES_MAX: usize = 10_000;
/// Longest text kept of one DICOM value, in characters.
pub const DICOM_TEXT_CHARS_MAX: usize = 1_024;
/// Largest deflated DICOM data set once inflated, in bytes.
pub const DICOM_INFLATED_BYTES_MAX: usize = 256 << 20;
/// Widest picture that is drawn for people, in columns.
pub const PICTURE_WIDTH_MAX: u32 = 2_048;
/// Highest picture that is drawn for people, in rows.
pub const PICTURE_HEIGHT_MAX: u32 = 4_096;
/// Most picture elements of one frame that is decoded; a mammogram of 28 million must fit.
pub const PICTURE_PIXELS_MAX: u64 = 64 << 20;
/// Largest decoded frame, in bytes.
pub const PICTURE_FRAME_BYTES_MAX: u64 = 256 << 20;
/// Most fragments of one picture's compressed pixel data.
pub const PICTURE_FRAGMENTS_MAX: usize = 1 << 20;
/// Largest original that is looked into for people, in bytes; a larger one is fetched and opened elsewhere.
pub const PICTURE_FILE_BYTES_MAX: u64 = 256 << 20;
/// Memory of a process that draws one picture, in bytes: the file, a frame, and what decoding takes.
pub const PICTURE_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Largest DIMSE command set, in bytes.
pub const DICOM_COMMAND_BYTES_MAX: usize = 16 << 10;
/// Largest DICOM instance held in memory while it arrives, in bytes; a larger one is spooled to a file.
pub const DICOM_MEMORY_BYTES_MAX: usize = 8 << 20;
/// Largest encoded entry, in bytes; a study of 3,000 instances must fit.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;
/// Most entries in one batch.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Largest encoded batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Largest journal record, in bytes.
pub const RECORD_BYTES_MAX: usize = 32 << 20;
/// Largest gRPC message either way, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 24 << 20;
/// Largest gRPC message that a hub takes where neither batches nor statements are sent, in bytes: so much of each request
/// under way is held in memory before it is read.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Largest body of an HTTP request, in bytes; an order of 64 lines with its patient must fit.
pub const HTTP_BODY_BYTES_MAX: usize = 1 << 20;
/// Largest HTTP/2 frame that either side of a gRPC connection takes, in bytes. Source: RFC 9113, 6.5.2.
pub const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Bytes of one gRPC stream that may be on their way before they are read. Source: RFC 9113, 5.2.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes of all streams of one gRPC connection that may be on their way before they are read. Source: RFC 9113, 5.2.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// Size of one chunk of an original in a stream, in bytes.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Most tunnels that one hospital keeps open at one hub.
pub const TUNNELS_PER_HOSPITAL_MAX: usize = 8;
/// Most originals that one organisation fetches at once.
pub const FETCHES_PER_ORGANISATION_MAX: usize = 32;
/// Most streams of batches that one organisation keeps open.
pub const PUBLICATIONS_PER_ORGANISATION_MAX: usize = 8;
/// Most lines of one order check.
pub const ORDER_LINES_MAX: usize = 64;
/// Most catalogue items one line may name, panels expanded.
pub const LINE_ITEMS_MAX: usize = 128;
/// Most consents of one patient that are kept in sight.
pub const CONSENTS_PER_PATIENT_MAX: usize = 1_000;
/// Most items, and most results, that one consent names.
pub const CONSENT_NAMES_MAX: usize = 256;
/// Longest period of a consent, in days.
pub const CONSENT_DAYS_MAX: i64 = 1_830;
/// Most uses that a consent may limit itself to.
pub const CONSENT_USES_MAX: u32 = 10_000;
/// Wrong passcodes of a link in its whole life.
pub const LINK_ATTEMPTS_MAX: u32 = 10;
/// Shortest passcode of a link, in characters.
pub const PASSCODE_CHARACTERS_MIN: usize = 6;
/// Longest passcode of a link, in characters.
pub const PASSCODE_CHARACTERS_MAX: usize = 64;
/// Longest label of a link, in characters. Source: SMART Health Links 1.0.0.
pub const LINK_LABEL_CHARACTERS_MAX: usize = 80;
/// Most accesses of one page of a history.
pub const HISTORY_PAGE_MAX: usize = 500;
/// Most results whose names one access keeps.
pub const ACCESS_RESULTS_MAX: usize = 500;
/// Most entries of one patient that a check reads.
pub const CANDIDATES_MAX: usize = 10_000;
/// Most recalls that a node confirms at once.
pub const RECALLS_CONFIRMED_MAX: usize = 1_000;
/// Most open recalls of one doctor that are told at once.
pub const RECALLS_TOLD_MAX: usize = 100;
/// Longest free text a caller may send (comments, names), in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Longest key, code or identifier a caller may send, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Largest JSON Web Token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Largest signed note, in bytes; sixteen post-quantum signatures must fit.
pub const NOTE_BYTES_MAX: usize = 256 << 10;
/// Most signatures on one note.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Largest proof of one result, in bytes; the largest entry must fit.
pub const PROOF_BYTES_MAX: usize = 2 << 20;
/// Most results of one check that come with a proof.
pub const PROOFS_MAX: usize = 32;
/// Largest proofs of one check together, in bytes.
pub const PROOFS_BYTES_MAX: usize = 4 << 20;
/// Most organisations that are counted by name; the calls of more are counted together.
pub const ORGANISATIONS_COUNTED_MAX: usize = 10_000;
/// Most spans that wait for the collector; more are dropped, and counted.
pub const SPANS_WAITING_MAX: usize = 8_192;
/// Most bytes of labelled cases that one run of the accuracy benchmark reads.
pub const CASES_BYTES_MAX: u64 = 4 << 30;

const _: () = assert!(RECORD_BYTES_MAX >= BATCH_BYTES_MAX, "a batch must fit in a record");
const _: () = assert!(MESSAGE_BYTES_MAX >= BATCH_BYTES_MAX, "a batch must fit in a message");
const _: () = assert!(PROOF_BYTES_MAX * 3 / 4 >= ENTRY_BYTES_MAX + NOTE_BYTES_MAX, "the largest entry must fit");
const _: () = assert!(REQUEST_BYTES_MAX >= 2 * CHUNK_BYTES, "a chunk of an original must fit in a request");
