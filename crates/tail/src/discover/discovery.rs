//! Which names are there: directories, found from the patterns' roots downwards, are listed when
//! something may have happened in them (`schedule.rs`), and names that somebody wants (`interest.rs`)
//! are told of when they appear, vanish, or lead to another file.
//! Links are resolved once, and directories are known by where they lead, so that loops end.
//! The work of one call is bounded; a directory of any size is listed in slices.
//! Not here: what the files are (`watcher/tail.rs`). Nothing is opened but directories.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::discover::absence::is_absence;
use crate::discover::awaited::Awaited;
use crate::discover::begun::Listing;
use crate::discover::directory::{Dir, NEVER_LISTED, Sight};
use crate::discover::failures::{Failures, Look};
use crate::discover::interest::{Interest, NameInterest};
use crate::pattern::target::Targets;
use crate::source::tree::Trees;
use crate::{Clock, Pattern, SkipReason, Target};

/// How many directories are looked after in one call.
const DIRS_MAX: usize = 256;

/// How many directories are followed.
const DIRS_TOTAL_MAX: usize = 100_000;

/// How often directories are looked after, where that is cheap enough.
const ROUND: Duration = Duration::from_millis(250);

/// Looking after them may take one part in so many of the time.
const COST_SHARE: u32 = 200;

/// The search.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// The time of the current call, and what it has to tell.
    pub(crate) now: Instant,
    pub(crate) sights: Vec<Sight>,
    pub(crate) targets: Targets,
    pub(crate) trees: Arc<Trees>,
    pub(crate) roots: BTreeMap<PathBuf, Interest>,
    pub(crate) dirs: HashMap<PathBuf, Dir>,
    /// Paths of directories by device and inode.
    pub(crate) by_key: HashMap<(u64, u64), PathBuf>,
    pub(crate) to_list: VecDeque<PathBuf>,
    /// Listings that were begun.
    pub(crate) listings: VecDeque<Listing>,
    /// The directories that are still to be looked after in this round.
    round: Vec<PathBuf>,
    round_began: Instant,
    round_cost: Duration,
    rounds: u64,
    /// Whether everything was seen once.
    pub(crate) is_complete: bool,
    pub(crate) list_due: Instant,
    pub(crate) names_max: usize,
    pub(crate) names: usize,
    /// How many are left out because those are as many as may be.
    pub(crate) left_out: usize,
    /// Targets that came while this ran and whose first search is not over or not told of, by
    /// number.
    pub(crate) first_searches: HashMap<usize, Awaited>,
    /// Those among them whose roots were not looked at.
    pub(crate) arrived: Vec<usize>,
    pub(crate) clock: Clock,
    pub(crate) failures: Failures,
    /// Patterns, as (target, pattern), that matched nothing yet.
    pub(crate) unmatched: Vec<(usize, usize)>,
}

impl Discovery {
    pub(crate) fn new(
        targets: Vec<Target>,
        trees: Arc<Trees>,
        names_max: usize,
        clock: Clock,
        now: Instant,
    ) -> Self {
        let mut discovery = Self {
            now,
            sights: Vec::new(),
            targets: Targets::default(),
            trees,
            roots: BTreeMap::new(),
            dirs: HashMap::new(),
            by_key: HashMap::new(),
            to_list: VecDeque::new(),
            listings: VecDeque::new(),
            round: Vec::new(),
            round_began: now,
            round_cost: Duration::ZERO,
            rounds: 0,
            is_complete: false,
            list_due: now,
            names_max,
            names: 0,
            left_out: 0,
            first_searches: HashMap::new(),
            arrived: Vec::new(),
            clock,
            failures: Failures::default(),
            unmatched: Vec::new(),
        };
        for target in targets {
            discovery.add(target);
        }
        discovery
    }

    /// Who wants a name in a directory that is followed.
    pub(crate) fn interest_of(&self, path: &Path) -> Option<NameInterest> {
        let (dir, name) = (path.parent()?, path.file_name()?);
        self.dirs.get(dir)?.interest.of_name(dir, name, &self.targets)
    }

    /// The names that were met, by what they lead to.
    pub(crate) fn paths_by_key(&self) -> HashMap<(u64, u64), PathBuf> {
        let names = self
            .dirs
            .iter()
            .flat_map(|(path, dir)| dir.keys().map(move |(name, key)| (key, path.join(name))));
        names.collect()
    }

