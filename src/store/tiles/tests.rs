//! What a witness or a restarted hub would miss: the tiles of the specification, proofs at every size, damage noticed.

use tempfile::TempDir;

use super::*;
use crate::merkle::proof::{verify_consistency, verify_inclusion};

fn entry(number: u64) -> [u8; 32] {
    let mut entry = [0xA5; 32];
    entry[..8].copy_from_slice(&number.to_be_bytes());
    entry
}

fn entries(range: std::ops::Range<u64>) -> Vec<[u8; 32]> {
    range.map(entry).collect()
}

fn head_of(size: u64) -> TreeHead {
    let mut frontier = Frontier::default();
    (0..size).for_each(|number| frontier.push(leaf_hash(&entry(number))));
    TreeHead { size, root: frontier.root() }
}

fn log_of(size: u64) -> (TempDir, TileStore) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = TileStore::open(folder.path()).unwrap();
    store.append(&entries(0..size)).unwrap();
    (folder, store)
}

/// Lists the tiles on disk, by their names below the log.
fn files_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![folder.join("tile")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            names.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

#[test]
fn a_saved_log_has_the_files_of_the_specification_and_no_more() {
    let (folder, mut store) = log_of(200);
    for size in [255, 256, 257, 300, 511, 512, 1_000, 70_000] {
        store.append(&entries(store.size()..size)).unwrap();
        assert_eq!(store.head(), head_of(size));
        store.save().unwrap();
        let expected: BTreeSet<String> = tile::tiles_of(size).map(|tile| tile.to_string()).collect();
        assert_eq!(files_in(folder.path()), expected, "size {size}");
    }
    let reader = store.reader();
    for tile in tile::tiles_of(70_000) {
        let bytes = reader.read(tile).unwrap();
        let first = tile.index() * 256;
        match tile.kind() {
            TileKind::Entries => {
                let expected = entries(first..first + u64::from(tile.width()));
                assert_eq!(tile::decode_entries(&bytes, tile.width()).unwrap(), expected);
            }
            TileKind::Hashes(0) => {
                let leaves = entries(first..first + u64::from(tile.width())).iter().map(|e| leaf_hash(e)).collect();
                assert_eq!(tile::decode_hashes(&bytes, tile.width()), Ok(leaves));
            }
            TileKind::Hashes(_) => assert_eq!(bytes.len(), usize::from(tile.width()) * 32),
        }
    }
}

#[test]
fn what_a_crash_left_before_a_tile_took_its_name_is_gone_at_the_next_opening() {
    let (folder, mut store) = log_of(300);
    store.save().unwrap();
    drop(store);
    let saved = files_in(folder.path());
    for draft in ["tile/0/001.p/45.draft", "tile/0/001.draft", "tile/1/000.p/2.draft", "tile/entries/001.p/45.draft"] {
        fs::write(folder.path().join(draft), "half").unwrap();
    }
    let mut store = TileStore::open(folder.path()).unwrap();
    assert_eq!(files_in(folder.path()), saved);
    store.append(&entries(300..520)).unwrap();
    store.save().unwrap();
    assert_eq!(files_in(folder.path()), tile::tiles_of(520).map(|tile| tile.to_string()).collect());
}

#[test]
fn proofs_hold_for_present_and_past_sizes() {
    let (_folder, mut store) = log_of(0);
    for size in [1, 2, 100, 255, 256, 257, 600, 700, 701] {
        store.append(&entries(store.size()..size)).unwrap();
    }
    store.save().unwrap();
    let (reader, now) = (store.reader(), store.head());
    for size in [1, 100, 256, 300, 600, 650, 701] {
        let then = head_of(size);
        let proof = reader.prove_consistency(size, 701).unwrap();
        assert_eq!(verify_consistency(&then, &now, &proof), Ok(()), "from {size}");
        for index in [0, size / 2, size - 1] {
            let proof = reader.prove_inclusion(index, size).unwrap();
            assert_eq!(verify_inclusion(&leaf_hash(&entry(index)), index, &then, &proof), Ok(()), "{index} of {size}");
        }
    }
    assert!(matches!(reader.prove_inclusion(701, 701), Err(TileStoreError::Proof(ProofError::Index { .. }))));
    assert!(matches!(reader.prove_inclusion(701, 702), Err(TileStoreError::Missing)));
}

#[test]
fn a_log_opens_as_it_was_saved_and_grows_on() {
    for (saved, unsaved) in [(0, 10), (0, 600), (255, 1), (256, 1), (300, 212), (300, 900), (512, 256)] {
        let (folder, mut store) = log_of(saved);
        if saved > 0 {
            store.save().unwrap();
        }
        store.append(&entries(saved..saved + unsaved)).unwrap();
        let mut litter = files_in(folder.path());
        litter.retain(|name| tile::tiles_of(saved).all(|tile| tile.to_string() != *name));
        // Everything that was not saved may be lost in any way.
        litter.iter().for_each(|name| fs::write(folder.path().join(name), b"half").unwrap());
        let mut store = TileStore::open(folder.path()).unwrap();
        assert_eq!(store.head(), head_of(saved));
        store.append(&entries(saved..saved + 1_000)).unwrap();
        store.save().unwrap();
        assert_eq!(store.head(), head_of(saved + 1_000));
        let expected: BTreeSet<String> = tile::tiles_of(saved + 1_000).map(|tile| tile.to_string()).collect();
        assert_eq!(files_in(folder.path()), expected, "{saved} and {unsaved}");
        assert_eq!(TileStore::open(folder.path()).unwrap().head(), head_of(saved + 1_000));
    }
}

#[test]
fn a_damaged_right_edge_is_refused() {
    let (folder, mut store) = log_of(700);
    store.save().unwrap();
    let edges: Vec<Tile> = tile::tiles_of(700).filter(|tile| !tile.is_full()).collect();
    assert_eq!(edges.len(), 3);
    let names = edges.iter().map(ToString::to_string).chain(["head".to_owned()]);
    for path in names.map(|name| folder.path().join(name)) {
        let whole = fs::read(&path).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        for bytes in [flipped(0), flipped(whole.len() / 2), flipped(whole.len() - 1), whole[1..].to_vec(), vec![]] {
            fs::write(&path, &bytes).unwrap();
            let verdict = TileStore::open(folder.path()).map(|store| store.size());
            assert!(matches!(verdict, Err(TileStoreError::Damaged)), "{}: {verdict:?}", path.display());
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(TileStore::open(folder.path()).unwrap().size(), 700);
}

#[test]
fn a_checkpoint_covers_saved_tiles() {
    let (folder, mut store) = log_of(300);
    assert_eq!(store.reader().checkpoint().unwrap(), None);
    store.publish_checkpoint("first\n").unwrap();
    store.append(&entries(300..310)).unwrap();
    store.publish_checkpoint("second\n").unwrap();
    assert_eq!(store.reader().checkpoint().unwrap().as_deref(), Some("second\n"));
    assert_eq!(TileStore::open(folder.path()).unwrap().size(), 310);
}

#[test]
fn a_failed_write_ends_the_log_until_it_is_opened_again() {
    let (folder, mut store) = log_of(10);
    store.save().unwrap();
    fs::remove_dir_all(folder.path().join("tile/entries")).unwrap();
    fs::write(folder.path().join("tile/entries"), b"in the way").unwrap();
    assert!(matches!(store.append(&entries(10..11)), Err(TileStoreError::Io { .. })));
    assert!(matches!(store.append(&entries(11..12)), Err(TileStoreError::Poisoned)));
    assert!(matches!(store.publish_checkpoint("forked\n"), Err(TileStoreError::Poisoned)));
    assert_eq!(store.reader().checkpoint().unwrap(), None);
}
