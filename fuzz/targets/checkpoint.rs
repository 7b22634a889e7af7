//! Notes, checkpoints and proofs to carry away: any bytes parse or fail, and what was read prints itself again.
#![no_main]

use concord::merkle::checkpoint::Checkpoint;
use concord::merkle::log_proof::LogProof;
use concord::merkle::note::Note;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Note::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Checkpoint>().map(|checkpoint| assert_eq!(checkpoint.to_string(), text));
    let _ = text.parse::<LogProof>().map(|proof| assert_eq!(proof.to_string(), text));
});
