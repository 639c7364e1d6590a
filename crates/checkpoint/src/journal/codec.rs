//! What a journal record can say, and its payload's bytes: one table for both directions.
//! Not here: how values are written (`wire.rs`), checksums and sequence numbers (`frame.rs`),
//! what an entry does (`fold.rs`).

use record::{
    Bounds, DeliveryKey, FileSeen, FileUid, FlusherKey, PipelineKey, RequestId, RequestKey, Tags,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::FileSpan;
use crate::journal::tags::{Definitions, Interner};
use crate::journal::wire::{In, Out, Wire, wire_struct};

/// A request as it is journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Its name, stored so that it stays what it was when the encoding changes.
    pub key: RequestKey,
    /// What it holds.
    pub bounds: Bounds,
    /// Whether the definition of some of its tags was lost: it cannot be sent again as it was.
    pub tags_lost: bool,
}

impl Cut {
    /// Names a request that is about to be journaled for the first time.
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self { key: request_key(bounds), bounds: bounds.clone(), tags_lost: false }
    }
}

impl Wire for Cut {
    fn put(&self, to: &mut Out) {
        self.key.put(to);
        self.bounds.put(to);
    }

    fn take(from: &mut In) -> Option<Self> {
        let (key, bounds) = (RequestKey::take(from)?, Bounds::take(from)?);
        let tags_lost = std::mem::take(&mut from.tags_lost);
        let is_sound = bounds.ranges.iter().all(|range| range.start <= range.end);
        is_sound.then_some(Self { key, bounds, tags_lost })
    }
}

/// A pipeline that was in force at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub key: PipelineKey,
    pub name: String,
    pub inputs: u64,
    pub flushers: Vec<(FlusherKey, String)>,
}

wire_struct! { Claim { key, name, inputs, flushers } }

