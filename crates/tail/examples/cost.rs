//! What the tail costs: reading, looking at idle files, latency. Makes its files in a temporary
//! directory. `cargo run --release -p tail --example cost`

#![allow(clippy::unwrap_used)] // a measurement
#![allow(clippy::disallowed_methods)] // makes the files that it measures on, and waits

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::{NodeId, Progress};
use tail::{
    Entries, Event, Excludes, Framing, HostTree, Options, Pattern, Raw, Reader, Source, Stat, Tail,
    Target, Tree,
};

fn main() {
    let dir = tempfile::tempdir().unwrap();
    reading(dir.path());
    idle(dir.path(), 10_000);
    mounted(dir.path(), 500);
    latency(dir.path());
}

fn tail(dir: &Path) -> Tail {
    let target = Target {
        id: 0,
        patterns: vec![Pattern::parse(dir.join("*.log"), 0).unwrap()],
        excludes: Excludes::default(),
        rotated: Vec::new(),
        flush_timeout: Duration::from_secs(60),
    };
    Tail::new(vec![target], Vec::new(), Vec::new(), Options::new(NodeId(1)), Instant::now())
}

/// Polls until everything that is there was found.
fn find(tail: &mut Tail) -> Vec<Arc<Source>> {
    let mut events = Vec::new();
    while !events.iter().any(|event| matches!(event, Event::Restored)) {
        tail.poll(Instant::now(), &mut events);
    }
    let source = |event| match event {
        Event::Found(found) => Some(found.source),
        _ => None,
    };
    events.into_iter().filter_map(source).collect()
}

fn reading(dir: &Path) {
    let dir = dir.join("reading");
    fs::create_dir(&dir).unwrap();
    let line = format!("{}\n", "x".repeat(511));
    let mut file = fs::File::create(dir.join("a.log")).unwrap();
    let block = line.repeat(2048);
    (0..512).for_each(|_| file.write_all(block.as_bytes()).unwrap());
    let mut tail = tail(&dir);
    let source = find(&mut tail).remove(0);
    for round in 0..3 {
        let progress = Progress::default();
        let reader =
            Reader::new(Arc::clone(&source), &progress, Duration::from_secs(60), Framing::Lines);
        let mut raw = Raw::new();
        let (started, cpu, mut bytes) = (Instant::now(), cpu_time(), 0);
        while let Some(piece) = reader.read(&mut raw, 256 << 10, Instant::now()).unwrap() {
            bytes += piece.end - piece.start;
            if raw.len() > 768 << 10 {
                raw.clear();
            }
        }
        let (wall, cpu) = (started.elapsed(), cpu_time() - cpu);
        let rate = bytes as f64 / 1e6 / cpu.as_secs_f64();
        println!("reading, round {round}: {bytes} bytes in {wall:?}, {rate:.0} MB per CPU-second");
    }
    drop(tail);
    fs::remove_dir_all(&dir).unwrap();
}

fn idle(dir: &Path, count: usize) {
    let dir = dir.join("idle");
    fs::create_dir(&dir).unwrap();
    (0..count).for_each(|i| fs::write(dir.join(format!("{i}.log")), format!("{i}\n")).unwrap());
    let cpu = cpu_time();
    for i in 0..count {
        fs::metadata(dir.join(format!("{i}.log"))).unwrap();
    }
    println!("a stat by path here: {:?}", (cpu_time() - cpu) / count as u32);
    let mut tail = tail(&dir);
    let started = Instant::now();
    let cpu = cpu_time();
    let sources = find(&mut tail);
    println!(
        "{} files found in {:?}, {:?} CPU",
        sources.len(),
        started.elapsed(),
        cpu_time() - cpu
    );
    sources.iter().for_each(|source| source.acknowledge(source.size()));
    for (name, time) in [("at first", 12), ("later", 30)] {
        let (started, cpu) = (Instant::now(), cpu_time());
        let polls = run(&mut tail, Duration::from_secs(time), |_| {});
        let share = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
        println!("{count} idle files, {name}: {:.2} % of a core, {polls} polls", share * 100.0);
    }
    drop(tail);
    fs::remove_dir_all(&dir).unwrap();
}

/// Many idle targets, each with a tree of its own, a file in it and a directory that is not there.
fn mounted(dir: &Path, count: usize) {
    let mut tail = tail(&dir.join("none"));
    find(&mut tail);
    for id in 1..=count {
        let (base, root) = (dir.join(format!("tree{id}")), format!("/containers/{id}"));
        fs::create_dir_all(base.join("logs")).unwrap();
        fs::write(base.join("logs/a.log"), format!("{id}\n")).unwrap();
        tail.mount(root.clone().into(), Arc::new(DirTree(base)));
        let pattern = |text| Pattern::parse(format!("{root}/{text}"), -1).unwrap();
        tail.add_target(Target {
            id,
            patterns: vec![pattern("logs/**/*.log"), pattern("none/*.log")],
            excludes: Excludes::default(),
            rotated: Vec::new(),
            flush_timeout: Duration::from_secs(60),
        });
    }
    let (started, cpu, mut listed) = (Instant::now(), cpu_time(), 0);
    while listed < count {
        run(&mut tail, Duration::from_millis(10), |event| match event {
            Event::Found(found) => found.source.acknowledge(found.source.size()),
            Event::Listed { .. } => listed += 1,
            _ => {}
        });
    }
    println!("{count} targets listed in {:?}, {:?} CPU", started.elapsed(), cpu_time() - cpu);
    run(&mut tail, Duration::from_secs(12), |_| {});
    let (started, cpu) = (Instant::now(), cpu_time());
    let polls = run(&mut tail, Duration::from_secs(20), |_| {});
    let share = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
    println!("{count} idle targets: {:.2} % of a core, {polls} polls", share * 100.0);
}

/// A directory that is a tree of its own.
#[derive(Debug)]
struct DirTree(PathBuf);

impl DirTree {
    fn place(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap())
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
        HostTree.list(&self.place(dir))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn open(&self, path: &Path) -> io::Result<std::sync::Arc<dyn tail::OpenFile>> {
        HostTree.open(&self.place(path))
    }
}

fn latency(dir: &Path) {
    let dir = dir.join("latency");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("a.log"), "first\n").unwrap();
    let mut tail = tail(&dir);
    find(&mut tail);
    let path = dir.join("a.log");
    let (send, receive) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(100));
            send.send(Instant::now()).unwrap();
            file.write_all(b"a line\n").unwrap();
        }
    });
    let mut waits = Vec::new();
    let (started, cpu) = (Instant::now(), cpu_time());
    run(&mut tail, Duration::from_secs(21), |event| {
        if matches!(event, Event::Grew(_)) {
            waits.extend(receive.try_iter().map(|written| written.elapsed()));
        }
    });
    let share = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
    writer.join().unwrap();
    waits.sort();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize];
    println!(
        "ten lines a second are seen after {:?} (p50), {:?} (p99), {:.2} % of a core",
        at(0.5),
        at(0.99),
        share * 100.0
    );
}

fn run(tail: &mut Tail, time: Duration, mut each: impl FnMut(&Event)) -> usize {
    let end = Instant::now() + time;
    let mut polls = 0;
    let mut events = Vec::new();
    while Instant::now() < end {
        tail.poll(Instant::now(), &mut events);
        events.drain(..).for_each(|event| each(&event));
        polls += 1;
        std::thread::sleep(tail.next_due().saturating_duration_since(Instant::now()));
    }
    polls
}

/// The CPU time of this process.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
