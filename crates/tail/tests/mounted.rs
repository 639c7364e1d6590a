//! Trees that are mounted at paths of their own, and targets that come and go while the tail
//! runs.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

mod world;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tail::{Entries, Entry, HostTree, OpenFile, Stat, Tree};
use world::{FLUSH, World, numbered, records};

const ROOT: &str = "/containers/0123456789abcdef";
const OTHER: &str = "/containers/fedcba9876543210";

/// A directory that is a tree of its own.
struct DirTree {
    dir: PathBuf,
    /// Whether listings tell inode numbers and kinds.
    tells: bool,
    looks: AtomicUsize,
    /// What happens as soon as the names of a directory have been read.
    after_listing: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for DirTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirTree").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl DirTree {
    fn place(&self, path: &Path) -> PathBuf {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.dir.join(path.strip_prefix("/").expect("paths of a tree are absolute"))
    }
}

impl Tree for DirTree {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat(&self.place(path))
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        HostTree.stat_link(&self.place(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        let entries: Vec<_> = HostTree.list(&self.place(dir))?.collect();
        self.after_listing.lock().unwrap().drain(..).for_each(|happens| happens());
        let entries = entries.into_iter();
        let tells = self.tells;
        let shown = move |entry: Entry| match tells {
            true => entry,
            false => Entry { inode: None, kind: None, ..entry },
        };
        Ok(Box::new(entries.map(move |entry| entry.map(shown))))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let real = HostTree.real(&self.place(path))?;
        Ok(Path::new("/").join(real.strip_prefix(&self.dir).map_err(io::Error::other)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        HostTree.open(&self.place(path))
    }
}

/// A world with the directory `name` in it mounted at `root`.
fn mount(world: &mut World, name: &str, root: &str, tells: bool) -> Arc<DirTree> {
    fs::create_dir_all(world.path(name)).unwrap();
    let tree = Arc::new(DirTree {
        dir: world.path(name),
        tells,
        looks: AtomicUsize::new(0),
        after_listing: Mutex::default(),
    });
    world.mounts.push((root.into(), Arc::clone(&tree) as Arc<dyn Tree>));
    if let Some(tail) = &mut world.tail {
        tail.mount(root.into(), Arc::clone(&tree) as Arc<dyn Tree>);
    }
    tree
}

fn texts(world: &mut World, of: &str) -> Vec<String> {
    let found = world.records.extract_if(.., |(file, _)| file == of);
    found.map(|(_, text)| text).collect()
}

#[test]
fn files_of_a_mounted_tree_are_followed_under_its_root() {
    for tells in [true, false] {
        let mut world = World::new(&[&format!("{ROOT}/var/log/**/*.log")]);
        mount(&mut world, "c1", ROOT, tells);
        world.append("c1/var/log/app.log", &numbered("a", 0..10));
        world.append("c1/other.log", "no\n");
        world.start();
        world.append("c1/var/log/app.log", &numbered("a", 10..20));
        world.poll_until_quiet();
        world.rename("c1/var/log/app.log", "c1/var/log/app.log.1");
        world.append("c1/var/log/app.log", &numbered("a", 20..30));
        world.append("c1/var/log/deep/b.log", "b\n");
        world.poll_until_quiet();
        assert_eq!(texts(&mut world, &format!("{ROOT}/var/log/app.log")), records("a", 0..30));
        assert_eq!(texts(&mut world, &format!("{ROOT}/var/log/deep/b.log")), ["b"]);
        assert!(world.records.is_empty());
    }
}

#[test]
fn a_copy_that_is_made_after_the_names_were_read_is_found_at_a_start_and_while_running() {
    let mut world = World::new(&[&format!("{ROOT}/app.log")]);
    let tree = mount(&mut world, "c1", ROOT, true);
    world.append("c1/app.log", &numbered("a", 0..10));
    world.start();
    for (turn, is_down) in [true, false].into_iter().enumerate() {
        if is_down {
            world.stop();
        }
        world.reads = is_down;
        world.append("c1/app.log", &numbered("b", 20 * turn..20 * turn + 20));
        let log = world.path("c1/app.log");
        let copy = world.path(&format!("c1/app.log.{}", 9 - turn));
        tree.after_listing.lock().unwrap().push(Box::new(move || {
            fs::copy(&log, copy).unwrap();
            fs::write(&log, numbered("c", turn..turn + 1)).unwrap();
        }));
        if is_down {
            world.start();
        } else {
            // Some name changes, so that the directory is listed.
            world.append("c1/other", "");
            world.poll_until_quiet();
            world.read_all();
        }
        world.poll_until_quiet();
    }
    let first = [records("a", 0..10), records("b", 0..20), records("c", 0..1)].concat();
    let second = [records("b", 20..40), records("c", 1..2)].concat();
    assert_eq!(world.texts(), [first, second].concat());
    let kept: Vec<u64> = world.cuts.iter().map(|cut| cut.kept).collect();
    assert_eq!(kept, [1200, 840], "no copy is missed");
}

#[test]
fn links_in_a_mounted_tree_stay_in_it() {
    let mut world = World::new(&[&format!("{ROOT}/logs/*.log")]);
    mount(&mut world, "c1", ROOT, true);
    world.append("c1/data/current", "1\n");
    fs::create_dir_all(world.path("c1/logs")).unwrap();
    std::os::unix::fs::symlink("../data/current", world.path("c1/logs/a.log")).unwrap();
    world.start();
    world.rename("c1/data/current", "c1/data/current.1");
    world.append("c1/data/current", "2\n");
    world.poll_until_quiet();
    assert_eq!(texts(&mut world, &format!("{ROOT}/logs/a.log")), ["1", "2"]);
}

#[test]
fn saved_files_of_a_mounted_tree_are_found_again_after_a_restart() {
    let mut world = World::new(&[&format!("{ROOT}/*.log")]);
    mount(&mut world, "c1", ROOT, true);
    world.append("c1/a.log", &numbered("a", 0..10));
    world.start();
    world.poll_until_quiet();
    world.stop();
    world.append("c1/a.log", &numbered("a", 10..20));
    world.rename("c1/a.log", "c1/a.log.1");
    world.append("c1/a.log", &numbered("b", 0..10));
    world.start();
    world.poll_until_quiet();
    assert_eq!(world.texts(), [records("a", 0..20), records("b", 0..10)].concat());
    assert!(world.told().iter().all(|event| !event.starts_with("Missing")));
}

#[test]
fn a_tree_that_goes_and_comes_back_keeps_its_files_going() {
    let mut world = World::new(&[&format!("{ROOT}/*.log")]);
    let tree = mount(&mut world, "c1", ROOT, true);
    world.append("c1/a.log", &numbered("a", 0..10));
    world.append("c1/idle.log", &numbered("i", 0..10));
    world.start();
    world.run(Duration::from_secs(100));
    world.append("c1/a.log", &numbered("a", 10..12));
    world.poll_until_quiet();
    world.tail.as_mut().unwrap().unmount(Path::new(ROOT));
    world.append("c1/a.log", &numbered("a", 12..14));
    world.run(Duration::from_secs(10));
    world.append("c1/a.log", &numbered("a", 14..20));
    world.append("c1/idle.log", &numbered("i", 10..20));
    world.tail.as_mut().unwrap().mount(ROOT.into(), tree);
    world.run(Duration::from_secs(40));
    assert_eq!(texts(&mut world, &format!("{ROOT}/a.log")), records("a", 0..20));
    assert_eq!(texts(&mut world, &format!("{ROOT}/idle.log")), records("i", 0..20));
}

#[test]
fn a_saved_file_of_a_tree_that_is_gone_is_missing_and_forgotten_after_a_day() {
    let mut world = World::new(&[&format!("{ROOT}/*.log"), "*.log"]);
    mount(&mut world, "c1", ROOT, true);
    world.append("c1/a.log", &numbered("a", 0..10));
    world.start();
    world.poll_until_quiet();
    world.stop();
    world.mounts.clear();
    let mut world = world.with_patterns(&["*.log"]);
    world.unmounts.push(ROOT.into());
    world.start();
    assert!(world.told().contains(&format!("Missing {ROOT}/a.log")));
    for _ in 0..26 {
        world.now += Duration::from_secs(3600);
        world.run(Duration::from_secs(1));
    }
    assert!(world.told().contains(&"Gone true".to_string()));
}

#[test]
fn a_target_that_comes_is_told_of_its_files_and_then_that_it_is_listed() {
    let mut world = World::new(&["host/*.log"]);
    world.append("host/h.log", "h\n");
    world.start();
    world.told();
    mount(&mut world, "c1", ROOT, true);
    world.append("c1/logs/x/a.log", "a\n");
    world.append("c1/logs/x/y/b.log", "b\n");
    world.append("c1/logs/x/y/b.log.1", "b1\n");
    world.add(8, &format!("{ROOT}/logs/**/*.log"));
    world.poll_until_quiet();
    let told = world.told();
    let at = |event: &str| told.iter().position(|told| told == event);
    let listed = at("Listed 8").expect("its first search came to an end");
    for found in ["x/a.log 0 at start", "x/y/b.log 0 at start", "x/y/b.log.1 0 member at start"] {
        let found = at(&format!("Found {ROOT}/logs/{found}")).expect(found);
        assert!(found < listed, "{told:?}");
    }
    world.append("c1/logs/late.log", "late\n");
    world.poll_until_quiet();
    assert_eq!(world.told(), [format!("Found {ROOT}/logs/late.log 0")]);
    // Nothing is there: that is soon known.
    world.add(9, &format!("{OTHER}/none/*.log"));
    world.poll_until_quiet();
    assert_eq!(world.told(), ["Listed 9"]);
}

#[test]
fn a_target_that_comes_later_is_told_of_files_that_others_have() {
    let mut world = World::new(&["*.log"]);
    world.append("a.log", "1\n");
    world.append("a.log.1", "0\n");
    world.start();
    world.told();
    world.add(8, "a.*");
    world.poll_until_quiet();
    let mut told = world.told();
    told[..2].sort();
    assert_eq!(told, ["Found a.log 0 at start", "Found a.log.1 0 at start", "Listed 8"]);
}

#[test]
fn what_a_removed_target_had_is_read_to_its_end_and_closed_at_once() {
    let mut world = World::new(&[]);
    mount(&mut world, "c1", ROOT, true);
    world.start();
    world.append("c1/a.log", &numbered("a", 0..10));
    world.append("c1/b.log", "b\n");
    world.add(1, &format!("{ROOT}/*.log"));
    world.poll_until_quiet();
    world.texts();
    world.told();
    world.reads = false;
    world.append("c1/a.log", &numbered("a", 10..19));
    world.append("c1/a.log", "no end");
    world.append("c1/young.log", "young");
    world.poll_until_quiet();
    world.remove("c1/a.log");
    world.take(1);
    world.tail.as_mut().unwrap().unmount(Path::new(ROOT));
    world.append("c1/new.log", "never\n");
    world.poll();
    let told = world.told();
    assert!(told.contains(&format!("Unlinked {ROOT}/a.log")), "{told:?}");
    assert!(told.contains(&format!("Closed {ROOT}/b.log")), "{told:?}");
    assert_eq!(world.open_descriptors(), 2);
    world.read_all();
    let mut expected = records("a", 10..19);
    expected.extend(["no end".to_string(), "young".to_string()]);
    assert_eq!(world.texts(), expected, "there is nothing to wait for");
    world.run(Duration::from_millis(150));
    let told = world.told();
    assert!(told.contains(&format!("Closed {ROOT}/a.log")), "{told:?}");
    assert!(told.contains(&format!("Closed {ROOT}/young.log")), "{told:?}");
    assert_eq!(world.open_descriptors(), 0);
    world.run(FLUSH);
    assert_eq!(world.texts(), [""; 0]);
    assert_eq!(world.tail.as_ref().unwrap().sources().count(), 0);
}

#[test]
fn a_file_that_another_target_matches_is_unchanged() {
    let mut world = World::new(&["c1/*.log"]);
    mount(&mut world, "c1", ROOT, true);
    world.append("c1/a.log", "1\n");
    world.start();
    world.add(8, &format!("{ROOT}/*.log"));
    world.poll_until_quiet();
    world.told();
    world.take(8);
    world.tail.as_mut().unwrap().unmount(Path::new(ROOT));
    world.append("c1/a.log", "2\n");
    world.run(Duration::from_secs(2));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.texts(), ["1", "2"]);
}

/// One volume in two containers: whoever came first goes first.
#[test]
fn a_shared_volume_goes_on_under_the_other_root() {
    for idle in [0, 100] {
        let mut world = World::new(&[]);
        world.start();
        for (id, root) in [(1, ROOT), (2, OTHER)] {
            mount(&mut world, "volume", root, true);
            world.append("volume/in/a.log", &numbered("a", 0..10));
            world.add(id, &format!("{root}/**/*.log"));
            world.poll_until_quiet();
        }
        world.run(Duration::from_secs(idle));
        world.told();
        world.take(1);
        world.tail.as_mut().unwrap().unmount(Path::new(ROOT));
        world.append("volume/in/a.log", &numbered("b", 0..10));
        world.append("volume/in/b.log", "new\n");
        world.run(Duration::from_secs(2));
        assert_eq!(world.told(), [format!("Found {OTHER}/in/b.log 0")]);
        let file = format!("{ROOT}/in/a.log");
        assert_eq!(texts(&mut world, &file)[20..], records("b", 0..10));
    }
}

#[test]
fn exclusions_of_a_target_hold_in_a_directory_that_it_shares() {
    let mut world = World::new(&[]);
    world.start();
    for (id, root) in [(1, ROOT), (2, OTHER)] {
        mount(&mut world, "volume", root, true);
        world.append("volume/in/secret.log", "no\n");
        world.append("volume/in/a.log", "yes\n");
        let mut target = world.target(id, &[(format!("{root}/**/*.log"), -1)]);
        let secret = format!("{root}/in/secret.log");
        target.excludes = tail::Excludes::parse(&[secret], &[], &[]).unwrap();
        world.tail.as_mut().unwrap().add_target(target);
        world.poll_until_quiet();
    }
    assert!(world.texts().iter().all(|text| text == "yes"));
}

#[test]
fn a_target_that_comes_again_goes_on_where_it_was() {
    let mut world = World::new(&[]);
    mount(&mut world, "c1", ROOT, true);
    world.start();
    world.add(1, &format!("{ROOT}/*.log"));
    world.append("c1/a.log", &numbered("a", 0..10));
    world.poll_until_quiet();
    for from in [10, 20, 30] {
        world.reads = from == 20;
        world.append("c1/a.log", &numbered("a", from..from + 5));
        world.poll_until_quiet();
        world.take(1);
        world.run(Duration::from_secs(1));
        world.append("c1/a.log", &numbered("a", from + 5..from + 10));
        world.add(1, &format!("{ROOT}/*.log"));
        world.run(Duration::from_secs(1));
        world.read_all();
        world.run(Duration::from_secs(1));
    }
    assert_eq!(world.texts(), records("a", 0..40));
}
