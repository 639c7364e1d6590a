//! What containers print, as flushers take it: the fields of a record, which streams are wanted.
//! Pure: what is wanted stands in the frozen tags of each range, so that a resend is the same
//! request, also when the container is gone and the configuration has changed.
//! Not here: how runtimes write it down (`container`).

use container::{Assembly, Record, Stream, for_each};
use flusher::{Ended, Item};
use record::Tags;

/// What of a container's output is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StdioRules {
    /// What came from standard output.
    pub stdout: bool,
    /// What came from standard error.
    pub stderr: bool,
    /// Lines in no known format.
    pub unknown: bool,
}

/// What a format of container output begins with.
const NAME: &str = "stdio";

impl StdioRules {
    /// Everything.
    pub const ALL: Self = Self { stdout: true, stderr: true, unknown: true };

    /// As it is frozen in the tags. `container` keeps the output of one apart from all others:
    /// records are only joined within one.
    pub fn format(self, container: &str) -> String {
        let word = |is_wanted: bool, word| if is_wanted { word } else { "" };
        let (stdout, stderr) = (word(self.stdout, "o"), word(self.stderr, "e"));
        format!("{NAME} {stdout}{stderr}{} {container}", word(self.unknown, "u"))
    }

    fn of(tags: &Tags) -> Self {
        let words = tags.format().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
        let has = |word| words.contains(word);
        Self { stdout: has('o'), stderr: has('e'), unknown: has('u') }
    }

    fn wants(self, stream: Option<Stream>) -> bool {
        match stream {
            Some(Stream::Stdout) => self.stdout,
            Some(Stream::Stderr) => self.stderr,
            None => self.unknown,
        }
    }
}

/// The records of a run of container output: `content`, `_time_` as the runtime wrote it, and
/// `_source_`, the stream. Lines in no known format have their content alone.
pub fn split(tags: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)) -> Ended {
    let rules = StdioRules::of(tags);
    let mut ended = Ended::default();
    for_each(raw, &mut Assembly::new(), |record| {
        ended.is_open = !record.finished;
        if !rules.wants(record.stream) {
            ended.dropped += 1;
            return;
        }
        let Record { start, content, time, .. } = record;
        let time_nanos = record.time_nanos();
        let source = record.stream.map_or("", Stream::as_str).as_bytes();
        let fields = [("_time_", time), ("_source_", source)];
        let fields = if record.stream.is_some() { &fields[..] } else { &[] };
        out(&Item { start, content, fields, time: time_nanos });
    });
    ended
}

/// Where in a run of container output it may be cut: the positions at which a record begins while
/// no other is open.
pub fn starts(raw: &[u8]) -> Vec<usize> {
    let mut spans = Vec::new();
    for_each(raw, &mut Assembly::new(), |record| spans.push((record.start, record.end)));
    let mut starts = Vec::new();
    let mut next = usize::MAX;
    for &(start, end) in spans.iter().rev() {
        if next != usize::MAX && end <= next {
            starts.push(next);
        }
        next = next.min(start);
    }
    starts.extend((next != usize::MAX).then_some(next));
    starts.reverse();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 6] = [
        "1970-01-01T00:00:01Z stdout P one \n",
        "1970-01-01T00:00:02Z stderr F err\n",
        "1970-01-01T00:00:03.5Z stdout F line\n",
        "odd\n",
        "1970-01-01T00:00:04Z stdout F two\n",
        "1970-01-01T00:00:05Z stdout P unfini\n",
    ];

    fn texts(rules: StdioRules, raw: &str) -> (Vec<String>, Ended) {
        let tags = Tags(vec![(Tags::FORMAT.into(), rules.format("c"))]);
        let mut found = Vec::new();
        let ended = split(&tags, raw.as_bytes(), &mut |item| {
            let field = |(name, value): &(&str, &[u8])| {
                format!(" {name}={}", String::from_utf8_lossy(value))
            };
            let fields: String = item.fields.iter().map(field).collect();
            let content = String::from_utf8_lossy(item.content);
            found.push(format!("{} {:?} {content}{fields}", item.start, item.time));
        });
        (found, ended)
    }

    #[test]
    fn records_have_their_stream_and_the_time_of_their_first_line() {
        let raw = LINES.concat();
        let (found, ended) = texts(StdioRules::ALL, &raw);
        let expected = [
            "35 Some(2000000000) err _time_=1970-01-01T00:00:02Z _source_=stderr",
            "0 Some(1000000000) one line _time_=1970-01-01T00:00:01Z _source_=stdout",
            "106 None odd",
            "110 Some(4000000000) two _time_=1970-01-01T00:00:04Z _source_=stdout",
            "144 Some(5000000000) unfini _time_=1970-01-01T00:00:05Z _source_=stdout",
        ];
        assert_eq!(found, expected);
        assert_eq!(ended, Ended { dropped: 0, is_open: true });
    }

    #[test]
    fn what_is_ignored_is_counted() {
        let raw = LINES[..5].concat();
        for (rules, kept) in [
            (StdioRules { stdout: false, ..StdioRules::ALL }, 2),
            (StdioRules { stderr: false, ..StdioRules::ALL }, 3),
            (StdioRules { unknown: false, ..StdioRules::ALL }, 3),
        ] {
            let (found, ended) = texts(rules, &raw);
            assert_eq!((found.len(), ended.dropped as usize), (kept, 4 - kept));
            assert!(!ended.is_open);
        }
    }

    #[test]
    fn output_may_be_cut_where_no_record_is_open() {
        let raw = LINES.concat();
        assert_eq!(starts(raw.as_bytes()), [0, 106, 110, 144]);
        assert_eq!(starts(b""), [0; 0]);
        assert_eq!(starts(b"odd"), [0]);
    }
}
