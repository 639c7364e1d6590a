//! Generations begin and end in files. The only place where a source is made.

use std::path::PathBuf;
use std::sync::Arc;

use record::{Anchor, FileSeen, FileUid, Head, Signature};

use crate::bytes::{anchor_fits, begin, head_fits};
use crate::descriptor::Descriptor;
use crate::files::{Id, Wanting};
use crate::identity::Known;
use crate::open::identity;
use crate::settle::known_of;
use crate::source::Birth;
use crate::unwanted::nuls_at_end;
use crate::{Event, Found, Source, Tail, fingerprint};

/// What a generation begins with.
pub(crate) struct Seed {
    pub(crate) uid: FileUid,
    pub(crate) generation: u32,
    /// The path under which it is collected.
    pub(crate) logical: PathBuf,
    /// The furthest proven position.
    pub(crate) reached: Anchor,
    pub(crate) settled: u64,
    /// The first byte that is wanted.
    pub(crate) start: u64,
    /// How it began when it was known before.
    pub(crate) known: Option<(Head, Signature)>,
}

impl Tail {
    pub(crate) fn begin_source(&mut self, id: Id, file: &Arc<Descriptor>, seed: Seed) {
        let Some(record) = self.files.get(id) else { return };
        let Ok(identity) = identity(file) else { return };
        let (mut begin, size) = (begin(&**file), record.size());
        let rotated = record.suffix.is_some() || record.family != seed.logical;
        let nuls = (!self.options.same_boot && record.at_start && !file.is_packed())
            .then(|| nuls_at_end(&**file, size));
        if let Some((start, _)) = nuls.flatten() {
            begin.truncate(start as usize);
        }
        let fresh = (fingerprint::head(&begin), fingerprint::signature(&begin));
        // It may have been truncated since it was decided that this is it.
        let stays = |head: Head| match seed.reached.offset {
            0 => head_fits(&&begin[..], head),
            _ => anchor_fits(&**file, seed.reached),
        };
        let (head, signature) = seed.known.filter(|(head, _)| !stays(*head)).unwrap_or(fresh);
        let seen = FileSeen {
            uid: seed.uid,
            generation: seed.generation,
            identity,
            head,
            signature,
            logical: seed.logical.clone(),
            real: record.real.clone(),
            size,
        };
        let foreign = match seed.known.is_some() || seed.generation > 0 {
            true => Vec::new(),
            false => self.foreigns.of(record.stat.key(), &begin, size),
        };
        self.rank += 1;
        let birth = Birth {
            seen,
            rotated,
            rank: self.rank,
            reached: seed.reached,
            settled: seed.settled,
            nuls: nuls.flatten(),
            descriptor: Arc::clone(file),
        };
        // It has been silent since it was seen to change.
        let source = Source::new(birth, &self.shared, record.since);
        self.absents.note((seed.uid, seed.generation));
        self.files.set_family(id, &seed.logical);
        self.files.set_source(id, Arc::clone(&source));
        self.warm_if_new(id);
        let Some(record) = self.files.get(id) else { return };
        for (member, at_start) in [(false, false), (false, true), (true, false), (true, true)] {
            let alike = |want: &&Wanting| (want.member, want.at_start) == (member, at_start);
            let wanting = record.targets.iter().filter(alike).map(|want| want.target);
            let targets = self.discovery.targets.ids(wanting);
            if !targets.is_empty() {
                self.events.push(Event::Found(Found {
                    source: Arc::clone(&source),
                    targets,
                    known: seed.known.is_some(),
                    at_start,
                    member,
                    start: seed.start,
                    foreign: foreign.clone(),
                }));
            }
        }
    }

    /// Ends what is read in a file: the generation is nowhere now.
    pub(crate) fn retire_source(&mut self, id: Id) {
        let Some(source) = self.files.take_source(id) else { return };
        let settled = source.settled();
        let known = known_of(&source, false);
        source.lose();
        let is_orphan = self.files.get(id).is_some_and(|file| file.targets.is_empty());
        let logical = known.seen.logical.clone();
        self.absents.insert(Known { is_live: false, ..known }, settled, false, self.now);
        if is_orphan {
            self.absents.orphan(|other| *other == logical);
        }
        self.events.push(Event::Closed(source));
    }

    /// A file is not followed any more.
    pub(crate) fn retire(&mut self, id: Id) {
        self.retire_source(id);
        self.files.remove(id);
    }
}
