//! Requests that lie in the spool while something else happens to them: an answer, a refusal, a
//! resend, the spool's limit, a crash.

use flusher::{FileFlusher, FileOptions};
use record::OpenRequest;
use settings::{CommandLine, Parameters};

use super::*;
use crate::lane::{Answer, Stop, whole};
use crate::resend;
use crate::spill::{Put, put};
use crate::start::spooled::{Spooled, open_spool};

const OUT: &str = "/out/records";

/// The destination whose answers have to be settled.
fn file_flusher(disk: &SimDisk) -> FileFlusher {
    let options = FileOptions::new(OUT.into());
    FileFlusher::new(Arc::new(disk.clone()), options, RecordShape::default())
}

/// The world with an output file; nobody stops.
fn world_with_output(seed: u64) -> World {
    let mut world = World::to(seed, |disk| Box::new(file_flusher(disk)));
    recover(&*world.delivery.flusher, &world.shared.checkpoint, None);
    let running = Shared { stop: world.running.raised(), ..world.shared.clone() };
    world.lane = Lane::new(world.delivery.clone(), running);
    world
}

/// The world with a request that can be split.
fn world_with_two_records() -> World {
    let mut world = World::new(0);
    world.shared.checkpoint.close_request(world.ticket.request, &[], &[]).unwrap();
    let two = [LINE, LINE].concat();
    world.request = Request::begin(&world.delivery, Buffers::default());
    world.request.put_again(&world.delivery, &range_of(&two), &two);
    world.ticket = world.lane.journal_bounds(&world.request).unwrap();
    world
}

fn recover(flusher: &dyn Flusher, checkpoint: &Checkpoint, receipt: Option<&[u8]>) {
    let mut journal = |settled: &flusher::Settled<'_>| {
        checkpoint.keep_receipt(KEY, settled.receipt)?;
        Ok(checkpoint.sync()?)
    };
    flusher.recover(receipt, &mut journal).unwrap();
}

impl World {
    fn open(&self) -> OpenRequest {
        OpenRequest { ticket: self.ticket, bounds: self.request.bounds.clone() }
    }

    /// The spiller's part.
    fn spool(&self) {
        put(&self.shared, &self.delivery, &self.open(), &self.request.raw).unwrap();
    }

    /// What `make_room` journals when the spool is full.
    fn give_up(&self) {
        let spans: Vec<_> = self.request.bounds.ranges.iter().map(whole).collect();
        self.shared.checkpoint.refused(self.ticket.request, &spans).unwrap();
    }

    /// What the spool hands to a sender.
    fn handed_out(&self) -> usize {
        let taken = self.delivery.draining.next(&self.delivery, &self.shared).unwrap();
        taken.map_or(0, |taken| taken.requests.len())
    }

    fn start_again(&self) -> (Spool, Spooled) {
        let disk = self.disk.after_kill();
        let (checkpoint, recovery) = open_checkpoint(&disk);
        let line = CommandLine { state_dir: Some("/state".into()), ..CommandLine::default() };
        let parameters = Parameters::resolve(&|_: &str| None, None, &line, Path::new("/")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let opened = open_spool(&disk, &parameters, &checkpoint, &recovery);
        opened.unwrap_or_else(|refusal| panic!("{}", refusal.reason))
    }
}

#[test]
fn no_frame_is_written_of_an_answered_request() {
    let mut world = World::new(0);
    world.lane.journal_taken(world.ticket, &world.request).unwrap();
    world.spool();
    assert_eq!(world.shared.spool.bytes(), 0);
}

#[test]
fn a_frame_of_an_answered_request_does_not_go_out() {
    let mut world = World::new(0);
    let World { shared, request, ticket, .. } = &world;
    // An append that failed, and left it.
    shared.spool.append(*ticket, &request.bounds, &request.raw).unwrap();
    world.lane.journal_taken(world.ticket, &world.request).unwrap();
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (0, 0));
    assert!(spool.waiting().is_empty());
}

#[test]
fn a_frame_of_a_request_that_was_split_since_does_not_go_out() {
    let mut world = world_with_two_records();
    let World { shared, request, ticket, .. } = &world;
    // An append that failed, and left it.
    shared.spool.append(*ticket, &request.bounds, &request.raw).unwrap();
    assert_eq!(world.lane.journal_split(world.ticket, &world.request).unwrap().len(), 2);
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (0, 2));
    assert!(spool.waiting().is_empty());
}

#[test]
fn a_frame_that_a_start_began_to_journal_is_the_same_request_at_the_next() {
    let world = World::new(0);
    let World { shared, request, ticket, .. } = &world;
    shared.spool.append(*ticket, &request.bounds, &request.raw).unwrap();
    // The bounds as a start journals them anew, under another number; then it is killed.
    let again = shared.checkpoint.bounds(&request.bounds).unwrap();
    shared.checkpoint.close_request(ticket.request, &[], &[]).unwrap();
    let (_, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (1, 0));
    assert_eq!(spooled.waiting[0].request.ticket, again);
}

