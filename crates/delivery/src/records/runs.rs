//! Which records the ranges of a request hold: lines, several lines each, or what containers print,
//! which a rotation may have cut in two, and whose lines may stand between those of others. Pure functions of the ranges and their bytes, so that a request is taken
//! apart in the same way whenever it is.

use flusher::{Format, Join};
use record::{Range, Tags, lines, without_return};

use crate::records::record_format;
use crate::records::split::pieces;
use crate::records::stages::Stages;

/// How the records of bytes with these tags are found, and what becomes of them.
pub fn format<'a>(tags: &Tags, joins: &'a [Join], stages: &'a Stages) -> Format<'a> {
    match tags.format() {
        _ if !stages.is_empty() => Format::Items { split: stages, joins },
        None => Format::Lines,
        Some(Tags::TEXT) => Format::Text,
        Some(_) => Format::Items { split: &record_format::split, joins },
    }
}

/// Whether a record that is open at the end of `range` goes on in `next`: the file that took the
/// name of the one that was rotated away.
pub fn goes_on(range: &Range, next: &Range) -> bool {
    let file = |range: &Range| (range.file, range.generation);
    next.start == 0
        && !record_format::interleaves(&range.tags)
        && !range.tags.has_lines()
        && file(range) != file(next)
        && range.tags == next.tags
}

/// Whether bytes with these tags end within a record.
pub fn is_open(tags: &Tags, raw: &[u8]) -> bool {
    !tags.has_lines() && record_format::split(tags, raw, &mut |_| {}).is_open
}

/// Ranges that are taken apart as one: nearly always a single one.
pub struct Run<'a> {
    /// The ranges.
    pub ranges: &'a [Range],
    /// Their bytes.
    pub raw: &'a [u8],
    /// Where in the bytes of all ranges it begins.
    pub at: usize,
}

/// All runs of a request.
pub fn runs<'a>(ranges: &'a [Range], raw: &'a [u8]) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::with_capacity(ranges.len());
    let (mut at, mut is_open) = (0, false);
    for (index, (range, bytes)) in pieces(ranges, raw).enumerate() {
        let end = at + bytes.len();
        match runs.last_mut() {
            Some(last)
                if record_format::is_joined(&range.tags)
                    || (is_open && goes_on(&ranges[index - 1], range)) =>
            {
                last.ranges = &ranges[index - last.ranges.len()..=index];
                last.raw = &raw[last.at..end];
            }
            _ => runs.push(Run { ranges: std::slice::from_ref(range), raw: bytes, at }),
        }
        is_open = !record_format::interleaves(&range.tags)
            && self::is_open(&range.tags, runs[runs.len() - 1].raw);
        at = end;
    }
    runs
}

/// Where the files of a run begin in it, but for the first.
pub fn joins(ranges: &[Range]) -> Vec<Join> {
    let mut at = 0;
    let mut joins = Vec::new();
    for (range, next) in ranges.iter().zip(ranges.iter().skip(1)) {
        at += range.len() as usize;
        let Range { file, generation, start, .. } = *next;
        joins.push(Join { at, file, generation, start });
    }
    joins
}

/// The positions in the bytes of a request at which it may be cut in two.
pub fn starts(ranges: &[Range], raw: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    for run in runs(ranges, raw) {
        let found = starts_of(&run.ranges[0].tags, run.raw, usize::MAX);
        starts.extend(found.iter().map(|at| run.at + at));
    }
    starts
}

/// The positions in bytes with these tags at which they may be cut in two: the first so many.
pub fn starts_of(tags: &Tags, raw: &[u8], most: usize) -> Vec<usize> {
    match tags.has_lines() {
        true => lines(raw).take(most).map(|(at, _)| at).collect(),
        false => {
            let mut starts = record_format::starts(tags, raw);
            starts.truncate(most);
            starts
        }
    }
}

/// How many records bytes with these tags hold.
pub fn count(tags: &Tags, raw: &[u8]) -> u64 {
    if tags.has_lines() {
        return lines(raw).count() as u64;
    }
    let mut count = 0;
    record_format::split(tags, raw, &mut |_| count += 1);
    count
}

/// Calls `out` with the place and the text of each record of a request.
pub fn contents(ranges: &[Range], raw: &[u8], out: &mut dyn FnMut(&Range, u64, &[u8])) {
    for run in runs(ranges, raw) {
        match run.ranges {
            [range] if range.tags.has_lines() => {
                for (at, line) in lines(run.raw) {
                    let is_ended = run.raw.get(at + line.len()) == Some(&b'\n');
                    let text = match range.tags.strips_returns() {
                        true => without_return(line, is_ended),
                        false => line,
                    };
                    out(range, range.start + at as u64, text);
                }
            }
            ranges => {
                record_format::split(&ranges[0].tags, run.raw, &mut |item| {
                    let (range, offset) = place(ranges, item.start);
                    out(range, offset, item.text);
                });
            }
        }
    }
}

