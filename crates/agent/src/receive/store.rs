//! What `irontail receive` keeps: the bodies in FILE, their keys in FILE.keys.
//! Invariant: a body counts once its entry is in FILE.keys; what FILE holds beyond the last entry
//! is cut when it is opened. So a kill leaves a body with its key or neither, and a resend is
//! stored exactly once. Entries beyond FILE's end are dropped: whoever cuts FILE may send again.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, DiskFile, Lock};

use super::Error;
use super::keys::{Entry, KEYS_MAX, Keys, RECORD_LEN, decode};

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Stored,
    /// Its key was seen before; nothing was written.
    Repeated,
}

/// The output with what is known of it.
pub struct Store {
    keys: Keys,
    keys_max: usize,
    /// `None`: standard output, keys in memory only.
    files: Option<Files>,
    is_dirty: bool,
    /// A sync failed: what is on the disk is not known until the files are opened again.
    is_broken: bool,
}

struct Files {
    disk: Arc<dyn Disk>,
    out: Arc<dyn DiskFile>,
    len: u64,
    book_path: PathBuf,
    book: Arc<dyn DiskFile>,
    book_len: u64,
    _lock: Box<dyn Lock>,
}

impl Store {
    /// One that prints bodies to standard output.
    pub fn print() -> Self {
        Self::of(Keys::default(), None, KEYS_MAX)
    }

    /// One that appends bodies to the file at `path`, absolute.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, Error> {
        Self::open_with(disk, path, KEYS_MAX)
    }

    fn open_with(disk: Arc<dyn Disk>, path: &Path, keys_max: usize) -> Result<Self, Error> {
        let failed = |source| Error::Output { path: path.to_path_buf(), source };
        if let Some(dir) = path.parent() {
            disk.create_dir_all(dir).map_err(failed)?;
        }
        let lock_path = beside(path, ".lock");
        let lock = disk.try_lock(&lock_path).map_err(failed)?;
        let lock = lock.ok_or(Error::Locked { path: lock_path })?;
        let (keys, files) = Files::open(disk, path, keys_max, lock).map_err(failed)?;
        Ok(Self::of(keys, Some(files), keys_max))
    }

    fn of(keys: Keys, files: Option<Files>, keys_max: usize) -> Self {
        Self { keys, keys_max, files, is_dirty: false, is_broken: false }
    }

    /// Writes a body whose key was not seen; [`Store::sync`] makes it durable.
    ///
    /// # Errors
    /// When it cannot be written; it counts as not received. After a failed sync always.
    pub fn take(&mut self, key: Option<&str>, body: &[u8]) -> io::Result<Outcome> {
        if self.is_broken {
            return Err(io::Error::other("a sync failed: restart the receiver"));
        }
        if key.is_some_and(|key| self.keys.knows(key)) {
            return Ok(Outcome::Repeated);
        }
        self.is_dirty = true;
        let end = match &mut self.files {
            Some(files) => files.append(key, body)?,
            None => {
                let mut out = io::stdout().lock();
                out.write_all(body)?;
                out.flush()?;
                0
            }
        };
        self.keys.insert(Entry::new(key, end), self.keys_max);
        let book_len = self.files.as_ref().map_or(0, |files| files.book_len);
        if book_len >= 2 * (self.keys_max * RECORD_LEN) as u64 {
            self.sync()?;
            self.files.iter_mut().try_for_each(|files| files.rewrite(&self.keys))?;
        }
        Ok(Outcome::Stored)
    }

    /// Makes what was written safe from a loss of power, bodies before keys.
    ///
    /// # Errors
    /// When that fails; nothing is taken any more then, since a later sync proves nothing.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(Files { out, book, .. }) = &self.files
            && self.is_dirty
        {
            self.is_broken = true;
            out.sync_data()?;
            book.sync_data()?;
            self.is_broken = false;
        }
        self.is_dirty = false;
        Ok(())
    }
}

impl Files {
    fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        keys_max: usize,
        lock: Box<dyn Lock>,
    ) -> io::Result<(Keys, Self)> {
        let out = open_or_create(&*disk, path)?;
        let book_path = beside(path, ".keys");
        let book = open_or_create(&*disk, &book_path)?;
        let found = out.len()?;
        let mut keys = Keys::default();
        let mut len = found;
        let entries = decode(&disk.read(&book_path)?);
        for entry in entries.into_iter().filter(|entry| entry.end <= found) {
            keys.insert(entry, keys_max);
            len = entry.end;
        }
        if keys.entries().len() == 0 {
            // What stood there before us is not ours to cut.
            keys.insert(Entry::new(None, len), keys_max);
        }
        out.set_len(len)?;
        let mut files = Self { disk, out, len, book_path, book, book_len: 0, _lock: lock };
        files.rewrite(&keys)?;
        Ok((keys, files))
    }

    /// Appends a body and its entry; both or (after an error) neither. Returns where it ends.
    fn append(&mut self, key: Option<&str>, body: &[u8]) -> io::Result<u64> {
        self.out.write_all_at(body, self.len)?;
        let end = self.len + body.len() as u64;
        self.book.write_all_at(&Entry::new(key, end).encode(), self.book_len)?;
        self.len = end;
        self.book_len += RECORD_LEN as u64;
        Ok(end)
    }

    /// Writes the book anew, with what is remembered.
    fn rewrite(&mut self, keys: &Keys) -> io::Result<()> {
        self.disk.replace(&self.book_path, 0o600, &mut |book| {
            keys.entries().try_for_each(|entry| book.write_all(&entry.encode()))
        })?;
        self.book = self.disk.open(&self.book_path)?;
        self.book_len = (keys.entries().len() * RECORD_LEN) as u64;
        Ok(())
    }
}

