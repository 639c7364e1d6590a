//! Generations begin and end in files. The only place where a source is made.

use std::path::Path;
use std::sync::Arc;

use record::{Anchor, FileSeen, FileUid, Head, Signature};

use crate::identity::bytes::{anchor_fits, begin, head_fits};
use crate::identity::fingerprint;
use crate::identity::judge::Known;
use crate::ids::Id;
use crate::read::padding::{ends_with_padding, nuls_at_end};
use crate::source::descriptor::Descriptor;
use crate::source::file::Birth;
use crate::watcher::comparison::known_of;
use crate::watcher::state::padded::Padded;
use crate::watcher::table::Wanting;
use crate::{Event, Found, Source, Tail};

/// What a generation begins with.
pub(crate) struct Seed {
    pub(crate) uid: FileUid,
    pub(crate) generation: u32,
    /// The path under which it is collected.
    pub(crate) logical: Arc<Path>,
    /// The furthest proven position.
    pub(crate) reached: Anchor,
    pub(crate) acknowledged: u64,
    /// The first byte that is wanted.
    pub(crate) start: u64,
    /// How it began when it was known before.
    pub(crate) known: Option<(Head, Signature)>,
}

impl Tail {
    pub(crate) fn begin_source(&mut self, id: Id, file: &Arc<Descriptor>, seed: Seed) {
        let Some(record) = self.files.get(id) else { return };
        let (mut begin, size) = (begin(&**file), record.size());
        let rotated = record.suffix.is_some() || record.family != seed.logical;
        let nuls = (!self.options.same_boot && record.at_start && !file.is_compressed())
            .then(|| nuls_at_end(&**file, size));
        if let Some((start, _)) = nuls.flatten() {
            begin.truncate(start as usize);
        }
        let is_padded =
            nuls.flatten().is_none() && !file.is_compressed() && ends_with_padding(&**file, size);
        let padding = is_padded.then(|| nuls_at_end(&**file, size)).flatten();
        let size = padding.map_or(size, |(start, _)| start);
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
            identity: file.identity(),
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
            acknowledged: seed.acknowledged,
            nuls: nuls.flatten(),
            descriptor: Arc::clone(file),
        };
        // It has been silent since it was seen to change.
        let source = Source::new(birth, &self.link, record.since);
        self.dormants.note((seed.uid, seed.generation));
        self.files.set_family(id, &seed.logical);
        self.files.set_source(id, Arc::clone(&source));
        self.forget_copy(&file.identity());
        if let Some(record) = self.files.get_mut(id) {
            record.padded = is_padded.then(|| Padded::new(size, self.now));
        }
        self.warm_if_new(id);
        self.tell_found(id, &source, (seed.known.is_some(), seed.start), &foreign);
    }

    /// Says of a generation, to those that want its file, that it is there.
    fn tell_found(
        &mut self,
        id: Id,
        source: &Arc<Source>,
        (known, start): (bool, u64),
        foreign: &[usize],
    ) {
        let Some(record) = self.files.get(id) else { return };
        for (member, at_start) in [(false, false), (false, true), (true, false), (true, true)] {
            let alike = |want: &&Wanting| (want.member, want.at_start) == (member, at_start);
            let wanting = record.targets.iter().filter(alike).map(|want| want.target);
            let targets = self.discovery.targets.ids(wanting);
            if !targets.is_empty() {
                self.events.push(Event::Found(Found {
                    source: Arc::clone(source),
                    targets,
                    known,
                    at_start,
                    member,
                    start,
                    foreign: foreign.to_vec(),
                }));
            }
        }
    }

    /// Ends what is read in a file: the generation is nowhere now.
    pub(crate) fn retire_source(&mut self, id: Id) {
        let Some(source) = self.files.take_source(id) else { return };
        let acknowledged = source.acknowledged();
        let known = known_of(&source, false);
        source.lose();
        let is_orphan = self.files.get(id).is_some_and(|file| file.targets.is_empty());
        let logical = known.seen.logical.clone();
        self.dormants.insert(Known { is_live: false, ..known }, acknowledged, false, self.now);
        if is_orphan {
            self.dormants.orphan(|other| *other == *logical);
        }
        self.events.push(Event::Closed(source));
    }

    /// A file is not followed any more.
    pub(crate) fn retire(&mut self, id: Id) {
        self.retire_source(id);
        self.files.remove(id);
    }
}
