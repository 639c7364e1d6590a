//! The log files and the program that writes, rotates, copies, truncates and deletes them.
//!
//! Every record has a number, and its text is a function of it, so that whoever holds bytes can
//! say which records they are, and whether anybody wrote them.
//! A kill of the agent does not touch the writer. A loss of power leaves of each file what the
//! simulated disk kept of it, up to the first byte that is not what was written: that a file
//! system shows blocks that were never written is for the tests of `tail`.
//! Not here: what the agent knows of the files.

use std::path::{Path, PathBuf};

use disk::{Disk, SimDisk};

/// Names a record; see [`text`].
pub(crate) type Number = u32;

/// Where the logs are.
const DIR: &str = "/log";

/// Digits of a record's number.
const DIGITS: usize = 8;

/// The bytes of a record, with its newline. Wherever the proof of a position is taken, the number
/// is in it: that two records look alike there is for the tests of `tail`.
pub(crate) fn text(number: Number) -> Vec<u8> {
    let len = DIGITS + (number as usize).wrapping_mul(37) % 90;
    let digits = format!("{number:0DIGITS$} ").into_bytes();
    digits.iter().copied().cycle().take(len).chain([b'\n']).collect()
}

/// Which record a line is; panics where nobody wrote it.
pub(crate) fn number(line: &[u8]) -> Number {
    let digits = line.get(..DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
    let number = digits.and_then(|digits| digits.parse().ok());
    let number = number.filter(|&number| text(number).strip_suffix(b"\n") == Some(line));
    number.unwrap_or_else(|| panic!("nobody wrote {:?}", String::from_utf8_lossy(line)))
}

/// What was written between two truncations of a file.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// The file in which it is: after a copytruncate, the copy.
    pub inode: u64,
    /// The file's name; absent once it is deleted.
    pub name: Option<PathBuf>,
    pub is_rotated: bool,
    /// Each record with one past its last byte.
    pub records: Vec<(u64, Number)>,
    /// Whether nobody can read it any more.
    pub is_gone: bool,
    /// Whether no loss of power brings it back either.
    pub is_gone_for_good: bool,
}

impl Life {
    pub(crate) fn len(&self) -> u64 {
        self.records.last().map_or(0, |(end, _)| *end)
    }

    /// All its records.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        self.records.iter().map(|(_, number)| *number).collect()
    }
}

/// All logs.
#[derive(Clone)]
pub(crate) struct Logs {
    pub lives: Vec<Life>,
    current: Vec<Option<usize>>,
    rotations: u32,
    last: Number,
}

impl Logs {
    /// So many logs, the first of them with a file.
    pub(crate) fn new(disk: &SimDisk, families: usize) -> Logs {
        let current = vec![None; families];
        let mut logs = Logs { lives: Vec::new(), current, rotations: 0, last: 0 };
        disk.outside().create_dir(Path::new(DIR)).expect("the simulated disk is empty");
        logs.write(disk, 0, 4);
        logs.sync(disk, 0);
        disk.outside().sync_dir(Path::new("/")).expect("no fault reaches the writer");
        logs
    }

    /// How many records there are; they have the numbers from 1.
    pub(crate) fn last(&self) -> Number {
        self.last
    }

    fn path(family: usize) -> PathBuf {
        Path::new(DIR).join(format!("{family}.log"))
    }

