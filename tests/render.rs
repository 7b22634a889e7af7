//! Pictures drawn by processes of the binary: the corpus, files that were damaged, and processes that do not end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use concord::app::renderer::ProcessRenderer;
use concord::domain::picture::{Form, Size, Undrawn, View};
use concord::ports::renderer::Renderer;
use futures_util::StreamExt;

const PNG: View = View { frame: 1, window: None, size: Size::LARGEST, form: Form::Png };

fn renderer() -> ProcessRenderer {
    ProcessRenderer::with(PathBuf::from(env!("CARGO_BIN_EXE_concord")))
}

/// The files of the corpus by name; none where there is no corpus beside the package.
fn corpus() -> Vec<(String, Bytes)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/visible/dicom"));
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: no corpus beside the package");
        return Vec::new();
    };
    let files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "tsv"));
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap().into()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_is_drawn_in_bounded_time_or_says_why_not() {
    let renderer = renderer();
    for (name, file) in corpus() {
        let (began, drawn) = (Instant::now(), renderer.draw(file, PNG).await);
        assert!(began.elapsed() < Duration::from_secs(15), "{name} took {:?}", began.elapsed());
        match drawn {
            Ok(png) => assert!(png.starts_with(b"\x89PNG"), "{name}"),
            Err(reason) => assert!(matches!(reason, Undrawn::NoPicture | Undrawn::Unsupported), "{name}: {reason:?}"),
        }
    }
}

/// JPEG 2000 above all: its decoder is foreign to the language's safety, and whatever it does, it does to its process.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_errors_and_the_next_picture_is_drawn() {
    let renderer = renderer();
    let files = corpus();
    let find = |name: &str| files.iter().find(|(own, _)| own == name).map(|(_, file)| file.clone());
    let mut random = Random(20_261_125);
    let mut damaged = Vec::new();
    for name in
        ["MR_small_jp2klossless.dcm", "693_J2KI.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm", "CT_small.dcm"]
    {
        let Some(file) = find(name) else { return };
        damaged.extend((0..MUTATIONS).map(|_| random.damage(&file)));
    }
    let mut outcomes =
        futures_util::stream::iter(damaged.into_iter().map(|file| renderer.draw(file, PNG))).buffer_unordered(8);
    while let Some(outcome) = outcomes.next().await {
        assert!(!matches!(outcome, Err(Undrawn::Late | Undrawn::Broken)), "{outcome:?}");
    }
    assert!(renderer.draw(find("CT_small.dcm").unwrap(), PNG).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_turned_away_and_the_rest_is_drawn() {
    let Some((_, file)) = corpus().into_iter().find(|(name, _)| name == "MR_small.dcm") else { return };
    let renderer = renderer();
    let outcomes = futures_util::future::join_all((0..150).map(|_| renderer.draw(file.clone(), PNG))).await;
    let late = outcomes.iter().filter(|outcome| **outcome == Err(Undrawn::Late)).count();
    assert!(late >= 22 && outcomes.iter().any(Result::is_ok), "{late} were turned away");
    let foreign = ProcessRenderer::with(PathBuf::from("/bin/no-such-binary"));
    assert_eq!(foreign.draw(file, PNG).await, Err(Undrawn::Broken));
}

/// A small generator of a known seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(most).unwrap()).unwrap()
    }

    /// Flips bits, writes lengths that lie, or cuts the end off.
    fn damage(&mut self, file: &[u8]) -> Bytes {
        let mut file = file.to_vec();
        for _ in 0..=self.below(6) {
            let place = 132 + self.below(file.len() - 140);
            match self.below(4) {
                0 => file[place] ^= 1 << self.below(8),
                1 => file[place] = 0xFF,
                2 => file[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes()),
                _ => file[place..place + 2].copy_from_slice(&[0, 0]),
            }
        }
        if self.below(4) == 0 {
            file.truncate(132 + self.below(file.len() - 132));
        }
        file.into()
    }
}

/// Of each file; each costs a process.
const MUTATIONS: usize = 150;
