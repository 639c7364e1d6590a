//! What the processors of a delivery counted, and the one log line for each of them that met a text
//! it cannot parse. Only memory: a crash leaves nothing.

use std::sync::Mutex;

use process::{Chain, Reason, Tally};

/// A tally for each processor.
#[derive(Debug, Default)]
pub struct StageCounts {
    /// `pipeline/flusher`, for the agent's log.
    name: String,
    kinds: Vec<(usize, &'static str)>,
    tallies: Mutex<Vec<Tally>>,
}

impl StageCounts {
    /// Zeros for a chain of a delivery of this name.
    pub fn new(name: String, chain: &Chain) -> Self {
        Self { name, kinds: chain.kinds().collect(), tallies: Mutex::new(chain.tallies()) }
    }

    /// What each processor counted: its place in the pipeline, its `Type`, the reason, how often.
    pub fn read(&self) -> Vec<(usize, &'static str, Reason, u64)> {
        let tallies = self.tallies.lock().expect("no holder panics");
        let of = |(&(at, kind), tally): (&(usize, &'static str), &Tally)| {
            Reason::ALL.map(|reason| (at, kind, reason, tally.get(reason)))
        };
        self.kinds.iter().zip(tallies.iter()).flat_map(of).collect()
    }

    /// Adds what a run counted; the first text that a processor cannot parse is logged.
    pub fn add(&self, run: &[Tally]) {
        if run.iter().all(Tally::is_empty) {
            return;
        }
        let mut tallies = self.tallies.lock().expect("no holder panics");
        for ((at, kind), (sum, tally)) in self.kinds.iter().zip(tallies.iter_mut().zip(run)) {
            if let Some(example) = tally.example().filter(|_| sum.example().is_none()) {
                let (name, text) = (&self.name, String::from_utf8_lossy(example));
                log::warn!(
                    "{name}: processors[{at}] ({kind}) cannot parse {text:?}; further ones are \
                     counted in irontail_processor_records_total and not logged"
                );
            }
            sum.add(tally);
        }
    }
}
