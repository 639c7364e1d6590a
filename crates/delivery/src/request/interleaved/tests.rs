//! Both outputs of a container in one file, read as it grows, is rotated and deleted.

#![allow(clippy::disallowed_methods)] // writes the files that it reads

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use flusher::{Backoff, BlackholeFlusher, RecordShape};
use record::{DeliveryKey, FlusherKey, NodeId, PipelineKey, Progress, REQUEST_RANGES_MAX};
use tail::{Event, Excludes, Options, Pattern, Reader, Source, Tail, Target};
use tempfile::TempDir;

use super::*;
use crate::delivery::delivery::{Delivery, DeliveryConfig};
use crate::delivery::queue::Tagger;
use crate::meter::meter::Meter;
use crate::records::record_format::{RecordFormat, is_joined};
use crate::records::runs::contents;
use crate::records::stdio::StdioRules;
use crate::request::builder::{RequestBuilder, Took};
use crate::request::request::{Buffers, Request};

const T: &str = "1970-01-01T00:00:01Z";
const TIMEOUT: Duration = Duration::from_secs(60);

/// Output whose records begin with `S`.
fn output() -> RecordFormat {
    let output = Some((StdioRules::ALL, "c".to_owned()));
    let multiline = Some(r#"{"StartPattern":"S.*"}"#.to_owned());
    RecordFormat { output, multiline, ..RecordFormat::default() }
}

struct Tagged;

impl Tagger for Tagged {
    fn tags(&self, _: &Source) -> Arc<Tags> {
        let format = output().text().expect("lines of output are not lines as they are");
        Arc::new(Tags(vec![(Tags::FORMAT.into(), format)]))
    }
}

fn delivery() -> Delivery {
    let config = DeliveryConfig {
        key: DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(2) },
        encoding: 0,
        request_bytes_max: 4_000,
        backoff: Backoff::default(),
        batch: flusher::Batch::default(),
        sync_before_send: false,
        concurrency: 1,
    };
    let flusher = Box::new(BlackholeFlusher::new(RecordShape::default()));
    Delivery::new(config, Meter::new("app", "blackhole", "plain"), flusher, 0)
}

/// A container's log and one delivery that reads it.
struct Scene {
    dir: TempDir,
    tail: Tail,
    rotations: u32,
    delivery: Delivery,
    /// Oldest first.
    readers: Vec<Arc<FileReader>>,
    /// What was taken.
    requests: Vec<Request>,
    now: Instant,
}

impl Scene {
    fn new(first: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let target = Target {
            id: 0,
            patterns: vec![Pattern::parse(dir.path().join("0.log"), 0).unwrap()],
            excludes: Excludes::default(),
            rotated: Vec::new(),
            flush_timeout: TIMEOUT,
        };
        let (options, now) = (Options::new(NodeId(1)), Instant::now());
        let tail = Tail::new(vec![target], Vec::new(), Vec::new(), options, now);
        let (delivery, readers, requests) = (delivery(), Vec::new(), Vec::new());
        let mut scene = Self { dir, tail, rotations: 0, delivery, readers, requests, now };
        scene.append(first);
        scene
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("0.log")
    }

    /// Appends lines, and lets them be seen.
    fn append(&mut self, lines: &str) {
        let mut file = File::options().create(true).append(true).open(self.log()).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        let len = file.metadata().unwrap().len();
        self.poll_until(|scene| {
            let last = scene.readers.last();
            scene.readers.len() as u32 > scene.rotations
                && last.is_some_and(|last| last.inner.source().size() == len)
        });
    }

