//! The receiver, a process of its own: it counts and checksums what arrives, and takes the time
//! from a line's writing to its arrival. Ends when its standard input is closed.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::{Destination, Faults, Keeper, Reply, Request, Tally, ndjson};

/// How a line begins that carries the time at which it was written, in nanoseconds since 1970.
pub const STAMP: &[u8] = b"written=";

/// Everything that has arrived.
#[derive(Default)]
struct Counter(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    tally: Tally,
    latencies: Vec<Duration>,
}

impl Keeper for Counter {
    fn receive(&self, request: &Request, _stored: bool) -> Reply {
        let arrival = since_1970();
        let body = request.plain_body().expect("the agent's bodies can be unpacked");
        let tally = Tally::of_body(&body);
        let latencies = latencies(&body, arrival);
        let mut counted = self.0.lock().expect("no holder panics");
        counted.tally.merge(&tally);
        counted.latencies.extend(latencies);
        Reply::status(200)
    }

    fn answered(&self, _request: &Request) {}

    /// `/tally`, or `/latencies` in nanoseconds, one a line. `/reset` begins anew.
    fn report(&self, target: &str) -> String {
        let mut counted = self.0.lock().expect("no holder panics");
        match target {
            "/latencies" => {
                counted.latencies.iter().map(|one| format!("{}\n", one.as_nanos())).collect()
            }
            "/reset" => {
                *counted = Counted::default();
                String::new()
            }
            _ => counted.tally.to_string(),
        }
    }
}

/// Of the lines that carry their time. Only a small body is looked into: at ten lines a second
/// there are no others, and a large one must not cost the receiver a second pass.
fn latencies(body: &[u8], arrival: Duration) -> Vec<Duration> {
    const BODY_LEN_MAX: usize = 16 * 1024;
    if body.len() > BODY_LEN_MAX {
        return Vec::new();
    }
    let written = |record| {
        let content = ndjson::content(record)?;
        let digits = content.strip_prefix(STAMP)?.split(|byte| *byte == b' ').next()?;
        let nanos = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(arrival.saturating_sub(Duration::from_nanos(nanos)))
    };
    ndjson::records(body).filter_map(written).collect()
}

/// The wall clock.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

/// Runs the receiver: its URL on standard output, then until standard input ends.
pub fn serve() {
    let destination = Destination::with_keeper(Counter::default(), Faults::none());
    println!("{}", destination.url());
    std::io::stdout().flush().expect("the bench reads the URL");
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}
