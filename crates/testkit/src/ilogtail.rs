//! Checkpoint files as iLogtail 1.0 to 1.7 wrote them (the eleven keys of
//! `core/checkpoint/CheckPointManager.cpp` at tag v1.7.0), for files that a test makes.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::murmur3_x64_128;

/// How many bytes of a file's beginning iLogtail's signature covers.
const SIGNATURE_LEN_MAX: usize = 1024;

/// The seed of iLogtail's signature (`core/common/HashUtil.cpp`).
const SIGNATURE_SEED: u32 = 0xdead_beaf;

/// A checkpoint file in the making.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let log = dir.path().join("app.log");
/// std::fs::write(&log, "one\ntwo\n").unwrap();
/// let mut checkpoint = testkit::IlogtailCheckpoint::new();
/// checkpoint.file(&log, &log, 4, "##1.0##project$app");
/// checkpoint.write(&dir.path().join("logtail_check_point"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct IlogtailCheckpoint {
    entries: Map<String, Value>,
    dirs: Map<String, Value>,
}

impl IlogtailCheckpoint {
    /// One without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the file that is at `real` now, collected under the name `logical`, was read up
    /// to `offset` by the collection config `config_name`.
    pub fn file(&mut self, logical: &Path, real: &Path, offset: u64, config_name: &str) {
        let meta = std::fs::metadata(real).expect("the file of a checkpoint entry exists");
        let (sig_size, sig_hash) = signature(real);
        let key = format!("{}*{}*{}*{config_name}", logical.display(), meta.dev(), meta.ino());
        let entry = json!({
            "file_name": text(logical),
            "real_file_name": text(real),
            "offset": offset.to_string(),
            "sig": "",
            "sig_size": sig_size,
            "sig_hash": sig_hash,
            "update_time": unix_seconds(),
            "inode": meta.ino(),
            "dev": meta.dev(),
            "file_open": 1,
            "config_name": config_name,
        });
        self.entries.insert(key, entry);
        let dir = logical.parent().expect("a file lies in a directory");
        self.dirs.insert(text(dir), json!({ "update_time": unix_seconds(), "sub_dir": [] }));
    }

    /// The entries, to change or remove keys before [`Self::write`].
    pub fn entries_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.entries
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let whole = json!({
            "version": 200,
            "check_point": self.entries,
            "dir_check_point": self.dirs,
        });
        let text = serde_json::to_string_pretty(&whole).expect("plain values become JSON");
        std::fs::write(path, text + "\n").expect("the checkpoint's directory can be written");
    }
}

/// iLogtail's signature of a file: bytes looked at, and the hash of those before the first NUL.
fn signature(path: &Path) -> (usize, u64) {
    let content = std::fs::read(path).expect("the file of a checkpoint entry can be read");
    let head = &content[..content.len().min(SIGNATURE_LEN_MAX)];
    let end = head.iter().position(|&byte| byte == 0).unwrap_or(head.len());
    (head.len(), murmur3_x64_128(&head[..end], SIGNATURE_SEED).0)
}

fn text(path: &Path) -> String {
    String::from_utf8(path.as_os_str().as_bytes().to_vec()).expect("paths of tests are UTF-8")
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_eleven_keys_and_an_offset_in_quotes() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        std::fs::write(&log, b"1\n2\n\0x").unwrap();
        let mut checkpoint = IlogtailCheckpoint::new();
        checkpoint.file(&log, &log, 4, "##1.0##p$a");
        let path = dir.path().join("logtail_check_point");
        checkpoint.write(&path);

        let whole: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let entry = whole["check_point"].as_object().unwrap().values().next().unwrap();
        let mut keys: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort();
        assert_eq!(
            keys,
            [
                "config_name",
                "dev",
                "file_name",
                "file_open",
                "inode",
                "offset",
                "real_file_name",
                "sig",
                "sig_hash",
                "sig_size",
                "update_time"
            ]
        );
        assert_eq!(entry["offset"], "4");
        assert_eq!(entry["sig_size"], 6, "bytes looked at, the NUL and what follows included");
        let expected = murmur3_x64_128(b"1\n2\n", 0xdead_beaf).0;
        assert_eq!(entry["sig_hash"], expected, "only up to the NUL");
        assert_eq!(whole["version"], 200);
    }
}
