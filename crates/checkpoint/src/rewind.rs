//! Sends a file again from some place: for a stopped agent's directory, at a person's wish.
//! Each entry leaves a consistent state, so that a crash between two is harmless: the wish is
//! expressed again.

use record::{Bounds, DeliveryKey, FileSeen, FileUid, Range, RequestId};

use crate::journal::codec::Cut;
use crate::journal::codec::Entry;
use crate::state::values::State;
use crate::{Checkpoint, Error};

impl Checkpoint {
    /// Sends a file again from `offset`, for a stopped agent's directory. `file` is a uid or a
    /// path. A new generation begins, so that the records get new ids, unless `same_ids`.
    /// Unanswered requests that name the file are closed; what lies in the spool stays there.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`Error::NoSuchFile`], [`Error::BeyondProgress`].
    pub fn rewind(&self, file: &str, offset: u64, same_ids: bool) -> Result<FileSeen, Error> {
        let rewound = {
            let mut core = self.core();
            let (seen, entries) = plan(&core.state, file, offset, same_ids)?;
            for entry in entries {
                core.append(entry)?;
            }
            seen
        };
        self.sync()?;
        Ok(rewound)
    }
}

/// What to journal, and the generation that is sent again then.
fn plan(
    state: &State,
    wanted: &str,
    offset: u64,
    same_ids: bool,
) -> Result<(FileSeen, Vec<Entry>), Error> {
    let mut seen = find(state, wanted)?;
    let (uid, generation) = (seen.uid, seen.generation);
    let file = &state.files[(uid, generation)];
    let acked = file.cursors.iter().map(|cursor| cursor.prefix()).max().unwrap_or(0);
    if offset > acked {
        return Err(Error::BeyondProgress { path: seen.real.to_path_buf(), offset, acked });
    }
    let mut entries = closed_requests(state, uid);
    if same_ids {
        entries.push(Entry::Rewind { uid, generation, offset });
        return Ok((seen, entries));
    }
    let keep: Vec<(DeliveryKey, u64)> =
        file.cursors.iter().map(|cursor| (cursor.delivery, cursor.prefix().min(offset))).collect();
    seen.generation = generation.checked_add(1).ok_or(Error::Invalid("no generation is left"))?;
    entries.push(Entry::Generation { seen: seen.clone(), keep });
    let older = state.files.generations(uid).map(|(number, _)| number);
    entries.extend(older.map(|number| Entry::Drop { uid, generation: Some(number) }));
    Ok((seen, entries))
}

/// The last generation of the one file that `wanted` means.
fn find(state: &State, wanted: &str) -> Result<FileSeen, Error> {
    let last_ones = || {
        state.seen_files().filter(|seen| {
            let last = state.files.generations(seen.uid).next_back();
            last.is_some_and(|(generation, _)| generation == seen.generation)
        })
    };
    let by_uid = |seen: &FileSeen| wanted.parse() == Ok(seen.uid);
    let by_place = |seen: &FileSeen| seen.real.as_os_str() == wanted;
    let by_name = |seen: &FileSeen| seen.logical.as_os_str() == wanted;
    let mut found = Vec::new();
    for matches in [&by_uid as &dyn Fn(&FileSeen) -> bool, &by_place, &by_name] {
        if found.is_empty() {
            found = last_ones().filter(matches).collect();
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => Err(Error::NoSuchFile {
            wanted: wanted.to_owned(),
            candidates: found.iter().map(|s| format!("{} {}", s.uid, s.real.display())).collect(),
        }),
    }
}

/// Ends the unanswered requests that name a file; what they hold of others goes on under new
/// bounds.
fn closed_requests(state: &State, uid: FileUid) -> Vec<Entry> {
    let in_file = |range: &&Range| range.file == uid;
    let close = |(&request, bounds): (&RequestId, &Bounds)| {
        let others: Vec<Range> =
            bounds.ranges.iter().filter(|range| !in_file(range)).cloned().collect();
        let rest = Bounds { ranges: others, ..bounds.clone() };
        let survivors = if rest.ranges.is_empty() { vec![] } else { vec![Cut::new(&rest)] };
        Entry::Closed { request, survivors, lost: Vec::new() }
    };
    let open = state.requests.iter().filter(|(_, request)| request.spool.is_none());
    let open = open.map(|(id, request)| (id, &request.cut.bounds));
    open.filter(|(_, bounds)| bounds.ranges.iter().any(|r| in_file(&r))).map(close).collect()
}
