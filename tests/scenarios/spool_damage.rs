//! What the journal says was spooled is compared with what the spool shows: whatever happened to
//! its segments between two runs, each request is sent or counted to the byte, and no later one
//! is mistaken for it.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::{Destination, Faults, LogFile, Mount, Stopped, until};
use tests::{ENOUGH, Stage, is_known_whole};

/// Bytes of one line of the tests.
pub(crate) const LINE: u64 = 121;
/// Lines of the log that is spooled before the damage.
pub(crate) const EARLIER: u64 = 200;
/// Lines of the log that is spooled after it.
const LATER: u64 = 300;

/// A destination that takes nothing.
pub(crate) fn unavailable() -> Faults {
    Faults { unavailable_percent: 100, ..Faults::none() }
}

pub(crate) fn segments(stage: &Stage) -> Vec<PathBuf> {
    let names = fs::read_dir(stage.state()).unwrap().flatten().map(|entry| entry.path());
    let is_segment = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("logtail_buffer_file_i") && !name.contains("corrupt")
    };
    let mut found: Vec<_> = names.filter(is_segment).collect();
    found.sort();
    found
}

/// Deletes a log that no request has taken along, and waits until it is in the spool.
pub(crate) fn spool_away(stage: &Stage, agent: &testkit::Agent, log: &LogFile) {
    until(ENOUGH, "the state to know the file's length", || {
        let dump = stage.dump();
        if is_known_whole(&dump, log.path()) { Ok(()) } else { Err(dump.to_string()) }
    });
    let before = stage.spooled_bytes();
    fs::remove_file(log.path()).unwrap();
    let bytes = log.written().lines * LINE;
    until(ENOUGH, "the deleted log to be spooled", || match stage.spooled_bytes() - before {
        spooled if spooled >= bytes => Ok(()),
        spooled => Err(format!("{spooled} bytes: {}", agent.log())),
    });
}

#[track_caller]
pub(crate) fn damaged_bytes(stop: &Stopped) -> u64 {
    let deliveries = stop.report["deliveries"].as_object().unwrap();
    let counters = deliveries.values().next().unwrap();
    counters["spool_damaged_bytes"].as_u64().unwrap_or(0)
}

