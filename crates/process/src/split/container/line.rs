//! One parsed line of a runtime's log file, whatever its format. Plain values.

use record::Stream;

/// The output of a name, as runtimes write it.
pub(crate) fn stream(name: &[u8]) -> Option<Stream> {
    match name {
        b"stdout" => Some(Stream::Stdout),
        b"stderr" => Some(Stream::Stderr),
        _ => None,
    }
}

/// One line of a runtime's log file: a piece of a record, or all of it.
pub(crate) struct LogLine<'a> {
    pub stream: Stream,
    pub time: &'a [u8],
    pub text: Text<'a>,
    /// Whether the container's line of output ends here.
    pub ends: bool,
}

/// What a part of a line is.
pub(crate) enum Part<'a> {
    /// A line of a runtime.
    Line(LogLine<'a>),
    /// A line in no format of a runtime.
    Unknown(&'a [u8]),
    /// What a crash of the machine left of a line, or put in front of one.
    Damage,
}

/// The text of a line.
pub(crate) enum Text<'a> {
    Plain(&'a [u8]),
    /// As it stands in a JSON string.
    Escaped(&'a [u8]),
    Owned(String),
}
