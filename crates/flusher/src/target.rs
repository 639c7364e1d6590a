//! What every destination is before it is at work: its keys, read and checked.

use std::path::Path;
use std::sync::Arc;

use disk::Disk;
use settings::Destination;

use crate::{Backoff, Batch, Class, Error, Flusher, RecordShape};

/// A destination as configured: what its keys say, and the flusher that they make.
pub trait Target: Destination {
    /// What it can tell apart, and so which guarantee a delivery to it has.
    fn class(&self) -> Class;

    /// How long a delivery waits between tries.
    fn backoff(&self) -> Backoff {
        Backoff::default()
    }

    /// When the records of a delivery are enough for a request.
    fn batch(&self) -> Batch {
        Batch::default()
    }

    /// The file that it writes, so that no pipeline collects it.
    fn output(&self) -> Option<&Path> {
        None
    }

    /// The flusher for records of this shape. It connects to nothing and writes nothing yet.
    ///
    /// # Errors
    /// When something outside the configuration cannot work: a variable that is not set, a file
    /// that cannot be read.
    fn flusher(&self, disk: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error>;
}