    fn poll_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(30), "the tail sees what happened");
            let mut events = Vec::new();
            self.now += Duration::from_millis(20);
            self.tail.poll(self.now, &mut events);
            for event in events {
                if let Event::Found(found) = event {
                    self.follow(&found.source, &Progress::default());
                }
            }
        }
    }

    fn follow(&mut self, source: &Arc<Source>, progress: &Progress) {
        let inner = Reader::new(Arc::clone(source), progress, TIMEOUT, output().framing());
        self.readers.push(Arc::new(FileReader::new(inner, Arc::new(Tagged))));
        for (at, reader) in self.readers.iter().enumerate() {
            let older = at.checked_sub(1).map(|at| &self.readers[at]);
            reader.set_family(older, self.readers.get(at + 1));
        }
    }

    fn rotate(&mut self) {
        let name = format!("0.log.20260101-{:06}", 120_000 + self.rotations);
        fs::rename(self.log(), self.dir.path().join(name)).unwrap();
        self.rotations += 1;
    }

    /// Takes all that is whole.
    fn take(&mut self, is_last: bool) {
        loop {
            let (mut builder, mut is_done) =
                (RequestBuilder::new(&self.delivery, 0, Buffers::default()), false);
            while !builder.is_full() && !is_done {
                let youngest = &self.readers[self.readers.len() - 1];
                let oldest = youngest.oldest_ready(self.now);
                let turn = builder.take(&oldest, is_last, self.now);
                is_done = matches!(turn.took, Took::All) && Arc::ptr_eq(&oldest, youngest);
            }
            let request = builder.finish();
            assert!(request.bounds.ranges.len() <= REQUEST_RANGES_MAX);
            if !request.bounds.is_empty() {
                self.requests.push(request);
            }
            if is_done {
                return;
            }
        }
    }

    /// Begins anew with what was taken.
    fn restart(&mut self) {
        self.delivery = delivery();
        for reader in std::mem::take(&mut self.readers) {
            let mut progress = Progress::default();
            let ranges = self.requests.iter().flat_map(|request| &request.bounds.ranges);
            for range in ranges.filter(|range| key(reader.inner.source()) == (range.file, 0)) {
                progress.acked.insert(range.start, range.end);
                if range.anchor != UNPROVEN {
                    progress.anchors.push(range.end_anchor());
                }
            }
            self.follow(reader.inner.source(), &progress);
        }
    }

    /// The records of all requests, in some order. Each request is the same when it is made again.
    fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for request in &self.requests {
            let Request { bounds, raw, body, records, .. } = request;
            let parts = crate::records::split::pieces(&bounds.ranges, raw);
            let again = RequestBuilder::again(&self.delivery, 0, parts.map(|(r, b)| (r, Some(b))));
            assert_eq!((&again.bounds, &again.body, again.records), (bounds, body, *records));
            contents(&bounds.ranges, raw, &mut |_, _, text| {
                texts.push(String::from_utf8_lossy(text).into_owned());
            });
        }
        texts.sort();
        texts
    }
}

fn line(stream: &str, text: &str) -> String {
    format!("{T} {stream} F {text}\n")
}

/// However many lines come at a time, and whatever rotates the file or begins anew: each record is
/// taken whole and once.
#[test]
fn records_of_both_outputs_are_taken_whole_over_rotations_and_restarts() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..12 {
        let mut scene = Scene::new(&line("stdout", "S"));
        let mut open = ["S".to_owned(), String::new()];
        let mut expected = Vec::new();
        for number in 0..120 {
            let mut lines = String::new();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(..2);
                let begins = open[at].is_empty() || random.u8(..4) == 0;
                let text = format!("{}{number}", if begins { "S" } else { "x" });
                lines += &line(["stdout", "stderr"][at], &text);
                if begins {
                    expected.push(std::mem::replace(&mut open[at], text));
                } else {
                    open[at] += &format!("\n{text}");
                }
            }
            scene.append(&lines);
            if random.bool() {
                scene.take(false);
            }
            if random.u8(..10) == 0 {
                scene.restart();
            }
            if random.u8(..20) == 0 && number < 119 {
                scene.rotate();
            }
        }
        scene.take(false);
        expected.retain(|text| !text.is_empty());
        expected.sort();
        assert_eq!(scene.texts(), expected);
        // What is open at last waits for its end, no longer than the timeout.
        scene.now += TIMEOUT;
        scene.take(false);
        expected.extend(open.into_iter().filter(|text| !text.is_empty()));
        expected.sort();
        assert_eq!(scene.texts(), expected);
        let bytes: u64 = scene.requests.iter().map(|request| request.bounds.len()).sum();
        let names = fs::read_dir(scene.dir.path()).unwrap().flatten();
        assert_eq!(bytes, names.map(|name| name.metadata().unwrap().len()).sum::<u64>());
    }
}

#[test]
fn the_record_of_an_output_that_rests_is_taken_while_the_other_goes_on() {
    let mut scene = Scene::new(&(line("stderr", "S1") + &line("stdout", "S2")));
    scene.take(false);
    assert!(scene.requests.is_empty());
    scene.now += TIMEOUT / 2;
    scene.append(&line("stdout", "x2"));
    scene.take(false);
    assert!(scene.requests.is_empty());
    scene.now += TIMEOUT / 2;
    scene.append(&line("stdout", "y2"));
    scene.take(false);
    assert_eq!(scene.texts(), ["S1"]);
    scene.append(&line("stdout", "S3"));
    scene.take(false);
    assert_eq!(scene.texts(), ["S1", "S2\nx2\ny2"]);
}

#[test]
fn what_is_about_to_vanish_waits_a_moment_for_the_file_that_goes_on_and_not_for_ever() {
    let mut scene = Scene::new(&(line("stdout", "S1") + &line("stderr", "S2")));
    scene.take(false);
    scene.rotate();
    scene.append(&line("stdout", "x1"));
    fs::remove_file(scene.dir.path().join("0.log.20260101-120000")).unwrap();
    scene.poll_until(|scene| scene.readers[0].inner.source().is_vanishing());
    scene.take(false);
    assert!(scene.requests.is_empty(), "{:?}", scene.texts());
    scene.append(&line("stdout", "S3"));
    scene.take(false);
    assert_eq!(scene.texts(), ["S1\nx1"]);
    scene.now += PATIENCE;
    scene.take(false);
    assert_eq!(scene.texts(), ["S1\nx1", "S2"]);
}

