//! Decides what the state directory holds: which snapshot, which journal, whose node, and what
//! has to be mended before anything is appended.
//! Invariant: reads only. An error leaves everything as it was; the same directory read again
//! gives the same answer. State that existed is never taken for none: without a readable
//! snapshot a policy decides, and `Refuse` stops here.
//! Not here: the mending (`repair.rs`), what iLogtail's offsets are worth (`takeover.rs`).

use std::path::{Path, PathBuf};

use disk::Disk;
use record::NodeId;

use crate::journal::frame::Stamp;
use crate::snapshot::ilogtail::ForeignFound;
use crate::snapshot::read::{Found, load, load_foreign, peek};
use crate::snapshot::write::{About, Mark};
use crate::start::lost::lost_journal;
use crate::start::node::{self, NodeFound};
use crate::start::replay::{Replayed, Segment, Worth, header, replay};
use crate::start::takeover::take_over;
use crate::state::values::State;
use crate::{Error, OnLost, Options, Origin, Place};

/// More segments than this at a start are folded into a snapshot at once: an agent that never
/// lives long enough to write one must not collect them for ever.
const SEGMENTS_MAX: usize = 16;

/// So many files that an earlier run left are named.
const NAMED_MAX: usize = 5;

/// What the directory holds.
pub(crate) struct Reading {
    pub state: State,
    pub about: About,
    pub origin: Origin,
    pub segments: Vec<Segment>,
    pub notes: Vec<String>,
    pub mend: Mend,
}

/// What has to be done before anything is appended, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mend {
    /// Damaged files that stand in the way.
    pub quarantine: Vec<PathBuf>,
    /// iLogtail's snapshot is kept beside.
    pub keep_foreign: bool,
    /// How many snapshots to write: 0 if newest and journal are as they should be, 1 if the one
    /// before is good, 2 if nothing on the disk is what a later start may go back to.
    pub snapshots: u8,
    /// Damaged segments, all of whose valid records are in the snapshots then.
    pub quarantine_after: Vec<PathBuf>,
    pub write_node_id: bool,
}

/// Reads the directory. `random` makes an id for a node that has none.
pub(crate) fn read(
    disk: &dyn Disk,
    options: &Options,
    random: impl FnOnce() -> Result<NodeId, Error>,
) -> Result<Reading, Error> {
    let mut survey = Survey::take(disk, options)?;
    if let (Found::Ours(_), Found::Ours(_)) = (&survey.newest, &survey.previous) {
        survey.damaged(options.place.snapshot.clone(), "it is older than the one before");
    }
    let Survey { firsts, node, is_new, mut notes, mut mend, .. } = survey;
    let (base, foreign, origin) = choose(survey.newest, survey.previous);
    let mut reading = match base {
        Some(base) => {
            let before = base.1.clone();
            // A snapshot that counts on the journal is the newest before records are appended.
            let is_running = origin == Origin::Ours && before.mark == Mark::Running;
            mend.snapshots = u8::from(!is_running);
            let reading = on_base(disk, options, &firsts, *base, mend)?;
            let is_newest = origin == Origin::Ours;
            let same_boot = before.boot_id == options.boot_id;
            match lost_journal(&before, is_newest, same_boot, &reading.segments) {
                None => reading,
                Some(why) => {
                    notes.extend(reading.notes.iter().cloned().chain([why]));
                    let policy = policy(options, &notes)?;
                    without_journal(disk, options, &firsts, (origin, before), policy, reading)?
                }
            }
        }
        None => {
            let is_lost = !is_new && foreign.is_none();
            let lost = if is_lost { Some(policy(options, &notes)?) } else { None };
            let mut reading = on_nothing(disk, options, &firsts, node, mend, random)?;
            reading.state.lost = lost;
            reading
        }
    };
    reading.origin = reading.state.lost.map_or(origin, Origin::Lost);
    if let Some(foreign) = foreign {
        take_over(&mut reading, foreign);
    }
    reading.drop_unsendable();
    notes.append(&mut reading.notes);
    reading.notes = notes;
    Ok(reading)
}

/// What to do about state that is lost, unless that is not to start.
fn policy(options: &Options, found: &[String]) -> Result<OnLost, Error> {
    match options.on_lost {
        OnLost::Refuse => {
            Err(Error::Lost { path: options.place.snapshot.clone(), found: found.to_vec() })
        }
        policy => Ok(policy),
    }
}

