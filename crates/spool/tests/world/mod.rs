//! A spool on a simulated disk with a caller that keeps the books: which frames it was told are
//! durable, which its journal says are taken, which segments it was told are gone. After any
//! crash the books are held against what a reopened spool shows.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, SimDisk};
use fastrand::Rng;
use record::{
    Bounds, DeliveryKey, FileUid, FlusherKey, PipelineKey, Range, RequestId, RequestKey, Tags,
    Ticket,
};
use spool::{Error, FrameHead, Note, Options, Place, Spool, Standing};

pub const DIR: &str = "/state/buffers";

/// How many deliveries share the spool.
const DELIVERIES: u64 = 3;

/// How often an append that failed is tried at once again.
const APPENDS_MAX: usize = 2;

pub fn delivery_of(request: u64) -> DeliveryKey {
    DeliveryKey { pipeline: PipelineKey(request % DELIVERIES), flusher: FlusherKey(7) }
}

pub fn ticket_of(request: u64) -> Ticket {
    Ticket { request: RequestId(request), key: RequestKey(u128::from(request) << 80) }
}

/// The length of a request: a function of its number; some are empty, some span pages.
fn len_of(request: u64) -> usize {
    let mut random = Rng::with_seed(request);
    random.usize(0..9_000) * random.usize(0..2) + random.usize(0..300)
}

/// The raw bytes of a request: a function of its number.
pub fn raw_of(request: u64) -> Vec<u8> {
    let mut raw = vec![0; len_of(request)];
    Rng::with_seed(request).fill(&mut raw);
    raw
}

/// The bounds of a request, over two files.
pub fn bounds_of(request: u64) -> Bounds {
    let len = len_of(request) as u64;
    let tags = Arc::new(Tags(vec![("request".into(), request.to_string())]));
    let range = |file, start, end| Range {
        file: FileUid(file),
        generation: 1,
        start,
        end,
        crc: 1,
        anchor: 2,
        tags: Arc::clone(&tags),
    };
    let ranges = vec![range(1, 0, len / 3), range(2, len / 3, len)];
    Bounds { delivery: delivery_of(request), time: request as i64, encoding: 5, ranges }
}

/// What the caller knows, as its own durable journal would.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Where each request lies whose append returned.
    pub confirmed: BTreeMap<u64, Place>,
    /// Requests that were delivered.
    pub taken: BTreeSet<u64>,
    /// Requests whose segment was removed, as was returned.
    pub removed: BTreeSet<u64>,
    /// The lowest live segment in the snapshot.
    pub lowest_live: Option<u64>,
    pub last_request: u64,
}

impl Books {
    fn standing(&self, head: &FrameHead) -> Standing {
        match self.taken.contains(&head.ticket.request.0) {
            true => Standing::Done,
            false => Standing::Waiting,
        }
    }

    pub fn options(&self) -> Options {
        Options {
            named: std::collections::BTreeSet::new(),
            limit_bytes: 120_000,
            segment_bytes: 20_000,
            lowest_live: self.lowest_live,
            now_unix: 1_700_000_000,
        }
    }

