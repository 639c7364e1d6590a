//! The names that the parts of the watcher give to records and generations.

use std::path::Path;
use std::sync::Arc;

use record::FileUid;

/// The number of a record; greater is younger.
pub(crate) type Id = u64;

/// A generation of a file.
pub(crate) type Generation = (FileUid, u32);

/// The path of a file that is not followed any more.
pub(crate) fn nowhere() -> Arc<Path> {
    Path::new("").into()
}