/// Spools a log, ends the agent, does `damage` to the spool, spools another log, and lets the
/// destination take everything. The stage, how many lines of the first log arrived, and the stop.
fn damaged(damage: impl FnOnce(&Stage, &Path)) -> (Stage, Destination, u64, Stopped) {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    let mut earlier = LogFile::create(1, &stage.log("earlier.log"), 120);
    earlier.append(EARLIER);
    spool_away(&stage, &agent, &earlier);
    agent.sigkill();
    let segment = segments(&stage).pop().unwrap();
    damage(&stage, &segment);

    let agent = stage.run().start();
    let mut later = LogFile::create(2, &stage.log("later.log"), 120);
    later.append(LATER);
    spool_away(&stage, &agent, &later);
    destination.set_faults(Faults::none());
    until(ENOUGH, "the later log", || {
        let missing = destination
            .ledger(|ledger| (0..LATER).filter(|&line| !ledger.by_key().has(2, line)).count());
        if missing == 0 { Ok(()) } else { Err(format!("{missing} missing: {}", agent.log())) }
    });
    until(ENOUGH, "the state to forget what is closed", || {
        if stage.has_waiting() { Err(stage.dump().to_string()) } else { Ok(()) }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let arrived = arrived_of_earlier(&destination);
    (stage, destination, arrived, stop)
}

fn arrived_of_earlier(destination: &Destination) -> u64 {
    destination
        .ledger(|ledger| (0..EARLIER).filter(|&line| ledger.by_key().has(1, line)).count() as u64)
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
}

#[test]
fn whatever_becomes_of_a_segment_each_line_arrives_or_is_counted() {
    type Damage = fn(&Path);
    let table: [(&str, Damage); 9] = [
        ("removed", |segment| fs::remove_file(segment).unwrap()),
        ("renamed", |segment| fs::rename(segment, segment.with_extension("old")).unwrap()),
        ("emptied", |segment| write(segment, b"")),
        ("cut in its header", |segment| write(segment, &fs::read(segment).unwrap()[..9])),
        ("cut in the middle", |segment| {
            let content = fs::read(segment).unwrap();
            write(segment, &content[..content.len() / 2]);
        }),
        ("zeros from the first frame on", |segment| {
            let mut content = fs::read(segment).unwrap();
            content[20..].fill(0);
            write(segment, &content);
        }),
        ("all zeros", |segment| write(segment, &vec![0; fs::read(segment).unwrap().len()])),
        ("random bytes", |segment| {
            let len = fs::read(segment).unwrap().len();
            let mut random = fastrand::Rng::with_seed(8);
            write(segment, &(0..len).map(|_| random.u8(..)).collect::<Vec<_>>());
        }),
        ("as it was", |_| {}),
    ];
    for (what, damage) in table {
        let (_stage, _, arrived, stop) = damaged(|_, segment| damage(segment));
        let lost = damaged_bytes(&stop);
        assert_eq!(arrived * LINE + lost, EARLIER * LINE, "{what}: {}", stop.log);
        assert_eq!(lost > 0, what != "as it was", "{what}");
        if lost > 0 {
            assert!(stop.log.contains("spool_damaged"), "{what}: {}", stop.log);
        }
    }
}

#[test]
fn a_segment_that_comes_back_is_sent_after_all() {
    let (stage, destination, arrived, _) = damaged(|stage, segment| {
        fs::rename(segment, stage.path("elsewhere")).unwrap();
        fs::write(stage.path("name"), segment.to_str().unwrap()).unwrap();
    });
    assert_eq!(arrived, 0);
    let name = fs::read_to_string(stage.path("name")).unwrap();
    assert!(!Path::new(&name).exists(), "its number is not given again");
    fs::rename(stage.path("elsewhere"), name).unwrap();
    let agent = stage.run().start();
    until(ENOUGH, "the earlier log", || match arrived_of_earlier(&destination) {
        EARLIER => Ok(()),
        arrived => Err(format!("{arrived}: {}", agent.log())),
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    destination.ledger(|ledger| {
        let arrivals = ledger.by_key();
        assert_eq!(arrivals.repeated(), 0, "nothing is repeated");
    });
}

#[test]
fn another_segment_under_the_number_is_not_taken_for_the_one_that_was_there() {
    // A segment of another agent with the same number and a frame at the same place.
    let other = Stage::new();
    let destination = Destination::start(unavailable());
    other.pipeline_to_http(&destination.url());
    let agent = other.run().start();
    let mut log = LogFile::create(3, &other.log("other.log"), 120);
    log.append(EARLIER);
    spool_away(&other, &agent, &log);
    agent.sigkill();
    let foreign = fs::read(segments(&other).pop().unwrap()).unwrap();
    let (_stage, _, arrived, stop) = damaged(|_, segment| write(segment, &foreign));
    assert_eq!(arrived, 0);
    assert_eq!(damaged_bytes(&stop), EARLIER * LINE, "{}", stop.log);
}

#[test]
fn a_frame_that_is_gone_is_read_again_from_its_rotated_log() {
    let stage = Stage::new();
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let agent = stage.run().start();
    let _log = rotated_into_the_spool(&stage, &agent);
    agent.sigkill();
    segments(&stage).iter().for_each(|segment| fs::remove_file(segment).unwrap());
    // It has another name by now.
    fs::rename(stage.log("app.log.1"), stage.log("app.log.2")).unwrap();
    destination.set_faults(Faults::none());
    let agent = stage.run().start();
    until(ENOUGH, "the rotated log", || match arrived_of_earlier(&destination) {
        EARLIER => Ok(()),
        arrived => Err(format!("{arrived}: {}", agent.log())),
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!((stop.code, damaged_bytes(&stop)), (Some(0), 0), "{}", stop.log);
    assert!(stop.log.contains("were read again from their logs"), "{}", stop.log);
    destination.ledger(|ledger| assert_eq!(ledger.raw().repeated(), 0));
}

/// Rotates a log away from a destination that takes nothing, and waits until it is in the spool.
fn rotated_into_the_spool(stage: &Stage, agent: &testkit::Agent) -> [LogFile; 2] {
    let mut log = LogFile::create(1, &stage.log("app.log"), 120);
    log.append(EARLIER);
    until(ENOUGH, "the state to know the file's length", || {
        let dump = stage.dump();
        if is_known_whole(&dump, log.path()) { Ok(()) } else { Err(dump.to_string()) }
    });
    // The destination takes nothing: what was rotated away is spooled.
    fs::rename(stage.log("app.log"), stage.log("app.log.1")).unwrap();
    let other = LogFile::create(2, &stage.log("app.log"), 120);
    until(ENOUGH, "the rotated log to be spooled", || match stage.spooled_bytes() {
        bytes if bytes >= EARLIER * LINE => Ok(()),
        bytes => Err(format!("{bytes} bytes: {}", agent.log())),
    });
    [log, other]
}

#[test]
fn a_start_that_has_no_room_for_frames_that_are_gone_waits_and_loses_nothing() {
    let stage = Stage::new();
    let Some(disk) = Mount::tmpfs(&stage.path("spool"), 8 << 20) else { return };
    let destination = Destination::start(unavailable());
    stage.pipeline_to_http(&destination.url());
    let run = || stage.run().env("buffer_file_path", stage.path("spool"));
    let agent = run().start();
    let _log = rotated_into_the_spool(&stage, &agent);
    agent.sigkill();
    for entry in fs::read_dir(stage.path("spool")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("logtail_buffer_file_i") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    disk.fill();
    destination.set_faults(Faults::none());
    let agent = run().start();
    let said = agent.wait_log("waiting for room", ENOUGH);
    assert!(said.contains("logtail_buffer_file_i"), "it is the spool that waits: {said}");
    assert_eq!(arrived_of_earlier(&destination), 0);
    disk.free();
    until(ENOUGH, "the rotated log", || match arrived_of_earlier(&destination) {
        EARLIER => Ok(()),
        arrived => Err(format!("{arrived}: {}", agent.log())),
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!((stop.code, damaged_bytes(&stop)), (Some(0), 0), "{}", stop.log);
    destination.ledger(|ledger| assert_eq!(ledger.raw().repeated(), 0));
}
