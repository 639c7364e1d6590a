//! The drain report: one JSON line on standard error when the agent stops, from which an operator
//! reads what is done, what is not, and what the next start will send again.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::delivery::Delivery;
use crate::follow::Standing;

/// A request that was cut and not answered.
pub struct Unanswered {
    /// The delivery's name.
    pub delivery: String,
    /// The request's name at the destination.
    pub key: String,
    /// Raw bytes in it.
    pub bytes: u64,
}

/// What the agent leaves behind.
pub struct Drain<'a> {
    /// What ended it.
    pub reason: &'a str,
    /// How the files stand.
    pub standing: Standing,
    /// What was sent, or only cut, and has no answer.
    pub unanswered: Vec<Unanswered>,
    /// From the signal to this report.
    pub time: Duration,
    /// Whether the progress is on disk.
    pub persisted: bool,
}

impl Drain<'_> {
    /// The report as one line, with the counters of every delivery.
    pub fn line<'d>(&self, deliveries: impl Iterator<Item = &'d Delivery>) -> String {
        let mut acknowledged = 0;
        let mut by_delivery = Map::new();
        for delivery in deliveries {
            acknowledged += delivery.account.get(crate::account::Count::AcknowledgedBytes);
            let counters: Map<String, Value> = delivery
                .account
                .read()
                .filter(|(_, value)| *value > 0)
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            by_delivery.insert(delivery.terms.name.clone(), counters.into());
        }
        let unanswered: Vec<Value> = self
            .unanswered
            .iter()
            .map(|open| json!({"delivery": open.delivery, "key": open.key, "bytes": open.bytes}))
            .collect();
        json!({
            "report": "drain",
            "reason": self.reason,
            "files": self.standing.files,
            "unread_bytes": self.standing.unread_bytes,
            "skipped": self.standing.skipped,
            "unreadable": self.standing.unreadable,
            "containers_missed": self.standing.containers_missed,
            "acknowledged_bytes": acknowledged,
            "unanswered": unanswered,
            "seconds": (self.time.as_secs_f64() * 1000.0).round() / 1000.0,
            "persisted": self.persisted,
            "deliveries": by_delivery,
        })
        .to_string()
    }
}