#[test]
fn an_agent_that_ends_waits_for_nothing_that_is_about_to_vanish_and_leaves_the_rest_to_the_next() {
    for is_deleted in [true, false] {
        let mut scene = Scene::new(&line("stdout", "S1"));
        scene.take(false);
        if is_deleted {
            fs::remove_file(scene.log()).unwrap();
            scene.poll_until(|scene| scene.readers[0].inner.source().is_vanishing());
        }
        scene.take(true);
        assert_eq!(scene.texts(), if is_deleted { &["S1"][..] } else { &[] });
    }
}

#[test]
fn a_record_that_stands_in_too_many_places_ends_and_no_request_has_too_many_ranges() {
    let count = 3 * PLACES_MAX;
    let lines: String = (0..count)
        .map(|at| line("stderr", if at == 0 { "S" } else { "x" }) + &line("stdout", "S!"))
        .collect();
    let mut scene = Scene::new(&lines);
    scene.take(false);
    scene.now += TIMEOUT;
    scene.take(false);
    let texts = scene.texts();
    assert_eq!(texts.iter().filter(|text| *text == "S!").count(), count);
    let of_other: usize =
        texts.iter().filter(|text| *text != "S!").map(|t| t.lines().count()).sum();
    assert_eq!(of_other, count, "no line is lost");
    let longest = texts.iter().map(|text| text.lines().count()).max();
    assert!(
        longest.is_some_and(|lines| (PLACES_MAX / 2..=2 * PLACES_MAX).contains(&lines)),
        "{longest:?}"
    );
}

#[test]
fn what_went_on_bytes_that_are_gone_begins_a_run_and_joins_no_other() {
    let mut scene = Scene::new(&(line("stderr", "S1") + &line("stdout", "S2")));
    scene.append(&(line("stderr", "x1") + &line("stdout", "S3") + &line("stderr", "S4")));
    scene.append(&line("stdout", "x3"));
    scene.take(false);
    assert_eq!(scene.texts(), ["S1\nx1", "S2"]);
    let request = &scene.requests[0];
    let ranges = &request.bounds.ranges;
    assert_eq!(ranges.len(), 1, "all before what is open");
    scene.append(&(line("stderr", "x4") + &line("stdout", "S5") + &line("stdout", "S6")));
    scene.take(false);
    let request = &scene.requests[1];
    let parts = crate::records::split::pieces(&request.bounds.ranges, &request.raw);
    let parts = parts.enumerate().map(|(at, (range, raw))| (range, (at > 0).then_some(raw)));
    let again = RequestBuilder::again(&scene.delivery, 0, parts);
    assert_eq!(again.bounds.ranges.len() + 1, request.bounds.ranges.len());
    assert!(!is_joined(&again.bounds.ranges[0].tags));
}

/// As a destination that refuses one record has them sent, until each is alone.
#[test]
fn a_refused_run_is_cut_in_two_down_to_single_records() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50 {
        let lines: String = (0..random.usize(2..30))
            .map(|at| {
                let text = format!("{}{at}", if at < 2 || random.bool() { "S" } else { "x" });
                line(["stdout", "stderr"][if at < 2 { at } else { random.usize(..2) }], &text)
            })
            .collect();
        let mut scene = Scene::new(&lines);
        scene.take(false);
        scene.now += TIMEOUT;
        scene.take(false);
        let (whole, mut single) = (scene.texts(), Vec::new());
        let bytes: u64 = scene.requests.iter().map(|request| request.bounds.len()).sum();
        while let Some(at) = scene.requests.iter().position(Request::is_divisible) {
            let request = scene.requests.remove(at);
            let (ranges, raw) = (&request.bounds.ranges, &request.raw);
            let starts = crate::records::runs::starts(ranges, raw);
            let halves = crate::records::split::halve(ranges, raw, &starts, |_| Vec::new());
            for (ranges, raw) in halves.or_else(|| halve_run(ranges, raw)).unwrap() {
                let parts = crate::records::split::pieces(&ranges, &raw);
                let half = parts.map(|(range, raw)| (range, Some(raw)));
                single.push(RequestBuilder::again(&scene.delivery, 0, half));
            }
            scene.requests.append(&mut single);
        }
        assert!(scene.requests.iter().all(|request| request.records == 1));
        assert_eq!(scene.texts(), whole);
        let left: u64 = scene.requests.iter().map(|request| request.bounds.len()).sum();
        assert_eq!(left, bytes);
    }
}
