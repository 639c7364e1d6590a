//! `flusher_file` and other people's hands on its output: cut, replaced, moved, locked, full.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Fault, RealDisk, SimDisk};
use flusher::{
    Committed, Error, FileFlusher, FileOptions, Flusher, Outgoing, RecordShape, Verdict,
};
use record::{Bounds, DeliveryKey, FlusherKey, PipelineKey, RequestId, RequestKey, Ticket};

/// What no flusher here looks at.
static BOUNDS: Bounds = Bounds {
    delivery: DeliveryKey { pipeline: PipelineKey(0), flusher: FlusherKey(0) },
    time: 0,
    encoding: 0,
    ranges: Vec::new(),
};

const OUT: &str = "/out/app.log";

/// A flusher and what its journal would hold.
struct Agent {
    flusher: FileFlusher,
    taken: Vec<RequestId>,
    receipt: Vec<u8>,
}

impl Agent {
    fn start(
        disk: &SimDisk,
        options: FileOptions,
        receipt: Option<&[u8]>,
    ) -> Result<(Self, Vec<String>), Error> {
        let flusher = FileFlusher::new(Arc::new(disk.clone()), options, RecordShape::default());
        let mut last = Vec::new();
        let notes = flusher.recover(receipt, &mut |committed: &Committed<'_>| {
            assert!(committed.durable && committed.requests.is_empty());
            last = committed.receipt.to_vec();
            Ok(())
        })?;
        Ok((Self { flusher, taken: Vec::new(), receipt: last }, notes))
    }

    fn send(&self, id: u64, body: &str) -> Verdict {
        let ticket = Ticket { request: RequestId(id), key: RequestKey(id.into()) };
        let request = Outgoing {
            ticket,
            bounds: &BOUNDS,
            body: body.as_bytes(),
            records: 1,
            sent_before: false,
        };
        self.flusher.send(&request)
    }

    fn commit(&mut self) {
        let (taken, receipt) = (&mut self.taken, &mut self.receipt);
        self.flusher
            .commit(&mut |committed| {
                taken.extend(committed.requests);
                *receipt = committed.receipt.to_vec();
                Ok(())
            })
            .unwrap();
    }
}

fn options() -> FileOptions {
    FileOptions::new(OUT.into())
}

fn rotating() -> FileOptions {
    FileOptions { max_file_size: Some(10), max_files: 2, ..options() }
}

fn read(disk: &SimDisk, path: &str) -> String {
    String::from_utf8(disk.read(Path::new(path)).unwrap()).unwrap()
}

fn put(disk: &SimDisk, path: &str, content: &str) {
    disk.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    let file = disk.create(Path::new(path), 0).unwrap();
    file.write_all_at(content.as_bytes(), 0).unwrap();
}

#[test]
fn a_foreign_output_is_appended_to_and_its_last_line_ended() {
    let disk = SimDisk::new(1);
    put(&disk, OUT, "theirs\nunfinished");
    let (mut agent, notes) = Agent::start(&disk, options(), None).unwrap();
    assert_eq!(notes, [""; 0]);
    assert_eq!(agent.send(1, "a\n"), Verdict::Written);
    agent.commit();
    assert_eq!(read(&disk, OUT), "theirs\nunfinished\na\n");
    assert_eq!(agent.taken, [RequestId(1)]);
}

#[test]
fn only_what_is_not_journaled_is_cut() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "a\n");
    agent.commit();
    agent.send(2, "b\n");
    let disk = disk.after_kill();
    let (agent, notes) = Agent::start(&disk, options(), Some(&agent.receipt)).unwrap();
    assert_eq!(read(&disk, OUT), "a\n");
    assert!(notes[0].contains("cut 2 unacknowledged bytes"), "{notes:?}");
    agent.send(2, "b\n");
    assert_eq!(read(&disk, OUT), "a\nb\n");
}

#[test]
fn an_output_that_somebody_cut_replaced_or_removed_is_appended_to_and_reported() {
    type Change = fn(&SimDisk);
    let cases: [(&str, Change, &str); 3] = [
        (
            "somebody cut it",
            |disk| disk.open(Path::new(OUT)).unwrap().set_len(2).unwrap(),
            "a\nz\n",
        ),
        (
            "somebody replaced its content",
            |disk| disk.open(Path::new(OUT)).unwrap().write_all_at(b"theirs, longer\n", 0).unwrap(),
            "theirs, longer\nz\n",
        ),
        ("is not there any more", |disk| disk.unlink(Path::new(OUT)).unwrap(), "z\n"),
    ];
    for (note, change, expected) in cases {
        let disk = SimDisk::new(1);
        let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
        agent.send(1, "a\n");
        agent.send(2, "bbb\n");
        agent.commit();
        let disk = disk.after_kill();
        change(&disk);
        let (agent, notes) = Agent::start(&disk, options(), Some(&agent.receipt)).unwrap();
        assert!(notes[0].contains(note), "{notes:?}");
        agent.send(3, "z\n");
        assert_eq!(read(&disk, OUT), expected);
    }
}

#[test]
fn an_output_cut_while_running_gets_no_hole() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "aaaa\n");
    agent.commit();
    disk.open(Path::new(OUT)).unwrap().set_len(0).unwrap();
    agent.send(2, "b\n");
    agent.commit();
    assert_eq!(read(&disk, OUT), "b\n");
}

