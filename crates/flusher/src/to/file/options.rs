//! The keys of `flusher_file`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Section, Surroundings};

use super::FileFlusher;
use crate::target::Target;
use crate::{Class, Error, Flusher, RecordShape};

/// LoongCollector's default of `MaxFileSize`.
const FILE_BYTES: u64 = 10_485_760;
/// A file smaller than this would be rotated with every request.
const FILE_BYTES_MIN: u64 = 4096;
/// The greatest file: 1 TiB.
const FILE_BYTES_MAX: u64 = 1 << 40;
/// LoongCollector's default of `MaxFiles`.
const FILES: usize = 10;
/// The most files that one output is kept in.
const FILES_MAX: u64 = 10_000;
/// Permission bits of new output files.
const MODE: u32 = 0o640;

/// What `flusher_file` can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// The output (`FilePath`), absolute. Its directory is made if absent. The lock file
    /// `<path>.lock` lies beside it.
    pub path: PathBuf,
    /// Bytes at which the output is renamed to `<path>.1` (`MaxFileSize`); `None` = never. The
    /// size is looked at when requests are committed, so it may be passed by a commit's worth.
    pub max_file_size: Option<u64>,
    /// How many renamed files are kept beside the output (`MaxFiles`), at least 1.
    pub max_files: usize,
    /// Permission bits of new output files.
    pub mode: u32,
}

impl FileOptions {
    /// One output that grows without end.
    pub fn new(path: PathBuf) -> Self {
        Self { path, max_file_size: None, max_files: FILES, mode: MODE }
    }

    /// Reads the keys.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        let path = section.required_text("FilePath");
        let file_bytes_max = section.number("MaxFileSize", FILE_BYTES_MIN..=FILE_BYTES_MAX);
        let files_max = section.number("MaxFiles", 1..=FILES_MAX);
        let path = path?;
        if path.ends_with('/') || path.contains('\0') {
            section.wrong("FilePath", "must name a file, as in /var/lib/irontail/out.ndjson");
        }
        let mut options = Self::new(around.absolute(path));
        if around.rotates_outputs() {
            options.max_file_size = Some(file_bytes_max.unwrap_or(FILE_BYTES));
            let files = files_max.and_then(|files| usize::try_from(files).ok());
            options.max_files = files.unwrap_or(FILES);
        }
        Some(options)
    }
}

impl Destination for FileOptions {
    fn name(&self) -> String {
        format!("flusher_file {}", self.path.display())
    }

    fn shape(&self) -> Value {
        json!({ "kind": "file" })
    }
}

impl Target for FileOptions {
    fn class(&self) -> Class {
        Class::RecordId
    }

    fn output(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn flusher(&self, disk: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(FileFlusher::new(disk.clone(), self.clone(), shape)))
    }
}
