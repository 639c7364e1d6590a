//! The saved configuration (`user_log_config.json`): the pipelines in force, written when they
//! take effect and differ, and run again where a source cannot be read at a start.
//! A crash leaves the old file or the new one, whole. What is not irontail's is never
//! overwritten: iLogtail's own is kept beside as `.ilogtail`, anything else stays where it is.
//! Not here: the format (`settings`).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use disk::Disk;
use settings::{Error, Loaded, Pipeline, Saved, read_saved, save};

use crate::config::diff::{PipelineChange, diff};
use crate::config::plugins::PLUGINS;

/// Headers and paths that operators wrote are nobody else's business.
const MODE: u32 = 0o600;
/// More is not read: pipelines of a thousand containers have a tenth of it.
const SAVED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What was saved before.
#[derive(Debug, PartialEq, Eq)]
pub enum Before {
    /// Pipelines, which are others now.
    Changed(Vec<PipelineChange>),
    /// Those of iLogtail: where they are now.
    Ilogtail(String),
}

/// What to run in place of sources of which some cannot be read now, with a sentence for the log.
/// `None` where something else is wrong with them, or where nothing was saved.
pub fn recall(path: &Path, loaded: &Loaded, working_dir: &Path) -> Option<(Loaded, String)> {
    let transient = loaded.errors.iter().all(Error::is_transient);
    if loaded.errors.is_empty() || !transient {
        return None;
    }
    let text = disk::RealDisk.read_within(path, SAVED_BYTES_MAX).ok()?;
    let text = String::from_utf8(text).ok()?;
    let saved = match read_saved(path, &text, working_dir, PLUGINS) {
        Ok(Saved::Ours(saved)) if saved.errors.is_empty() && !saved.pipelines.is_empty() => saved,
        _ => return None,
    };
    let reasons: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = saved.pipelines.iter().map(|one| one.name.as_str()).collect();
    let note = format!(
        "{}; going on with the pipelines of the last run, saved in {}: {}; start again when the \
         configuration can be read",
        reasons.join("; "),
        path.display(),
        names.join(", ")
    );
    Some((saved, note))
}

