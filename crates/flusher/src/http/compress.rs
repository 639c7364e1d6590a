//! `Compression`: how request bodies are packed. The same body gives the same bytes, so that a
//! resend is the same request.

use std::io::Write;

use flate2::GzBuilder;
use settings::Section;

/// How request bodies are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `Content-Encoding: gzip`, at the fastest level.
    Gzip,
}

impl Compression {
    /// Reads `Compression`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        match section.text("Compression") {
            None | Some("" | "none") => Self::None,
            Some("gzip") => Self::Gzip,
            Some("snappy") => {
                section.refuse("Compression", Some("snappy"), "use gzip");
                Self::None
            }
            Some(_) => {
                section.wrong("Compression", "must be gzip or none");
                Self::None
            }
        }
    }

    /// The value of `Content-Encoding`, where there is one.
    pub(crate) fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
        }
    }

    /// The bytes to send for `body`: itself, or what was packed into `packed`.
    pub(crate) fn pack<'b>(self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        match self {
            Self::None => body,
            Self::Gzip => gzip(&[body], packed),
        }
    }

    /// The same for a body in parts, one behind the other.
    pub(crate) fn pack_parts<'b>(self, parts: &[&[u8]], packed: &'b mut Vec<u8>) -> &'b [u8] {
        match self {
            Self::None => {
                packed.clear();
                parts.iter().for_each(|part| packed.extend_from_slice(part));
                packed
            }
            Self::Gzip => gzip(parts, packed),
        }
    }
}

/// Packs `body` into `packed`: no name, no time, no operating system, so that the same body gives
/// the same bytes.
fn gzip<'b>(parts: &[&[u8]], packed: &'b mut Vec<u8>) -> &'b [u8] {
    const OS_UNKNOWN: u8 = 255;
    packed.clear();
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(OS_UNKNOWN)
        .write(&mut *packed, flate2::Compression::fast());
    let written = parts.iter().try_for_each(|part| encoder.write_all(part));
    written.and_then(|()| encoder.finish()).expect("a vector takes every byte");
    packed
}