/// Makes the entries from a table of kind, name and fields.
macro_rules! entries {
    ($($(#[$doc:meta])* $kind:literal $name:ident { $($field:ident: $type:ty),* })*) => {
        /// What a journal record says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Entry {
            $( $(#[$doc])* $name { $($field: $type),* }, )*
        }

        /// Appends the payload of `entry` to `bytes` and says its kind.
        pub(crate) fn encode(bytes: &mut Vec<u8>, entry: &Entry, tags: &mut Interner) -> u8 {
            #[allow(unused_variables)] // An entry may have no fields.
            let to = &mut Out { bytes, tags };
            match entry {
                $( Entry::$name { $($field),* } => { $( $field.put(to); )* $kind } )*
            }
        }

        /// The entry with this kind and payload; `None` if the bytes are none.
        pub(crate) fn decode(kind: u8, payload: &[u8], tags: &Definitions) -> Option<Entry> {
            let mut from = In::new(payload, tags);
            let entry = match kind {
                $( $kind => Entry::$name { $($field: <$type as Wire>::take(&mut from)?),* }, )*
                _ => return None,
            };
            (from.left() == 0).then_some(entry)
        }
    };
}

entries! {
    /// Where a generation of a file is.
    1 Seen { file: FileSeen }
    /// What a number stands for in the requests that follow in this segment.
    2 Tags { id: u32, tags: Tags }
    /// A request is about to be sent; its id is the record's sequence number.
    3 Bounds { cut: Cut }
    /// These were taken.
    4 Taken { requests: Vec<RequestId>, receipt: Vec<u8> }
    /// These bytes were refused.
    5 Refused { request: RequestId, spans: Vec<FileSpan> }
    /// A request became smaller ones; their ids begin with the record's sequence number.
    6 Split { request: RequestId, children: Vec<Cut> }
    /// A request ended unsent; ids of the survivors as with `Split`.
    7 Closed { request: RequestId, survivors: Vec<Cut>, lost: Vec<FileSpan> }
    /// A request lies in the spool.
    8 Spooled { request: RequestId, segment: u64, position: u64 }
    /// Spool segments below are gone.
    9 SpoolLowest { segment: u64 }
    /// Bytes below `start` are not wanted.
    10 Baseline { delivery: DeliveryKey, uid: FileUid, generation: u32, start: u64 }
    /// Each file of the first start has its baseline.
    11 BaselineComplete { delivery: DeliveryKey }
    /// A generation begins with what is kept of the one before.
    12 Generation { seen: FileSeen, keep: Vec<(DeliveryKey, u64)> }
    /// Acks from `offset` on are taken back.
    13 Rewind { uid: FileUid, generation: u32, offset: u64 }
    /// A pipeline's names and keys.
    14 Claim { claim: Claim }
    /// A file is forgotten, or one generation of it.
    15 Drop { uid: FileUid, generation: Option<u32> }
    /// What iLogtail left has been used.
    16 ForgetForeign {}
    /// What a destination gave without having taken anything.
    17 Receipt { delivery: DeliveryKey, receipt: Vec<u8> }
    /// A rule leaves these bytes out.
    18 Unwanted { delivery: DeliveryKey, spans: Vec<FileSpan> }
    /// A generation was found nowhere, and what it takes along has been reported.
    19 Missed { uid: FileUid, generation: u32 }
    /// Its file is followed no more since then, in seconds since 1970.
    20 Gone { uid: FileUid, generation: u32, at: i64 }
    /// Bytes below `start` are not wanted, and what stands before it has this hash.
    21 ProvenBaseline {
        delivery: DeliveryKey,
        uid: FileUid,
        generation: u32,
        start: u64,
        hash: u64
    }
    /// A reader passed over these bytes, and what stands before their end has this hash.
    22 PassedOver { delivery: DeliveryKey, spans: Vec<FileSpan>, hash: u64 }
    /// A rate limit leaves out these bytes, so many records, and what stands before their end has
    /// this hash.
    23 RateLimited { delivery: DeliveryKey, spans: Vec<FileSpan>, hash: u64, records: u64 }
}

impl Entry {
    /// How many sequence numbers the record takes: one, or one for each request in it.
    pub(crate) fn width(&self) -> u64 {
        match self {
            Self::Split { children: cuts, .. } | Self::Closed { survivors: cuts, .. } => {
                cuts.len().max(1) as u64
            }
            _ => 1,
        }
    }

    /// Whether it is an answer: then room was kept for it.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Taken { .. }
                | Self::Refused { .. }
                | Self::Split { .. }
                | Self::Closed { .. }
                | Self::Receipt { .. }
        )
    }
}

/// What a destination knows a request by: XXH3-128 of its bounds, tags spelled out, so that the
/// same bounds have the same key whatever was journaled before.
fn request_key(bounds: &Bounds) -> RequestKey {
    let mut bytes = Vec::with_capacity(64 + 48 * bounds.ranges.len());
    let mut tags = Interner::default();
    bounds.put(&mut Out { bytes: &mut bytes, tags: &mut tags });
    for (_, meaning) in tags.staged() {
        meaning.as_ref().put(&mut Out { bytes: &mut bytes, tags: &mut tags });
    }
    RequestKey(xxh3_128(&bytes))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use record::{Head, Identity, Range, Signature};

    use super::*;

    fn tags(text: &str) -> Arc<Tags> {
        Arc::new(Tags(vec![("name".to_owned(), text.to_owned())]))
    }

    fn range(at: u64, text: &str) -> Range {
        Range {
            file: FileUid(u128::MAX - 1),
            generation: u32::MAX,
            start: at,
            end: u64::MAX,
            crc: 0xDEAD_BEEF,
            anchor: u64::MAX,
            tags: tags(text),
        }
    }

    fn delivery() -> DeliveryKey {
        DeliveryKey { pipeline: PipelineKey(u64::MAX), flusher: FlusherKey(2) }
    }

    fn cut(texts: &[&str]) -> Cut {
        let ranges = texts.iter().enumerate().map(|(at, text)| range(at as u64, text));
        Cut::new(&Bounds { delivery: delivery(), time: -5, encoding: 9, ranges: ranges.collect() })
    }

    fn seen(birth: Option<i64>) -> FileSeen {
        FileSeen {
            uid: FileUid(77),
            generation: 3,
            identity: Identity { dev: 1 << 40, inode: u64::MAX, birth },
            head: Head { len: 1024, hash: 1 },
            signature: Signature { size: 8, hash: u64::MAX },
            logical: Path::new("/log/app.log").into(),
            real: Path::new("/log/app.log.1").into(),
            size: 1 << 50,
        }
    }

    fn entries() -> Vec<Entry> {
        let span = FileSpan { file: FileUid(5), generation: 1, start: 7, end: 9 };
        let request = RequestId(300);
        let uid = FileUid(6);
        vec![
            Entry::Seen { file: seen(Some(i64::MIN)) },
            Entry::Seen { file: FileSeen { real: Path::new("/log/app.log").into(), ..seen(None) } },
            Entry::Tags { id: 4, tags: (*tags("x")).clone() },
            Entry::Bounds { cut: cut(&["a", "b", "a"]) },
            Entry::Taken { requests: vec![request, RequestId(1)], receipt: b"r".to_vec() },
            Entry::Refused { request, spans: vec![span] },
            Entry::Split { request, children: vec![cut(&["a"]), cut(&["c"])] },
            Entry::Closed { request, survivors: vec![cut(&["b"])], lost: vec![span, span] },
            Entry::Spooled { request, segment: 5, position: u64::MAX },
            Entry::SpoolLowest { segment: 5 },
            Entry::Baseline { delivery: delivery(), uid, generation: 2, start: 1 << 33 },
            Entry::BaselineComplete { delivery: delivery() },
            Entry::Generation { seen: seen(Some(0)), keep: vec![(delivery(), 5)] },
            Entry::Rewind { uid, generation: 0, offset: 12 },
            Entry::Claim {
                claim: Claim {
                    key: PipelineKey(1),
                    name: "p\u{e9}".to_owned(),
                    inputs: u64::MAX,
                    flushers: vec![(FlusherKey(8), "http x".to_owned())],
                },
            },
            Entry::Drop { uid, generation: None },
            Entry::Drop { uid, generation: Some(u32::MAX) },
            Entry::ForgetForeign {},
            Entry::Receipt { delivery: delivery(), receipt: b"receipt".to_vec() },
            Entry::Unwanted { delivery: delivery(), spans: vec![span, span] },
            Entry::Missed { uid, generation: 3 },
            Entry::Gone { uid, generation: 3, at: -5 },
            Entry::ProvenBaseline { delivery: delivery(), uid, generation: 2, start: 9, hash: 7 },
            Entry::PassedOver { delivery: delivery(), spans: vec![span], hash: u64::MAX },
            Entry::RateLimited {
                delivery: delivery(),
                spans: vec![span],
                hash: 3,
                records: 1 << 40,
            },
        ]
    }

    /// An entry's bytes, and the definitions that go before it.
    fn encoded(entry: &Entry) -> (u8, Vec<u8>, Definitions) {
        let (mut interner, mut out) = (Interner::default(), Vec::new());
        let kind = encode(&mut out, entry, &mut interner);
        let mut definitions = Definitions::default();
        for (id, tags) in interner.staged() {
            definitions.define(id, (*tags).clone());
        }
        (kind, out, definitions)
    }

    #[test]
    fn every_entry_comes_back() {
        for entry in entries() {
            let (kind, bytes, definitions) = encoded(&entry);
            assert_eq!(decode(kind, &bytes, &definitions), Some(entry));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_is_left_over() {
        let mut random = fastrand::Rng::with_seed(2);
        for entry in entries() {
            let (kind, bytes, definitions) = encoded(&entry);
            for len in 0..bytes.len() {
                assert_eq!(decode(kind, &bytes[..len], &definitions), None, "{entry:?} cut");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(decode(kind, &longer, &definitions), None, "{entry:?} and a byte");
            for _ in 0..2000 {
                let mut other = bytes.clone();
                for _ in 0..random.usize(1..4) {
                    if let Some(byte) = random.choice(&mut other[..]) {
                        *byte = random.u8(..);
                    }
                }
                decode(random.u8(0..25), &other, &definitions);
            }
        }
    }

    #[test]
    fn lost_tags_cost_a_request_its_tags_and_nothing_else() {
        let (kind, bytes, _) = encoded(&Entry::Bounds { cut: cut(&["a", "b"]) });
        let Some(Entry::Bounds { cut: found }) = decode(kind, &bytes, &Definitions::default())
        else {
            panic!("not understood");
        };
        assert!(found.tags_lost);
        assert_eq!(found.bounds.ranges[1].end, u64::MAX);
    }

    #[test]
    fn tags_are_defined_once_and_again_after_a_failed_write() {
        let mut interner = Interner::default();
        let encode = |interner: &mut Interner| {
            encode(&mut Vec::new(), &Entry::Bounds { cut: cut(&["a", "b", "a"]) }, interner);
            interner.staged().iter().map(|(id, _)| *id).collect::<Vec<_>>()
        };
        assert_eq!(encode(&mut interner), [0, 1]);
        interner.roll_back();
        assert_eq!(encode(&mut interner), [0, 1]);
        interner.commit();
        assert_eq!(encode(&mut interner), [] as [u32; 0]);
    }

    #[test]
    fn a_request_key_stays_what_it_was() {
        // Written down: a new version must not rename the requests of an old one.
        let key = RequestKey(0x6631b8b031ea648a3a4a84b9bf227f29);
        assert_eq!(cut(&["a", "b", "a"]).key, key);
    }
}
