//! A directory of logs, a tail over it, and a small agent that reads everything it is offered,
//! acknowledges at once, and remembers across restarts what an agent saves. Time is made here.

#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes, renames and removes the files that are followed

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::{Anchor, FileSeen, FileUid, NodeId, Progress, lines};
use tail::{
    Cut, Event, Excludes, Foreign, Framing, Options, Pattern, Raw, Reader, RotatedPattern,
    SavedFile, Source, Tail, Target, Tree,
};

/// The flush timeout of every target.
pub const FLUSH: Duration = Duration::from_secs(60);

type Generation = (FileUid, u32);

pub struct World {
    pub dir: tempfile::TempDir,
    pub now: Instant,
    pub tail: Option<Tail>,
    pub same_boot: bool,
    pub descriptors_max: usize,
    pub finished_max: usize,
    pub files_max: usize,
    pub foreign: Vec<Foreign>,
    pub never_read: Vec<PathBuf>,
    /// Mounted at every start.
    pub mounts: Vec<(PathBuf, Arc<dyn Tree>)>,
    /// Roots that are told to have no tree any more.
    pub unmounts: Vec<PathBuf>,
    patterns: Vec<(String, i64)>,
    excludes: Vec<String>,
    /// `RotatedFilePaths`.
    pub rotated: Vec<String>,
    readers: BTreeMap<Generation, Reader>,
    /// What an agent has journaled.
    pub progress: BTreeMap<Generation, Progress>,
    seen: BTreeMap<Generation, FileSeen>,
    is_first_start: bool,
    /// Whether readers take what they are offered.
    pub reads: bool,
    /// Whether a reader reads only when it is offered itself.
    pub is_strict: bool,
    /// Whether a reader that is offered reads the older files of its log first, as a sender does.
    pub is_ordered: bool,
    /// What was offered while `reads` was off, as in the ready queue of senders that are busy.
    offered: BTreeSet<Generation>,
    /// Records as (name of the file under which it is collected, text), in order.
    pub records: Vec<(String, String)>,
    /// Events in short, but for growth.
    pub events: Vec<String>,
    pub cuts: Vec<Cut>,
    raw: Raw,
}

