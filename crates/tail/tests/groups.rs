//! What containers printed, read in groups: whatever the sizes of reads, the rotations and the
//! restarts, no record is cut in two.

#![allow(clippy::unwrap_used)] // a test
#![allow(clippy::disallowed_methods)] // writes and renames the files that are followed

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use process::split::{Assembly, GROUP_BYTES_MAX, for_each, safe_len};
use record::{Anchor, FileSeen, FileUid, NodeId, Progress, Stream};
use tail::{
    Event, Excludes, Framing, Groups, Options, Pattern, Raw, Reader, SavedFile, Source, Tail,
    Target,
};

/// How much of a line Docker keeps in one of its own.
const PIECE_BYTES: usize = 16 * 1024;
const FLUSH: Duration = Duration::from_secs(60);
const TIME: &str = "2026-11-22T13:48:32.123456789Z";

/// What a container printed, as it is framed.
#[derive(Debug)]
struct Output;

impl Groups for Output {
    fn safe_len(&self, bytes: &[u8]) -> usize {
        safe_len(bytes)
    }

    fn longest(&self) -> usize {
        GROUP_BYTES_MAX
    }
}

type Generation = (FileUid, u32);

/// What a container's runtime does with its output.
struct Runtime {
    dir: tempfile::TempDir,
    random: Rng,
    is_json: bool,
    /// What is left of the record that each stream writes.
    open: [Option<String>; 2],
    next: usize,
    rotated: usize,
    /// All records that were begun, by stream.
    written: [Vec<String>; 2],
}

impl Runtime {
    fn path(&self, n: usize) -> PathBuf {
        let name = if n == 0 { "0.log".to_string() } else { format!("0.log.{n}") };
        self.dir.path().join(name)
    }

    /// The next line, a whole record or a piece of one.
    fn line(&mut self) -> String {
        let stream = self.random.usize(..2);
        let text = self.open[stream].take().unwrap_or_else(|| {
            self.next += 1;
            let long = match self.random.u8(..20) {
                0..=2 if self.is_json => 40_000,
                0 => 3000,
                _ => 60,
            };
            let number = format!("{}-", self.next);
            let text = number.repeat(1 + self.random.usize(..long) / number.len());
            self.written[stream].push(text.clone());
            text
        });
        let at = match self.is_json {
            // Docker's pieces are all of one size.
            true => text.len().min(PIECE_BYTES),
            false if self.random.u8(..3) > 0 => text.len(),
            false => self.random.usize(..text.len()),
        };
        let is_last = at < PIECE_BYTES && at == text.len();
        let (piece, rest) = text.split_at(at);
        if !is_last {
            self.open[stream] = Some(rest.to_string());
        }
        let name = ["stdout", "stderr"][stream];
        match self.is_json {
            true => {
                let end = if is_last { "\\n" } else { "" };
                format!("{{\"log\":\"{piece}{end}\",\"stream\":\"{name}\",\"time\":\"{TIME}\"}}\n")
            }
            false => format!("{TIME} {name} {} {piece}\n", if is_last { "F" } else { "P" }),
        }
    }

    fn write(&mut self) {
        for _ in 0..self.random.usize(1..20) {
            let line = self.line();
            self.append(&line);
        }
    }

    fn append(&self, text: &str) {
        let file = fs::OpenOptions::new().create(true).append(true).open(self.path(0));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&mut self) {
        if self.path(0).exists() {
            for n in (0..=self.rotated).rev() {
                let (from, to) = (self.path(n), self.path(n + 1));
                match from.exists() {
                    true => fs::rename(from, to).unwrap(),
                    false => fs::rename(packed(&from), packed(&to)).unwrap(),
                }
            }
            self.rotated += 1;
            // The last but one is compressed, as the kubelet does.
            let path = self.path(2);
            if path.exists() {
                let (compression, content) =
                    (flate2::Compression::fast(), fs::read(&path).unwrap());
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), compression);
                encoder.write_all(&content).unwrap();
                fs::write(packed(&path), encoder.finish().unwrap()).unwrap();
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// Ends what is open.
    fn finish(&mut self) {
        while self.open != [None, None] {
            let line = self.line();
            self.append(&line);
        }
    }
}

fn packed(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.gz", path.display()))
}

/// An agent that reads what it is told of, oldest first, and acknowledges whole runs.
struct Agent {
    tail: Option<Tail>,
    /// Whether every saved file has been looked for: nothing is read before.
    is_restored: bool,
    readers: BTreeMap<Generation, Reader>,
    progress: BTreeMap<Generation, Progress>,
    seen: BTreeMap<Generation, FileSeen>,
    now: Instant,
    records: [Vec<String>; 2],
}

impl Agent {
    fn start(&mut self, runtime: &Runtime) {
        let target = Target {
            id: 0,
            patterns: vec![Pattern::parse(runtime.path(0), 0).unwrap()],
            excludes: Excludes::default(),
            rotated: Vec::new(),
            flush_timeout: FLUSH,
        };
        let saved = self.seen.iter().map(|(generation, seen)| {
            let Progress { anchors, acked, .. } = self.progress[generation].clone();
            let acknowledged = acked.covered_from(0);
            SavedFile { seen: seen.clone(), acknowledged, anchors, gone_for: Duration::ZERO }
        });
        let mut options = Options::new(NodeId(1));
        options.clock = || Duration::ZERO;
        self.readers.clear();
        let tail = Tail::new(vec![target], saved.collect(), Vec::new(), options, self.now);
        self.tail = Some(tail);
        self.is_restored = false;
    }

