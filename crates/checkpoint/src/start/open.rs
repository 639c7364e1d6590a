//! Opens the state directory: read, decide, mend, and say what was found.

use std::sync::Arc;

use disk::Disk;
use record::NodeId;

use crate::journal::segment::SEGMENT_LEN;
use crate::start::{node, recover, repair};
use crate::{Checkpoint, Error, Options, Recovery};

impl Checkpoint {
    /// Reads the state directory, mends what a crash left, and makes it ready for appending.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Lost`] leave everything as it was; [`Error::Io`] can be
    /// tried again.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovery), Error> {
        Self::open_with(disk, options, SEGMENT_LEN, node::random)
    }

    /// The same for a simulated world: with journal segments of `segment_len` bytes in place of
    /// 4 MiB, so that a short run fills several, and with a node id that is not left to chance where
    /// there is none.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_with(
        disk: Arc<dyn Disk>,
        options: Options,
        segment_len: u64,
        new_node: impl FnOnce() -> Result<NodeId, Error>,
    ) -> Result<(Self, Recovery), Error> {
        let reading = recover::read(disk.as_ref(), &options, new_node)?;
        let (origin, same_boot) = (reading.origin, reading.about.boot_id == options.boot_id);
        let (checkpoint, notes) = repair::mend(disk, &options, reading, segment_len)?;
        let recovery = Recovery::of(&checkpoint.core().state, origin, same_boot, notes);
        Ok((checkpoint, recovery))
    }
}
