//! The bytes of a reader's file at a place, whether they lie there as they are or compressed.
//! Of a compressed file the decoder is kept, so that going on costs what it goes on by.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::compressed::format::Format;
use crate::compressed::inflate::{End, Inflater};
use crate::identity::bytes::Bytes;
use crate::source::descriptor::Descriptor;

/// How a reader comes to its bytes.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    held: Mutex<Option<Held>>,
    /// Whether the end of a compressed file was seen, so that nothing more comes.
    is_over: AtomicBool,
    is_damaged: AtomicBool,
    /// Whether it ends in the middle.
    is_torn: AtomicBool,
}

/// The decoder of a compressed file.
#[derive(Debug)]
struct Held {
    /// Which file that is.
    key: (u64, u64),
    inflater: Box<Inflater>,
}

/// The bytes of a file as a reader fetches them.
pub(crate) struct Fetched<'a>(pub(crate) &'a Fetch, pub(crate) &'a Descriptor);

impl Fetch {
    /// Reads up to `room.len()` bytes at `offset`; fewer only at the end.
    pub(crate) fn read(
        &self,
        file: &Descriptor,
        offset: u64,
        room: &mut [u8],
    ) -> io::Result<usize> {
        if let Some(format) = file.format() {
            return self.inflate(file, format, offset, room);
        }
        loop {
            match file.read_at(room, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn inflate(
        &self,
        file: &Descriptor,
        format: Format,
        offset: u64,
        room: &mut [u8],
    ) -> io::Result<usize> {
        let key = file.stat()?.key();
        let mut held = self.held.lock().expect("no holder panics");
        let known = held.take().filter(|held| held.key == key).map(|held| held.inflater);
        let mut inflater = known.unwrap_or_else(|| Box::new(Inflater::new(format)));
        let count = inflater.read(&**file, offset, room)?;
        let end = inflater.end();
        self.is_over.store(matches!(end, End::Whole | End::Damaged), Ordering::Relaxed);
        self.is_damaged.store(end == End::Damaged, Ordering::Relaxed);
        self.is_torn.store(end == End::Torn, Ordering::Relaxed);
        // At the very end the memory is given back.
        if count > 0 || end == End::Open {
            *held = Some(Held { key, inflater });
        }
        Ok(count)
    }

    /// Gives the memory back: all of a compressed file was handed on.
    pub(crate) fn let_go(&self) {
        *self.held.lock().expect("no holder panics") = None;
    }

    /// Whether the end of a compressed file has been seen.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether a compressed file ends in the middle, as far as has been read.
    pub(crate) fn is_torn(&self) -> bool {
        self.is_torn.load(Ordering::Relaxed)
    }

    /// Whether a compressed file just was found to be damaged.
    pub(crate) fn take_damage(&self) -> bool {
        self.is_damaged.swap(false, Ordering::Relaxed)
    }
}

impl Bytes for Fetched<'_> {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        match self.1.is_compressed() {
            true => self.0.read(self.1, offset, buf).unwrap_or(0),
            false => Bytes::read(self.1, offset, buf),
        }
    }
}