/// Saves the pipelines where they differ from what is saved. Returns what the log is to say of what
/// was there before.
///
/// # Errors
/// A sentence: the file cannot be written, or is nobody's that is known.
pub fn keep(
    disk: &dyn Disk,
    path: &Path,
    pipelines: &[Pipeline],
) -> Result<Option<Before>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let text = save(pipelines);
    let mut before = None;
    if disk.stat(path).map_err(failed)?.is_some_and(|stat| stat.len > 0) {
        let there = disk.read_within(path, SAVED_BYTES_MAX).map_err(failed)?;
        if there == text.as_bytes() {
            return Ok(None);
        }
        match read_saved(path, &String::from_utf8_lossy(&there), Path::new("/"), PLUGINS) {
            Ok(Saved::Ours(saved)) => {
                before = Some(Before::Changed(diff(&saved.pipelines, pipelines)));
            }
            Ok(Saved::Ilogtail) => {
                let beside = keep_beside(disk, path, &there).map_err(failed)?;
                before = Some(Before::Ilogtail(format!(
                    "{} was iLogtail's and is kept as {}; its pipelines do not run here: write \
                     them as inputs and flushers",
                    path.display(),
                    beside.display()
                )));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    disk.replace(path, MODE, &mut |out| out.write_all(text.as_bytes())).map_err(failed)?;
    Ok(before)
}

/// Copies iLogtail's file beside itself, durably, before ours takes the name. An older copy of
/// another text stays, and the new one gets a number.
fn keep_beside(disk: &dyn Disk, path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = OsString::from(path);
        name.push(".ilogtail");
        if number > 1 {
            name.push(format!(".{number}"));
        }
        let beside = PathBuf::from(name);
        if disk.stat(&beside)?.is_none() {
            disk.replace(&beside, MODE, &mut |out| out.write_all(text))?;
            return Ok(beside);
        }
        if disk.read(&beside)? == text {
            return Ok(beside);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use disk::SimDisk;
    use settings::FirstStart;

    use super::*;

    const PATH: &str = "/state/user_log_config.json";

    fn pipelines(pattern: &str) -> Vec<Pipeline> {
        let patterns = [pattern.to_owned()];
        let start = FirstStart::Beginning;
        vec![Pipeline::ad_hoc(&patterns, "stdout", start, Path::new("/"), PLUGINS).unwrap()]
    }

    fn write(disk: &dyn Disk, text: &str) {
        disk.replace(Path::new(PATH), 0o600, &mut |out| out.write_all(text.as_bytes())).unwrap();
    }

    fn read(disk: &dyn Disk, name: &str) -> String {
        String::from_utf8(disk.read(Path::new(name)).unwrap_or_default()).unwrap()
    }

    #[test]
    fn only_a_change_is_written() {
        let disk = SimDisk::new(0);
        disk.create_dir_all(Path::new("/state")).unwrap();
        let (path, first, second) = (Path::new(PATH), pipelines("/a"), pipelines("/b"));
        assert_eq!(keep(&disk, path, &first), Ok(None));
        assert_eq!(read(&disk, PATH), save(&first));
        let inode = || disk.stat(path).unwrap().map(|stat| stat.inode);
        let before = inode();
        assert_eq!(keep(&disk, path, &first), Ok(None));
        assert_eq!(inode(), before, "nothing is written");
        let Ok(Some(Before::Changed(changes))) = keep(&disk, path, &second) else { panic!() };
        let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(said, [format!("{}: changed (inputs)", second[0].name)]);
        assert_eq!(read(&disk, PATH), save(&second));
    }

    #[test]
    fn a_file_of_others_survives_every_crash() {
        let theirs = r#"{"metrics": {"one": {}}}"#;
        let prepared = |seed| {
            let disk = SimDisk::new(seed);
            disk.create_dir_all(Path::new("/state")).unwrap();
            write(&disk, theirs);
            disk
        };
        let disk = prepared(0);
        let begin = disk.operations();
        let kept = keep(&disk, Path::new(PATH), &pipelines("/a")).unwrap();
        let Some(Before::Ilogtail(note)) = kept else { panic!("{kept:?}") };
        assert!(note.contains(".ilogtail"), "{note}");
        for (number, seed) in (begin..=disk.operations()).flat_map(|n| (0..20).map(move |s| (n, s)))
        {
            let disk = prepared(seed);
            disk.crash_at(number);
            let _ = keep(&disk, Path::new(PATH), &pipelines("/a"));
            for disk in [disk.after_kill(), disk.after_power_loss(seed)] {
                let aside = read(&disk, &format!("{PATH}.ilogtail"));
                let now = read(&disk, PATH);
                let safe = now == theirs || (aside == theirs && now == save(&pipelines("/a")));
                assert!(safe, "operation {number}, seed {seed}: {now} {aside}");
                keep(&disk, Path::new(PATH), &pipelines("/a")).unwrap();
                assert_eq!(read(&disk, PATH), save(&pipelines("/a")));
                assert_eq!(read(&disk, &format!("{PATH}.ilogtail")), theirs);
            }
        }
    }

    #[test]
    fn an_older_file_of_ilogtails_is_not_overwritten_and_a_foreign_one_is_not_touched() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(0));
        disk.create_dir_all(Path::new("/state")).unwrap();
        for (text, name) in [
            (r#"{"metrics": {"old": {}}}"#, ".ilogtail"),
            (r#"{"metrics": {"new": {}}}"#, ".ilogtail.2"),
        ] {
            write(&*disk, text);
            assert!(keep(&*disk, Path::new(PATH), &pipelines("/a")).unwrap().is_some());
            assert_eq!(read(&*disk, &format!("{PATH}{name}")), text);
        }
        for text in [r#"{"irontail": {"version": 9}}"#, "{}", "not json"] {
            write(&*disk, text);
            let error = keep(&*disk, Path::new(PATH), &pipelines("/a")).unwrap_err();
            assert!(error.contains(PATH), "{error}");
            assert_eq!(read(&*disk, PATH), text);
        }
        write(&*disk, "");
        assert_eq!(keep(&*disk, Path::new(PATH), &pipelines("/a")), Ok(None));
    }
}