    pub(crate) fn write(&mut self, disk: &SimDisk, family: usize, count: u32) {
        let disk = disk.outside();
        let path = Self::path(family);
        let at = *self.current[family].get_or_insert_with(|| {
            let file = disk.create(&path, 0).expect("the name is free");
            let inode = file.inode().expect("simulated");
            self.lives.push(Life::new(inode, path.clone()));
            self.lives.len() - 1
        });
        let life = &mut self.lives[at];
        let begin = life.len();
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.last += 1;
            bytes.extend(text(self.last));
            life.records.push((begin + bytes.len() as u64, self.last));
        }
        let file = disk.open(&path).expect("it was made");
        file.write_all_at(&bytes, begin).expect("no fault reaches the writer");
    }

    pub(crate) fn sync(&mut self, disk: &SimDisk, family: usize) {
        let disk = disk.outside();
        let life = self.current[family].map(|at| &self.lives[at]);
        if let Some(name) = life.and_then(|life| life.name.as_ref()) {
            disk.open(name).and_then(|file| file.sync_data()).expect("no fault reaches the writer");
            disk.sync_dir(Path::new(DIR)).expect("the same");
        }
    }

    fn rotated_path(&mut self, family: usize) -> PathBuf {
        self.rotations += 1;
        Path::new(DIR).join(format!("{family}.log.{}", self.rotations))
    }

    /// Gives the log's file another name; the next record goes into a new one.
    pub(crate) fn rotate(&mut self, disk: &SimDisk, family: usize) {
        let Some(at) = self.current[family].take() else { return };
        let to = self.rotated_path(family);
        disk.outside().rename(&Self::path(family), &to).expect("the new name is free");
        self.lives[at].name = Some(to);
        self.lives[at].is_rotated = true;
    }

    /// Copies the log's file and empties it, durably and while nobody writes.
    pub(crate) fn copy_and_truncate(&mut self, disk: &SimDisk, family: usize) {
        let Some(at) = self.current[family] else { return };
        let disk = disk.outside();
        let (from, to) = (Self::path(family), self.rotated_path(family));
        let original = disk.open(&from).expect("it has its name");
        let copy = disk.create(&to, 0).expect("the new name is free");
        let content = disk.read(&from).expect("it has its name");
        copy.write_all_at(&content, 0).and_then(|()| copy.sync_data()).expect("no fault");
        disk.sync_dir(Path::new(DIR)).expect("no fault");
        original.set_len(0).and_then(|()| original.sync_data()).expect("no fault");
        let life = &mut self.lives[at];
        let inode = life.inode;
        life.inode = copy.inode().expect("simulated");
        life.name = Some(to);
        life.is_rotated = true;
        self.lives.push(Life::new(inode, from));
        self.current[family] = Some(self.lives.len() - 1);
    }

    /// Deletes the oldest file that was rotated away; which life that is. Where it `is_held` open
    /// its bytes are there as long as that lasts.
    pub(crate) fn delete(
        &mut self,
        disk: &SimDisk,
        at: usize,
        is_durable: bool,
        is_held: bool,
        is_open: bool,
    ) {
        let Some(name) = self.lives[at].name.take() else { return };
        let outside = disk.outside();
        outside.unlink(&name).expect("it has its name");
        if is_durable {
            outside.sync_dir(Path::new(DIR)).expect("no fault");
        }
        let life = &mut self.lives[at];
        life.is_gone = !is_held;
        // Its inode number is given to the next file.
        life.is_gone_for_good = life.is_gone && !is_open && outside.give_again(life.inode);
    }

    /// The oldest file that was rotated away.
    pub(crate) fn oldest_rotated(&self) -> Option<usize> {
        self.lives.iter().position(|life| life.is_rotated && life.name.is_some())
    }

    /// The log's file now.
    pub(crate) fn current(&self, family: usize) -> Option<usize> {
        self.current[family]
    }

    /// The agent died: what has no name is gone.
    pub(crate) fn agent_died(&mut self) {
        for life in &mut self.lives {
            life.is_gone |= life.name.is_none();
        }
    }

    /// Learns what a loss of power left: the records that it took, and those that are left of files
    /// of which it took something.
    pub(crate) fn power_was_lost(&mut self, disk: &SimDisk) -> (Vec<Number>, Vec<Number>) {
        let disk = disk.outside();
        let names = disk.list(Path::new(DIR)).unwrap_or_default();
        let mut found = std::collections::BTreeMap::new();
        for name in names {
            let path = Path::new(DIR).join(name);
            let inode = disk.stat(&path).expect("simulated").map_or(0, |stat| stat.inode);
            // Half of two renames: a second name of the same file.
            if let Some(second) = found.insert(inode, path) {
                disk.unlink(&second).expect("it was listed");
            }
        }
        let (mut lost, mut cut) = (Vec::new(), Vec::new());
        self.current.fill(None);
        for at in 0..self.lives.len() {
            let life = &mut self.lives[at];
            if life.is_gone_for_good {
                continue;
            }
            life.name = found.remove(&life.inode);
            let Some(path) = life.name.clone() else {
                life.is_gone = true;
                lost.extend(life.numbers());
                continue;
            };
            let content = disk.read(&path).expect("it was listed");
            life.is_gone = false;
            let taken = life.keep(&content);
            if !taken.is_empty() {
                cut.extend(life.numbers());
            }
            lost.extend(taken);
            let file = disk.open(&path).expect("it was listed");
            file.set_len(life.len()).and_then(|()| file.sync_data()).expect("no fault");
            let family = (0..self.current.len()).find(|&family| Self::path(family) == path);
            life.is_rotated = family.is_none();
            family.into_iter().for_each(|family| self.current[family] = Some(at));
        }
        for path in found.values() {
            disk.unlink(path).expect("it was listed");
        }
        disk.sync_dir(Path::new(DIR)).expect("no fault");
        (lost, cut)
    }
}

impl Life {
    fn new(inode: u64, name: PathBuf) -> Life {
        Life {
            inode,
            name: Some(name),
            is_rotated: false,
            records: Vec::new(),
            is_gone: false,
            is_gone_for_good: false,
        }
    }

    /// Forgets the records that are not whole in `content`; returns them.
    fn keep(&mut self, content: &[u8]) -> Vec<Number> {
        let mut begin = 0;
        let whole = self.records.iter().position(|&(end, number)| {
            let is_whole = content.get(begin..end as usize) == Some(text(number).as_slice());
            begin = end as usize;
            !is_whole
        });
        let whole = whole.unwrap_or(self.records.len());
        self.records.split_off(whole).into_iter().map(|(_, number)| number).collect()
    }
}