/// The parts of the directory, each on its own.
struct Survey {
    /// First sequence numbers of the journal's segments, sorted.
    firsts: Vec<u64>,
    node: Option<NodeId>,
    /// Whether nothing of ours is or was there.
    is_new: bool,
    newest: Found,
    previous: Found,
    notes: Vec<String>,
    mend: Mend,
}

impl Survey {
    fn take(disk: &dyn Disk, options: &Options) -> Result<Self, Error> {
        let Options { place, evidence, .. } = options;
        let failed = |source| Error::io("list", place.dir(), source);
        let names = match disk.stat(place.dir()).map_err(failed)? {
            None => Vec::new(),
            Some(_) => disk.list(place.dir()).map_err(failed)?,
        };
        let mut firsts: Vec<u64> =
            names.iter().filter_map(|name| place.segment_first(name)).collect();
        firsts.sort_unstable();
        let found = node::read(disk, &place.node_id())?;
        let node = match found {
            NodeFound::Id(id) => Some(id),
            NodeFound::Missing | NodeFound::Damaged => None,
        };
        let mut survey = Self {
            is_new: firsts.is_empty()
                && evidence.is_empty()
                && found == NodeFound::Missing
                && !names.iter().any(|name| place.is_quarantined(name)),
            firsts,
            node,
            newest: Found::Missing,
            previous: Found::Missing,
            notes: Vec::new(),
            mend: Mend { write_node_id: node.is_none(), ..Mend::default() },
        };
        if found == NodeFound::Damaged {
            survey.damaged(place.node_id(), "it is no node id");
        }
        survey.newest = survey.snapshot(disk, &place.snapshot)?;
        survey.previous = survey.previous(disk, place)?;
        let is_there = |found: &Found| !matches!(found, Found::Missing);
        if !is_there(&survey.newest) && !is_there(&survey.previous) && !survey.is_new {
            survey.notes.push(missing(place, &survey.firsts, evidence));
        }
        Ok(survey)
    }

    /// A snapshot, if it is this node's or iLogtail's.
    fn snapshot(&mut self, disk: &dyn Disk, path: &Path) -> Result<Found, Error> {
        let mut found = load(disk, path)?;
        if let Found::Ours(ours) = &found
            && self.node.is_some_and(|node| node != ours.1.stamp.node)
        {
            let note = format!("{} is another node's: only its offsets count", path.display());
            self.notes.push(note);
            found = load_foreign(disk, path, true)?;
        }
        self.is_new &= matches!(found, Found::Missing | Found::Foreign(_));
        if let Found::Damaged(why) = &found {
            self.damaged(path.to_owned(), why);
        }
        Ok(found)
    }

    /// The snapshot before the newest; not read where the newest is whole and later.
    fn previous(&mut self, disk: &dyn Disk, place: &Place) -> Result<Found, Error> {
        let path = place.previous();
        if let Found::Ours(newest) = &self.newest
            && let Some(peeked) = peek(disk, &path)?
            && peeked <= (newest.1.stamp.epoch, newest.1.sequence)
        {
            return Ok(Found::Missing);
        }
        self.snapshot(disk, &path)
    }

    fn damaged(&mut self, path: PathBuf, why: &str) {
        self.notes.push(format!("{} is damaged: {why}", path.display()));
        self.mend.quarantine.push(path);
    }
}

/// What says that there was state where there is no snapshot.
fn missing(place: &Place, firsts: &[u64], evidence: &[PathBuf]) -> String {
    let journal = firsts.iter().map(|&first| place.segment(first));
    let mut named: Vec<_> = journal.chain(evidence.iter().cloned()).collect();
    if named.is_empty() {
        named.push(place.node_id());
    }
    let named: Vec<_> =
        named.iter().take(NAMED_MAX).map(|path| path.display().to_string()).collect();
    format!("there is no snapshot, but what an earlier run left: {}", named.join(", "))
}

type Base = Option<Box<(State, About)>>;

/// Which snapshot to go on from, and iLogtail's if it wrote one since.
fn choose(newest: Found, previous: Found) -> (Base, Option<ForeignFound>, Origin) {
    match (newest, previous) {
        // The other is read only if it is later: somebody put an old one back.
        (Found::Ours(_), Found::Ours(later)) => (Some(later), None, Origin::Previous),
        (Found::Ours(newest), _) => (Some(newest), None, Origin::Ours),
        (Found::Foreign(found), Found::Ours(base)) => (Some(base), Some(found), Origin::Foreign),
        (Found::Foreign(found), _) => (None, Some(found), Origin::Foreign),
        (_, Found::Ours(base)) => (Some(base), None, Origin::Previous),
        (_, _) => (None, None, Origin::Fresh),
    }
}

