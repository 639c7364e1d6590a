//! What a directory remembers of a name that somebody wants. There may be 200,000: a name is the end
//! of the path that its file has anyway, and most lead to a file of the directory's own device with
//! the inode number that the directory tells.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

/// A name, as the last component of a path; the others may be those that the directory once had.
#[derive(Debug)]
pub(crate) struct LastName(pub(crate) Arc<Path>);

impl LastName {
    pub(crate) fn name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }
}

impl Borrow<OsStr> for LastName {
    fn borrow(&self) -> &OsStr {
        self.name()
    }
}

impl PartialEq for LastName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for LastName {}

impl Hash for LastName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// What is known of it.
#[derive(Debug)]
pub(crate) struct KnownName {
    /// The inode number that the directory has for it; 0: it has none.
    pub(crate) hint: u64,
    /// The device and inode to which it leads, where those are not the directory's and `hint`.
    elsewhere: Option<Box<(u64, u64)>>,
    /// Whether it leads to anything that can be collected.
    pub(crate) is_file: bool,
    /// Whether that can change without the directory knowing.
    pub(crate) is_link: bool,
    /// Whether it is to be seen with new eyes.
    pub(crate) is_stale: bool,
    /// The number of the last listing that met it.
    pub(crate) stamp: u32,
}

impl KnownName {
    /// Of a directory on device `dev`.
    pub(crate) fn new(
        (dev, hint): (u64, u64),
        key: Option<(u64, u64)>,
        is_link: bool,
        stamp: u32,
    ) -> Self {
        let elsewhere = key.filter(|key| *key != (dev, hint)).map(Box::new);
        Self { hint, elsewhere, is_file: key.is_some(), is_link, is_stale: false, stamp }
    }

    /// What it leads to; `None`: nothing that can be collected. `dev` is the directory's device.
    pub(crate) fn key(&self, dev: u64) -> Option<(u64, u64)> {
        self.is_file.then(|| self.elsewhere.as_deref().copied().unwrap_or((dev, self.hint)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_leads_to_is_kept_wherever_that_is() {
        for key in [None, Some((1, 7)), Some((2, 7)), Some((1, 8)), Some((0, 0))] {
            assert_eq!(KnownName::new((1, 7), key, false, 0).key(1), key);
        }
        assert!(size_of::<KnownName>() <= 24);
    }

    #[test]
    fn a_path_is_found_by_its_name() {
        let name = LastName(Path::new("/log/a.log").into());
        let names = std::collections::HashMap::from([(name, 1)]);
        assert_eq!(names.get(OsStr::new("a.log")), Some(&1));
        assert_eq!(names.get(OsStr::new("b.log")), None);
    }
}