    fn run(&mut self, random: &mut Rng, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(20);
            let mut events = Vec::new();
            self.tail.as_mut().unwrap().poll(self.now, &mut events);
            for event in events {
                match event {
                    Event::Found(found) => {
                        let generation = self.see(&found.source);
                        let progress = self.progress.entry(generation).or_default();
                        let framing = Framing::Groups(Arc::new(Output));
                        let reader = Reader::new(found.source, progress, FLUSH, framing);
                        self.readers.insert(generation, reader);
                    }
                    Event::Seen(source) => drop(self.see(&source)),
                    Event::Closed(source) => {
                        self.readers.remove(&(source.uid(), source.generation()));
                    }
                    Event::Restored => self.is_restored = true,
                    _ => {}
                }
            }
            if self.is_restored {
                self.read(random);
            }
        }
    }

    fn see(&mut self, source: &Arc<Source>) -> Generation {
        let generation = (source.uid(), source.generation());
        self.seen.insert(generation, source.seen());
        generation
    }

    /// Reads until nothing is ready; what is open at the end of a file is put together with the
    /// beginning of the next younger one.
    fn read(&mut self, random: &mut Rng) {
        let mut order: Vec<_> = self.readers.iter().map(|(g, r)| (r.source().rank(), *g)).collect();
        order.sort_unstable();
        let mut raw = Raw::new();
        let mut parts: Vec<(Generation, tail::Piece)> = Vec::new();
        'family: for (_, generation) in order {
            let reader = &self.readers[&generation];
            loop {
                let max = [1, 50, 700, 65536][random.usize(..4)];
                let read = reader.read_behind(&mut raw, raw_open(&parts), max, self.now);
                // What is younger comes after it.
                let Ok(read) = read else { break 'family };
                let Some(piece) = read else { break };
                parts.push((generation, piece));
                if !piece.open {
                    take(&raw, &mut self.records);
                    for (generation, piece) in parts.drain(..) {
                        let progress = self.progress.get_mut(&generation).unwrap();
                        progress.acked.insert(piece.start, piece.end);
                        progress.anchors.push(Anchor { offset: piece.end, hash: piece.anchor });
                        let source = self.readers[&generation].source();
                        source.acknowledge(progress.acked.covered_from(0));
                    }
                    raw.clear();
                }
            }
        }
        // The rest of it is not written yet.
        for (generation, piece) in parts.iter().rev() {
            self.readers[generation].put_back(piece);
        }
    }
}

/// How much of the run is open: all of it.
fn raw_open(parts: &[(Generation, tail::Piece)]) -> usize {
    parts.iter().map(|(_, piece)| (piece.end - piece.start) as usize).sum()
}

fn take(raw: &[u8], records: &mut [Vec<String>; 2]) {
    assert_eq!(safe_len(raw), raw.len(), "{}", String::from_utf8_lossy(raw));
    for_each(raw, &mut Assembly::new(), |record| {
        assert!(record.finished);
        let stream = usize::from(record.stream == Some(Stream::Stderr));
        records[stream].push(String::from_utf8_lossy(record.content).into_owned());
    });
}

fn run(seed: u64) {
    let mut runtime = Runtime {
        dir: tempfile::tempdir().unwrap(),
        random: Rng::with_seed(seed),
        is_json: seed.is_multiple_of(2),
        open: [None, None],
        next: 0,
        rotated: 0,
        written: Default::default(),
    };
    let mut random = Rng::with_seed(seed ^ 1);
    let mut agent = Agent {
        tail: None,
        is_restored: false,
        readers: BTreeMap::new(),
        progress: BTreeMap::new(),
        seen: BTreeMap::new(),
        now: Instant::now(),
        records: Default::default(),
    };
    agent.start(&runtime);
    for _ in 0..60 {
        match random.u8(..8) {
            0..=3 => runtime.write(),
            4 => runtime.rotate(),
            5 => {
                // A line that comes in two parts.
                let line = runtime.line();
                let (begin, end) = line.split_at(random.usize(..line.len()));
                runtime.append(begin);
                agent.run(&mut random, Duration::from_millis(300));
                runtime.append(end);
            }
            6 => agent.start(&runtime),
            _ => {
                let time = Duration::from_millis([20, 400, 3000][random.usize(..3)]);
                agent.run(&mut random, time);
            }
        }
    }
    runtime.finish();
    agent.run(&mut random, Duration::from_secs(10));
    assert_eq!(agent.records, runtime.written, "seed {seed}");
}

#[test]
fn no_record_of_a_container_is_cut_or_lost_or_repeated() {
    (0..20).chain([40, 125]).for_each(run);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    run(seed);
}