    pub fn open(&self, disk: &SimDisk) -> Result<(Spool, Vec<FrameHead>, Vec<Note>), Error> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut shown = Vec::new();
        let (spool, notes) = Spool::open(disk, Path::new(DIR), &self.options(), &mut |head| {
            shown.push(head.clone());
            self.standing(head)
        })?;
        Ok((spool, shown, notes))
    }

    /// One step of the caller's work; the journal's own syncs are taken for granted.
    pub fn step(&mut self, spool: &Spool, random: &mut Rng) -> Result<(), Error> {
        match random.u32(0..10) {
            0..5 => self.append(spool),
            5..8 => self.deliver(spool, random.u64(0..DELIVERIES)),
            8 => self.remove(spool),
            _ => {
                self.lowest_live = Some(spool.lowest_live());
                Ok(())
            }
        }
    }

    pub fn append(&mut self, spool: &Spool) -> Result<(), Error> {
        self.last_request += 1;
        let request = self.last_request;
        let (bounds, raw) = (bounds_of(request), raw_of(request));
        let mut tried = 0;
        loop {
            tried += 1;
            match spool.append(ticket_of(request), &bounds, &raw) {
                Ok(place) => {
                    self.confirmed.insert(request, place);
                    return Ok(());
                }
                Err(Error::Full { needed, .. }) => return self.drop_oldest(spool, needed),
                Err(error) if tried == APPENDS_MAX => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn drop_oldest(&mut self, spool: &Spool, bytes: u64) -> Result<(), Error> {
        let dropped = spool.drop_oldest(bytes, &mut |head| {
            self.taken.insert(head.ticket.request.0);
            true
        })?;
        assert!(!dropped.segments.is_empty());
        Ok(())
    }

    fn deliver(&mut self, spool: &Spool, delivery: u64) -> Result<(), Error> {
        let delivery = delivery_of(delivery);
        let Some(head) = spool.next(delivery, None)? else { return Ok(()) };
        let request = head.ticket.request.0;
        assert_eq!(spool.read(head.place)?.raw, raw_of(request));
        self.taken.insert(request);
        spool.done(head.place, delivery);
        Ok(())
    }

    fn remove(&mut self, spool: &Spool) -> Result<(), Error> {
        for sequence in spool.removable() {
            if spool.remove_segment(sequence)? {
                let gone = self.confirmed.iter().filter(|(_, place)| place.segment == sequence);
                let gone: Vec<u64> = gone.map(|(&request, _)| request).collect();
                assert!(gone.iter().all(|request| self.taken.contains(request)));
                self.removed.extend(gone);
            }
        }
        Ok(())
    }

    /// Holds the books against what is on `disk`; returns the reopened spool. What it showed
    /// counts as confirmed from now on.
    pub fn check(&mut self, disk: &SimDisk, case: &str) -> Spool {
        let (spool, shown, _) = self.open(disk).unwrap_or_else(|e| panic!("{case}: {e}"));
        let mut places = BTreeMap::new();
        for head in &shown {
            let request = head.ticket.request.0;
            assert_eq!(places.insert(request, head.place), None, "{case}: {request} shown twice");
            assert!(!self.removed.contains(&request), "{case}: {request} came back");
            assert_eq!(head.bounds, bounds_of(request), "{case}");
        }
        for (request, place) in &self.confirmed {
            let is_gone = self.taken.contains(request);
            let is_there = places.get(request) == Some(place);
            assert!(is_gone || is_there, "{case}: {request} is lost");
        }
        assert!(shown.iter().map(|head| head.place).is_sorted(), "{case}: not oldest first");
        for head in shown {
            if self.standing(&head) == Standing::Waiting {
                let request = head.ticket.request.0;
                let frame = spool.read(head.place).unwrap_or_else(|e| panic!("{case}: {e}"));
                assert_eq!(frame.raw, raw_of(request), "{case}: {request}");
                self.confirmed.insert(request, head.place);
            }
        }
        self.check_order(&spool, case);
        spool
    }

    /// Every waiting frame is handed out once to its delivery, in order.
    fn check_order(&self, spool: &Spool, case: &str) {
        let waits = |(request, _): &(&u64, &Place)| !self.taken.contains(request);
        for number in 0..DELIVERIES {
            let delivery = delivery_of(number);
            let own = |(request, _): &(&u64, &Place)| delivery_of(**request) == delivery;
            let expected = self.confirmed.iter().filter(waits).filter(own);
            let mut expected: Vec<Place> = expected.map(|(_, place)| *place).collect();
            expected.sort();
            let mut found: Vec<Place> = Vec::new();
            while let Some(head) = spool.next(delivery, found.last().copied()).unwrap() {
                found.push(head.place);
            }
            assert_eq!(found, expected, "{case}");
            let frames = spool.waiting().get(&delivery).map_or(0, |waiting| waiting.frames);
            assert_eq!(frames, expected.len() as u64, "{case}");
        }
    }
}
