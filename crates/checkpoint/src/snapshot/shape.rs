//! The lines of the snapshot's `irontail` object, as JSON reads and writes them.
//! One element a line, so that both sides need memory for one element only.
//! Not here: the order of the lines (`write.rs`, `read.rs`).

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use record::{
    Anchor, Bounds, DeliveryKey, FileUid, FlusherKey, Head, Identity, PipelineKey, Range,
    RequestId, RequestKey, Signature, Tags,
};
use serde::{Deserialize, Serialize};

use crate::journal::codec::{Claim, Cut};
use crate::snapshot::text::{Hex, Text, To, path_text, text_path};
use crate::state::cursor::Cursor;
use crate::state::values::{Delivery, FileState, Request, Seen};
use crate::{FileSpan, OnLost, RateLimited};

/// What comes before the lists.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HeadLine {
    pub format: u32,
    pub epoch: u32,
    pub sequence: u64,
    pub node_id: String,
    pub boot_id: String,
    /// Whether no record follows. Absent in snapshots up to commit 6950960.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<bool>,
    pub lost: Option<OnLost>,
    pub spool_lowest: u64,
    pub drained: Vec<(u64, u64)>,
    /// Absent in snapshots up to commit 6950960.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_frames: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClaimLine {
    key: Text<PipelineKey>,
    name: String,
    inputs: u64,
    flushers: Vec<(Text<FlusherKey>, String)>,
}

impl ClaimLine {
    pub(crate) fn new(claim: &Claim) -> Self {
        let flushers = claim.flushers.iter().map(|(key, name)| (Text(*key), name.clone()));
        Self {
            key: Text(claim.key),
            name: claim.name.clone(),
            inputs: claim.inputs,
            flushers: flushers.collect(),
        }
    }

