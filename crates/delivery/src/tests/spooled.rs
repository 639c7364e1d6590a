//! Requests that lie in the spool while something else happens to them: an answer, a refusal, a
//! resend, the spool's limit, a crash.

use flusher::{FileFlusher, FileOptions};
use record::OpenRequest;

use super::*;
use crate::request::request::Origin;
use crate::request::resend::{self, Rebuilt};
use crate::spill::evict::Eviction;
use crate::spill::put::{Put, put};
use crate::spill::replay;
use crate::stores::whole;

const OUT: &str = "/out/records";

/// The destination whose answers have to be settled.
fn file_flusher(disk: &SimDisk) -> FileFlusher {
    let options = FileOptions::new(OUT.into());
    FileFlusher::new(Arc::new(disk.clone()), options, RecordShape::default())
}

/// The world with an output file; nobody stops.
fn world_with_output(seed: u64) -> World {
    let mut world = World::to(seed, |disk| Box::new(file_flusher(disk)));
    recover(&*world.delivery.flusher, &world.stores.checkpoint, None);
    let shutdown = Shutdown { stop: world.running.raised(), ..world.shutdown.clone() };
    let request = world.sender.parts.pop().unwrap();
    world.sender = Sender::new(world.delivery.clone(), world.stores.clone(), shutdown);
    world.sender.parts.push(request);
    world
}

/// The world with a request that can be split.
fn world_with_two_records() -> World {
    let mut world = World::new(0);
    world.stores.checkpoint.close_request(world.ticket.request, &[], &[]).unwrap();
    let two = [LINE, LINE].concat();
    world.take_up(&[(range_of(&two), &two)]);
    world
}

fn recover(flusher: &dyn Flusher, checkpoint: &Checkpoint, receipt: Option<&[u8]>) {
    let mut journal = |settled: &flusher::Committed<'_>| {
        checkpoint.keep_receipt(KEY, settled.receipt)?;
        Ok(checkpoint.sync()?)
    };
    flusher.recover(receipt, &mut journal).unwrap();
}

impl World {
    fn open(&self) -> OpenRequest {
        OpenRequest { ticket: self.ticket, bounds: self.request().bounds.clone() }
    }

    /// The spiller's part.
    fn spool(&self) {
        put(&self.stores, &self.delivery, &self.open(), &self.request().raw).unwrap();
    }

    /// What `make_room` journals when the spool is full.
    fn give_up(&self) {
        let spans: Vec<_> = self.request().bounds.ranges.iter().map(whole).collect();
        self.stores.checkpoint.refused(self.ticket.request, &spans).unwrap();
    }

    /// What the spool hands to a sender.
    fn handed_out(&self) -> usize {
        replay::next(&self.delivery, &self.stores).unwrap().len()
    }
}

#[test]
fn no_frame_is_written_of_an_answered_request() {
    let mut world = World::new(0);
    let (open, raw) = (world.open(), LINE);
    world.answer(Answer::Taken).unwrap();
    put(&world.stores, &world.delivery, &open, raw).unwrap();
    assert_eq!(world.stores.spool.bytes(), 0);
}

#[test]
fn a_request_that_no_spool_can_hold_stays_open() {
    let world = World::new(0);
    let options = spool::Options { limit_bytes: 64, ..spool::Options::default() };
    let held: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let tiny = Spool::open(held, Path::new("/tiny"), &options, &mut |_| Standing::Done).unwrap().0;
    let stores = Stores { spool: Arc::new(tiny), ..world.stores.clone() };
    let put = put(&stores, &world.delivery, &world.open(), &world.request().raw).unwrap();
    assert_eq!(put, Put::NoRoom(0));
    assert!(world.stores.checkpoint.is_open(world.ticket.request));
}

#[test]
fn an_answer_to_what_the_spool_gave_up_is_journaled_already() {
    type Answered = fn(&mut World) -> Result<Next, Stop>;
    let answers: [Answered; 3] = [
        |world| world.answer(Answer::Taken),
        |world| world.refuse(false),
        |world| {
            // Sent from the spool, not beside it.
            assert!(world.delivery.in_flight.release(world.ticket.request));
            world.refuse(true)
        },
    ];
    for answer in answers {
        let mut world = world_with_two_records();
        world.spool();
        world.give_up();
        assert!(matches!(answer(&mut world), Ok(Next::Again)));
        assert!(world.sender.parts.is_empty());
    }
}

#[test]
fn the_spools_limit_passes_over_a_request_that_was_split() {
    let world = World::new(0);
    world.spool();
    let parts = [world.open().bounds];
    world.stores.checkpoint.split(world.ticket.request, &parts).unwrap();
    let deliveries = [world.delivery.clone()].into_iter().collect();
    Eviction::new(world.stores.clone(), deliveries, 0).free(1).unwrap();
    assert!(world.stores.spool.waiting().is_empty());
}

#[test]
fn a_refused_request_that_was_spooled_meanwhile_is_split_when_it_comes_out() {
    let mut world = world_with_two_records();
    world.spool();
    assert_eq!(world.handed_out(), 0, "a sender holds it");
    world.refuse(true).unwrap();
    assert!(world.sender.parts.is_empty(), "the spool keeps it whole");
    assert_eq!(world.handed_out(), 1);
}

