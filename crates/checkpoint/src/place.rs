//! Where the state lies: one directory, every name in it derived from the snapshot's.
//! Nothing here touches the disk.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Name of the file that holds the node's id.
const NODE_ID_NAME: &str = "irontail_node_id";

/// Ends the name of a file in quarantine, before the time.
const CORRUPT: &str = ".corrupt-";

/// Ends the name of a spare segment, before its number.
const SPARE: &str = ".journal.spare";

/// The state directory, given by the path of the snapshot in it (`check_point_filename`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The snapshot, for example `/var/lib/irontail/logtail_check_point`. Absolute.
    pub snapshot: PathBuf,
}

impl Place {
    /// The directory.
    pub fn dir(&self) -> &Path {
        self.snapshot.parent().unwrap_or(Path::new("/"))
    }

    /// The generation before the newest snapshot: `<name>.prev`.
    pub fn previous(&self) -> PathBuf {
        self.beside(".prev")
    }

    /// The node's id: `irontail_node_id`.
    pub fn node_id(&self) -> PathBuf {
        self.dir().join(NODE_ID_NAME)
    }

    /// iLogtail's own snapshot, kept when it was taken over: `<name>.ilogtail`.
    pub fn foreign(&self) -> PathBuf {
        self.beside(".ilogtail")
    }

    /// A second name on its way to becoming another: `<name>.link`.
    pub(crate) fn link(&self) -> PathBuf {
        self.beside(".link")
    }

    /// The journal segment that begins with `first`: `<name>.journal.<20 digits>`.
    pub(crate) fn segment(&self, first: u64) -> PathBuf {
        self.beside(&format!(".journal.{first:020}"))
    }

    /// A segment that is reserved and not yet in use: `<name>.journal.spare<number>`.
    pub(crate) fn spare(&self, number: u64) -> PathBuf {
        self.beside(&format!("{SPARE}{number}"))
    }

    /// Whether this is the name of a spare segment.
    pub(crate) fn is_spare(&self, name: &OsStr) -> bool {
        let rest = name.to_str().and_then(|name| name.strip_prefix(self.name()));
        rest.is_some_and(|rest| rest.starts_with(SPARE))
    }

    /// The first sequence of the segment with this file name; `None` for any other file.
    pub(crate) fn segment_first(&self, name: &OsStr) -> Option<u64> {
        let digits = name.to_str()?.strip_prefix(self.name())?.strip_prefix(".journal.")?;
        let all_digits = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        all_digits.then(|| digits.parse().ok())?
    }

    /// Whether this is the name of something that was put into quarantine.
    pub(crate) fn is_quarantined(&self, name: &OsStr) -> bool {
        name.to_str().is_some_and(|name| name.starts_with(self.name()) && name.contains(CORRUPT))
    }

    /// Where the damaged file at `path` is put: `<path>.corrupt-<nanoseconds>`.
    pub(crate) fn quarantine(path: &Path, now_unix_nanos: i64) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{CORRUPT}{now_unix_nanos}"));
        PathBuf::from(name)
    }

    fn name(&self) -> &str {
        self.snapshot.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.snapshot.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_beside_the_snapshot_and_parse_back() {
        let place = Place { snapshot: "/s/logtail_check_point".into() };
        assert_eq!(place.previous(), Path::new("/s/logtail_check_point.prev"));
        assert_eq!(place.node_id(), Path::new("/s/irontail_node_id"));
        let segment = place.segment(17);
        assert_eq!(segment, Path::new("/s/logtail_check_point.journal.00000000000000000017"));
        assert_eq!(place.segment_first(segment.file_name().unwrap()), Some(17));
        assert!(place.is_spare(place.spare(3).file_name().unwrap()));
        for other in [
            "logtail_check_point",
            "logtail_check_point.journal.spare1",
            "logtail_check_point.journal.17",
            "other.journal.00000000000000000017",
            "logtail_check_point.journal.99999999999999999999",
        ] {
            assert_eq!(place.segment_first(other.as_ref()), None, "{other}");
        }
        let damaged = Place::quarantine(&segment, 5);
        assert!(place.is_quarantined(damaged.file_name().unwrap()));
    }
}