/// Goes on from a snapshot with the journal behind it.
fn on_base(
    disk: &dyn Disk,
    options: &Options,
    firsts: &[u64],
    (mut state, mut about): (State, About),
    mut mend: Mend,
) -> Result<Reading, Error> {
    let same_boot = about.boot_id == options.boot_id;
    let replayed = replay(disk, &options.place, firsts, &mut state, &about)?;
    let Replayed { segments, last, epoch, mut notes } = replayed;
    about.sequence = last;
    about.stamp.epoch = epoch;
    for Segment { path, worth, .. } in &segments {
        let why = match worth {
            Worth::Damaged(why) => format!("is damaged ({why}); what is left of it counts"),
            Worth::Alien => "is another node's and does not count".to_owned(),
            Worth::Blank if same_boot => "is empty; its records are lost".to_owned(),
            Worth::InSnapshot | Worth::Whole | Worth::Torn | Worth::Blank => continue,
        };
        notes.push(format!("{} {why}", path.display()));
        mend.quarantine_after.push(path.clone());
    }
    let stands_alone = mend.quarantine_after.is_empty() && notes.is_empty();
    if !stands_alone {
        mend.snapshots = 2;
    } else if segments.len() > SEGMENTS_MAX {
        mend.snapshots = mend.snapshots.max(1);
    }
    Ok(Reading { state, about, origin: Origin::Ours, segments, notes, mend })
}

/// Goes on where the journal behind a snapshot is lost, as the policy says: from the snapshot,
/// so that what was delivered since is sent again, or behind what is there now.
fn without_journal(
    disk: &dyn Disk,
    options: &Options,
    firsts: &[u64],
    (origin, before): (Origin, About),
    policy: OnLost,
    mut reading: Reading,
) -> Result<Reading, Error> {
    reading.notes.clear();
    let epoch = reading.about.stamp.epoch.max(before.stamp.epoch).saturating_add(1);
    if policy != OnLost::FromEnd {
        reading.state.lost = Some(policy);
        reading.about.stamp.epoch = epoch;
        reading.mend.snapshots = 2;
        return Ok(reading);
    }
    let Options { place, .. } = options;
    let mut mend = Mend { quarantine_after: Vec::new(), ..reading.mend };
    // It stays for whoever wants to look.
    let newest = (origin != Origin::Foreign).then(|| place.snapshot.clone());
    for path in newest.into_iter().chain([place.previous()]) {
        let stat = disk.stat(&path).map_err(|source| Error::io("look at", &path, source))?;
        if stat.is_some() && !mend.quarantine.contains(&path) {
            mend.quarantine.push(path);
        }
    }
    let node = before.stamp.node;
    let mut anew = on_nothing(disk, options, firsts, Some(node), mend, || Ok(node))?;
    anew.state.lost = Some(policy);
    anew.about.stamp.epoch = epoch;
    Ok(anew)
}

/// Begins anew; what is left of a journal goes into quarantine.
fn on_nothing(
    disk: &dyn Disk,
    options: &Options,
    firsts: &[u64],
    node: Option<NodeId>,
    mut mend: Mend,
    random: impl FnOnce() -> Result<NodeId, Error>,
) -> Result<Reading, Error> {
    let mut stamp = node.map(|node| Stamp { node, epoch: 0 });
    for &first in firsts {
        let path = options.place.segment(first);
        if let Some(header) = header(disk, &path)? {
            let known = stamp.get_or_insert(header.stamp);
            known.epoch = known.epoch.max(header.stamp.epoch);
        }
        mend.quarantine.push(path);
    }
    let Stamp { node, epoch } = match stamp {
        Some(stamp) => stamp,
        None => Stamp { node: random()?, epoch: 0 },
    };
    mend.snapshots = 2;
    let about = About {
        stamp: Stamp { node, epoch: epoch.saturating_add(1) },
        sequence: 0,
        boot_id: options.boot_id.clone(),
        mark: Mark::Running,
    };
    Ok(Reading {
        state: State::default(),
        about,
        origin: Origin::Fresh,
        segments: Vec::new(),
        notes: Vec::new(),
        mend,
    })
}

impl Reading {
    /// Requests whose tags were in a damaged part of the journal cannot be sent again as they
    /// were: their bytes are read anew.
    fn drop_unsendable(&mut self) {
        let dropped = self.state.retain_requests(|request| !request.cut.tags_lost);
        if dropped > 0 {
            self.notes.push(format!(
                "{dropped} unanswered requests lost their tags with the journal's damaged part; \
                 their bytes are sent under new keys"
            ));
        }
    }
}