#[test]
fn a_resend_that_was_spooled_meanwhile_is_left_to_the_spool() {
    let world = World::new(0);
    world.spool();
    // Its file is not there any more.
    let rebuilt = resend::rebuild(&world.delivery, &world.stores, &world.open(), true).unwrap();
    assert!(matches!(rebuilt, Rebuilt::Nothing));
    assert_eq!(world.handed_out(), 1);
}

#[test]
fn what_was_spooled_before_its_commit_goes_with_the_commit() {
    let mut world = world_with_output(0);
    let (open, answer) = (world.open(), world.send());
    assert!(matches!(answer, Answer::Written));
    assert!(matches!(world.answer(answer), Ok(Next::Again)));
    put(&world.stores, &world.delivery, &open, LINE).unwrap();
    assert!(world.sender.commit(now().instant).is_none());
    assert!(world.stores.spool.waiting().is_empty());
    assert_eq!(world.delivery.in_flight.len(), 0);
}

/// A sender has a frame in its hands, and nobody holds its request beside.
fn world_with_a_frame(seed: u64) -> World {
    let mut world = world_with_output(seed);
    world.spool();
    assert!(world.delivery.in_flight.release(world.ticket.request));
    world.sender.parts.clear();
    for _ in 0..2 {
        assert!(matches!(world.sender.step(now()), Next::Again));
    }
    assert!(matches!(world.request().origin, Origin::Spool(_)));
    world
}

/// It is written to the output, and then removed from the spool.
fn deliver_the_frame(world: &mut World) {
    world.sender.step(now());
    if matches!(world.sender.phase, Phase::Answered(_)) {
        world.sender.step(now());
    }
    world.clear();
}

/// How many frames the spool has, whatever the journal says.
fn frames(disk: &SimDisk) -> usize {
    let mut frames = 0;
    let mut visit = |_: &spool::FrameHead| {
        frames += 1;
        Standing::Waiting
    };
    let held: Arc<dyn Disk> = Arc::new(disk.clone());
    Spool::open(held, Path::new("/state"), &Default::default(), &mut visit).unwrap();
    frames
}

#[test]
fn a_frame_goes_only_when_its_output_is_durable() {
    let prepared = |seed| {
        let mut world = world_with_a_frame(seed);
        world.running.raise(); // From here on nobody waits for a disk that crashed.
        world
    };
    let act = deliver_the_frame;
    crash_everywhere_in(prepared, act, |disk, context| {
        let (checkpoint, recovery) = open_checkpoint(disk);
        let receipt = recovery.receipts.first().map(|(_, receipt)| receipt.as_slice());
        recover(&file_flusher(disk), &checkpoint, receipt);
        let output = disk.read(Path::new(OUT)).unwrap();
        let stands = String::from_utf8_lossy(&output).contains("the one line");
        let is_done = recovery.open.is_empty() && recovery.spooled.is_empty();
        assert!(stands || frames(disk) > 0, "{context}: the record is nowhere");
        assert!(stands || !is_done, "{context}: the record counts as delivered");
    });
}

#[test]
fn a_frame_whose_output_cannot_be_synced_goes_out_again() {
    let mut world = world_with_a_frame(0);
    assert!(matches!(world.sender.step(now()), Next::Again));
    world.disk.fail_at(world.disk.operations(), ::disk::Fault::Io, 1);
    assert!(matches!(world.sender.step(now()), Next::Wait { .. }));
    assert!(world.delivery.next_resend(now().instant).is_none(), "its file may be gone");
    for _ in 0..2 {
        assert!(matches!(world.sender.step(now()), Next::Again));
    }
    assert!(world.sender.parts.is_empty());
    let output = world.disk.read(Path::new(OUT)).unwrap();
    assert_eq!(String::from_utf8_lossy(&output).matches("the one line").count(), 1);
}

#[test]
fn a_frame_that_is_not_the_request_at_its_place_is_not_sent_as_it() {
    let world = World::new(0);
    world.spool();
    assert!(world.delivery.in_flight.release(world.ticket.request));
    // Another agent's segment with the same number and a frame at the same place.
    let mut other = world.open();
    other.bounds.ranges[0].file = record::FileUid(99);
    let held: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let options = spool::Options::default();
    let spool = Spool::open(held, Path::new("/other"), &options, &mut |_| Standing::Done);
    spool.unwrap().0.append(other.ticket, &other.bounds, LINE).unwrap();
    let bytes = world.disk.read(&spool::segment_path(Path::new("/other"), 1)).unwrap();
    let segment = world.disk.open(&spool::segment_path(Path::new("/state"), 1)).unwrap();
    segment.set_len(0).unwrap();
    segment.write_all_at(&bytes, 0).unwrap();
    assert_eq!(world.handed_out(), 0, "its ticket is the request's, its bytes are not");
    assert!(world.stores.checkpoint.is_settled(world.ticket.request), "what was there is lost");
    assert_eq!(frames(&world.disk), 1, "the frame is kept");
}
