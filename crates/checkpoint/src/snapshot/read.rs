//! Reads a snapshot of ours, and tells it from one of iLogtail and from a damaged one.
//! Bounded memory: the file goes by twice, once for its checksum, then line by line; the part
//! that is written for iLogtail is not parsed. Any bytes give an answer, never a panic.
//! Not here: which snapshot to use (`recover.rs`).

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, DiskFile};
use record::Tags;
use serde::Deserialize;

use crate::Error;
use crate::journal::frame::{SEQUENCE_MAX, Stamp};
use crate::snapshot::ilogtail::{self, ForeignFound};
use crate::snapshot::seal::{self, BUFFER_LEN};
use crate::snapshot::shape::{ClaimLine, DeliveryLine, FileLine, HeadLine, RequestLine};
use crate::snapshot::write::{About, FORMAT, LISTS, Mark};
use crate::state::values::State;

/// What is at a snapshot's path.
pub(crate) enum Found {
    Missing,
    Ours(Box<(State, About)>),
    /// iLogtail wrote it.
    Foreign(ForeignFound),
    /// Neither; why.
    Damaged(String),
}

/// Reads the snapshot at `path`.
pub(crate) fn load(disk: &dyn Disk, path: &Path) -> Result<Found, Error> {
    let failed = |source| Error::io("read the snapshot", path, source);
    let Some(stat) = disk.stat(path).map_err(failed)? else {
        return Ok(Found::Missing);
    };
    if stat.is_dir {
        return Ok(Found::Damaged("it is a directory".to_owned()));
    }
    let file = match disk.open(path) {
        Err(error) if disk::is_unfit(&error) => return Ok(Found::Damaged(error.to_string())),
        opened => opened.map_err(failed)?,
    };
    let sealed = seal::find(file.as_ref()).map_err(failed)?;
    let Some((object_at, seal_at)) = sealed else {
        return load_foreign(disk, path, false);
    };
    if !seal::is_intact(file.as_ref(), seal_at).map_err(failed)? {
        return Ok(Found::Damaged("its checksum does not match".to_owned()));
    }
    let mut lines = Lines::new(file, object_at, seal_at);
    let result = lines.head().and_then(|head| match head {
        head if head.format > FORMAT => Ok(Err(head.format)),
        head => lines.object(head).map(Ok),
    });
    match result {
        Ok(Ok((state, about))) => Ok(Found::Ours(Box::new((state, about)))),
        Ok(Err(found)) => Err(Error::Newer { path: path.to_owned(), found, known: FORMAT }),
        Err(Bad::Io(source)) => Err(failed(source)),
        Err(Bad::Line(number)) => {
            Ok(Found::Damaged(format!("line {number} of its irontail object is not understood")))
        }
    }
}

/// Reads a snapshot as iLogtail would; `is_ours` if it is one that we wrote.
pub(crate) fn load_foreign(disk: &dyn Disk, path: &Path, is_ours: bool) -> Result<Found, Error> {
    let bytes = match disk.read(path) {
        Err(error) if disk::is_unfit(&error) => return Ok(Found::Damaged(error.to_string())),
        read => read.map_err(|source| Error::io("read the snapshot", path, source))?,
    };
    Ok(match ilogtail::read(&String::from_utf8_lossy(&bytes), is_ours) {
        Ok(found) => Found::Foreign(found),
        Err(error) => Found::Damaged(format!("it is no snapshot: {error}")),
    })
}

