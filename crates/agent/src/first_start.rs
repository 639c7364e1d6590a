//! Where a file begins that was there before its pipeline's first start.

use record::RECORD_BYTES_MAX;
use tail::{Raw, Source, read_range};

/// The first line start that lies at most `bytes` before the end; 0 for a file that is no longer
/// than that. Where no line ends within the longest record, the middle of a line.
pub fn line_start(source: &Source, bytes: u64) -> u64 {
    let size = source.size();
    let Some(from) = size.checked_sub(bytes).filter(|&from| from > 0) else { return 0 };
    // From one byte before: a line that starts exactly there is whole.
    let (start, end) = (from - 1, size.min(from + RECORD_BYTES_MAX as u64));
    let mut raw = Raw::new();
    if read_range(source, start, end, &mut raw).is_err() {
        return from;
    }
    raw.iter().position(|&byte| byte == b'\n').map_or(from, |at| start + at as u64 + 1)
}