/// The range that a position of a run lies in, and its offset in that file.
fn place(ranges: &[Range], at: usize) -> (&Range, u64) {
    let mut left = at as u64;
    for range in ranges {
        if left < range.len() {
            return (range, range.start + left);
        }
        left -= range.len();
    }
    let last = &ranges[ranges.len() - 1];
    (last, last.end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::FileUid;

    use super::*;
    use crate::records::stdio::StdioRules;

    const PART: &str = "1970-01-01T00:00:01Z stdout P old \n";
    const END: &str = "1970-01-01T00:00:02Z stdout F new\n";

    fn range(file: u128, start: u64, raw: &str, container: &str) -> Range {
        let format = StdioRules::ALL.format(container);
        let tags = if container.is_empty() {
            Tags::default()
        } else {
            Tags(vec![(Tags::FORMAT.into(), format)])
        };
        Range {
            file: FileUid(file),
            generation: 0,
            start,
            end: start + raw.len() as u64,
            crc: 0,
            anchor: 0,
            tags: Arc::new(tags),
        }
    }

    /// Runs as (number of ranges, position), cuts, and contents as (file, offset, text).
    type Shown = (Vec<(usize, usize)>, Vec<usize>, Vec<(u128, u64, String)>);

    fn shown(parts: &[(u128, u64, &str, &str)]) -> Shown {
        let ranges: Vec<_> =
            parts.iter().map(|part| range(part.0, part.1, part.2, part.3)).collect();
        let raw: String = parts.iter().map(|part| part.2).collect();
        let found = runs(&ranges, raw.as_bytes());
        let found = found.iter().map(|run| (run.ranges.len(), run.at)).collect();
        let mut texts = Vec::new();
        contents(&ranges, raw.as_bytes(), &mut |range, offset, text| {
            texts.push((range.file.0, offset, String::from_utf8_lossy(text).into_owned()));
        });
        (found, starts(&ranges, raw.as_bytes()), texts)
    }

    #[test]
    fn a_record_that_a_rotation_cut_in_two_is_one() {
        let (runs, starts, texts) =
            shown(&[(1, 100, PART, "c"), (2, 0, &(END.to_owned() + END), "c")]);
        assert_eq!(runs, [(2, 0)]);
        assert_eq!(starts, [0, PART.len() + END.len()]);
        let second = END.len() as u64;
        assert_eq!(texts, [(1, 100, "old new".into()), (2, second, "new".into())]);
        assert_eq!(joins(&[range(1, 100, PART, "c"), range(2, 0, END, "c")])[0].at, PART.len());
    }

    #[test]
    fn a_small_file_between_two_is_part_of_the_record() {
        let (runs, starts, texts) =
            shown(&[(1, 100, PART, "c"), (2, 0, PART, "c"), (3, 0, END, "c"), (3, 40, END, "c")]);
        assert_eq!(runs, [(3, 0), (1, 2 * PART.len() + END.len())]);
        assert_eq!(starts.len(), 2);
        assert_eq!(texts[0], (1, 100, "old old new".into()));
    }

    #[test]
    fn what_belongs_to_something_else_is_not_joined() {
        for next in [(2, 0, END, "other"), (2, 7, END, "c"), (1, 0, END, "c"), (2, 0, END, "")] {
            let (runs, ..) = shown(&[(1, 100, PART, "c"), next]);
            assert_eq!(runs.len(), 2, "{next:?}");
        }
        // A record that ended is not gone on with.
        assert_eq!(shown(&[(1, 100, END, "c"), (2, 0, END, "c")]).0.len(), 2);
    }

    #[test]
    fn the_return_of_a_line_end_is_no_text_where_the_tags_say_so() {
        let raw = b"a\r\n\r\nb\r";
        for (format, expected) in [(Some(Tags::TEXT), ["a", "", "b"]), (None, ["a\r", "\r", "b\r"])]
        {
            let mut range = range(1, 5, "a\r\n\r\nb\r", "");
            let format = format.map(|format| (Tags::FORMAT.to_owned(), format.to_owned()));
            range.tags = Arc::new(Tags(format.into_iter().collect()));
            let mut found = Vec::new();
            contents(&[range.clone()], raw, &mut |_, offset, text| {
                found.push((offset, String::from_utf8_lossy(text).into_owned()));
            });
            let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!(texts, expected);
            assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [5, 8, 10]);
            assert_eq!(starts(&[range], raw), [0, 3, 5]);
        }
    }

    #[test]
    fn what_was_cut_before_returns_were_no_text_is_encoded_as_it_was() {
        let stages = Stages::default();
        let tags = |format: &str| Tags(vec![(Tags::FORMAT.into(), format.into())]);
        assert!(matches!(format(&Tags::default(), &[], &stages), Format::Lines));
        assert!(matches!(format(&tags(Tags::TEXT), &[], &stages), Format::Text));
        let printed = tags(&StdioRules::ALL.format("c"));
        assert!(matches!(format(&printed, &[], &stages), Format::Items { .. }));
    }

    #[test]
    fn lines_are_lines() {
        let (runs, starts, texts) = shown(&[(1, 5, "a\nb\n", ""), (2, 0, "c", "")]);
        assert_eq!((runs.len(), starts), (2, vec![0, 2, 4]));
        assert_eq!(texts[1], (1, 7, "b".into()));
    }
}
