//! The destinations. They are other machines: no crash of the agent's touches them. Each is a
//! flusher of the product's kind, which writes records down in a form of its own: who they are,
//! and their numbers. To a destination one key has one body for ever.
//!
//! What they may do: take, take late, take and fall silent, take in part, refuse what is too long,
//! refuse for good, be down, forget what keys they have seen.
//! Not here: `flusher_file`, which is the product's own (`agent.rs`); whether a record may come
//! again (`ledger.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use disk::SimDisk;
use flusher::{Encoded, Flusher, Origin, Outgoing, Piece, Refused, Verdict, record_id};
use record::{PipelineKey, RequestKey, lines};

use crate::clock::SimClock;
use crate::ledger::{Answer, Ledger};
use crate::logs::{Number, number};

/// What a destination can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing.
    Plain,
    /// Requests, by their keys.
    RequestId,
    /// Records, by their ids.
    RecordId,
    /// Its own bytes, which it commits with the journal: the product's `flusher_file`.
    File,
}

impl Class {
    pub(crate) const ALL: [Class; 4] =
        [Class::Plain, Class::RequestId, Class::RecordId, Class::File];

    /// The name of its flusher.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Plain => "plain",
            Class::RequestId => "request-id",
            Class::RecordId => "record-id",
            Class::File => "file",
        }
    }
}

/// How long an answer takes that is late.
const LATE: Duration = Duration::from_secs(5);

/// Bytes of a record as a destination gets it: its id, its number, its request's time.
const RECORD_LEN: usize = 16 + 4 + 8;

/// One destination: what it has.
#[derive(Clone)]
pub(crate) struct Destination {
    pub class: Class,
    pub is_down: bool,
    bodies: BTreeMap<RequestKey, u64>,
    keys: BTreeSet<RequestKey>,
    ids: BTreeSet<u128>,
}

impl Destination {
    fn new(class: Class) -> Destination {
        let (bodies, keys, ids) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Destination { class, is_down: false, bodies, keys, ids }
    }
}

/// What is beyond the agent: destinations, and the ledger of what they have.
#[derive(Clone)]
pub(crate) struct Beyond {
    pub destinations: Vec<Destination>,
    pub ledger: Ledger,
    /// Decides how the next request fares.
    pub chance: u64,
}

impl Beyond {
    pub(crate) fn new(classes: &[Class]) -> Beyond {
        let destinations = classes.iter().map(|class| Destination::new(*class)).collect();
        Beyond { destinations, ledger: Ledger::new(classes), chance: 0 }
    }
}

/// The same, shared with the flushers.
pub(crate) type Shared = Arc<Mutex<Beyond>>;

/// Looks at it; what failed a run is told by its own message.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Beyond> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How it feels about the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Willing,
    /// Takes it, and says so late.
    Late,
    /// Takes it, and the answer is lost.
    Mute,
    /// Takes all of it but one record, for good.
    Choosy,
    /// Does not take it as a whole; smaller ones perhaps.
    TooLong,
    /// Takes none of it, ever.
    Averse,
    /// Has forgotten which keys it has seen, and is willing.
    Forgetful,
}

impl Mood {
    fn of(chance: u64) -> Mood {
        match chance % 64 {
            0..=3 => Mood::Mute,
            4..=7 => Mood::TooLong,
            8 => Mood::Averse,
            9 => Mood::Choosy,
            10 => Mood::Forgetful,
            11..=13 => Mood::Late,
            _ => Mood::Willing,
        }
    }
}

/// Tells the ledger which record stands where; both kinds of flushers do so when they encode.
fn learn(ledger: &mut Ledger, piece: &Piece<'_>) -> Vec<(u64, Number)> {
    let found = lines(piece.raw).map(|(at, line)| (piece.start + at as u64, line));
    let mut numbers = Vec::new();
    let (file, generation, start) = (piece.file, piece.generation, piece.start);
    log::debug!("{} bytes at {start} of generation {generation} of {file}", piece.raw.len());
    for (offset, line) in found {
        let number = number(line);
        ledger.stands(piece.file, piece.generation, offset, number);
        numbers.push((offset, number));
    }
    numbers
}

/// A simulated destination as the product sees it.
pub(crate) struct SimFlusher {
    pub at: usize,
    pub class: Class,
    pub pipeline: PipelineKey,
    pub beyond: Shared,
    pub clock: SimClock,
    pub disk: SimDisk,
}

impl Flusher for SimFlusher {
    fn class(&self) -> flusher::Class {
        match self.class {
            Class::Plain => flusher::Class::Plain,
            Class::RequestId => flusher::Class::RequestId,
            Class::RecordId | Class::File => flusher::Class::RecordId,
        }
    }

    fn target(&self) -> &str {
        self.class.name()
    }

    fn encoding(&self) -> u64 {
        0
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        let numbers = learn(&mut lock(&self.beyond).ledger, piece);
        let (file, pipeline, generation) = (piece.file, self.pipeline, piece.generation);
        let origin = Origin { file, pipeline, generation };
        for ((at, line), (offset, number)) in lines(piece.raw).zip(&numbers) {
            debug_assert_eq!(piece.start + at as u64, *offset);
            body.extend(record_id(&origin, *offset, 0, line).to_le_bytes());
            body.extend(number.to_le_bytes());
            body.extend(time.to_le_bytes());
        }
        Encoded { records: numbers.len() as u64, ..Encoded::default() }
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let mut beyond = lock(&self.beyond);
        let mood = Mood::of(beyond.chance);
        if mood == Mood::Late {
            self.clock.pass(LATE, &self.disk);
        }
        beyond.take(self.at, mood, request)
    }
}