    /// Whether everything that was there at the beginning has been told of.
    pub(crate) fn has_seen_all(&self) -> bool {
        self.rounds > 0 && self.round.is_empty() && !self.is_listing()
    }

    /// When the oldest of the last full listings of all directories began; `None` while there is
    /// one that was never listed.
    pub(crate) fn searched_since(&self) -> Option<Instant> {
        let oldest = |oldest: Instant, dir: &Dir| Some(dir.schedule.listed_at()?.min(oldest));
        self.dirs.values().try_fold(self.round_began, oldest)
    }

    fn is_listing(&self) -> bool {
        !self.listings.is_empty() || !self.to_list.is_empty()
    }

    /// When there is something to do again.
    pub(crate) fn next_due(&self) -> Instant {
        match self.is_listing() {
            _ if !self.arrived.is_empty() => self.now,
            _ if self.rounds == 0 || !self.round.is_empty() => self.round_began,
            true => self.list_due.min(self.round_due()),
            false => self.round_due(),
        }
    }

    fn round_due(&self) -> Instant {
        self.round_began + ROUND.max(self.round_cost * COST_SHARE)
    }

    /// Something happened to a name in a directory: list it as soon as possible. Whether the
    /// directory is followed.
    pub(crate) fn urge(&mut self, dir: &Path) -> bool {
        let Some(found) = self.dirs.get_mut(dir) else { return false };
        found.schedule.urge();
        self.queue(dir);
        true
    }

