//! `flusher_stdout`: writes each body to standard output. Plain: taken means that the write
//! returned; a request that a crash cut short comes again whole.
//! Promise: a body is written whole before another begins, also when the output is a pipe in
//! non-blocking mode that takes only part of it at a time.

use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use disk::Disk;
use record::RequestKey;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Plain, Section, only, refused};

use crate::target::Target;
use crate::{Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict, encode_ndjson};

/// How soon a full non-blocking pipe is tried again.
const FULL_PIPE_RETRY: Duration = Duration::from_millis(10);

const FOREIGN: [Foreign; 6] = [
    only("OnlyStdout", Plain::Flag(true), "records go to standard output and nowhere else"),
    only("KeyValuePairs", Plain::Flag(true), "a record is always one flat object"),
    only(
        "Tags",
        Plain::Flag(true),
        "every record has its tags: leave them out with inputs[0].Tags",
    ),
    refused("FileName", "use flusher_file"),
    refused("MaxSize", "use flusher_file"),
    refused("MaxRolls", "use flusher_file"),
];

/// `flusher_stdout` as configured: it has no keys of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stdout;

impl Stdout {
    pub(crate) fn read(section: &Section<'_>) -> Self {
        section.foreign(&FOREIGN);
        Self
    }
}

impl Destination for Stdout {
    fn name(&self) -> String {
        "flusher_stdout".into()
    }

    fn shape(&self) -> Value {
        json!({ "kind": "stdout" })
    }
}

impl Target for Stdout {
    fn class(&self) -> Class {
        Class::Plain
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(StdoutFlusher::new(Box::new(std::io::stdout()), shape)))
    }
}

/// Standard output, or what a test gives in its place.
pub struct StdoutFlusher {
    shape: RecordShape,
    output: Mutex<Output>,
}

struct Output {
    write: Box<dyn Write + Send>,
    /// The request of which only the first bytes are written.
    begun: Option<(RequestKey, usize)>,
}

impl StdoutFlusher {
    /// One that writes records of this shape to `write`, usually [`std::io::stdout`].
    pub fn new(write: Box<dyn Write + Send>, shape: RecordShape) -> Self {
        Self { shape, output: Mutex::new(Output { write, begun: None }) }
    }
}

impl Flusher for StdoutFlusher {
    fn class(&self) -> Class {
        Class::Plain
    }

    fn target(&self) -> &str {
        "standard output"
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_ndjson(&self.shape, piece, time, body)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).send(request)
    }
}

impl Output {
    fn send(&mut self, request: &Outgoing<'_>) -> Verdict {
        let key = request.ticket.key;
        let mut written = match self.begun {
            Some((begun, written)) if begun == key => written,
            Some(_) => return full("another request is half written"),
            None => 0,
        };
        while written < request.body.len() {
            match self.write.write(&request.body[written..]) {
                Ok(0) => return broken("it takes no more bytes"),
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.begun = Some((key, written));
                    return full("its pipe is full");
                }
                Err(error) => return broken(&error.to_string()),
            }
        }
        self.begun = None;
        match self.write.flush() {
            Ok(()) => Verdict::Taken,
            Err(error) => broken(&error.to_string()),
        }
    }
}

fn full(why: &str) -> Verdict {
    let reason = format!("standard output: {why}");
    Verdict::Retry { after: Some(FULL_PIPE_RETRY), reason, condition: false }
}

fn broken(why: &str) -> Verdict {
    Verdict::Broken { reason: format!("cannot write to standard output: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    use record::{Bounds, DeliveryKey, RequestId, Ticket};

    /// Takes bytes by script: how many each write may take, or its error.
    struct Scripted {
        script: Vec<Result<usize, ErrorKind>>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let step = if self.script.is_empty() { Ok(usize::MAX) } else { self.script.remove(0) };
            let len = step?.min(bytes.len());
            self.taken.lock().unwrap().extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted(script: Vec<Result<usize, ErrorKind>>) -> (StdoutFlusher, Arc<Mutex<Vec<u8>>>) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let write = Scripted { script, taken: taken.clone() };
        (StdoutFlusher::new(Box::new(write), RecordShape::default()), taken)
    }

    fn send(flusher: &StdoutFlusher, key: u128, body: &[u8]) -> Verdict {
        let ticket = Ticket { request: RequestId(0), key: RequestKey(key) };
        let bounds =
            Bounds { delivery: DeliveryKey::default(), time: 0, encoding: 0, ranges: Vec::new() };
        flusher.send(&Outgoing { ticket, bounds: &bounds, body, records: 1, sent_before: false })
    }

    #[test]
    fn a_body_is_written_whole_however_little_a_write_takes() {
        let (flusher, taken) = scripted(vec![Ok(1), Err(ErrorKind::Interrupted), Ok(2)]);
        assert_eq!(send(&flusher, 1, b"first\n"), Verdict::Taken);
        assert_eq!(send(&flusher, 2, b"second\n"), Verdict::Taken);
        assert_eq!(*taken.lock().unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn a_full_pipe_goes_on_where_it_stopped_and_lets_nothing_between() {
        let (flusher, taken) = scripted(vec![Ok(3), Err(ErrorKind::WouldBlock)]);
        let waits = |verdict| {
            matches!(verdict, Verdict::Retry { after: Some(FULL_PIPE_RETRY), condition: false, .. })
        };
        assert!(waits(send(&flusher, 1, b"first\n")));
        assert!(waits(send(&flusher, 2, b"second\n")));
        assert_eq!(send(&flusher, 1, b"first\n"), Verdict::Taken);
        assert_eq!(send(&flusher, 2, b"second\n"), Verdict::Taken);
        assert_eq!(*taken.lock().unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn a_reader_that_went_away_ends_it() {
        for step in [Err(ErrorKind::BrokenPipe), Ok(0), Err(ErrorKind::StorageFull)] {
            let (flusher, _) = scripted(vec![step]);
            let Verdict::Broken { reason } = send(&flusher, 1, b"first\n") else {
                panic!("{step:?} broke nothing")
            };
            assert!(reason.contains("standard output"), "{reason}");
        }
    }
}
