//! The dead letter: records that a destination refused, one JSON line each, in a file of the state
//! directory. A refused record is done only once it stands here: its line is synced before the
//! refusal is journaled. A crash in between writes the line again at the next start.
//! Limited in size: when it is full the delivery waits until somebody clears it away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use disk::{Disk, DiskFile};
use record::{Range, Ticket};
use serde_json::json;

use crate::records::runs::contents;

/// The most bytes that are kept.
const DEAD_LETTER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The file, opened at the first refusal.
pub struct DeadLetter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Mutex<Option<Arc<dyn DiskFile>>>,
}

impl DeadLetter {
    /// The dead letter at a path; nothing is made before the first refusal.
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path, file: Mutex::default() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the records of a refused request, and syncs them.
    pub fn write(
        &self,
        delivery: &str,
        ticket: Ticket,
        ranges: &[Range],
        raw: &[u8],
        reason: &str,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        let mut written = Ok(());
        contents(ranges, raw, &mut |range, offset, content| {
            let record = json!({
                "delivery": delivery,
                "request": ticket.key.to_string(),
                "file": range.file.to_string(),
                "generation": range.generation,
                "offset": offset,
                "reason": reason,
                "content": String::from_utf8_lossy(content),
            });
            if written.is_ok() {
                written = serde_json::to_writer(&mut text, &record);
            }
            text.push(b'\n');
        });
        written?;
        let mut file = self.file.lock().expect("no holder panics");
        // It may have been removed, alone or with its directory.
        if file.is_some() && self.disk.stat(&self.path)?.is_none() {
            *file = None;
        }
        let file = match &*file {
            Some(file) => file.clone(),
            None => file.insert(self.open()?).clone(),
        };
        let len = file.len()?;
        if len + text.len() as u64 > DEAD_LETTER_BYTES_MAX {
            return Err(io::Error::other(format!(
                "the dead letter {} is full ({len} bytes): look at its records and remove it",
                self.path.display()
            )));
        }
        file.write_all_at(&text, len)?;
        file.sync_data()
    }

    fn open(&self) -> io::Result<Arc<dyn DiskFile>> {
        if self.disk.stat(&self.path)?.is_some() {
            return self.disk.open_own(&self.path);
        }
        let file = self.disk.create(&self.path, 0)?;
        if let Some(dir) = self.path.parent() {
            self.disk.sync_dir(dir)?;
        }
        Ok(file)
    }
}