    pub(crate) fn into_claim(self) -> Claim {
        let flushers = self.flushers.into_iter().map(|(key, name)| (key.0, name));
        Claim {
            key: self.key.0,
            name: self.name,
            inputs: self.inputs,
            flushers: flushers.collect(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryLine {
    to: Text<To>,
    time: Option<i64>,
    receipt: Text<Hex>,
    baseline_complete: bool,
    /// Bytes and records; absent where a rate limit never left anything out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limited: Option<(u64, u64)>,
}

impl DeliveryLine {
    pub(crate) fn new(key: DeliveryKey, delivery: &Delivery) -> Self {
        let limited = delivery.rate_limited;
        Self {
            to: Text(To(key)),
            time: delivery.last_time,
            receipt: Text(Hex(delivery.receipt.to_vec())),
            baseline_complete: delivery.is_baseline_complete,
            rate_limited: (limited != RateLimited::default())
                .then_some((limited.bytes, limited.records)),
        }
    }

    pub(crate) fn into_delivery(self) -> (DeliveryKey, Delivery) {
        let Text(Hex(receipt)) = self.receipt;
        let (bytes, records) = self.rate_limited.unwrap_or_default();
        let delivery = Delivery {
            last_time: self.time,
            receipt: receipt.into(),
            is_baseline_complete: self.baseline_complete,
            rate_limited: RateLimited { bytes, records },
        };
        (self.to.0.0, delivery)
    }
}

/// (file, generation, start, end, crc, anchor, place in the list of tags)
type RangeLine = (Text<FileUid>, u32, u64, u64, u32, u64, usize);

/// (file, generation, start, end)
type SpanLine = (Text<FileUid>, u32, u64, u64);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestLine {
    id: u64,
    key: Text<RequestKey>,
    to: Text<To>,
    time: i64,
    encoding: u64,
    ranges: Vec<RangeLine>,
    spool: Option<(u64, u64)>,
    refused: Vec<SpanLine>,
}

impl RequestLine {
    /// `tags` gives the place of tags in their list.
    pub(crate) fn new(
        id: RequestId,
        request: &Request,
        mut tags: impl FnMut(&Arc<Tags>) -> usize,
    ) -> Self {
        let Cut { key, bounds, .. } = &request.cut;
        let ranges = bounds.ranges.iter().map(|range| {
            let &Range { file, generation, start, end, crc, anchor, .. } = range;
            (Text(file), generation, start, end, crc, anchor, tags(&range.tags))
        });
        let spans = request.refused.iter();
        Self {
            id: id.0,
            key: Text(*key),
            to: Text(To(bounds.delivery)),
            time: bounds.time,
            encoding: bounds.encoding,
            ranges: ranges.collect(),
            spool: request.spool,
            refused: spans.map(|s| (Text(s.file), s.generation, s.start, s.end)).collect(),
        }
    }

    /// `None` if it names tags that are not in `tags`.
    pub(crate) fn into_request(self, tags: &[Arc<Tags>]) -> Option<(RequestId, Request)> {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for (Text(file), generation, start, end, crc, anchor, place) in self.ranges {
            if start > end {
                return None;
            }
            let tags = Arc::clone(tags.get(place)?);
            ranges.push(Range { file, generation, start, end, crc, anchor, tags });
        }
        let spans = self.refused.into_iter();
        let refused = spans.map(|(Text(file), generation, start, end)| FileSpan {
            file,
            generation,
            start,
            end,
        });
        let bounds =
            Bounds { delivery: self.to.0.0, time: self.time, encoding: self.encoding, ranges };
        let cut = Cut { key: self.key.0, bounds, tags_lost: false };
        let request = Request { cut, spool: self.spool, refused: refused.collect() };
        Some((RequestId(self.id), request))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileLine<'a> {
    uid: Text<FileUid>,
    generation: u32,
    #[serde(borrow)]
    seen: Option<SeenLine<'a>>,
    cursors: Vec<CursorLine>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    missed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeenLine<'a> {
    dev: u64,
    inode: u64,
    birth: Option<i64>,
    /// (len, hash)
    head: (u32, u64),
    /// (size, hash)
    signature: (u32, u64),
    #[serde(borrow)]
    logical: Cow<'a, str>,
    /// Where it is not the logical one.
    #[serde(borrow)]
    real: Option<Cow<'a, str>>,
    size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct CursorLine {
    to: Text<To>,
    acked: Vec<(u64, u64)>,
    /// (offset, hash)
    anchors: Vec<(u64, u64)>,
}

impl<'a> FileLine<'a> {
    pub(crate) fn new(uid: FileUid, generation: u32, file: &'a FileState) -> Self {
        let seen = file.seen.as_ref().map(|seen| SeenLine {
            dev: seen.identity.dev,
            inode: seen.identity.inode,
            birth: seen.identity.birth,
            head: (seen.head.len, seen.head.hash),
            signature: (seen.signature.size, seen.signature.hash),
            logical: path_text(&seen.logical),
            real: (seen.real != seen.logical).then(|| path_text(&seen.real)),
            size: seen.size,
        });
        let cursors = file.cursors.iter().map(|cursor| CursorLine {
            to: Text(To(cursor.delivery)),
            acked: cursor.acked().collect(),
            anchors: cursor.anchors().iter().map(|a| (a.offset, a.hash)).collect(),
        });
        let cursors = cursors.collect();
        let FileState { is_missed: missed, gone_at, .. } = *file;
        Self { uid: Text(uid), generation, seen, cursors, missed, gone_at }
    }

    /// `None` if a path is none.
    pub(crate) fn into_file(self) -> Option<((FileUid, u32), FileState)> {
        let seen = match self.seen {
            Some(seen) => Some(seen.into_seen()?),
            None => None,
        };
        // Of just the length they need: what JSON was read into is longer.
        let mut cursors = Vec::with_capacity(self.cursors.len());
        cursors.extend(self.cursors.iter().map(|line| {
            let anchors = line.anchors.iter().map(|&(offset, hash)| Anchor { offset, hash });
            Cursor::restore(line.to.0.0, &line.acked, anchors)
        }));
        let (is_missed, gone_at) = (self.missed, self.gone_at);
        let file = FileState { seen, cursors, is_missed, gone_at };
        Some(((self.uid.0, self.generation), file))
    }
}

impl SeenLine<'_> {
    fn into_seen(self) -> Option<Seen> {
        let logical: Arc<Path> = text_path(&self.logical)?.into();
        let real = match &self.real {
            Some(real) => text_path(real)?.into(),
            None => Arc::clone(&logical),
        };
        Some(Seen {
            identity: Identity { dev: self.dev, inode: self.inode, birth: self.birth },
            head: Head { len: self.head.0, hash: self.head.1 },
            signature: Signature { size: self.signature.0, hash: self.signature.1 },
            logical,
            real,
            size: self.size,
        })
    }
}