#[test]
fn an_output_moved_away_while_running_is_begun_anew() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "a\n");
    disk.rename(Path::new(OUT), Path::new("/out/app.log-20260504")).unwrap();
    agent.send(2, "b\n");
    agent.commit();
    agent.send(3, "c\n");
    let disk = disk.after_kill();
    let (agent, notes) = Agent::start(&disk, options(), Some(&agent.receipt)).unwrap();
    assert!(notes[0].contains("cut 2 unacknowledged bytes"), "{notes:?}");
    agent.send(3, "c\n");
    assert_eq!(read(&disk, "/out/app.log-20260504"), "a\nb\n");
    assert_eq!(read(&disk, OUT), "c\n");
}

#[test]
fn what_was_cut_where_it_went_does_not_come_back_with_a_power_loss() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
        agent.send(1, "a\n");
        agent.commit();
        agent.send(2, "b\n");
        let file = disk.open(Path::new(OUT)).unwrap();
        file.sync_data().unwrap(); // As the kernel does by itself after a while.
        disk.rename(Path::new(OUT), Path::new("/out/app.log.1")).unwrap();
        disk.sync_dir(Path::new("/out")).unwrap();
        let disk = disk.after_kill();
        // From here on the journal names the new output, and nobody looks at the old one.
        Agent::start(&disk, options(), Some(&agent.receipt)).unwrap();
        let disk = disk.after_power_loss(seed);
        assert_eq!(read(&disk, "/out/app.log.1"), "a\n", "seed {seed}");
    }
}

#[test]
fn what_was_sent_before_a_move_is_cut_where_it_went() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "a\n");
    agent.commit();
    agent.send(2, "b\n");
    disk.rename(Path::new(OUT), Path::new("/out/app.log.1")).unwrap();
    let disk = disk.after_kill();
    Agent::start(&disk, options(), Some(&agent.receipt)).unwrap();
    assert_eq!(read(&disk, "/out/app.log.1"), "a\n");
    assert_eq!(read(&disk, OUT), "");
}

#[test]
fn rotation_keeps_the_youngest_files_in_order() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, rotating(), None).unwrap();
    for id in 0..5 {
        agent.send(id, &format!("record {id} is long\n"));
        agent.commit();
    }
    agent.send(5, "short\n");
    agent.commit();
    assert_eq!(read(&disk, OUT), "short\n");
    assert_eq!(read(&disk, "/out/app.log.1"), "record 4 is long\n");
    assert_eq!(read(&disk, "/out/app.log.2"), "record 3 is long\n");
    assert_eq!(
        disk.list(Path::new("/out")).unwrap(),
        ["app.log", "app.log.1", "app.log.2", "app.log.lock"]
    );
}

#[test]
fn a_second_writer_is_told_who_is_in_the_way() {
    let disk = SimDisk::new(1);
    let (agent, _) = Agent::start(&disk, options(), None).unwrap();
    let Err(error) = Agent::start(&disk, options(), None) else { panic!("two writers") };
    assert!(matches!(&error, Error::Locked { path } if path == Path::new("/out/app.log.lock")));
    assert!(error.is_transient());
    drop(agent);
    Agent::start(&disk, options(), None).unwrap();
}

#[test]
fn a_receipt_of_another_version_is_refused() {
    for receipt in [&[2; 25][..], &[1; 24], &[1; 26]] {
        let Err(error) = Agent::start(&SimDisk::new(1), options(), Some(receipt)) else {
            panic!("{receipt:?} was read")
        };
        assert!(matches!(error, Error::Receipt { .. }), "{error}");
    }
}

#[test]
fn a_full_disk_is_the_destinations_condition_and_leaves_no_half_line() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "a\n");
    disk.fail_at(disk.operations(), Fault::Full, 4);
    let body = "x".repeat(100_000) + "\n";
    let Verdict::Retry { reason, condition: true, after: None } = agent.send(2, &body) else {
        panic!("a full disk took it")
    };
    assert!(reason.contains(OUT), "{reason}");
    assert_eq!(read(&disk, OUT), "a\n");
    disk.heal();
    assert_eq!(agent.send(2, &body), Verdict::Written);
    agent.commit();
    assert_eq!(read(&disk, OUT), format!("a\n{body}"));
    assert_eq!(agent.taken, [RequestId(1), RequestId(2)]);
}

#[test]
fn a_journal_that_fails_makes_no_record_twice() {
    let disk = SimDisk::new(1);
    let (mut agent, _) = Agent::start(&disk, options(), None).unwrap();
    agent.send(1, "a\n");
    let failed = agent.flusher.commit(&mut |_| Err("journal full".into()));
    let Err(error @ Error::Journal { .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "journal full");
    assert_eq!(agent.send(1, "a\n"), Verdict::Written);
    agent.commit();
    assert_eq!(read(&disk, OUT), "a\n");
    assert_eq!(agent.taken, [RequestId(1)]);
}

#[test]
fn nothing_is_sent_before_the_output_is_open() {
    let disk = SimDisk::new(1);
    let flusher = FileFlusher::new(Arc::new(disk.clone()), options(), RecordShape::default());
    let ticket = Ticket { request: RequestId(1), key: RequestKey(1) };
    let request =
        Outgoing { ticket, bounds: &BOUNDS, body: b"a\n", records: 1, sent_before: false };
    assert!(matches!(flusher.send(&request), Verdict::Retry { condition: true, .. }));
    flusher.commit(&mut |_| panic!("there is nothing to journal")).unwrap();
    assert_eq!(disk.operations(), 0);
}

#[test]
fn a_directory_or_a_link_at_the_path_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    RealDisk.create_dir(&path).unwrap();
    let flusher = FileFlusher::new(
        Arc::new(RealDisk),
        FileOptions::new(path.clone()),
        RecordShape::default(),
    );
    let error = flusher.recover(None, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Output { operation: "open", .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}
