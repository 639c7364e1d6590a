//! zstd: frames one after another, those to be skipped too, and padding behind the last. One
//! block of at most 128 KiB is decompressed at a time, so that a small file that stands for a huge
//! one takes no memory but its window.

use std::fmt;

use ruzstd::decoding::FrameDecoder;
use ruzstd::io::Read;
use xxhash_rust::xxh64::Xxh64;

use crate::compressed::input::{Input, Step};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The largest window that is decompressed: all levels of zstd without `--ultra` and `--long`.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

const BLOCK_HEADER_LEN: usize = 3;
const CHECKSUM_LEN: usize = 4;

/// The most bytes of a block.
const BLOCK_BYTES_MAX: usize = 128 * 1024;

/// The frames of a zstd file.
pub(crate) struct Frames {
    input: Input,
    decoder: FrameDecoder,
    hash: Xxh64,
    state: State,
    has_any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    /// So many bytes of a frame that is skipped are left.
    Skips(u64),
    Blocks {
        has_checksum: bool,
    },
    /// After the last block.
    Checksum,
    /// All was decompressed, and has to be handed on.
    Drains {
        checksum: Option<u32>,
    },
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Default for Frames {
    fn default() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        let (input, hash) = (Input::default(), Xxh64::new(0));
        Self { input, decoder, hash, state: State::Between, has_any: false }
    }
}

impl Frames {
    pub(crate) fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Decompresses a little more.
    pub(crate) fn step(&mut self, out: &mut [u8]) -> Step {
        let is_open = matches!(self.state, State::Blocks { .. } | State::Drains { .. });
        if is_open && self.decoder.can_collect() > 0 {
            let Ok(count) = self.decoder.read(out) else { return Step::Damaged };
            self.hash.update(&out[..count]);
            return Step::Bytes(count);
        }
        match self.state {
            State::Between => self.begin(),
            State::Skips(left) => self.skip(left),
            State::Blocks { has_checksum } => self.block(has_checksum),
            State::Checksum => self.checksum(),
            State::Drains { checksum } => {
                self.state = State::Between;
                match checksum {
                    Some(checksum) if checksum != self.hash.digest() as u32 => Step::Damaged,
                    _ => Step::Bytes(0),
                }
            }
        }
    }

    fn begin(&mut self) -> Step {
        let rest = self.input.rest();
        if rest.len() < 5 {
            return Step::Input { is_whole: self.has_any };
        }
        let is_skipped = matches!(rest, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if !is_skipped && rest[..4] != MAGIC {
            return if self.has_any { Step::Whole } else { Step::Damaged };
        }
        let len = if is_skipped { 8 } else { header_len(rest[4]) };
        let Some(header) = rest.get(..len) else { return Step::Input { is_whole: false } };
        if is_skipped {
            let left = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            self.state = State::Skips(u64::from(left));
        } else {
            let mut source = header;
            let begun = self.decoder.reset(&mut source);
            if begun.is_err() || !source.is_empty() {
                return Step::Damaged;
            }
            self.state = State::Blocks { has_checksum: header[4] & 4 != 0 };
            self.hash.reset(0);
        }
        self.has_any = true;
        self.take(len);
        Step::Bytes(0)
    }

    fn skip(&mut self, left: u64) -> Step {
        let count = (self.input.rest().len() as u64).min(left);
        self.take(count as usize);
        match left - count {
            0 => self.state = State::Between,
            left => {
                self.state = State::Skips(left);
                return Step::Input { is_whole: false };
            }
        }
        Step::Bytes(0)
    }

    fn block(&mut self, has_checksum: bool) -> Step {
        let rest = self.input.rest();
        let [a, b, c, ..] = *rest else { return Step::Input { is_whole: false } };
        let header = u32::from_le_bytes([a, b, c, 0]);
        let (is_last, kind, size) = (header & 1 != 0, header >> 1 & 3, (header >> 3) as usize);
        let len = BLOCK_HEADER_LEN + if kind == 1 { 1 } else { size };
        if kind == 3 || size > BLOCK_BYTES_MAX {
            return Step::Damaged;
        }
        let Some(block) = rest.get(..len) else { return Step::Input { is_whole: false } };
        match self.decoder.decode_from_to(block, &mut []) {
            Ok((taken, _)) if taken == len => self.take(len),
            _ => return Step::Damaged,
        }
        if is_last {
            self.state = match has_checksum {
                true => State::Checksum,
                false => State::Drains { checksum: None },
            };
        }
        Step::Bytes(0)
    }

    fn checksum(&mut self) -> Step {
        let [a, b, c, d, ..] = *self.input.rest() else {
            return Step::Input { is_whole: false };
        };
        let bytes = [a, b, c, d];
        if self.decoder.decode_from_to(&bytes, &mut []).is_err() {
            return Step::Damaged;
        }
        self.take(CHECKSUM_LEN);
        self.state = State::Drains { checksum: Some(u32::from_le_bytes(bytes)) };
        Step::Bytes(0)
    }

    fn take(&mut self, count: usize) {
        std::io::BufRead::consume(&mut self.input, count);
    }
}

/// The longest header of a frame.
pub(crate) const FRAME_HEADER_LEN_MAX: usize = 18;

/// The length of the content that the header of the first frame tells.
pub(crate) fn content_len(header: &[u8]) -> Option<u64> {
    let descriptor = *header.get(MAGIC.len()).filter(|_| header.starts_with(&MAGIC))?;
    let end = header_len(descriptor);
    let mut size = [0; 8];
    let len = match descriptor >> 6 {
        0 if descriptor & 0x20 == 0 => return None,
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    size[..len].copy_from_slice(header.get(end - len..end)?);
    Some(u64::from_le_bytes(size) + if len == 2 { 256 } else { 0 })
}

/// The length of a frame's header, by its descriptor (RFC 8878, 3.1.1.1).
fn header_len(descriptor: u8) -> usize {
    let is_single = descriptor & 0x20 != 0;
    let content_size = match descriptor >> 6 {
        0 => usize::from(is_single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    MAGIC.len() + 1 + usize::from(!is_single) + dictionary + content_size
}
