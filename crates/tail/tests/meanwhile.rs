//! Readers go on on threads of their own while the watcher compares files: wherever they do, each
//! line is collected once.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tail::{Entries, Framing, HostTree, OpenFile, Raw, Reader, Stat, Tree};
use world::{FLUSH, World, numbered, records};

const ROOT: &str = "/elsewhere";

/// At which reads of the compressed file.
#[derive(Clone, Copy, Default)]
enum GoesOn {
    #[default]
    Never,
    At(usize),
    Always,
}

/// A reader that goes on by some lines when a compressed file is read.
#[derive(Default)]
struct Other {
    reader: Option<Reader>,
    /// How often a compressed file was read.
    reads: usize,
    goes_on: GoesOn,
    /// How many lines it reads then, at most.
    lines: usize,
}

impl Other {
    fn compressed_is_read(&mut self) {
        self.reads += 1;
        let Some(reader) = &self.reader else { return };
        let goes_on = match self.goes_on {
            GoesOn::Never => false,
            GoesOn::At(turn) => self.reads == turn,
            GoesOn::Always => true,
        };
        if goes_on {
            for _ in 0..self.lines {
                let _ = reader.read(&mut Raw::new(), 1, std::time::Instant::now());
            }
        }
    }
}

/// A directory at the root of a tree, whose compressed files are watched.
struct Watched {
    dir: PathBuf,
    other: Arc<Mutex<Other>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Watched {
    fn place(&self, path: &Path) -> PathBuf {
        self.dir.join(path.strip_prefix("/").unwrap())
    }
}

impl Tree for Watched {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat(&self.place(path))
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat_link(&self.place(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        HostTree.list(&self.place(dir))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        let file = HostTree.open(&self.place(path))?;
        let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
        let other = Arc::clone(&self.other);
        Ok(if is_compressed { Arc::new(Compressed { file, other }) } else { file })
    }
}

struct Compressed {
    file: Arc<dyn OpenFile>,
    other: Arc<Mutex<Other>>,
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl OpenFile for Compressed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // Held where the reader itself reads the compressed file.
        if let Ok(mut other) = self.other.try_lock() {
            other.compressed_is_read();
        }
        self.file.read_at(buf, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn birth(&self) -> io::Result<Option<i64>> {
        self.file.birth()
    }

    fn next_data(&self, from: u64) -> Option<Option<u64>> {
        self.file.next_data(from)
    }
}

/// A log of which 10 lines were read and `unread` were not, on a tree of its own, with a second
/// reader.
fn world(unread: usize, goes_on: GoesOn, lines: usize) -> (World, Arc<Mutex<Other>>) {
    let mut world = World::new(&[&format!("{ROOT}/app.log")]);
    let other = Arc::new(Mutex::new(Other::default()));
    let tree = Watched { dir: world.dir.path().to_path_buf(), other: Arc::clone(&other) };
    world.mounts.push((ROOT.into(), Arc::new(tree) as Arc<dyn Tree>));
    world.append("app.log", &numbered("a", 0..10));
    world.start();
    world.poll_until_quiet();
    world.reads = false;
    world.append("app.log", &numbered("a", 10..10 + unread));
    world.run(Duration::from_millis(50));
    let reader = Some(second_reader(&world));
    *other.lock().unwrap() = Other { reader, reads: 0, goes_on, lines };
    (world, other)
}

/// What a handler does that compresses at once.
fn rotate(world: &World) {
    std::fs::write(world.path("app.log.1.gz.tmp"), world.gzipped("app.log")).unwrap();
    world.rename("app.log.1.gz.tmp", "app.log.1.gz");
    world.remove("app.log");
    world.append("app.log", &numbered("b", 0..10));
}

/// A second reader of the log as it is.
fn second_reader(world: &World) -> Reader {
    let tail = world.tail.as_ref().unwrap();
    let source = Arc::clone(tail.sources().next().unwrap());
    let progress = world.progress.values().next().unwrap();
    Reader::new(source, progress, FLUSH, Framing::Lines)
}

/// Rotates while the second reader goes on at the `turn`th read of the compressed file, or never.
/// How often that was read.
fn rotate_while_reading(turn: usize) -> usize {
    let goes_on = if turn == 0 { GoesOn::Never } else { GoesOn::At(turn) };
    let (mut world, other) = world(90, goes_on, 30);
    rotate(&world);
    world.poll_until_quiet();
    let reads = other.lock().unwrap().reads;
    world.read_all();
    world.poll_until_quiet();
    world.stop();
    world.start();
    world.poll_until_quiet();
    let expected = [records("a", 0..100), records("b", 0..10)].concat();
    assert_eq!(world.texts(), expected, "it goes on at read {turn} of the compressed file");
    reads
}

#[test]
fn a_file_that_is_read_on_while_what_was_compressed_of_it_is_compared_is_collected_once() {
    let reads = rotate_while_reading(0);
    assert!(reads > 3, "{reads}");
    (1..=reads + 3).for_each(|turn| _ = rotate_while_reading(turn));
}

#[test]
fn a_reader_that_never_rests_does_not_keep_the_log_from_being_followed() {
    let (mut world, other) = world(20_000, GoesOn::Always, 1);
    rotate(&world);
    world.told();
    world.poll_until_quiet();
    let told = world.told();
    assert!(told.contains(&format!("Found {ROOT}/app.log 0")), "{told:?}");
    let reads = other.lock().unwrap().reads;
    assert!(reads < 500, "it was decompressed over and over: {reads} reads");
    world.read_all();
    world.poll_until_quiet();
    let expected = [records("a", 0..20_010), records("b", 0..10)].concat();
    assert!(world.texts() == expected);
}
