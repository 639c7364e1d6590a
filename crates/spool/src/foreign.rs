//! iLogtail's and LoongCollector's own send buffers. They are recognised and reported, never
//! touched: their bodies are encrypted requests of that agent, which alone can send them.
//!
//! Source of names and header: iLogtail's DiskBufferWriter and FileEncryption, read as facts.
//! Only reads; a crash does nothing to it. Not here: our own segments (`segment.rs`).

use std::path::{Path, PathBuf};

use disk::Disk;

use crate::Error;
use crate::directory::failed;
use crate::segment::read_up_to;

/// How their names begin: iLogtail's, LoongCollector's. The creation time in seconds follows.
const NAME_PREFIXES: [&str; 2] = ["logtail_buffer_file_", "send_buffer_file_"];

/// How such a file begins.
const HEADER_MAGIC: &[u8] =
    b"L\x01O\x01G\x01T\x01A\x01I\x01L\x01\x01E\x01N\x01C\x01R\x01Y\x01P\x01T";

/// A send buffer of another agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignBuffer {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it begins as that agent's buffers do; if not, only the name is alike.
    pub recognised: bool,
}

/// The send buffers of iLogtail or LoongCollector in `dir`, oldest first by name. None where the
/// directory is missing.
pub fn foreign(disk: &dyn Disk, dir: &Path) -> Result<Vec<ForeignBuffer>, Error> {
    if disk.stat(dir).map_err(failed("look at", dir))?.is_none() {
        return Ok(Vec::new());
    }
    let names = disk.list(dir).map_err(failed("list", dir))?;
    let mut found = Vec::new();
    for name in names.iter().filter(|name| is_foreign(&name.to_string_lossy())) {
        let path = dir.join(name);
        match disk.stat(&path).map_err(failed("look at", &path))? {
            Some(stat) if !stat.is_dir => {
                let recognised = begins_alike(disk, &path);
                found.push(ForeignBuffer { path, bytes: stat.len, recognised });
            }
            _ => {}
        }
    }
    Ok(found)
}

fn is_foreign(name: &str) -> bool {
    let digits = NAME_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|byte| byte.is_ascii_digit()))
}

fn begins_alike(disk: &dyn Disk, path: &Path) -> bool {
    let mut beginning = [0; HEADER_MAGIC.len()];
    let len = beginning.len() as u64;
    let file = disk.open(path);
    file.and_then(|file| read_up_to(file.as_ref(), &mut beginning, 0, len)).is_ok()
        && beginning == HEADER_MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::SimDisk;

    #[test]
    fn names_of_other_agents_by_table() {
        let cases = [
            ("logtail_buffer_file_1700000000", true),
            ("send_buffer_file_1700000000", true),
            ("logtail_buffer_file_", false),
            ("logtail_buffer_file_i00000000000000000001", false),
            ("logtail_buffer_file_17x", false),
            ("logtail_check_point", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_foreign(name), expected, "{name}");
        }
    }

    #[test]
    fn buffers_are_reported_with_their_bytes_and_left_as_they_are() {
        let disk = SimDisk::new(0);
        let dir = Path::new("/state");
        assert_eq!(foreign(&disk, dir).unwrap(), []);
        disk.create_dir_all(dir).unwrap();
        let mut real = HEADER_MAGIC.to_vec();
        real.resize(500, 7);
        for (name, content) in [("1700000001", b"else".to_vec()), ("1700000000", real)] {
            let path = dir.join(format!("logtail_buffer_file_{name}"));
            disk.create(&path, 0).unwrap().write_all_at(&content, 0).unwrap();
        }
        disk.create_dir(&dir.join("logtail_buffer_file_17")).unwrap();
        let before = disk.operations() as usize;
        let found = foreign(&disk, dir).unwrap();
        let facts: Vec<_> = found.iter().map(|found| (found.bytes, found.recognised)).collect();
        assert_eq!(facts, [(500, true), (4, false)]);
        assert!(disk.trace()[before..].iter().all(|operation| !operation.is_change()));
    }
}
