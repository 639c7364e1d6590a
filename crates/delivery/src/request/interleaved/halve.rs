//! Cutting a refused run in two where there is no place at which no record is open: the records that
//! are whole before a line, and the others. Pure.

use std::sync::Arc;

use record::{REQUEST_RANGES_MAX, Range};

use super::anchor;
use crate::records::record_format::{alone, interleaves, joined, splitter};
use crate::records::split::{Part, pieces};

/// The halves of a run; `None`: it holds one record, or its outputs do not interleave.
pub(crate) fn halve_run(ranges: &[Range], raw: &[u8]) -> Option<[Part; 2]> {
    let tags = &ranges.first()?.tags;
    if !interleaves(tags) {
        return None;
    }
    let splitter = splitter(tags.format());
    let ends = raw.iter().zip(1..).filter(|(byte, _)| **byte == b'\n');
    let ends: Vec<usize> = ends.map(|(_, end)| end).filter(|end| *end < raw.len()).collect();
    let (before, behind) = ends.split_at(ends.len() / 2);
    let at_line = behind.iter().chain(before).find_map(|&end| {
        let waiting = splitter.open_lines(&raw[..end]);
        let waiting = waiting.iter().map(|line| (line.start, line.end));
        halves(ranges, raw, waiting.chain([(end, raw.len())]).collect())
    });
    at_line.or_else(|| {
        // None ends before the run does: each output has one.
        let open = splitter.open_lines(raw);
        let last = open.last()?.stream;
        let of_last = open.iter().filter(|line| line.stream == last);
        halves(ranges, raw, of_last.map(|line| (line.start, line.end)).collect())
    })
}

/// The places of a run that are not among these, and these; `None`: one of the two is empty, or has
/// more ranges than a request may have.
fn halves(ranges: &[Range], raw: &[u8], second: Vec<(usize, usize)>) -> Option<[Part; 2]> {
    let starts = [0].into_iter().chain(second.iter().map(|(_, to)| *to));
    let ends = second.iter().map(|(from, _)| *from).chain([raw.len()]);
    let first: Vec<_> = starts.zip(ends).filter(|(from, to)| from < to).collect();
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let parts = [first, second].map(|spans| part(ranges, raw, &spans));
    parts.iter().all(|(ranges, _)| ranges.len() <= REQUEST_RANGES_MAX).then_some(parts)
}

/// The ranges of some places of a run, as a run of its own, and their bytes.
fn part(ranges: &[Range], raw: &[u8], spans: &[(usize, usize)]) -> Part {
    // Which range, where in its file, and the bytes.
    let mut places: Vec<(&Range, u64, Vec<u8>)> = Vec::new();
    for &(from, to) in spans {
        let mut at = 0;
        for (range, piece) in pieces(ranges, raw) {
            let (begin, end) = (from.max(at), to.min(at + piece.len()));
            if begin < end {
                let (start, bytes) = (range.start + (begin - at) as u64, &raw[begin..end]);
                match places.last_mut() {
                    Some((last, first, before))
                        if std::ptr::eq(*last, range) && *first + before.len() as u64 == start =>
                    {
                        before.extend_from_slice(bytes);
                    }
                    _ => places.push((range, start, bytes.to_vec())),
                }
            }
            at += piece.len();
        }
    }
    let bytes = places.iter().flat_map(|(.., bytes)| bytes).copied().collect();
    let ranges = places.iter().enumerate().map(|(at, place)| range_of(place, at == 0));
    (ranges.collect(), bytes)
}

fn range_of((range, start, bytes): &(&Range, u64, Vec<u8>), is_first: bool) -> Range {
    let (start, end) = (*start, start + bytes.len() as u64);
    let tags = if is_first { alone(&range.tags) } else { joined(&range.tags) };
    let anchor = if end == range.end { range.anchor } else { anchor(start, bytes) };
    let (crc, tags) = (crc32c::crc32c(bytes), Arc::new(tags));
    Range { start, end, crc, anchor, tags, ..(*range).clone() }
}
