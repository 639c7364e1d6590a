//! What a start makes of frames in the spool that the journal does not know.

use std::path::Path;
use std::sync::Arc;

use checkpoint::{Checkpoint, OnLost, Options, PipelineKeys, Place, Recovery};
use delivery::split;
use disk::{Disk, Fault, SimDisk};
use record::{Bounds, DeliveryKey, FileUid, FlusherKey, OpenRequest, PipelineKey, Range};
use settings::{CommandLine, Parameters};
use spool::{Spool, Standing};

use crate::start::Refusal;
use crate::start::spooled::{Spooled, open_spool};

const KEY: DeliveryKey = DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(2) };
const RAW: &[u8] = b"the one line\nthe one line\n";

fn open_checkpoint(disk: &SimDisk) -> (Checkpoint, Recovery) {
    let options = Options {
        place: Place { snapshot: "/state/logtail_check_point".into() },
        boot_id: "boot".into(),
        now_unix_nanos: 0,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    Checkpoint::open(Arc::new(disk.clone()), options).unwrap()
}

/// A journaled request of two lines, whose frame was appended and not journaled: the append failed,
/// or a kill came.
struct World {
    disk: SimDisk,
    checkpoint: Checkpoint,
    open: OpenRequest,
}

impl World {
    fn new() -> Self {
        let disk = SimDisk::new(0);
        let (checkpoint, _) = open_checkpoint(&disk);
        let (end, crc) = (RAW.len() as u64, crc32c::crc32c(RAW));
        let (file, tags) = (FileUid(3), Arc::default());
        let ranges = vec![Range { file, generation: 0, start: 0, end, crc, anchor: 0, tags }];
        let bounds = Bounds { delivery: KEY, time: 0, encoding: 0, ranges };
        let ticket = checkpoint.bounds(&bounds).unwrap();
        let held: Arc<dyn Disk> = Arc::new(disk.clone());
        let options = spool::Options::default();
        let opened = Spool::open(held, Path::new("/state"), &options, &mut |_| Standing::Done);
        opened.unwrap().0.append(ticket, &bounds, RAW).unwrap();
        Self { disk, checkpoint, open: OpenRequest { ticket, bounds } }
    }

    fn start_again(&self) -> (Spool, Spooled) {
        let opened = start_on(&self.disk.after_kill(), |_| {});
        opened.unwrap_or_else(|refusal| panic!("{}", refusal.reason))
    }
}

/// Opens checkpoint and spool; `meddle` comes between.
fn start_on(disk: &SimDisk, meddle: impl FnOnce(&SimDisk)) -> Result<(Spool, Spooled), Refusal> {
    let (checkpoint, recovery) = open_checkpoint(disk);
    let line = CommandLine { state_dir: Some("/state".into()), ..CommandLine::default() };
    let parameters = Parameters::resolve(&|_: &str| None, None, &line, Path::new("/")).unwrap();
    let keys = [PipelineKeys { pipeline: KEY.pipeline, flushers: vec![KEY.flusher] }];
    meddle(disk);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_spool(&disk, &parameters, &checkpoint, &recovery, &keys)
}

#[test]
fn a_frame_of_an_answered_request_does_not_go_out() {
    let world = World::new();
    world.checkpoint.taken(&[world.open.ticket.request], b"").unwrap();
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (0, 0));
    assert!(spool.waiting().is_empty());
}

#[test]
fn a_frame_of_a_request_that_was_split_since_does_not_go_out() {
    let world = World::new();
    let OpenRequest { ticket, bounds } = &world.open;
    let starts = [0, RAW.len() / 2];
    let halves = split::halve(&bounds.ranges, RAW, &starts, |_| Vec::new()).unwrap();
    let halves = halves.map(|(ranges, _)| Bounds { ranges, ..bounds.clone() });
    assert_eq!(world.checkpoint.split(ticket.request, &halves).unwrap().len(), 2);
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (0, 2));
    assert!(spool.waiting().is_empty());
}

#[test]
fn a_frame_that_a_start_began_to_journal_is_the_same_request_at_the_next() {
    let world = World::new();
    let OpenRequest { ticket, bounds } = &world.open;
    // The bounds as a start journals them anew, under another number; then it is killed.
    let again = world.checkpoint.bounds(bounds).unwrap();
    world.checkpoint.close_request(ticket.request, &[], &[]).unwrap();
    let (_, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (1, 0));
    assert_eq!(spooled.waiting[0].request.ticket, again);
}

#[test]
fn a_frame_that_the_journal_does_not_know_goes_out_in_place_of_its_request() {
    let world = World::new();
    let (spool, spooled) = world.start_again();
    assert_eq!((spooled.waiting.len(), spooled.open.len()), (1, 0));
    assert_eq!(spooled.waiting[0].request, world.open);
    assert_eq!(spool.waiting().len(), 1);
}

#[test]
fn a_spool_that_finds_no_room_at_any_step_is_waited_for_and_opened_anew_as_it_was() {
    for step in 0.. {
        let world = World::new();
        let disk = world.disk.after_kill();
        let mut first = 0;
        let opened = start_on(&disk, |disk| {
            first = disk.operations();
            disk.fail_at(first + step, Fault::Full, u64::MAX);
        });
        if disk.operations() <= first + step {
            break; // every step had its turn
        }
        disk.heal();
        if let Err(refusal) = opened {
            assert!(refusal.is_full, "step {step}: {}", refusal.reason);
        }
        let (spool, spooled) = start_on(&disk, |_| {}).unwrap_or_else(|r| panic!("{}", r.reason));
        assert_eq!((spooled.waiting.len(), spooled.open.len()), (1, 0), "step {step}");
        assert_eq!(spooled.waiting[0].request.ticket.key, world.open.ticket.key, "step {step}");
        assert_eq!(spool.waiting().len(), 1, "step {step}");
    }
    // Which steps need room hangs on what the journal has reserved; an error of any is known by
    // its cause, however deep that lies.
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let full = disk::LockError::Io { path: "/state/irontail.lock".into(), source };
    assert!(Refusal::state(full).is_full);
}
