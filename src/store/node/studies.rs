//! Imaging: the instances that arrived, and the studies they make up, as far as they were published.

use super::{NodeChange, NodeState};
use crate::domain::id::Digest;
use crate::domain::log::Sequence;
use crate::domain::time::Moment;
use crate::store::packing::{Packer, Unpacker, Unsealed};
use crate::store::projection::ProjectionError;

/// SOP Instance UID. Source: DICOM PS3.5, 9.1: at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceUid(pub String);

/// Study Instance UID. Source: DICOM PS3.5, 9.1: at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StudyUid(pub String);

/// An instance that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptInstance {
    /// SHA-256 of its file.
    pub digest: Digest,
    /// The study that it belongs to; none where it does not say.
    pub study: Option<StudyUid>,
}

/// A study, as far as it arrived; its instances are listed by [`NodeState::study_instances`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptStudy {
    /// When the last instance arrived.
    pub last_arrival: Moment,
    /// The intake record of the first instance; what waits of the study is listed under it.
    pub first_intake: Sequence,
    /// The intake record of the last instance.
    pub last_intake: Sequence,
    /// The version that was published last, 0 for none.
    pub published_version: u32,
    /// The published version shows every instance whose intake record lies below this one.
    pub published_to: Sequence,
}

impl KeptStudy {
    /// Says whether instances arrived that the published version does not show.
    pub fn is_dirty(&self) -> bool {
        self.last_intake >= self.published_to
    }
}

impl NodeState {
    /// Gives an instance.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn instance(&self, instance: &InstanceUid) -> Result<Option<KeptInstance>, ProjectionError> {
        let Some(found) = self.row(&self.trees.instances, instance.0.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        let (digest, study) = (Digest::new(found.bytes()?), text(found.rest())?);
        Ok(Some(KeptInstance { digest, study: Some(study).filter(|study| !study.is_empty()).map(StudyUid) }))
    }

    /// Gives a study.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn study(&self, study: &StudyUid) -> Result<Option<KeptStudy>, ProjectionError> {
        let Some(found) = self.row(&self.trees.studies, study.0.as_bytes())? else { return Ok(None) };
        let mut found = Unpacker::new(&found);
        Ok(Some(KeptStudy {
            last_arrival: found.moment()?,
            first_intake: Sequence(found.long()?),
            last_intake: Sequence(found.long()?),
            published_version: found.word()?,
            published_to: Sequence(found.long()?),
        }))
    }

    /// Lists the studies with instances that no published version shows.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn dirty_studies(&self) -> Result<Vec<(StudyUid, KeptStudy)>, ProjectionError> {
        let mut studies = Vec::new();
        self.visit(&self.trees.dirty, &[], |key, _| {
            let study = StudyUid(text(key)?);
            let kept = self.study(&study)?.ok_or(ProjectionError::Damaged)?;
            studies.push((study, kept));
            Ok(())
        })?;
        Ok(studies)
    }

    /// Lists the instances of a study, in the order of their UIDs.
    ///
    /// # Errors
    /// [`ProjectionError`]; rebuild.
    pub fn study_instances(&self, study: &StudyUid) -> Result<Vec<(InstanceUid, Digest)>, ProjectionError> {
        let prefix = study_prefix(study);
        let mut instances = Vec::new();
        self.visit(&self.trees.study_instances, &prefix, |key, value| {
            let instance = InstanceUid(text(key.get(prefix.len()..).unwrap_or_default())?);
            instances.push((instance, Digest::new(Unpacker::new(value).bytes()?)));
            Ok(())
        })?;
        Ok(instances)
    }
}

impl NodeChange<'_> {
    /// Notes an instance that arrived with an intake record. One of the same UID, bytes and study changes nothing;
    /// otherwise it takes the earlier one's place and makes the study dirty.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_instance(
        &self,
        instance: &InstanceUid,
        kept: &KeptInstance,
        arrival: Moment,
        intake: Sequence,
    ) -> Result<(), ProjectionError> {
        let known = self.instance(instance)?;
        if known.as_ref() == Some(kept) {
            return Ok(());
        }
        if let Some(former) = known.and_then(|known| known.study).filter(|former| kept.study.as_ref() != Some(former)) {
            self.remove(&self.trees.study_instances, &member_key(&former, instance))?;
            self.note_arrival(&former, arrival, intake)?;
        }
        if let Some(study) = &kept.study {
            self.put(&self.trees.study_instances, &member_key(study, instance), kept.digest.as_bytes())?;
            self.note_arrival(study, arrival, intake)?;
        }
        // Last, because it is what says that all the rest is done.
        let study = kept.study.as_ref().map(|study| study.0.as_bytes()).unwrap_or_default();
        let value = Packer::default().bytes(kept.digest.as_bytes()).bytes(study).finish();
        self.put(&self.trees.instances, instance.0.as_bytes(), &value)
    }

    /// Forgets which instances a study has: those that arrive later are all of it.
    ///
    /// # Errors
    /// [`ProjectionError`] of the engine.
    pub fn forget_study_instances(&self, study: &StudyUid) -> Result<(), ProjectionError> {
        for (instance, _) in self.study_instances(study)? {
            self.remove(&self.trees.study_instances, &member_key(study, &instance))?;
        }
        Ok(())
    }

    /// Notes the version of a study that was published, made when every intake record below `read_to` was read.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn put_published(&self, study: &StudyUid, version: u32, read_to: Sequence) -> Result<(), ProjectionError> {
        let Some(kept) = self.study(study)? else { return Ok(()) };
        let published_version = kept.published_version.max(version);
        let published_to = kept.published_to.max(read_to);
        self.put_study(study, KeptStudy { published_version, published_to, ..kept })
    }

    fn note_arrival(&self, study: &StudyUid, arrival: Moment, intake: Sequence) -> Result<(), ProjectionError> {
        let arrived = KeptStudy {
            last_arrival: arrival,
            first_intake: intake,
            last_intake: intake,
            published_version: 0,
            published_to: Sequence(0),
        };
        let study_now = match self.study(study)? {
            Some(known) if known.last_intake > intake => known,
            Some(known) => KeptStudy { last_arrival: arrival, last_intake: intake, ..known },
            None => arrived,
        };
        self.put_study(study, study_now)
    }

    fn put_study(&self, study: &StudyUid, kept: KeptStudy) -> Result<(), ProjectionError> {
        let value = Packer::default()
            .moment(kept.last_arrival)
            .long(kept.first_intake.0)
            .long(kept.last_intake.0)
            .word(kept.published_version)
            .long(kept.published_to.0);
        self.put(&self.trees.studies, study.0.as_bytes(), &value.finish())?;
        match kept.is_dirty() {
            true => self.put(&self.trees.dirty, study.0.as_bytes(), &[]),
            false => self.remove(&self.trees.dirty, study.0.as_bytes()),
        }
    }
}

/// UIDs hold digits and dots only, so the zero byte ends one where another begins with it.
fn study_prefix(study: &StudyUid) -> Vec<u8> {
    Packer::default().bytes(study.0.as_bytes()).byte(0).finish()
}

fn member_key(study: &StudyUid, instance: &InstanceUid) -> Vec<u8> {
    [&study_prefix(study), instance.0.as_bytes()].concat()
}

fn text(bytes: &[u8]) -> Result<String, Unsealed> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Unsealed)
}
