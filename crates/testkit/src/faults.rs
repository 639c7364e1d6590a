//! What a destination does with a request: a script of faults, decided from a seed and the
//! request's number, so that a run can be repeated.
//! Not here: doing it (`destination.rs`).

use std::sync::Arc;
use std::time::Duration;

use crate::Request;

/// A test of a request; `Some(status)` refuses it with that status.
pub type Refusal = Arc<dyn Fn(&Request) -> Option<u16> + Send + Sync>;

/// The faults of a destination. The default has none: everything is stored and answered 200.
/// Where several faults fall on one request, the first in the order of the fields wins.
#[derive(Clone, Default)]
pub struct Faults {
    /// Drives the chances.
    pub seed: u64,
    /// Refuses by looking at the request, for instance 413 above a length.
    pub refuse: Option<Refusal>,
    /// Percent of the requests that are answered 503 and not stored.
    pub unavailable_percent: u64,
    /// Every nth request is answered 429 with this many seconds of Retry-After, and not stored.
    pub throttle_every: Option<(u64, u64)>,
    /// Every nth request is stored, and then the connection is cut without an answer.
    pub drop_every: Option<u64>,
    /// Every nth request is stored, half of an answer is written, and then nothing more for this
    /// long, or until the client gives up.
    pub hang_every: Option<(u64, Duration)>,
    /// How long to wait before any answer.
    pub delay: Duration,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Stored, 200.
    Take,
    /// Not stored, this status.
    Refuse(u16),
    /// Not stored, 429 with Retry-After in seconds.
    Throttle(u64),
    /// Stored, then the connection is cut.
    StoreAndDrop,
    /// Stored, half an answer, silence for so long.
    StoreAndHang(Duration),
}

impl Treatment {
    /// Whether the body is kept.
    pub fn stores(self) -> bool {
        matches!(self, Self::Take | Self::StoreAndDrop | Self::StoreAndHang(_))
    }
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// What happens to the request that is the `number`th, counted from 1.
    pub fn decide(&self, number: u64, request: &Request) -> Treatment {
        let falls_on = |every: u64| every > 0 && number.is_multiple_of(every);
        if let Some(status) = self.refuse.as_ref().and_then(|refuse| refuse(request)) {
            return Treatment::Refuse(status);
        }
        if fastrand::Rng::with_seed(self.seed ^ number).u64(0..100) < self.unavailable_percent {
            return Treatment::Refuse(503);
        }
        match (self.throttle_every, self.drop_every, self.hang_every) {
            (Some((every, seconds)), _, _) if falls_on(every) => Treatment::Throttle(seconds),
            (_, Some(every), _) if falls_on(every) => Treatment::StoreAndDrop,
            (_, _, Some((every, time))) if falls_on(every) => Treatment::StoreAndHang(time),
            _ => Treatment::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatments(faults: &Faults, count: u64) -> Vec<Treatment> {
        (1..=count).map(|number| faults.decide(number, &Request::default())).collect()
    }

    #[test]
    fn chances_follow_the_seed_and_come_near_their_percent() {
        let faults = Faults { seed: 4, unavailable_percent: 30, ..Faults::none() };
        let first = treatments(&faults, 10_000);
        assert_eq!(first, treatments(&faults, 10_000));
        let failed = first.iter().filter(|one| **one == Treatment::Refuse(503)).count();
        assert!((2_800..3_200).contains(&failed), "{failed} of 10,000");
    }

    #[test]
    fn every_nth_request_gets_its_fault() {
        let hang = Duration::from_secs(9);
        let faults = Faults {
            drop_every: Some(2),
            hang_every: Some((3, hang)),
            throttle_every: Some((5, 1)),
            ..Faults::none()
        };
        use Treatment::{StoreAndDrop, StoreAndHang, Take, Throttle};
        let expected =
            [Take, StoreAndDrop, StoreAndHang(hang), StoreAndDrop, Throttle(1), StoreAndDrop];
        assert_eq!(treatments(&faults, 6), expected);
    }

    #[test]
    fn a_refusal_sees_the_request() {
        let refuse: Refusal = Arc::new(|request| (request.body.len() > 3).then_some(413));
        let faults = Faults { refuse: Some(refuse), ..Faults::none() };
        let long = Request { body: b"long".to_vec(), ..Request::default() };
        assert_eq!(faults.decide(1, &long), Treatment::Refuse(413));
        assert_eq!(faults.decide(1, &Request::default()), Treatment::Take);
    }
}
