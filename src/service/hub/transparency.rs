//! The log as others see it: checkpoint, proofs and tiles. Whatever is served lies under a published checkpoint, and a
//! proof is checked before it leaves: tiles carry no checksums.

use crate::domain::log::Sequence;
use crate::merkle::checkpoint::Checkpoint;
use crate::merkle::hash::{Hash, leaf_hash};
use crate::merkle::note::VerifierKey;
use crate::merkle::proof::{TreeHead, verify_consistency, verify_inclusion};
use crate::merkle::tile::{TILE_WIDTH, Tile, TileKind, decode_entries};
use crate::merkle::tree::Frontier;
use crate::service::hub::Hub;
use crate::service::hub::error::HubError;
use crate::store::tiles::{TileReader, TileStoreError};
use crate::wire::field::{FieldError, Problem};

/// A proof that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Size of the tree it is proved for.
    pub tree_size: u64,
    /// The entry.
    pub entry: [u8; 32],
    /// The sibling hashes, leaf first.
    pub hashes: Vec<Hash>,
}

/// A proof that one tree extends another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// Size of the greater tree.
    pub second: u64,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// The log under a published checkpoint.
pub(super) struct Published {
    reader: TileReader,
    /// The checkpoint, with its signatures.
    pub(super) note: String,
    /// What it says.
    pub(super) head: TreeHead,
}

impl Hub {
    /// Gives the last checkpoint with the key that verifies it. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError::Behind`] before the first checkpoint.
    pub fn checkpoint(&self) -> Result<(String, VerifierKey), HubError> {
        Ok((self.published()?.note, self.parts.log_key.clone()))
    }

    /// Proves that an entry is in the tree of `tree_size` entries, 0 for the latest. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError::Field`] for a tree that was never published or an entry outside it.
    pub fn prove_inclusion(&self, index: Sequence, tree_size: u64) -> Result<Inclusion, HubError> {
        let published = self.published()?;
        let head = published.head_at("tree_size", tree_size)?;
        if index.0 >= head.size {
            return Err(FieldError::new("log_index", Problem::Form("index of an entry in the tree")).into());
        }
        let entry = published.entry(index)?;
        let hashes = published.inclusion(index, &entry, head)?;
        Ok(Inclusion { tree_size: head.size, entry, hashes })
    }

    /// Proves that the tree of `second` entries, 0 for the latest, extends that of `first`. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError::Field`] for trees that were never published or stand in the wrong order.
    pub fn prove_consistency(&self, first: u64, second: u64) -> Result<Consistency, HubError> {
        let published = self.published()?;
        let new = published.head_at("second", second)?;
        if first > new.size {
            return Err(FieldError::new("first", Problem::Form("size that is not above the second")).into());
        }
        let old = published.head_of(first)?;
        let hashes = published.reader.prove_consistency(old.size, new.size)?;
        verify_consistency(&old, &new, &hashes).map_err(|_| TileStoreError::Damaged)?;
        Ok(Consistency { second: new.size, hashes })
    }

    /// Gives a tile or entry bundle of the published tree. Blocks on the disk.
    ///
    /// # Errors
    /// [`HubError::Tiles`] with [`TileStoreError::Missing`] for a tile that the published tree does not have.
    pub fn tile(&self, path: &str) -> Result<Vec<u8>, HubError> {
        let tile: Tile = path.parse().map_err(TileStoreError::from)?;
        let published = self.published()?;
        let widest = Tile::in_tree(tile.kind(), tile.index(), published.head.size).ok_or(TileStoreError::Missing)?;
        if tile.width() > widest.width() {
            return Err(TileStoreError::Missing.into());
        }
        Ok(published.reader.read(tile)?)
    }

    /// Opens the log under its newest checkpoint.
    pub(super) fn published(&self) -> Result<Published, HubError> {
        self.under(self.parts.tiles.checkpoint()?.ok_or(HubError::Behind)?)
    }

    /// Opens the log under one of its checkpoints.
    pub(super) fn under(&self, note: String) -> Result<Published, HubError> {
        let key = &self.parts.log_key;
        let checkpoint = Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(key));
        let head = checkpoint.map_err(|_| TileStoreError::Damaged)?.head();
        Ok(Published { reader: self.parts.tiles.clone(), note, head })
    }
}

impl Published {
    /// Gives the head of an earlier tree, 0 for the latest, and makes sure that the latest extends it.
    fn head_at(&self, field: &str, size: u64) -> Result<TreeHead, HubError> {
        match size {
            0 => Ok(self.head),
            size if size > self.head.size => {
                Err(FieldError::new(field, Problem::Form("size of a published tree")).into())
            }
            size => self.head_of(size),
        }
    }

