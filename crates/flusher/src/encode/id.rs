//! A record's id: position and content hashed together. Position separates equal lines; content
//! ensures that one id never covers two texts.

use record::{FileUid, PipelineKey};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Where a record comes from: everything of its id but its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: FileUid,
    /// The pipeline that it passes.
    pub pipeline: PipelineKey,
    /// Which life of the file.
    pub generation: u32,
}

/// The id of the record whose raw bytes (without `\n`) stand at `offset`. `ordinal` counts the
/// records that one source record became; 0 where it stays one.
///
/// XXH3-128 (seed 0) over 48 bytes, little endian: file uid (16), pipeline key (8), offset (8),
/// generation (4), ordinal (4), XXH3-64 (seed 0) of the raw bytes (8).
pub fn record_id(origin: &Origin, offset: u64, ordinal: u32, raw: &[u8]) -> u128 {
    let mut layout = [0; 48];
    layout[..16].copy_from_slice(&origin.file.0.to_le_bytes());
    layout[16..24].copy_from_slice(&origin.pipeline.0.to_le_bytes());
    layout[24..32].copy_from_slice(&offset.to_le_bytes());
    layout[32..36].copy_from_slice(&origin.generation.to_le_bytes());
    layout[36..40].copy_from_slice(&ordinal.to_le_bytes());
    layout[40..].copy_from_slice(&xxh3_64(raw).to_le_bytes());
    xxh3_128(&layout)
}

/// 32 lower-case hex digits, most significant first.
pub(crate) fn hex(id: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(id.to_be_bytes()) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
    digits
}

/// The hex digit of a value below 16, without a branch or a table, so that it vectorises.
fn digit(value: u8) -> u8 {
    value + b'0' + (b'a' - b'0' - 10) * u8::from(value > 9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ORIGIN: Origin = Origin {
        file: FileUid(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100),
        pipeline: PipelineKey(0x1716_1514_1312_1110),
        generation: 0x2322_2120,
    };

    #[test]
    fn ids_stay_what_they_are() {
        // Changing this value changes the id of every record at every destination.
        let id = record_id(&ORIGIN, 0x1f1e_1d1c_1b1a_1918, 0x2726_2524, b"one line");
        let mut layout: Vec<u8> = (0..40).collect();
        layout.extend_from_slice(&xxh3_64(b"one line").to_le_bytes());
        assert_eq!(id, xxh3_128(&layout));
        assert_eq!(format!("{id:032x}"), "c9e00f123262e6777f140cbedbdc0c6f");
    }

    #[test]
    fn every_part_of_an_id_counts() {
        let other_file = Origin { file: FileUid(1), ..ORIGIN };
        let other_pipeline = Origin { pipeline: PipelineKey(1), ..ORIGIN };
        let other_generation = Origin { generation: 1, ..ORIGIN };
        let ids = BTreeSet::from([
            record_id(&ORIGIN, 0, 0, b"a"),
            record_id(&ORIGIN, 1, 0, b"a"),
            record_id(&ORIGIN, 0, 1, b"a"),
            record_id(&ORIGIN, 0, 0, b"b"),
            record_id(&ORIGIN, 0, 0, b""),
            record_id(&other_file, 0, 0, b"a"),
            record_id(&other_pipeline, 0, 0, b"a"),
            record_id(&other_generation, 0, 0, b"a"),
        ]);
        assert_eq!(ids.len(), 8);
    }

    #[test]
    fn hex_is_what_format_writes() {
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            assert_eq!(hex(id).as_slice(), format!("{id:032x}").as_bytes());
        }
    }
}
