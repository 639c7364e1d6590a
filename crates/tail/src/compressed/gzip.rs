//! gzip: members one after another, empty ones too, and padding or rubbish behind the last.

use std::io::{ErrorKind, Read};

use flate2::bufread::GzDecoder;

use crate::compressed::input::{Input, Step};

/// How every member begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The members of a gzip file.
#[derive(Debug)]
pub(crate) struct Members {
    decoder: GzDecoder<Input>,
    /// Whether one is over and the next one has not begun.
    is_between: bool,
}

impl Default for Members {
    fn default() -> Self {
        Self { decoder: GzDecoder::new(Input::default()), is_between: false }
    }
}

impl Members {
    pub(crate) fn input(&mut self) -> &mut Input {
        self.decoder.get_mut()
    }

    /// Decompresses a little more.
    pub(crate) fn step(&mut self, out: &mut [u8]) -> Step {
        if self.is_between {
            return self.next_member();
        }
        match self.decoder.read(out) {
            Ok(0) => {
                // What its checksum says was there.
                self.is_between = true;
                Step::Bytes(0)
            }
            Ok(count) => Step::Bytes(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Input { is_whole: false },
            Err(_) => Step::Damaged,
        }
    }

    fn next_member(&mut self) -> Step {
        let input = self.decoder.get_mut();
        if input.rest().len() < MAGIC.len() {
            return Step::Input { is_whole: true };
        }
        if !input.rest().starts_with(&MAGIC) {
            return Step::Whole;
        }
        let input = std::mem::take(input);
        drop(self.decoder.reset(input));
        self.is_between = false;
        Step::Bytes(0)
    }
}