/// A record of a body.
fn records(body: &[u8]) -> impl Iterator<Item = (u128, Number)> + '_ {
    body.chunks_exact(RECORD_LEN).map(|record| {
        let (id, rest) = record.split_at(16);
        let id = u128::from_le_bytes(id.try_into().expect("16 bytes"));
        (id, u32::from_le_bytes(rest[..4].try_into().expect("4 bytes")))
    })
}

fn retry(reason: &str) -> Verdict {
    Verdict::Retry { after: None, reason: reason.into(), condition: false }
}

impl Beyond {
    /// A destination gets a request.
    fn take(&mut self, at: usize, mood: Mood, request: &Outgoing<'_>) -> Verdict {
        let Beyond { destinations, ledger, .. } = self;
        let destination = &mut destinations[at];
        let (key, id) = (request.ticket.key, request.ticket.request);
        assert_eq!(request.body.len(), request.records as usize * RECORD_LEN);
        let body = xxhash_rust::xxh3::xxh3_64(request.body);
        let known = *destination.bodies.entry(key).or_insert(body);
        assert_eq!(known, body, "two bodies came under the key {key}");
        let all: Vec<(u128, Number)> = records(request.body).collect();
        let numbers: Vec<Number> = all.iter().map(|(_, number)| *number).collect();
        ledger.sent(at, id, &numbers);
        if destination.is_down {
            return retry("down");
        }
        if mood == Mood::Forgetful && destination.class == Class::RequestId {
            destination.keys.clear();
            ledger.forgot_keys(at);
        }
        let is_known = destination.keys.contains(&key) && destination.class == Class::RequestId;
        match mood {
            Mood::TooLong if !is_known => {
                ledger.count("requests split");
                if all.len() == 1 {
                    ledger.answered(at, id, Answer::Refused);
                }
                let (reason, may_have_stored) = ("too long".into(), false);
                return Verdict::Refused { reason, may_have_stored, splittable: true };
            }
            Mood::Averse if !is_known => {
                ledger.count("requests refused");
                ledger.answered(at, id, Answer::Refused);
                let (reason, may_have_stored) = ("never".into(), false);
                return Verdict::Refused { reason, may_have_stored, splittable: false };
            }
            _ => {}
        }
        let refused = (mood == Mood::Choosy && !is_known && all.len() > 1).then_some(all.len() / 2);
        if !is_known {
            for (index, (id, number)) in all.iter().enumerate() {
                let is_new = destination.class != Class::RecordId || destination.ids.insert(*id);
                match refused == Some(index) {
                    true => ledger.excuse(at, [*number], "refused in part"),
                    false if is_new => ledger.store(at, *number),
                    false => {}
                }
            }
        }
        destination.keys.insert(key);
        if mood == Mood::Mute {
            ledger.answered(at, id, Answer::Lost);
            return retry("no answer");
        }
        ledger.answered(at, id, Answer::Taken);
        match refused {
            Some(_) => {
                ledger.count("requests taken in part");
                let refused = Refused { records: 1, reason: "one of them".into() };
                Verdict::Partly { refused }
            }
            None => Verdict::Taken,
        }
    }
}

/// The product's `flusher_file`, which tells the ledger what it encodes.
pub(crate) struct Watched {
    pub at: usize,
    pub inner: flusher::FileFlusher,
    pub beyond: Shared,
}

impl Flusher for Watched {
    fn class(&self) -> flusher::Class {
        self.inner.class()
    }

    fn target(&self) -> &str {
        self.inner.target()
    }

    fn encoding(&self) -> u64 {
        self.inner.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        learn(&mut lock(&self.beyond).ledger, piece);
        self.inner.encode(piece, time, body)
    }

    fn recover(
        &self,
        receipt: Option<&[u8]>,
        journal: &mut flusher::Journal<'_>,
    ) -> Result<Vec<String>, flusher::Error> {
        self.inner.recover(receipt, journal)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let mut beyond = lock(&self.beyond);
        let mood = Mood::of(beyond.chance);
        if beyond.destinations[self.at].is_down {
            return retry("down");
        }
        let (reason, may_have_stored) = (String::from("no"), false);
        match mood {
            Mood::TooLong | Mood::Averse => {
                let splittable = mood == Mood::TooLong;
                let content = String::from_utf8_lossy(request.body).into_owned();
                let numbers: Vec<Number> = numbers_in(&content).collect();
                if !splittable || numbers.len() == 1 {
                    beyond.ledger.excuse(self.at, numbers, "refused");
                }
                Verdict::Refused { reason, may_have_stored, splittable }
            }
            _ => {
                drop(beyond);
                self.inner.send(request)
            }
        }
    }

    fn commit(&self, journal: &mut flusher::Journal<'_>) -> Result<(), flusher::Error> {
        self.inner.commit(journal)
    }
}

/// The numbers of the records in an output of `flusher_file`.
pub(crate) fn numbers_in(output: &str) -> impl Iterator<Item = Number> + '_ {
    const BEFORE: &str = "{\"content\":\"";
    let whole = output.lines().map(|line| {
        let text = line.strip_prefix(BEFORE).and_then(|rest| rest.split('"').next());
        text.unwrap_or_else(|| panic!("no record of ours: {line:?}"))
    });
    whole.map(|text| number(text.as_bytes()))
}
