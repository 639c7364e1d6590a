//! What every stage of a pipeline is: a pure function of an event, and what it counts.
//!
//! Promise: [`Processor::apply`] depends on the event, the configuration and the request's own
//! time, and on nothing else (no clock, no chance, no other record), so that a resend after a crash
//! is the same request. A stage that is not pure is no [`Processor`]: it decides before the bounds of
//! a request are journaled (`rate_limit.rs`).

use std::fmt;

use record::Event;

/// One stage.
pub trait Processor: Send + Sync + fmt::Debug {
    /// Changes an event. `Keep::No`: it is left out, and `tally` says why.
    fn apply<'a>(&'a self, event: &mut Event<'a>, context: &Context, tally: &mut Tally) -> Keep;

    /// What decides its results beside its section of the configuration: the version of its code,
    /// the rules of a time zone. Part of a request's encoding.
    fn fingerprint(&self) -> u64 {
        1
    }
}

/// Whether an event goes on to the next stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Keep {
    /// It does.
    Yes,
    /// It is left out of the request.
    No,
}

/// What is fixed with the request that an event is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The request's time in nanoseconds since 1970: what stages take for "now".
    pub time: i64,
}

/// What a stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A text is not what the stage parses.
    ParseError,
    /// ... and nothing of the event was left to send.
    ParseErrorDropped,
    /// The filter does not want the event.
    Filtered,
    /// The event is older than the pipeline accepts.
    Old,
    /// A field that is to be renamed is missing.
    MissingKey,
    /// Masking would make a text longer than the longest: all of it was replaced.
    MaskedWhole,
}

impl Reason {
    /// All of them, in the order of their places in a [`Tally`].
    pub const ALL: [Reason; 6] = [
        Reason::ParseError,
        Reason::ParseErrorDropped,
        Reason::Filtered,
        Reason::Old,
        Reason::MissingKey,
        Reason::MaskedWhole,
    ];

    /// As metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::ParseError => "parse_error",
            Reason::ParseErrorDropped => "parse_error_dropped",
            Reason::Filtered => "filtered",
            Reason::Old => "old",
            Reason::MissingKey => "missing_key",
            Reason::MaskedWhole => "masked_whole",
        }
    }
}

/// What one stage counted in a run, with an example of what it could not parse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Reason::ALL.len()],
    example: Option<Vec<u8>>,
}

/// How much of a text an example repeats, in bytes.
const EXAMPLE_BYTES_MAX: usize = 256;

impl Tally {
    /// Counts one event.
    pub fn count(&mut self, reason: Reason) {
        self.counts[reason as usize] += 1;
    }

    /// Counts a text that the stage cannot parse; the first one is kept as an example.
    pub fn parse_error(&mut self, text: &[u8]) {
        self.count(Reason::ParseError);
        let len = text.len().min(EXAMPLE_BYTES_MAX);
        self.example.get_or_insert_with(|| text[..len].to_vec());
    }

    /// Adds what another run counted; the first example stays.
    pub fn add(&mut self, other: &Tally) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        if self.example.is_none() {
            self.example.clone_from(&other.example);
        }
    }

    /// How many events.
    pub fn get(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// The beginning of the first text that could not be parsed.
    pub fn example(&self) -> Option<&[u8]> {
        self.example.as_deref()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }
}
