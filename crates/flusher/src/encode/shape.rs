//! How a record is written, apart from its text: which fields, under which names.
//! A request's bounds carry the hash of it ([`RecordShape::encoding`]).

use record::PipelineKey;
use xxhash_rust::xxh3::Xxh3;

/// What a tag's name is prefixed with in a record (iLogtail's, `plugin_runner_v1.go`).
pub const TAG_PREFIX: &str = "__tag__:";

/// The field of a record's time.
pub(crate) const TIME_KEY: &str = "__time__";

/// Changes when the same record and shape give other bytes than the version before.
const ENCODER_VERSION: u32 = 1;

/// How records are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordShape {
    /// The pipeline that the records pass; part of their ids.
    pub pipeline: PipelineKey,
    /// Field for the record id, 32 hex digits ([`crate::record_id`]); none is computed without.
    pub record_id_key: Option<String>,
    /// Field for the offset in bytes of the record's first byte in its file
    /// (`FileOffsetKey`; `AppendingLogPositionMeta` means `__file_offset__`). Written as a string,
    /// as iLogtail writes every field of a record but `__time__`.
    pub offset_key: Option<String>,
}

impl RecordShape {
    /// What a field of this name gets behind it: nothing, or what tells it from a field that every
    /// record has.
    pub(crate) fn suffix(&self, name: &str) -> &'static str {
        let is = |key: &Option<String>| key.as_deref() == Some(name);
        let is_taken = is(&self.record_id_key)
            || is(&self.offset_key)
            || (name.starts_with("__") && (name == TIME_KEY || name.starts_with(TAG_PREFIX)));
        if is_taken { "_" } else { "" }
    }

    /// Hash of the shape and of the encoder's version, the same in every run.
    pub fn encoding(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&ENCODER_VERSION.to_le_bytes());
        hash.update(&self.pipeline.0.to_le_bytes());
        for key in [&self.record_id_key, &self.offset_key] {
            let key = key.as_deref();
            hash.update(&[key.is_some() as u8]);
            hash.update(&(key.map_or(0, str::len) as u64).to_le_bytes());
            hash.update(key.unwrap_or_default().as_bytes());
        }
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_shape_changes_its_hash() {
        let some = |key: &str| Some(key.to_string());
        let shapes = [
            RecordShape::default(),
            RecordShape { pipeline: PipelineKey(1), ..RecordShape::default() },
            RecordShape { record_id_key: some("a"), ..RecordShape::default() },
            RecordShape { record_id_key: some(""), ..RecordShape::default() },
            RecordShape { offset_key: some("a"), ..RecordShape::default() },
            RecordShape { record_id_key: some("a"), offset_key: some("b"), ..Default::default() },
            RecordShape { record_id_key: some("ab"), offset_key: some(""), ..Default::default() },
        ];
        let hashes: std::collections::BTreeSet<u64> =
            shapes.iter().map(RecordShape::encoding).collect();
        assert_eq!(hashes.len(), shapes.len());
        assert_eq!(shapes[0].encoding(), RecordShape::default().encoding());
    }
}