#[test]
fn a_request_that_no_spool_can_hold_stays_open() {
    let world = World::new(0);
    let options = spool::Options { limit_bytes: 64, ..spool::Options::default() };
    let held: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let tiny = Spool::open(held, Path::new("/tiny"), &options, &mut |_| Standing::Done).unwrap().0;
    let shared = Shared { spool: Arc::new(tiny), ..world.shared.clone() };
    let put = put(&shared, &world.delivery, &world.open(), &world.request.raw).unwrap();
    assert_eq!(put, (Put::NoRoom, 0));
    assert!(world.shared.checkpoint.is_open(world.ticket.request));
}

#[test]
fn a_frame_that_the_journal_does_not_know_goes_out_in_place_of_its_request() {
    let world = World::new(0);
    let World { shared, request, ticket, .. } = &world;
    shared.spool.append(*ticket, &request.bounds, &request.raw).unwrap();
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (1, 0));
    assert_eq!(spooled.waiting[0].request, world.open());
    assert_eq!(spool.waiting().len(), 1);
}

#[test]
fn an_answer_to_what_the_spool_gave_up_is_journaled_already() {
    type Answered = fn(&mut World) -> Result<(), Stop>;
    let answers: [Answered; 3] = [
        |world| world.lane.journal_taken(world.ticket, &world.request),
        |world| world.lane.journal_refused(world.ticket, &world.request, "no"),
        |world| {
            world.delivery.endangered.spilled().clear(); // Out of the spool, not beside it.
            world.lane.journal_split(world.ticket, &world.request).map(|parts| {
                assert!(parts.is_empty());
            })
        },
    ];
    for answer in answers {
        let mut world = world_with_two_records();
        world.spool();
        world.give_up();
        answer(&mut world).unwrap();
    }
}

#[test]
fn the_spools_limit_passes_over_a_request_that_was_split() {
    let world = World::new(0);
    world.spool();
    let parts = [world.open().bounds];
    world.shared.checkpoint.split(world.ticket.request, &parts).unwrap();
    let deliveries = [world.delivery.clone()];
    crate::room::Room::new(&world.shared, &deliveries).make(1).unwrap();
    assert!(world.shared.spool.waiting().is_empty());
}

#[test]
fn a_refused_request_that_was_spooled_meanwhile_is_split_when_it_comes_out() {
    let mut world = world_with_two_records();
    world.spool();
    assert_eq!(world.handed_out(), 0, "a sender holds it");
    assert!(world.lane.journal_split(world.ticket, &world.request).unwrap().is_empty());
    assert_eq!(world.handed_out(), 1);
}

#[test]
fn a_resend_that_was_spooled_meanwhile_is_left_to_the_spool() {
    let world = World::new(0);
    world.spool();
    // Its file is not there any more.
    let rebuilt = resend::rebuild(&world.delivery, &world.shared, world.open()).unwrap();
    assert!(rebuilt.is_none());
    assert_eq!(world.handed_out(), 1);
}

#[test]
fn what_was_spooled_before_its_commit_goes_with_the_commit() {
    let mut world = world_with_output(0);
    assert!(matches!(world.lane.send(world.ticket, &world.request), Ok(Answer::Unsettled)));
    assert!(world.lane.settle_later(world.ticket, &world.request).unwrap());
    world.spool();
    world.lane.settle().unwrap();
    assert!(world.shared.spool.waiting().is_empty());
    assert!(world.delivery.endangered.spilled().is_empty());
}

/// A sender has a frame in its hands, and nobody holds its request beside.
fn world_with_a_frame(seed: u64) -> World {
    let mut world = world_with_output(seed);
    world.spool();
    world.delivery.endangered.spilled().clear();
    world.request = world.lane.next_request().unwrap();
    world.ticket = world.lane.journal_bounds(&world.request).unwrap();
    world
}

/// It goes to the output, and then from the spool.
fn deliver_the_frame(world: &mut World) -> Result<(), Stop> {
    let World { lane, request, ticket, .. } = world;
    if matches!(lane.send(*ticket, request)?, Answer::Unsettled)
        && lane.settle_later(*ticket, request)?
    {
        lane.frame_done();
    }
    spill(&world.shared, &[])
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
    let act = |world: &mut World| drop(deliver_the_frame(world));
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
    let World { lane, request, ticket, disk, delivery, .. } = &mut world;
    assert!(matches!(lane.send(*ticket, request), Ok(Answer::Unsettled)));
    disk.fail_at(disk.operations(), ::disk::Fault::Io, 1);
    assert!(!lane.settle_later(*ticket, request).unwrap());
    assert!(delivery.next_resend().is_none(), "its file may be gone");
    assert!(matches!(lane.send(*ticket, request), Ok(Answer::Unsettled)));
    assert!(lane.settle_later(*ticket, request).unwrap());
    let output = disk.read(Path::new(OUT)).unwrap();
    assert_eq!(String::from_utf8_lossy(&output).matches("the one line").count(), 1);
}
