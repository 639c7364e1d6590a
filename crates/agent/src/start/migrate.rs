//! State of ours at another path: an upgrade that moves the state directory takes the progress
//! along. Done only when the own directory is empty and nobody holds the old one's lock.
//!
//! The files are copied and synced while a marker stands in the own directory; a crash in
//! between leaves the marker, and the next start begins the copy anew. The old directory is only
//! read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use checkpoint::Place;
use disk::Disk;
use settings::{Origin, Parameters};

/// Stands in the own directory while a copy is not complete.
const MARKER: &str = "irontail_state_being_copied";
/// Where agents kept their state by default, and where the manifests of old put it on the host.
/// Whoever names a directory on the command line means that one, and only `old_state_dirs` beside.
const PLACES: [&str; 5] = [
    "/var/lib/irontail",
    "/etc/ilogtail/checkpoint",
    "/logtail_host/etc/kube-system-logtail-ds/checkpoint",
    "/logtail_host/lib/var/kube-system-logtail-ds/checkpoint",
    "/logtail_host/lib/var/docker_ilogtail/checkpoint",
];
/// How many bytes are copied at once.
const CHUNK_LEN: usize = 1024 * 1024;

/// An old state directory.
struct Candidate {
    place: Place,
    age: SystemTime,
}

/// Brings old state here, if there is any and none here. Returns a sentence for the log.
///
/// # Errors
/// A sentence: two places that could be meant, or a copy that failed.
pub fn migrate(disk: &dyn Disk, parameters: &Parameters) -> Result<Option<String>, String> {
    let own = Place { snapshot: parameters.check_point_filename.value.clone() };
    let marker = own.dir().join(MARKER);
    let interrupted = is_there(disk, &marker);
    if !interrupted && has_state(disk, &own) {
        return Ok(None);
    }
    let mut dirs = parameters.old_state_dirs.value.clone();
    if !matches!(parameters.state_dir.origin, Origin::CommandLine(_)) {
        dirs.extend(PLACES.iter().map(PathBuf::from));
    }
    let mut candidates = candidates(disk, &own, dirs);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.age));
    let Some(newest) = candidates.first() else { return Ok(None) };
    if let Some(second) = candidates.get(1).filter(|second| second.age == newest.age) {
        return Err(format!(
            "there is state of an earlier agent in {} and in {}, equally old: name one of them \
             with --state-dir, or remove the wrong one",
            newest.place.dir().display(),
            second.place.dir().display()
        ));
    }
    let from = newest.place.dir();
    let _lock = lock(from).map_err(|error| format!("{}: {error}", from.display()))?;
    copy(disk, newest, &own, &parameters.buffer_file_path.value, &marker).map_err(|error| {
        format!(
            "the state in {} cannot be copied to {}: {error}",
            from.display(),
            own.dir().display()
        )
    })?;
    Ok(Some(format!(
        "going on with the state of {}, copied to {}",
        from.display(),
        own.dir().display()
    )))
}

fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    disk.stat(path).is_ok_and(|stat| stat.is_some())
}

fn has_state(disk: &dyn Disk, place: &Place) -> bool {
    let files = [place.snapshot.clone(), place.previous(), place.node_id()];
    files.iter().any(|file| is_there(disk, file))
}

fn candidates(disk: &dyn Disk, own: &Place, mut dirs: Vec<PathBuf>) -> Vec<Candidate> {
    dirs.sort();
    dirs.dedup();
    let name = own.snapshot.file_name().unwrap_or_default();
    let places = dirs.into_iter().filter(|dir| dir != own.dir());
    places
        .map(|dir| Place { snapshot: dir.join(name) })
        .filter(|place| is_there(disk, &place.node_id()))
        .filter_map(|place| Some(Candidate { age: age(&place)?, place }))
        .collect()
}

/// When the state was last written to.
fn age(place: &Place) -> Option<SystemTime> {
    let prefix = place.snapshot.file_name()?.as_encoded_bytes();
    let entries = std::fs::read_dir(place.dir()).ok()?.flatten();
    let own = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix));
    own.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

/// The old agent's lock, for reading only: the directory may be mounted so.
#[expect(clippy::disallowed_methods, reason = "a lock that must not write; held for the copy")]
fn lock(dir: &Path) -> Result<Option<File>, String> {
    let path = dir.join("irontail.lock");
    let is_other = std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
    if is_other {
        return Err(format!("{} is not a regular file", path.display()));
    }
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("its lock cannot be opened: {error}")),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) => Err(format!(
            "another agent holds the state there ({error}): stop it first, or give this one a \
             directory of its own with --state-dir"
        )),
    }
}

