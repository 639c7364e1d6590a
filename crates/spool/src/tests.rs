//! What the spool's tests share: requests made from numbers.

use std::sync::Arc;

use record::{
    Bounds, DeliveryKey, FileUid, FlusherKey, PipelineKey, Range, RequestId, RequestKey, Tags,
    Ticket,
};

pub(crate) fn delivery(number: u64) -> DeliveryKey {
    DeliveryKey { pipeline: PipelineKey(number), flusher: FlusherKey(1) }
}

pub(crate) fn ticket(number: u64) -> Ticket {
    Ticket { request: RequestId(number), key: RequestKey(u128::from(number) << 64 | 5) }
}

/// Bounds of delivery `number` with ranges of these lengths.
pub(crate) fn bounds_of(number: u64, lens: &[u64]) -> Bounds {
    let tags = Arc::new(Tags(vec![("pipeline".into(), number.to_string())]));
    let range = |(at, &len): (usize, &u64)| Range {
        file: FileUid(at as u128 + 1),
        generation: 2,
        start: 100,
        end: 100 + len,
        crc: 3,
        anchor: 4,
        tags: Arc::clone(&tags),
    };
    let ranges = lens.iter().enumerate().map(range).collect();
    Bounds { delivery: delivery(number), time: 17, encoding: 9, ranges }
}