impl World {
    pub fn new(patterns: &[&str]) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            now: Instant::now(),
            tail: None,
            same_boot: true,
            descriptors_max: 1000,
            finished_max: 1000,
            files_max: 200_000,
            foreign: Vec::new(),
            never_read: Vec::new(),
            mounts: Vec::new(),
            unmounts: Vec::new(),
            patterns: patterns.iter().map(|pattern| (pattern.to_string(), -1)).collect(),
            excludes: Vec::new(),
            rotated: Vec::new(),
            readers: BTreeMap::new(),
            progress: BTreeMap::new(),
            seen: BTreeMap::new(),
            is_first_start: true,
            reads: true,
            is_strict: false,
            is_ordered: false,
            offered: BTreeSet::new(),
            records: Vec::new(),
            events: Vec::new(),
            cuts: Vec::new(),
            raw: Raw::new(),
        }
    }

    pub fn exclude(mut self, names: &[&str]) -> Self {
        self.excludes = names.iter().map(|name| name.to_string()).collect();
        self
    }

    /// The same with other patterns from the next start on.
    pub fn with_patterns(mut self, patterns: &[&str]) -> Self {
        self.patterns = patterns.iter().map(|pattern| (pattern.to_string(), -1)).collect();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn append(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let file = fs::OpenOptions::new().create(true).append(true).open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What logrotate's copytruncate does.
    pub fn copytruncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.truncate(from, 0);
    }

    /// The content of a file as gzip makes it.
    pub fn gzipped(&self, name: &str) -> Vec<u8> {
        gzip_of(&fs::read(self.path(name)).unwrap())
    }

    /// What gzip does, all at once.
    pub fn gzip(&self, name: &str) {
        fs::write(self.path(&format!("{name}.gz")), self.gzipped(name)).unwrap();
        self.remove(name);
    }

    pub fn truncate(&self, name: &str, len: u64) {
        fs::OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(len).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Starts a tail over what was saved and waits until it has found everything.
    pub fn start(&mut self) {
        let target = self.target(7, &self.patterns);
        let saved = self.seen.iter().map(|(generation, seen)| {
            let progress = self.progress.get(generation).cloned().unwrap_or_default();
            SavedFile {
                seen: seen.clone(),
                acknowledged: progress.acked.covered_from(0),
                anchors: progress.anchors,
                gone_for: Duration::ZERO,
            }
        });
        let mut options = Options::new(NodeId(1));
        options.same_boot = self.same_boot;
        options.descriptors_max = self.descriptors_max;
        options.finished_max = self.finished_max;
        options.files_max = self.files_max;
        options.never_read = self.never_read.clone();
        // Polling costs nothing here, so that it happens as often as it may.
        options.clock = || Duration::ZERO;
        let saved = saved.collect();
        let targets = if self.patterns.is_empty() { vec![] } else { vec![target] };
        let mut tail = Tail::new(targets, saved, self.foreign.clone(), options, self.now);
        for (root, tree) in &self.mounts {
            tail.mount(root.clone(), Arc::clone(tree));
        }
        self.unmounts.iter().for_each(|root| tail.unmount(root));
        self.tail = Some(tail);
        self.events.clear();
        for _ in 0..10_000 {
            // Looks that failed are repeated after a while.
            self.now += Duration::from_millis(u64::from(self.is_strict));
            self.poll();
            if self.events.iter().any(|event| event == "Restored") {
                self.is_first_start = false;
                return;
            }
        }
        panic!("the start came to no end: {:?}", self.events);
    }

    /// A target of these patterns and depths; a pattern may be an absolute path.
    pub fn target(&self, id: usize, patterns: &[(String, i64)]) -> Target {
        let patterns = patterns.iter();
        let patterns =
            patterns.map(|(text, depth)| Pattern::parse(self.path(text), *depth).unwrap());
        Target {
            id,
            patterns: patterns.collect(),
            excludes: Excludes::parse(&[], &self.excludes, &[]).unwrap(),
            rotated: self.rotated.iter().map(|text| RotatedPattern::parse(text).unwrap()).collect(),
            flush_timeout: FLUSH,
        }
    }

    /// Adds a target to the tail that runs.
    pub fn add(&mut self, id: usize, pattern: &str) {
        let target = self.target(id, &[(pattern.to_string(), -1)]);
        self.tail.as_mut().unwrap().add_target(target);
    }

    /// Takes one away.
    pub fn take(&mut self, id: usize) {
        self.tail.as_mut().unwrap().remove_target(id);
    }

    /// Ends the tail; what was journaled stays.
    pub fn stop(&mut self) {
        self.tail = None;
        self.readers.clear();
        self.offered.clear();
    }

    /// Lets time pass, polling as often as the tail wants, at most each 10 ms.
    pub fn run(&mut self, time: Duration) {
        self.run_in_steps(time, Duration::from_millis(10));
    }

    /// The same, polling at most each `step`.
    pub fn run_in_steps(&mut self, time: Duration, step: Duration) {
        let end = self.now + time;
        while self.now < end {
            let due = self.tail.as_ref().unwrap().next_due();
            self.now = due.max(self.now + step).min(end);
            self.poll();
        }
    }

    /// Lets so much time pass that everything that happened is seen.
    pub fn poll_until_quiet(&mut self) {
        self.run(Duration::from_millis(800));
    }

    pub fn poll(&mut self) {
        let mut events = Vec::new();
        self.tail.as_mut().unwrap().poll(self.now, &mut events);
        events.into_iter().for_each(|event| self.handle(event));
    }

    fn short(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.dir.path()).unwrap_or(path);
        path.to_string_lossy().into_owned()
    }

    fn handle(&mut self, event: Event) {
        let line = match event {
            Event::Found(found) => {
                let source = Arc::clone(&found.source);
                let generation = (source.uid(), source.generation());
                let is_baseline = found.member && found.at_start && self.is_first_start;
                let start = if is_baseline { source.size() } else { found.start };
                let start = match found.foreign.first() {
                    Some(index) => self.foreign[*index].offset,
                    None => start,
                };
                self.progress.entry(generation).or_default().acked.insert(0, start);
                let seen = self.see(&source);
                let name = self.short(&seen.real);
                let progress = &self.progress[&generation];
                let reader = Reader::new(Arc::clone(&source), progress, FLUSH, Framing::Lines);
                // A further target reads what is read.
                self.readers.entry(generation).or_insert(reader);
                self.offer(generation);
                let known = if found.known { " known" } else { "" };
                let member = if found.member { " member" } else { "" };
                let is_late = found.at_start && !self.is_first_start;
                let at_start = if is_late && !found.known { " at start" } else { "" };
                format!("Found {name} {}{known}{member}{at_start}", source.generation())
            }
            Event::Grew(source) => return self.offer((source.uid(), source.generation())),
            Event::Stranger(seen) => {
                self.seen.insert((seen.uid, seen.generation), seen);
                return;
            }
            Event::Seen(source) => {
                self.see(&source);
                return;
            }
            Event::Rotated(source) => {
                let seen = self.see(&source);
                format!("Rotated {}", self.short(&seen.real))
            }
            Event::Unlinked(source) => format!("Unlinked {}", self.short(&source.seen().real)),
            Event::Closed(source) => {
                self.readers.remove(&(source.uid(), source.generation()));
                format!("Closed {}", self.short(&source.seen().real))
            }
            Event::Cut(cut) => {
                let name = self.short(&cut.old.logical);
                let line = format!("Cut {name} {:?} kept {}", cut.cause, cut.kept);
                self.cuts.push(cut);
                line
            }
            Event::Missing(seen) => format!("Missing {}", self.short(&seen.real)),
            Event::Skipped { path, reason } => format!("Skipped {} {reason:?}", self.short(&path)),
            Event::Unreadable { path, .. } => format!("Unreadable {}", self.short(&path)),
            Event::Gone { uid, generation, last } => {
                self.progress.remove(&(uid, generation));
                self.seen.remove(&(uid, generation));
                format!("Gone {last}")
            }
            Event::Listed { target } => format!("Listed {target}"),
            Event::Restored => "Restored".to_string(),
            other => format!("{other:?}"),
        };
        self.events.push(line);
    }

    fn see(&mut self, source: &Source) -> FileSeen {
        let seen = source.seen();
        self.seen.insert((seen.uid, seen.generation), seen.clone());
        seen
    }

    fn offer(&mut self, generation: Generation) {
        match self.is_strict {
            true if !self.reads => _ = self.offered.insert(generation),
            true if self.is_ordered => self.read_older_first(generation),
            true => _ = self.read(generation),
            false => self.read_in_order(),
        }
    }

    /// Reads what is ready of the older files of the log, then this one, as a sender does.
    fn read_older_first(&mut self, generation: Generation) {
        let Some(reader) = self.readers.get(&generation) else { return };
        let own = Arc::clone(reader.source());
        let is_older = |reader: &&Reader| {
            let source = reader.source();
            source.logical() == own.logical() && source.rank() < own.rank()
        };
        let older = self.readers.values().filter(is_older).filter(|r| r.is_ready(self.now));
        let mut older: Vec<_> = older.map(|r| (r.source().rank(), r.source().key())).collect();
        older.sort_unstable();
        for (_, older) in older {
            if !self.read(older) {
                return self.readers[&generation].retry_later();
            }
        }
        self.read(generation);
    }

    /// Reads all of a source that is there and acknowledges it. False: it could not be read.
    fn read(&mut self, generation: Generation) -> bool {
        let Some(reader) = self.readers.get(&generation).filter(|_| self.reads) else {
            return true;
        };
        let source = reader.source();
        let name = self.short(source.logical());
        let progress = self.progress.get_mut(&generation).unwrap();
        let could_read = loop {
            self.raw.clear();
            let read = reader.read(&mut self.raw, 64 * 1024, self.now);
            progress.acked.merge(&reader.take_unwanted().spans);
            let piece = match read {
                Ok(Some(piece)) => piece,
                Ok(None) => break true,
                Err(_) => break false,
            };
            for (_, line) in lines(&self.raw) {
                self.records.push((name.clone(), String::from_utf8_lossy(line).into_owned()));
            }
            progress.acked.insert(piece.start, piece.end);
            progress.anchors.push(Anchor { offset: piece.end, hash: piece.anchor });
            source.acknowledge(progress.acked.covered_from(0));
        };
        let seen = source.seen();
        self.seen.insert(generation, seen);
        could_read
    }

    /// Reads what was offered one by one while `reads` was off, and nothing else.
    pub fn read_offered(&mut self) {
        self.reads = true;
        std::mem::take(&mut self.offered).into_iter().for_each(|offered| self.offer(offered));
    }

    /// Reads what was offered while `reads` was off.
    pub fn read_all(&mut self) {
        self.reads = true;
        self.read_in_order();
    }

    /// The oldest generations first, as an agent does.
    fn read_in_order(&mut self) {
        let mut order: Vec<_> = self.readers.iter().map(|(g, r)| (r.source().rank(), *g)).collect();
        order.sort();
        order.into_iter().for_each(|(_, generation)| _ = self.read(generation));
    }

    /// The texts that were collected since the last call.
    pub fn texts(&mut self) -> Vec<String> {
        self.records.drain(..).map(|(_, text)| text).collect()
    }

    /// The events since the last call.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    /// How many copies are remembered.
    pub fn remembered_copies(&self) -> usize {
        self.seen.keys().filter(|(_, generation)| *generation == u32::MAX - 1).count()
    }

    pub fn open_descriptors(&self) -> usize {
        let under = |target: &Path| target.starts_with(self.dir.path());
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter(|target| under(target) && !target.is_dir())
            .count()
    }
}

/// This content as gzip makes it.
pub fn gzip_of(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Numbered lines `PREFIX-FROM` to `PREFIX-TO`, each 40 bytes long, so that a few make a head
/// that proves something.
pub fn numbered(prefix: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{:<39}\n", format!("{prefix}-{number}"))).collect()
}

/// The same as records.
pub fn records(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbered(prefix, numbers).lines().map(str::to_string).collect()
}