/// Epoch and sequence number that the snapshot at `path` claims, unverified; `None` where it is
/// not one of ours.
pub(crate) fn peek(disk: &dyn Disk, path: &Path) -> Result<Option<(u32, u64)>, Error> {
    let failed = |source| Error::io("read the snapshot", path, source);
    match disk.stat(path).map_err(failed)? {
        Some(stat) if !stat.is_dir => {}
        _ => return Ok(None),
    }
    let file = match disk.open(path) {
        Err(error) if disk::is_unfit(&error) => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let Some((object_at, seal_at)) = seal::find(file.as_ref()).map_err(failed)? else {
        return Ok(None);
    };
    match Lines::new(file, object_at, seal_at).head() {
        Ok(head) => Ok(Some((head.epoch, head.sequence))),
        Err(Bad::Io(source)) => Err(failed(source)),
        Err(Bad::Line(_)) => Ok(None),
    }
}

enum Bad {
    Io(io::Error),
    /// Its number within the object.
    Line(usize),
}

struct Lines {
    from: BufReader<Section>,
    line: Vec<u8>,
    number: usize,
}

impl Lines {
    fn new(file: Arc<dyn DiskFile>, at: u64, end: u64) -> Self {
        let from = BufReader::with_capacity(BUFFER_LEN, Section { file, at, end });
        Self { from, line: Vec::new(), number: 0 }
    }

    /// The next line without its end.
    fn next(&mut self) -> Result<&[u8], Bad> {
        self.line.clear();
        self.from.read_until(b'\n', &mut self.line).map_err(Bad::Io)?;
        self.number += 1;
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(line.strip_suffix(b",").unwrap_or(line)),
            None => Err(Bad::Line(self.number)),
        }
    }

    fn head(&mut self) -> Result<HeadLine, Bad> {
        let line = self.next()?;
        let members = line.strip_prefix(b"\"irontail\":");
        let object = members.map(|members| [members, b"}"].concat());
        let head = object.and_then(|object| serde_json::from_slice::<HeadLine>(&object).ok());
        head.filter(|head| head.sequence <= SEQUENCE_MAX).ok_or(Bad::Line(self.number))
    }

    /// Everything behind the head.
    fn object(&mut self, head: HeadLine) -> Result<(State, About), Bad> {
        let node = head.node_id.parse().map_err(|_| Bad::Line(self.number))?;
        let mut state = State {
            drained: head.drained.into_iter().collect(),
            lost_frames: head.lost_frames.into_iter().collect(),
            lost: head.lost,
            spool_lowest: head.spool_lowest,
            ..State::default()
        };
        let [claims, deliveries, foreign, tag_lists, requests, files] = LISTS;
        self.list(claims, |line| {
            state.claims.push(Arc::new(parse::<ClaimLine>(line)?.into_claim()));
            Some(())
        })?;
        self.list(deliveries, |line| {
            state.deliveries.extend([parse::<DeliveryLine>(line)?.into_delivery()]);
            Some(())
        })?;
        let mut foreign_files = Vec::new();
        self.list(foreign, |line| {
            foreign_files.push(ilogtail::entry(&parse(line)?).ok()?);
            Some(())
        })?;
        state.foreign = Arc::new(foreign_files);
        let mut tags = Vec::new();
        self.list(tag_lists, |line| {
            tags.push(Arc::new(Tags(parse(line)?)));
            Some(())
        })?;
        self.list(requests, |line| {
            let (id, request) = parse::<RequestLine>(line)?.into_request(&tags)?;
            state.requests.insert(id, Arc::new(request));
            Some(())
        })?;
        let mut known = Vec::new();
        self.list(files, |line| {
            let (key, file) = parse::<FileLine>(line)?.into_file()?;
            known.push((key, Arc::new(file)));
            Some(())
        })?;
        state.files = known.into_iter().collect();
        state.enter_requests();
        let stamp = Stamp { node, epoch: head.epoch };
        let mark = match head.stop {
            None => Mark::Absent,
            Some(false) => Mark::Running,
            Some(true) => Mark::Stopped,
        };
        Ok((state, About { stamp, sequence: head.sequence, boot_id: head.boot_id, mark }))
    }

    /// Hands each element of the list `name` to `element`, which may not understand it.
    fn list(
        &mut self,
        name: &str,
        mut element: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), Bad> {
        if self.next()? != format!("\"{name}\":[").as_bytes() {
            return Err(Bad::Line(self.number));
        }
        loop {
            match self.next()? {
                b"]" => return Ok(()),
                line => element(line).ok_or(Bad::Line(self.number))?,
            }
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// What bytes `[at, end)` of a file hold.
struct Section {
    file: Arc<dyn DiskFile>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buf.len());
        let read = self.file.read_at(&mut buf[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