    /// The same where a name leads elsewhere than was told: it is told of anew, even if by then it
    /// leads to a file with the same inode number again.
    pub(crate) fn urge_name(&mut self, path: &Path) -> bool {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return false };
        if let Some(found) = self.dirs.get_mut(dir) {
            found.forget_name(name);
        }
        self.urge(dir)
    }

    /// Does a bounded amount of what is due. `is_known` tells whether a file with an inode number
    /// is of interest under any name.
    pub(crate) fn poll(&mut self, now: Instant, is_known: &dyn Fn(u64) -> bool) -> Vec<Sight> {
        self.now = now;
        if self.round.is_empty() && (self.rounds == 0 || now >= self.round_due()) {
            self.begin_round();
        }
        self.welcome();
        self.look_again();
        self.look_after();
        self.go_on_listing(is_known);
        self.tell_searched();
        self.note_matches();
        std::mem::take(&mut self.sights)
    }

    fn note_matches(&mut self) {
        if self.unmatched.is_empty() {
            return;
        }
        let paths = self.sights.iter().filter_map(|sight| match sight {
            Sight::Here(here) => here.interest.as_ref().map(|interest| &*interest.logical),
            Sight::Skipped(path, _) | Sight::Unreadable(path, _) => Some(path.as_path()),
            _ => None,
        });
        for path in paths {
            self.unmatched.retain(|(number, at)| {
                let target = self.targets.get(*number);
                target.is_some_and(|target| !target.patterns[*at].matches(path))
            });
        }
    }

    /// The patterns that matched nothing yet, each with its target's id.
    pub(crate) fn unmatched(&self) -> impl Iterator<Item = (usize, &Pattern)> {
        let pattern = |&(number, at): &(usize, usize)| {
            let target = self.targets.get(number)?;
            let mut dirs = self.dirs.values();
            let is_linked = dirs.any(|dir| dir.interest.comes_otherwise(number, at));
            (!is_linked).then_some((target.id, &target.patterns[at]))
        };
        self.unmatched.iter().filter_map(pattern)
    }

    /// Whether anything was looked at.
    pub(crate) fn has_begun(&self) -> bool {
        self.rounds > 0
    }

    fn begin_round(&mut self) {
        (self.round_began, self.round_cost) = (self.now, Duration::ZERO);
        self.rounds += 1;
        let lost = self.roots.keys().filter(|path| !self.dirs.contains_key(*path));
        self.round = self.dirs.keys().chain(lost).cloned().collect();
        self.round.sort_unstable();
    }

    /// Compares the times of change of some directories, and looks for roots that are not there.
    fn look_after(&mut self) {
        let started = (self.clock)();
        for _ in 0..DIRS_MAX {
            let Some(path) = self.round.pop() else { break };
            let Some(dir) = self.dirs.get_mut(&path) else {
                let is_due = !self.failures.contains(&path);
                if let Some(interest) = self.roots.get(&path).filter(|_| is_due).cloned() {
                    self.enter(&path, None, &interest);
                }
                continue;
            };
            match self.trees.stat(&path) {
                Ok(stat) if stat.is_dir() && stat.key() == dir.key => {
                    if !dir.is_queued && dir.schedule.is_due(stat.modified, self.now) {
                        self.queue(&path);
                    }
                }
                Err(error) if !is_absence(&error) => self.failed(&path, Look::List, error),
                _ => self.leave(&path),
            }
        }
        self.round_cost += (self.clock)().saturating_sub(started);
    }

    pub(crate) fn queue(&mut self, path: &Path) {
        let Some(dir) = self.dirs.get_mut(path).filter(|dir| !dir.is_queued) else { return };
        dir.is_queued = true;
        self.to_list.push_back(path.to_path_buf());
    }

    /// Follows a directory in these roles. `real` is its path without links, where that is known.
    pub(crate) fn enter(&mut self, path: &Path, real: Option<PathBuf>, interest: &Interest) {
        let stat = match self.trees.stat(path) {
            Ok(stat) if stat.is_dir() => stat,
            Err(error) if !is_absence(&error) => {
                let look = Look::Enter { real, interest: interest.clone() };
                return self.failed(path, look, error);
            }
            _ => return self.failures.remove(path),
        };
        let mut interest = interest.clone();
        if let Some(known) = self.by_key.get(&stat.key()).cloned() {
            let dir = self.dirs.get_mut(&known).expect("both maps have the same directories");
            // The other path may be an old one: the directory was renamed. And the path of a
            // pattern is better than one that only a link to a file led to.
            let is_there = match self.trees.stat(&known) {
                Ok(other) => other.key() == stat.key(),
                Err(error) => !is_absence(&error),
            };
            if is_there && (dir.interest.has_walks() || !interest.has_walks()) {
                if known != path {
                    interest.come_by(path);
                }
                if dir.interest.merge(&interest) {
                    dir.forget_interest();
                    self.await_listing(&known, &interest);
                    self.queue(&known);
                }
                return self.failures.remove(path);
            }
            interest.merge(&dir.interest);
            self.leave(&known);
        }
        if self.dirs.len() >= DIRS_TOTAL_MAX {
            return self.sights.push(Sight::Skipped(path.to_path_buf(), SkipReason::TooMany));
        }
        let real = match real.map_or_else(|| self.trees.real(path), Ok) {
            Ok(real) => real,
            Err(error) if is_absence(&error) => return self.failures.remove(path),
            Err(error) => return self.failed(path, Look::Enter { real: None, interest }, error),
        };
        self.failures.remove(path);
        let outer = path.parent().and_then(|outer| self.dirs.get(outer));
        let before = outer.map_or(NEVER_LISTED, |outer| outer.listed_before);
        let dir = Dir::new(real, &stat, interest.clone(), before, self.now);
        self.by_key.insert(dir.key, path.to_path_buf());
        self.dirs.insert(path.to_path_buf(), dir);
        self.await_listing(path, &interest);
        self.queue(path);
    }

    /// The directory is not there any more, or another one is.
    pub(crate) fn leave(&mut self, path: &Path) {
        let Some(dir) = self.dirs.remove(path) else { return };
        self.failures.remove(path);
        self.by_key.remove(&dir.key);
        self.names -= dir.len();
        self.left_out -= dir.left_out;
        self.listed_for(dir.unseen_by.iter().copied());
        // Whoever came to it by another path is to come again.
        for outer in dir.interest.vias().chain([path]).filter_map(Path::parent) {
            if let Some(outer) = self.dirs.get_mut(outer) {
                outer.forget_inner(dir.key.1);
            }
        }
        for name in dir.into_names() {
            let path = path.join(name);
            self.failures.remove(&path);
            self.sights.push(Sight::Away(path));
        }
        self.sights.push(Sight::Listed(path.to_path_buf(), self.now));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the directories that it searches

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Excludes;
    use crate::discover::listing::NAMES_MAX;

    struct Bench {
        dir: tempfile::TempDir,
        discovery: Discovery,
        now: Instant,
    }

    impl Bench {
        fn new(patterns: &[&str], depth: i64, build: impl FnOnce(&Path)) -> Self {
            let dir = tempfile::tempdir().unwrap();
            build(dir.path());
            let patterns = patterns.iter().map(|text| {
                Pattern::parse(dir.path().join(text), depth).expect("a pattern of this test")
            });
            let target = Target {
                id: 0,
                patterns: patterns.collect(),
                excludes: Excludes::default(),
                rotated: Vec::new(),
                flush_timeout: Duration::from_secs(60),
            };
            let (now, trees) = (Instant::now(), Arc::default());
            let discovery = Discovery::new(vec![target], trees, 1000, || Duration::ZERO, now);
            Self { dir, discovery, now }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str) {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::write(self.path(name), name).unwrap();
        }

        /// Polls until everything is listed and 250 ms have passed; what was seen, in short.
        fn round(&mut self) -> Vec<String> {
            self.now += ROUND;
            let mut sights = Vec::new();
            for _ in 0..10_000 {
                sights.extend(self.discovery.poll(self.now, &|_| false));
                if self.discovery.has_seen_all() {
                    break;
                }
            }
            let short = |path: &Path| {
                path.strip_prefix(self.dir.path()).unwrap().to_string_lossy().into_owned()
            };
            let mut seen: Vec<String> = sights
                .iter()
                .filter_map(|sight| match sight {
                    Sight::Here(here) => Some(format!("+{}", short(&here.path))),
                    Sight::Away(path) => Some(format!("-{}", short(path))),
                    Sight::Skipped(path, reason) => Some(format!("{reason:?} {}", short(path))),
                    Sight::Unreadable(path, _) => Some(format!("unreadable {}", short(path))),
                    Sight::Listed(..) | Sight::Searched(_) => None,
                })
                .collect();
            seen.sort();
            seen
        }
    }

    #[test]
    fn names_appear_vanish_and_change_what_they_lead_to() {
        let mut bench = Bench::new(&["*.log"], 0, |_| {});
        bench.write("a.log");
        bench.write("b.txt");
        assert_eq!(bench.round(), ["+a.log"]);
        assert_eq!(bench.round(), [""; 0]);
        fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
        bench.write("a.log");
        assert_eq!(bench.round(), ["+a.log", "+a.log.1"]);
        fs::remove_file(bench.path("a.log.1")).unwrap();
        assert_eq!(bench.round(), ["-a.log.1"]);
    }

    #[test]
    fn directories_that_appear_later_are_noticed() {
        let mut bench = Bench::new(&["x/*/y/*.log", "deep/**/*.log"], 1, |_| {});
        assert_eq!(bench.round(), [""; 0]);
        for name in ["x/1/y/a.log", "x/1/z/a.log", "deep/a.log", "deep/1/a.log", "deep/1/2/a.log"] {
            bench.write(name);
        }
        assert_eq!(bench.round(), ["+deep/1/a.log", "+deep/a.log", "+x/1/y/a.log"]);
        bench.write("x/2/y/a.log");
        assert_eq!(bench.round(), ["+x/2/y/a.log"]);
        fs::remove_dir_all(bench.path("x/1")).unwrap();
        assert_eq!(bench.round(), ["-x/1/y/a.log"]);
        bench.write("x/1/y/a.log");
        assert_eq!(bench.round(), ["+x/1/y/a.log"]);
    }

    #[test]
    fn a_tree_in_the_middle_is_searched_and_what_matches_nothing_is_known() {
        let mut bench = Bench::new(&["a/**/log/*.log", "a/**/none/**/*.log"], 2, |_| {});
        for name in ["a/log/1.log", "a/x/log/2.log", "a/x/y/log/3.log", "a/x/y/z/log/4.log"] {
            bench.write(name);
        }
        bench.write("a/x/y/5.log");
        assert_eq!(bench.round(), ["+a/log/1.log", "+a/x/log/2.log", "+a/x/y/log/3.log"]);
        let unmatched = |bench: &Bench| -> Vec<String> {
            let texts = bench.discovery.unmatched().map(|(_, pattern)| pattern.text());
            texts.map(|text| text.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(unmatched(&bench).len(), 1);
        assert!(unmatched(&bench)[0].ends_with("none/**/*.log"));
        bench.write("a/none/x/6.log");
        assert_eq!(bench.round(), ["+a/none/x/6.log"]);
        assert_eq!(unmatched(&bench).len(), 0);
        bench.write("a/x/log/7.log");
        assert_eq!(bench.round(), ["+a/x/log/7.log"]);
    }

    #[test]
    fn a_renamed_directory_is_followed() {
        let mut bench = Bench::new(&["**/*.log"], -1, |_| {});
        bench.write("a/x.log");
        assert_eq!(bench.round(), ["+a/x.log"]);
        fs::rename(bench.path("a"), bench.path("b")).unwrap();
        let seen = [bench.round(), bench.round()].concat();
        assert_eq!(seen, ["+b/x.log", "-a/x.log"]);
    }

    #[test]
    fn links_are_resolved_once_and_loops_end() {
        let mut bench = Bench::new(&["tree/**/*.log"], -1, |dir| {
            fs::create_dir_all(dir.join("tree/in")).unwrap();
            fs::create_dir_all(dir.join("out")).unwrap();
            fs::write(dir.join("tree/in/a.log"), "a").unwrap();
            fs::write(dir.join("out/b.log"), "b").unwrap();
            fs::write(dir.join("out/c"), "c").unwrap();
            symlink(dir.join("tree"), dir.join("tree/in/loop")).unwrap();
            symlink(dir.join("out"), dir.join("tree/link")).unwrap();
            symlink(dir.join("out/c"), dir.join("tree/c.log")).unwrap();
            symlink(dir.join("nothing"), dir.join("tree/broken.log")).unwrap();
        });
        // What the link c.log leads to is seen beside its family too.
        let mut seen = bench.round();
        seen.retain(|seen| !seen.contains("out/"));
        let expected = "+tree/c.log +tree/in/a.log +tree/link/b.log +tree/link/c";
        assert_eq!(seen.join(" "), format!("{expected} BrokenLink tree/broken.log"));
        assert_eq!(bench.round(), [""; 0]);
        fs::rename(bench.path("out/c"), bench.path("out/c.1")).unwrap();
        bench.write("out/c");
        assert_eq!(bench.round(), ["+tree/c.log", "+tree/link/c", "+tree/link/c.1"]);
    }

    #[test]
    fn what_is_no_regular_file_is_skipped_and_said_once() {
        let mut bench = Bench::new(&["*.log"], 0, |dir| {
            fs::create_dir(dir.join("dir.log")).unwrap();
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
            rustix::fs::mknodat(rustix::fs::CWD, dir.join("fifo.log"), kind, mode, 0).unwrap();
            symlink("/dev/zero", dir.join("zero.log")).unwrap();
        });
        assert_eq!(bench.round(), ["Device zero.log", "Directory dir.log", "Fifo fifo.log"]);
        assert_eq!(bench.round(), [""; 0]);
    }

    #[test]
    fn a_listing_goes_on_in_slices() {
        let mut bench = Bench::new(&["*.log"], 0, |dir| {
            (0..3 * NAMES_MAX).for_each(|i| fs::write(dir.join(format!("{i}.txt")), "").unwrap());
            fs::write(dir.join("a.log"), "").unwrap();
        });
        let mut sights = bench.discovery.poll(bench.now, &|_| false);
        assert!(!bench.discovery.has_seen_all());
        assert!(bench.discovery.next_due() <= bench.now, "goes on at once");
        let mut polls = 1;
        while !bench.discovery.has_seen_all() {
            sights.extend(bench.discovery.poll(bench.now, &|_| false));
            polls += 1;
        }
        assert!((3..10).contains(&polls), "{polls}");
        assert!(sights.iter().any(|sight| matches!(sight, Sight::Here(_))));
    }

    #[test]
    fn too_many_names_are_said_once() {
        let mut bench = Bench::new(&["*"], 0, |dir| {
            (0..1010).for_each(|i| fs::write(dir.join(format!("{i}")), "").unwrap());
        });
        let seen = bench.round();
        assert_eq!(seen.iter().filter(|seen| seen.starts_with('+')).count(), 1000);
        assert_eq!(seen.iter().filter(|seen| seen.starts_with("TooMany")).count(), 1);
        assert_eq!(bench.round(), [""; 0]);
    }
}