fn open_or_create(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    match disk.stat(path)? {
        Some(_) => disk.open(path),
        None => disk.create(path, 0),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::SimDisk;

    const OUT: &str = "/out/received";

    fn open(disk: &SimDisk) -> Store {
        Store::open_with(Arc::new(disk.clone()), Path::new(OUT), 3).unwrap()
    }

    fn content(disk: &SimDisk) -> String {
        String::from_utf8(disk.outside().read(Path::new(OUT)).unwrap()).unwrap()
    }

    #[test]
    fn a_kill_at_any_operation_stores_every_body_once() {
        let bodies: Vec<(String, String)> =
            (0..8).map(|n| (format!("key {n}"), format!("{{\"n\":{n}}}\n"))).collect();
        let send = |disk: &SimDisk| -> Result<(), ()> {
            let path = Path::new(OUT);
            let mut store = Store::open_with(Arc::new(disk.clone()), path, 100).map_err(drop)?;
            bodies.iter().try_for_each(|(key, body)| {
                store.take(Some(key), body.as_bytes()).map(drop).map_err(drop)
            })
        };
        let whole = SimDisk::new(1);
        send(&whole).unwrap();
        let expected = content(&whole);
        assert_eq!(expected, bodies.iter().map(|(_, body)| body.as_str()).collect::<String>());
        for at in 0..whole.operations() {
            let disk = SimDisk::new(at);
            disk.crash_at(at);
            assert!(send(&disk).is_err(), "crash at {at}");
            let disk = disk.after_kill();
            send(&disk).unwrap();
            assert_eq!(content(&disk), expected, "crash at {at}");
        }
    }

    #[test]
    fn a_synced_body_survives_a_power_loss_with_its_key() {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            let mut store = open(&disk);
            store.take(Some("a"), b"{\"a\":1}\n").unwrap();
            store.sync().unwrap();
            store.take(Some("b"), b"{\"b\":1}\n").unwrap();
            let disk = disk.after_power_loss(seed);
            let mut store = open(&disk);
            assert!(content(&disk).starts_with("{\"a\":1}\n"), "seed {seed}");
            let again = store.take(Some("a"), b"{\"a\":1}\n").unwrap();
            assert_eq!(again, Outcome::Repeated, "seed {seed}");
        }
    }

    #[test]
    fn keys_are_remembered_over_a_restart_up_to_their_limit() {
        let disk = SimDisk::new(1);
        let mut store = open(&disk);
        for n in 0..20 {
            let (key, body) = (n.to_string(), format!("{{\"n\":{n}}}\n"));
            assert_eq!(store.take(Some(&key), body.as_bytes()).unwrap(), Outcome::Stored);
            assert_eq!(store.take(Some(&key), body.as_bytes()).unwrap(), Outcome::Repeated);
        }
        assert!(disk.stat(Path::new("/out/received.keys")).unwrap().unwrap().len < 20 * 28);
        let stored = content(&disk);
        drop(store);
        let mut store = open(&disk);
        for n in 17..20 {
            assert_eq!(store.take(Some(&n.to_string()), b"{}\n").unwrap(), Outcome::Repeated);
        }
        assert_eq!(content(&disk), stored);
        assert_eq!(store.take(Some("0"), b"{}\n").unwrap(), Outcome::Stored, "forgotten");
    }

    #[test]
    fn bodies_without_a_key_are_all_stored() {
        let disk = SimDisk::new(1);
        let mut store = open(&disk);
        for _ in 0..3 {
            assert_eq!(store.take(None, b"{}\n").unwrap(), Outcome::Stored);
        }
        assert_eq!(content(&disk), "{}\n{}\n{}\n");
    }

    #[test]
    fn what_stood_there_before_stays_and_what_was_removed_may_come_again() {
        let disk = SimDisk::new(1);
        disk.create_dir_all(Path::new("/out")).unwrap();
        let file = disk.create(Path::new(OUT), 0).unwrap();
        file.write_all_at(b"theirs\n", 0).unwrap();
        let mut store = open(&disk);
        store.take(Some("a"), b"{}\n").unwrap();
        drop(store);
        drop(open(&disk));
        assert_eq!(content(&disk), "theirs\n{}\n");
        disk.unlink(Path::new(OUT)).unwrap();
        assert_eq!(open(&disk).take(Some("a"), b"{}\n").unwrap(), Outcome::Stored);
        assert_eq!(content(&disk), "{}\n");
    }

    #[test]
    fn a_torn_or_damaged_entry_forgets_its_body_only() {
        let disk = SimDisk::new(1);
        let mut store = open(&disk);
        store.take(Some("a"), b"{\"a\":1}\n").unwrap();
        store.take(Some("b"), b"{\"b\":1}\n").unwrap();
        drop(store);
        let book = disk.open(Path::new("/out/received.keys")).unwrap();
        book.set_len(book.len().unwrap() - 1).unwrap();
        let mut store = open(&disk);
        assert_eq!(content(&disk), "{\"a\":1}\n");
        assert_eq!(store.take(Some("a"), b"x").unwrap(), Outcome::Repeated);
        assert_eq!(store.take(Some("b"), b"{\"b\":1}\n").unwrap(), Outcome::Stored);
    }

    #[test]
    fn a_second_receiver_on_one_file_is_refused() {
        let disk = SimDisk::new(1);
        let _store = open(&disk);
        let second = Store::open(Arc::new(disk), Path::new(OUT));
        assert!(matches!(second, Err(Error::Locked { .. })));
    }
}
