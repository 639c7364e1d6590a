//! What `irontail state dump` says of progress, held against the files and the destination.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use serde_json::Value;
use testkit::{Arrivals, parse_line};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes before the end of a file's progress are looked at.
const LOOK_BACK: u64 = 64 * 1024;

/// The bytes from the beginning of the file at `path` that every delivery has acknowledged;
/// `None` where the state does not know the file.
pub fn acknowledged(dump: &Value, path: &Path) -> Option<u64> {
    deliveries(newest(dump, path)?).min()
}

/// Whether the state knows how long the file at `path` is, so that it can tell how much of it is
/// gone should it vanish.
pub fn is_known_whole(dump: &Value, path: &Path) -> bool {
    let len = fs::metadata(path).map_or(0, |meta| meta.len());
    let is_known = newest(dump, path).is_some_and(|file| file["size"].as_u64() == Some(len));
    is_known || acknowledged(dump, path) == Some(len)
}

/// What the state says of the file that is at `path` now.
fn newest<'d>(dump: &'d Value, path: &Path) -> Option<&'d Value> {
    let meta = fs::metadata(path).ok()?;
    let ours = files(dump).filter(|file| {
        // An inode alone proves nothing: the next file gets that of a deleted one.
        file["real_path"].as_str().is_some_and(|real| Path::new(real) == path)
            && is(file, meta.dev(), meta.ino())
    });
    // A file's generations follow one another; the last is the file as it is now.
    ours.max_by_key(|file| file["generation"].as_u64())
}

/// A line that the state calls acknowledged although it has not arrived and does not wait in the
/// spool; only the last lines before each file's progress are looked at. Rotations may go on
/// meanwhile: files that are gone, or are no longer what they were, prove nothing.
pub fn ahead(dump: &Value, arrivals: &Arrivals) -> Option<String> {
    files(dump).find_map(|file| {
        let real = Path::new(file["real_path"].as_str()?);
        let opened = File::open(real).ok()?;
        let meta = opened.metadata().ok()?;
        let newest = !files(dump).any(|other| {
            other["uid"] == file["uid"]
                && other["generation"].as_u64() > file["generation"].as_u64()
        });
        let end = deliveries(file).max()?;
        let is_it = is(file, meta.dev(), meta.ino()) && end <= meta.len();
        if !newest || !is_it || !begins_as(file, &opened)? {
            return None;
        }
        let start = end.saturating_sub(LOOK_BACK);
        let mut bytes = vec![0; (end - start) as usize];
        opened.read_exact_at(&mut bytes, start).ok()?;
        let spooled = spooled(dump, file);
        let mut at = start;
        let missing = bytes.split_inclusive(|byte| *byte == b'\n').find_map(|text| {
            let from = at;
            at += text.len() as u64;
            let line = parse_line(text.strip_suffix(b"\n")?).filter(|line| line.intact)?;
            let waits = spooled.iter().any(|(start, end)| (*start..*end).contains(&from));
            (!waits && !arrivals.has(line.writer, line.sequence)).then_some(line)
        })?;
        let (writer, sequence) = (missing.writer, missing.sequence);
        let real = real.display();
        Some(format!("progress of {real} is at {end}, line {sequence} of w{writer} did not arrive"))
    })
}

/// What of a generation waits in the spool: its bytes count as acknowledged.
fn spooled(dump: &Value, file: &Value) -> Vec<(u64, u64)> {
    let requests = dump["requests"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let waiting = requests.filter(|request| !request["spooled"].is_null());
    let ranges = waiting.flat_map(|request| request["ranges"].as_array().into_iter().flatten());
    let own = ranges.filter(|range| range[0] == file["uid"] && range[1] == file["generation"]);
    own.filter_map(|range| Some((range[2].as_u64()?, range[3].as_u64()?))).collect()
}

fn files(dump: &Value) -> impl Iterator<Item = &Value> {
    dump["files"].as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn is(file: &Value, dev: u64, inode: u64) -> bool {
    file["dev"] == dev && file["inode"] == inode
}

/// Whether a file begins as the state knows it: it may have been truncated meanwhile.
fn begins_as(file: &Value, opened: &File) -> Option<bool> {
    let mut head = vec![0; usize::try_from(file["head_len"].as_u64()?).ok()?];
    opened.read_exact_at(&mut head, 0).ok()?;
    Some(file["head_hash"].as_str()? == format!("{:016x}", xxh3_64(&head)))
}

/// For each delivery the end of what it has acknowledged from the beginning of the file.
fn deliveries(file: &Value) -> impl Iterator<Item = u64> {
    let progress = file["progress"].as_array().map_or(&[][..], Vec::as_slice).iter();
    progress.filter_map(|delivery| delivery["offset"].as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testkit::LogFile;

    /// A log of 100 lines, and a dump that calls `lines` of them acknowledged.
    fn stage(lines: u64) -> (tempfile::TempDir, std::path::PathBuf, Value) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        LogFile::create(3, &path, 60).append(100);
        let meta = fs::metadata(&path).unwrap();
        let head = &fs::read(&path).unwrap()[..1000];
        let dump = json!({ "files": [{
            "uid": "1", "generation": 0, "real_path": path,
            "dev": meta.dev(), "inode": meta.ino(), "head_len": head.len(),
            "head_hash": format!("{:016x}", xxh3_64(head)), "progress": [{ "offset": lines * 61 }],
        }]});
        (dir, path, dump)
    }

    #[test]
    fn progress_beyond_what_arrived_is_named() {
        let (_dir, path, dump) = stage(50);
        assert_eq!(acknowledged(&dump, &path), Some(50 * 61));
        let mut arrivals = Arrivals::new();
        let text = fs::read(&path).unwrap();
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        lines[..49].iter().for_each(|line| arrivals.note(line));
        assert!(ahead(&dump, &arrivals).unwrap().contains("line 49 of w3"));
        arrivals.note(lines[49]);
        assert_eq!(ahead(&dump, &arrivals), None);
    }

    #[test]
    fn what_waits_in_the_spool_need_not_have_arrived() {
        let (_dir, _path, mut dump) = stage(50);
        dump["requests"] = json!([{ "ranges": [["1", 0, 0, 50 * 61]], "spooled": [1, 32] }]);
        assert_eq!(ahead(&dump, &Arrivals::new()), None);
        dump["requests"] = json!([{ "ranges": [["1", 0, 0, 49 * 61]], "spooled": [1, 32] }]);
        assert!(ahead(&dump, &Arrivals::new()).unwrap().contains("line 49 of w3"));
        dump["requests"] = json!([{ "ranges": [["1", 0, 0, 50 * 61]], "spooled": null }]);
        assert!(ahead(&dump, &Arrivals::new()).is_some(), "only what lies in the spool waits");
    }

    #[test]
    fn a_file_that_is_no_longer_itself_proves_nothing() {
        let (_dir, path, dump) = stage(50);
        fs::write(path.with_extension("new"), "other").unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        assert_eq!(acknowledged(&dump, &path), None);
        assert_eq!(ahead(&dump, &Arrivals::new()), None);
        let (_dir, path, dump) = stage(50);
        let later = fs::read_to_string(&path).unwrap().replace("0000", "1000");
        fs::write(&path, later).unwrap();
        assert_eq!(ahead(&dump, &Arrivals::new()), None, "truncated and filled again");
    }
}