fn copy(
    disk: &dyn Disk,
    from: &Candidate,
    own: &Place,
    spool_dir: &Path,
    marker: &Path,
) -> io::Result<()> {
    disk.replace(marker, 0o600, &mut |out| {
        out.write_all(from.place.dir().as_os_str().as_encoded_bytes())
    })?;
    let snapshot = own.snapshot.file_name().unwrap_or_default().as_encoded_bytes();
    for name in disk.list(from.place.dir())? {
        let bytes = name.as_encoded_bytes();
        let to = if bytes.starts_with(snapshot) || bytes.starts_with(b"irontail_") {
            own.dir()
        } else if bytes.starts_with(b"logtail_buffer_file_i") {
            spool_dir
        } else {
            continue;
        };
        if bytes != MARKER.as_bytes() && !disk::is_temporary(&name) {
            copy_file(disk, &from.place.dir().join(&name), &to.join(&name))?;
        }
    }
    disk.sync_dir(spool_dir)?;
    disk.sync_dir(own.dir())?;
    disk.unlink(marker)?;
    disk.sync_dir(own.dir())
}

fn copy_file(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(from)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut source = File::open(from)?;
    let mut chunk = vec![0; CHUNK_LEN];
    disk.replace(to, 0o600, &mut |out| {
        loop {
            match source.read(&mut chunk)? {
                0 => return Ok(()),
                len => out.write_all(&chunk[..len])?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // The tests are the old agent.

    use std::fs;

    use disk::RealDisk;
    use settings::CommandLine;

    use super::*;

    fn parameters(state: &Path, old: &[&Path]) -> Parameters {
        let old: Vec<_> = old.iter().map(|dir| dir.display().to_string()).collect();
        let old = old.join(":");
        let environment =
            |name: &str| (name == "IRONTAIL_OLD_STATE_DIRS").then(|| old.clone().into());
        let line = CommandLine { state_dir: Some(state.to_owned()), ..CommandLine::default() };
        Parameters::resolve(&environment, None, &line, Path::new("/")).expect("good parameters")
    }

    fn old_state(dir: &Path, text: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("irontail_node_id"), "id").unwrap();
        fs::write(dir.join("logtail_check_point"), text).unwrap();
        fs::write(dir.join("logtail_buffer_file_i7"), "frame").unwrap();
        fs::write(dir.join("unrelated"), "").unwrap();
    }

    fn set_age(dir: &Path, seconds: u64) {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(dir.join("logtail_check_point")).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn state_at_another_path_is_copied_once_and_only_into_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (old, own) = (dir.path().join("old"), dir.path().join("own"));
        old_state(&old, "progress");
        fs::create_dir(&own).unwrap();
        let parameters = parameters(&own, &[&old]);
        let said = migrate(&RealDisk, &parameters).unwrap().expect("there is old state");
        assert!(said.contains("old") && said.contains("own"), "{said}");
        assert_eq!(fs::read_to_string(own.join("logtail_check_point")).unwrap(), "progress");
        assert_eq!(fs::read_to_string(own.join("logtail_buffer_file_i7")).unwrap(), "frame");
        assert!(!own.join("unrelated").exists() && !own.join(MARKER).exists());
        assert_eq!(migrate(&RealDisk, &parameters).unwrap(), None);
    }

    #[test]
    fn a_copy_that_was_cut_short_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (old, own) = (dir.path().join("old"), dir.path().join("own"));
        old_state(&old, "progress");
        fs::create_dir(&own).unwrap();
        fs::write(own.join(MARKER), "").unwrap();
        fs::write(own.join("logtail_check_point"), "half").unwrap();
        migrate(&RealDisk, &parameters(&own, &[&old])).unwrap().expect("begun anew");
        assert_eq!(fs::read_to_string(own.join("logtail_check_point")).unwrap(), "progress");
    }

    #[test]
    fn the_newest_wins_and_two_of_one_age_are_an_error_that_names_both() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, own] = ["a", "b", "own"].map(|name| dir.path().join(name));
        old_state(&a, "older");
        old_state(&b, "newer");
        set_age(&a, 1000);
        set_age(&b, 1000);
        fs::create_dir(&own).unwrap();
        let parameters = parameters(&own, &[&a, &b]);
        let error = migrate(&RealDisk, &parameters).unwrap_err();
        assert!(error.contains("/a ") && error.contains("/b,"), "{error}");
        set_age(&b, 2000);
        migrate(&RealDisk, &parameters).unwrap().expect("one is newer");
        assert_eq!(fs::read_to_string(own.join("logtail_check_point")).unwrap(), "newer");
    }

    #[test]
    fn state_that_another_agent_holds_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (old, own) = (dir.path().join("old"), dir.path().join("own"));
        old_state(&old, "progress");
        fs::create_dir(&own).unwrap();
        let held = fs::File::create(old.join("irontail.lock")).unwrap();
        held.lock().unwrap();
        let error = migrate(&RealDisk, &parameters(&own, &[&old])).unwrap_err();
        assert!(error.contains("another agent holds"), "{error}");
        assert!(!own.join("logtail_check_point").exists());
    }
}
