//! Cutting a request in two at a record, when the destination refuses it as a whole.
//! Pure: the halves are journaled, and sent, elsewhere.

use std::ops::Deref;

use record::{ANCHOR_LEN, Range, UNPROVEN};
use xxhash_rust::xxh3::xxh3_64;

/// A part of a request: its ranges and their raw bytes, one after the other.
pub type Part = (Vec<Range>, Vec<u8>);

/// Cuts in the middle of `starts`, the positions in `raw` at which it may be cut (the first is
/// where it begins). `before(range)` gives the up to [`ANCHOR_LEN`] raw
/// bytes that stand before a range in its file, for the proof of the new boundary; fewer where they
/// cannot be read: then nothing proves it.
/// `None` where there are fewer than two positions.
pub fn halve<B: Deref<Target = [u8]>>(
    ranges: &[Range],
    raw: &[u8],
    starts: &[usize],
    before: impl Fn(&Range) -> B,
) -> Option<[Part; 2]> {
    if starts.len() < 2 {
        return None;
    }
    let middle = starts[starts.len() / 2];
    let mut halves: [Part; 2] = Default::default();
    let mut from = 0;
    for (range, raw) in pieces(ranges, raw) {
        let to = from + raw.len();
        if to <= middle {
            push(&mut halves[0], range.clone(), raw);
        } else if from >= middle {
            push(&mut halves[1], range.clone(), raw);
        } else {
            let at = middle - from;
            let [first, second] = cut(range, raw, at, &before(range));
            push(&mut halves[0], first, &raw[..at]);
            push(&mut halves[1], second, &raw[at..]);
        }
        from = to;
    }
    Some(halves)
}

/// Each range with its raw bytes.
pub fn pieces<'a>(
    ranges: &'a [Range],
    raw: &'a [u8],
) -> impl Iterator<Item = (&'a Range, &'a [u8])> {
    let mut from = 0;
    ranges.iter().map(move |range| {
        let to = from + range.len() as usize;
        let piece = &raw[from..to];
        from = to;
        (range, piece)
    })
}

fn push((ranges, bytes): &mut Part, range: Range, raw: &[u8]) {
    ranges.push(range);
    bytes.extend_from_slice(raw);
}

fn cut(range: &Range, raw: &[u8], at: usize, before: &[u8]) -> [Range; 2] {
    let middle = range.start + at as u64;
    let mut tail = before.to_vec();
    tail.extend_from_slice(&raw[..at]);
    let is_proven = tail.len() as u64 >= middle.min(ANCHOR_LEN);
    let tail = &tail[tail.len().saturating_sub(ANCHOR_LEN as usize)..];
    let first = Range {
        end: middle,
        crc: crc32c::crc32c(&raw[..at]),
        anchor: if is_proven { xxh3_64(tail) } else { UNPROVEN },
        ..range.clone()
    };
    let second = Range { start: middle, crc: crc32c::crc32c(&raw[at..]), ..range.clone() };
    [first, second]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::{FileUid, Tags, lines};

    use super::*;

    fn range(file: u128, start: u64, raw: &[u8]) -> Range {
        Range {
            file: FileUid(file),
            generation: 0,
            start,
            end: start + raw.len() as u64,
            crc: crc32c::crc32c(raw),
            anchor: 7,
            tags: Arc::new(Tags::default()),
        }
    }

    /// The halves of ranges of lines.
    fn halve_lines(
        ranges: &[Range],
        raw: &[u8],
        before: impl Fn(&Range) -> Vec<u8>,
    ) -> Option<[Part; 2]> {
        let mut starts = Vec::new();
        let mut from = 0;
        for (_, raw) in pieces(ranges, raw) {
            starts.extend(lines(raw).map(|(at, _)| from + at));
            from += raw.len();
        }
        halve(ranges, raw, &starts, before)
    }

    #[test]
    fn the_halves_are_the_whole_and_every_cut_is_at_a_record() {
        let texts: [&[u8]; 3] = [b"a\nbb\nccc\n", b"d\n", b"e\nf\nlast"];
        let ranges: Vec<_> =
            texts.iter().enumerate().map(|(at, raw)| range(at as u128, 100, raw)).collect();
        let raw = texts.concat();
        let [(first, left), (second, right)] =
            halve_lines(&ranges, &raw, |_| vec![b'x'; 64]).expect("seven records");
        assert_eq!([left.as_slice(), right.as_slice()].concat(), raw);
        assert_eq!(lines(&left).count(), 3);
        let parts: Vec<_> =
            first.iter().chain(&second).map(|r| (r.file.0, r.start, r.end)).collect();
        assert_eq!(parts, [(0, 100, 109), (1, 100, 102), (2, 100, 108)]);
        for (ranges, raw) in [(first, left), (second, right)] {
            for (range, raw) in pieces(&ranges, &raw) {
                assert_eq!(range.crc, crc32c::crc32c(raw));
            }
        }
    }

    #[test]
    fn a_cut_inside_a_range_proves_its_boundary() {
        let raw = b"one\ntwo\n";
        let before = vec![b'-'; 64];
        let [(first, _), (second, _)] =
            halve_lines(&[range(1, 64, raw)], raw, |_| before.clone()).expect("two records");
        let mut whole = before;
        whole.extend(b"one\n");
        assert_eq!(first[0].anchor, xxh3_64(&whole[whole.len() - 64..]));
        assert_eq!((first[0].end, second[0].start, second[0].anchor), (68, 68, 7));
    }

    #[test]
    fn a_boundary_whose_file_cannot_be_read_is_unproven() {
        let raw = b"one\ntwo\n";
        let [(first, _), _] = halve_lines(&[range(1, 64, raw)], raw, |_| Vec::new()).expect("two");
        assert_eq!(first[0].anchor, UNPROVEN);
        let [(first, _), _] = halve_lines(&[range(1, 0, raw)], raw, |_| Vec::new()).expect("two");
        assert_eq!(first[0].anchor, xxh3_64(b"one\n"), "nothing stands before it");
        let long = [[b'a'; 70], [b'b'; 70]].map(|text| [&text[..], b"\n"].concat()).concat();
        let [(first, _), _] =
            halve_lines(&[range(1, 64, &long)], &long, |_| Vec::new()).expect("two");
        assert_ne!(first[0].anchor, UNPROVEN, "it holds its proof itself");
    }

    #[test]
    fn a_single_record_is_not_cut() {
        assert!(halve_lines(&[range(1, 0, b"one\n")], b"one\n", |_| Vec::new()).is_none());
    }
}
