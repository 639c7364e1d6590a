//! A record on its way through the stages of a pipeline: fields that are borrowed from the raw
//! bytes unless a stage changed them.
//!
//! Promise: an event is a function of the raw bytes and the stages alone, so that a resend gives
//! the same. One event serves all records of a run: its buffers are cleared and used again, and no
//! record allocates once they have grown.
//! Not here: how records are found in raw bytes, what a stage does (`process`), how an event is
//! written (`flusher`).

use std::ops::Range;

/// Which of its two outputs a container wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As runtimes write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// Bytes of an event: borrowed (from the raw bytes, or a name from the configuration), or stored in
/// the event itself. Only the event that stored it can read it ([`Event::bytes`]).
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(Inner<'a>);

#[derive(Clone, Copy, Debug)]
enum Inner<'a> {
    Borrowed(&'a [u8]),
    Stored { start: u32, end: u32 },
}

impl<'a> Text<'a> {
    /// Borrowed bytes.
    pub const fn borrowed(bytes: &'a [u8]) -> Self {
        Self(Inner::Borrowed(bytes))
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        match self.0 {
            Inner::Borrowed(bytes) => bytes.len(),
            Inner::Stored { start, end } => (end - start) as usize,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes, where they are borrowed.
    pub const fn as_borrowed(self) -> Option<&'a [u8]> {
        match self.0 {
            Inner::Borrowed(bytes) => Some(bytes),
            Inner::Stored { .. } => None,
        }
    }

    /// A part of it.
    ///
    /// # Panics
    /// Where the part is not within it.
    pub fn part(self, range: Range<usize>) -> Self {
        match self.0 {
            Inner::Borrowed(bytes) => Self(Inner::Borrowed(&bytes[range])),
            Inner::Stored { start, end } => {
                assert!(range.start <= range.end && range.end <= (end - start) as usize);
                let (from, to) = (start + range.start as u32, start + range.end as u32);
                Self(Inner::Stored { start: from, end: to })
            }
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::borrowed(bytes)
    }
}

/// A name and a value.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The name.
    pub name: Text<'a>,
    /// The value.
    pub value: Text<'a>,
}

/// One record.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// Where it begins in its run of raw bytes.
    pub start: usize,
    /// Counts the records that one source record became; 0 where it stays one.
    pub ordinal: u32,
    /// Its own time in nanoseconds since 1970; `None`: the request's.
    pub time: Option<i64>,
    /// The output of a container that it was written to.
    pub stream: Option<Stream>,
    text: Option<Text<'a>>,
    fields: Vec<Field<'a>>,
    stored: Vec<u8>,
    copied: Vec<u8>,
}

impl<'a> Event<'a> {
    /// An event without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it an empty one again. What was stored in it is gone.
    pub fn clear(&mut self) {
        self.start = 0;
        self.ordinal = 0;
        self.time = None;
        self.stream = None;
        self.text = None;
        self.fields.clear();
        self.stored.clear();
    }

    /// Gives it the record's text, as it was before any stage: part of the record's id. It becomes
    /// the field `name`.
    pub fn begin(&mut self, start: usize, name: &'a str, text: Text<'a>) {
        self.start = start;
        self.text = Some(text);
        self.push(name.into(), text);
    }

    /// The record's text before any stage.
    pub fn text(&self) -> &[u8] {
        self.text.map_or(&[], |text| self.bytes(text))
    }

    /// The bytes of a text of this event.
    pub fn bytes(&self, text: Text<'a>) -> &[u8] {
        match text.0 {
            Inner::Borrowed(bytes) => bytes,
            Inner::Stored { start, end } => &self.stored[start as usize..end as usize],
        }
    }

    /// Stores what `write` appends. Bytes that are in the buffer already stay untouched.
    pub fn store(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Text<'a> {
        let start = self.stored.len();
        write(&mut self.stored);
        self.stored_since(start)
    }

    /// Stores what `write` makes of a text of this event.
    pub fn store_from(
        &mut self,
        text: Text<'a>,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) -> Text<'a> {
        let at = self.stored.len();
        match text.0 {
            Inner::Borrowed(bytes) => write(bytes, &mut self.stored),
            Inner::Stored { start, end } => {
                self.copied.clear();
                self.copied.extend_from_slice(&self.stored[start as usize..end as usize]);
                write(&self.copied, &mut self.stored);
            }
        }
        self.stored_since(at)
    }

    fn stored_since(&self, start: usize) -> Text<'a> {
        let place = |at: usize| u32::try_from(at).expect("an event stores less than 4 GiB");
        Text(Inner::Stored { start: place(start), end: place(self.stored.len()) })
    }

    /// How many bytes the event itself holds.
    pub fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// The fields in the order in which they are written.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.bytes(field.name), self.bytes(field.value)))
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A field by its place.
    ///
    /// # Panics
    /// Where there is none.
    pub fn field(&self, at: usize) -> Field<'a> {
        self.fields[at]
    }

    /// The place of the first field of a name.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|field| self.bytes(field.name) == name)
    }

    /// The value of the first field of a name.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.find(name).map(|at| self.bytes(self.fields[at].value))
    }

    /// Adds a field behind all others, whether or not there is one of its name.
    pub fn push(&mut self, name: Text<'a>, value: Text<'a>) {
        self.fields.push(Field { name, value });
    }

    /// Gives a field another value.
    ///
    /// # Panics
    /// Where there is none at `at`.
    pub fn set_value(&mut self, at: usize, value: Text<'a>) {
        self.fields[at].value = value;
    }

    /// Gives a field another name.
    ///
    /// # Panics
    /// Where there is none at `at`.
    pub fn set_name(&mut self, at: usize, name: Text<'a>) {
        self.fields[at].name = name;
    }

    /// Takes a field out; the others keep their order.
    ///
    /// # Panics
    /// Where there is none.
    pub fn remove(&mut self, at: usize) -> Field<'a> {
        self.fields.remove(at)
    }

    /// Puts a field at a place.
    ///
    /// # Panics
    /// Where the place is behind the end.
    pub fn insert(&mut self, at: usize, field: Field<'a>) {
        self.fields.insert(at, field);
    }

    /// Takes the fields from `at` on out.
    pub fn truncate(&mut self, at: usize) {
        self.fields.truncate(at);
    }

    /// Of fields of one name keeps the last where at least one of them is at `from` or behind it:
    /// what a stage added takes the place of what was there.
    pub fn keep_newest(&mut self, mut from: usize) {
        // Names that cannot be equal have another bit: nearly all are told apart by it.
        let mark = |name: &[u8]| {
            let edge = |byte: Option<&u8>| usize::from(*byte.unwrap_or(&0));
            1_u64 << ((name.len() + 7 * edge(name.first()) + 31 * edge(name.last())) % 64)
        };
        let mut newer = 0_u64;
        let mut at = self.fields.len();
        while at > 0 && (at > from || newer != 0) {
            at -= 1;
            let name = self.bytes(self.fields[at].name);
            let bit = mark(name);
            let behind = &self.fields[(at + 1).max(from)..];
            if newer & bit != 0 && behind.iter().any(|field| self.bytes(field.name) == name) {
                self.fields.remove(at);
                from -= usize::from(at < from);
            } else if at >= from {
                newer |= bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &Event<'_>) -> String {
        let field = |(name, value): (&[u8], &[u8])| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        event.fields().map(field).collect::<Vec<_>>().join(" ")
    }

    fn event(fields: &[(&'static str, &'static str)]) -> Event<'static> {
        let mut event = Event::new();
        fields.iter().for_each(|(name, value)| event.push((*name).into(), (*value).into()));
        event
    }

    #[test]
    fn parts_of_borrowed_and_stored_text_are_the_same() {
        let mut event = Event::new();
        let borrowed = Text::from("hello world");
        let stored = event.store_from(borrowed, |bytes, out| out.extend_from_slice(bytes));
        for text in [borrowed, stored] {
            assert_eq!(event.bytes(text.part(6..11)), b"world");
            assert_eq!(event.bytes(text.part(6..11).part(1..3)), b"or");
            assert_eq!((text.len(), text.part(4..4).is_empty()), (11, true));
        }
    }

    #[test]
    fn stored_text_can_be_made_from_stored_text() {
        let mut event = Event::new();
        let first = event.store(|out| out.extend_from_slice(b"abc"));
        let second = event.store_from(first, |bytes, out| {
            bytes.iter().rev().for_each(|byte| out.push(*byte));
        });
        assert_eq!((event.bytes(first), event.bytes(second)), (&b"abc"[..], &b"cba"[..]));
    }

    #[test]
    fn newer_fields_take_the_place_of_older_ones() {
        let cases = [
            (&[("a", "1"), ("b", "2"), ("a", "3")][..], 2, "b=2 a=3"),
            (&[("a", "1"), ("a", "2"), ("b", "3")], 2, "a=1 a=2 b=3"),
            (&[("a", "1"), ("b", "2"), ("b", "3"), ("b", "4")], 1, "a=1 b=4"),
            (&[("a", "1"), ("b", "2")], 2, "a=1 b=2"),
            (&[("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")], 2, "a=3 b=4"),
            (&[], 0, ""),
        ];
        for (fields, from, expected) in cases {
            let mut event = event(fields);
            event.keep_newest(from);
            assert_eq!(text(&event), expected);
        }
    }

    #[test]
    fn the_text_stays_whatever_the_stages_do() {
        let mut event = Event::new();
        event.begin(7, "content", "line".into());
        event.remove(0);
        assert_eq!((event.start, event.text(), event.len()), (7, &b"line"[..], 0));
        event.clear();
        assert_eq!(event.text(), b"");
    }
}