    fn head_of(&self, size: u64) -> Result<TreeHead, HubError> {
        let frontier = Frontier::restore(size, &mut |node| self.reader.hash_at(node, self.head.size))?;
        let head = TreeHead { size, root: frontier.root() };
        let hashes = self.reader.prove_consistency(size, self.head.size)?;
        verify_consistency(&head, &self.head, &hashes).map_err(|_| TileStoreError::Damaged)?;
        Ok(head)
    }

    /// Proves that an entry is in the tree `head` of this log.
    pub(super) fn inclusion(
        &self,
        index: Sequence,
        entry: &[u8; 32],
        head: TreeHead,
    ) -> Result<Vec<Hash>, TileStoreError> {
        let hashes = self.reader.prove_inclusion(index.0, head.size)?;
        verify_inclusion(&leaf_hash(entry), index.0, &head, &hashes).map_err(|_| TileStoreError::Damaged)?;
        Ok(hashes)
    }

    /// Reads an entry.
    pub(super) fn entry(&self, index: Sequence) -> Result<[u8; 32], HubError> {
        let width = u64::from(TILE_WIDTH);
        let bundle =
            Tile::in_tree(TileKind::Entries, index.0 / width, self.head.size).ok_or(TileStoreError::Missing)?;
        let bytes = self.reader.read(bundle)?;
        let entries = decode_entries(&bytes, bundle.width()).map_err(TileStoreError::from)?;
        let entry = usize::try_from(index.0 % width).ok().and_then(|place| entries.get(place).copied());
        let entry = entry.and_then(|entry| <[u8; 32]>::try_from(entry).ok());
        Ok(entry.ok_or(TileStoreError::Damaged)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fault::{Fault, Faulty};
    use crate::service::hub::testing::{HOSPITAL, World};
    use crate::wire::pb;
    use crate::wire::record::{Record, log_entry};

    async fn world(records: u64) -> World {
        let world = World::new().await;
        for number in 1..records {
            let at = Some(world.hub.now().into());
            let check_key = number.to_string();
            world.record(Record::Miss(pb::MissRecord { organisation: HOSPITAL.into(), check_key, at, cause: 0 })).await;
        }
        world
    }

    fn head(world: &World) -> TreeHead {
        let (note, key) = world.hub.checkpoint().unwrap();
        Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(&key)).unwrap().head()
    }

    #[tokio::test]
    async fn every_record_is_proved_in_every_tree_that_holds_it() {
        let world = world(9).await;
        let latest = head(&world);
        assert_eq!(latest.size, 9);
        let entries: Vec<_> = world
            .journal
            .reader()
            .scan(0)
            .map(|record| record.map(|record| *log_entry(record.kind, &record.payload).as_bytes()).unwrap())
            .collect();
        for size in 1..=9 {
            let leaves: Vec<Hash> = entries.iter().take(size as usize).map(|entry| leaf_hash(entry)).collect();
            let tree = TreeHead { size, root: crate::merkle::tree::root_of(&leaves) };
            for index in 0..size {
                let proof = world.hub.prove_inclusion(Sequence(index), size).unwrap();
                assert_eq!((proof.tree_size, proof.entry), (size, entries[index as usize]));
                verify_inclusion(&leaf_hash(&proof.entry), index, &tree, &proof.hashes).unwrap();
            }
            let proof = world.hub.prove_consistency(size, 0).unwrap();
            assert_eq!(proof.second, 9);
            verify_consistency(&tree, &latest, &proof.hashes).unwrap();
        }
    }

    #[tokio::test]
    async fn nothing_beyond_the_checkpoint_is_served() {
        let world = world(3).await;
        assert_eq!(world.hub.tile("tile/0/000.p/3").unwrap().len(), 3 * 32);
        assert_eq!(world.hub.tile("tile/entries/000.p/2").unwrap().len(), 2 * 34);
        for path in ["tile/0/000.p/4", "tile/0/000", "tile/1/000.p/1", "tile/0/001.p/1", "../checkpoint", ""] {
            assert_eq!(world.hub.tile(path).unwrap_err().fault(), Fault::Missing, "{path}");
        }
        let fault = |result: Result<Inclusion, HubError>| result.unwrap_err().fault();
        assert_eq!(fault(world.hub.prove_inclusion(Sequence(3), 0)), Fault::BadInput);
        assert_eq!(fault(world.hub.prove_inclusion(Sequence(0), 4)), Fault::BadInput);
        assert!(world.hub.prove_consistency(3, 2).is_err());
    }

    #[tokio::test]
    async fn a_proof_from_a_broken_tile_is_not_served() {
        let world = world(4).await;
        let path = world.folder.path().join("tile/0/000.p/4");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let broken = world.hub.prove_inclusion(Sequence(0), 0).unwrap_err();
        assert_eq!(broken.fault(), Fault::Broken);
    }
}
