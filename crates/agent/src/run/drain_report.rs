//! The drain report: one JSON line on standard error when the agent stops, from which an operator
//! reads what is done, what is not, and what the next start will send again.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::follow::progress::FileTotals;
use delivery::Delivery;

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
pub struct DrainReport<'a> {
    /// What ended it.
    pub reason: &'a str,
    /// What a start waited for that had not come to its end.
    pub during: Option<&'a str>,
    /// Where the progress is that the next start goes on from.
    pub state: String,
    /// How the files stand.
    pub totals: FileTotals,
    /// What was sent, or only cut, and has no answer.
    pub unanswered: Vec<Unanswered>,
    /// From the signal to this report.
    pub time: Duration,
    /// Whether the progress is on disk.
    pub persisted: bool,
}

impl DrainReport<'_> {
    /// The report as one line, with the counters of every delivery.
    pub fn line<'d>(&self, deliveries: impl Iterator<Item = &'d Delivery>) -> String {
        let mut acknowledged = 0;
        let mut by_delivery = Map::new();
        for delivery in deliveries {
            acknowledged += delivery.meter.counters.get(delivery::Counter::AcknowledgedBytes);
            let counters: Map<String, Value> = delivery
                .meter
                .counters
                .read()
                .filter(|(_, value)| *value > 0)
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            by_delivery.insert(delivery.meter.name.clone(), counters.into());
        }
        let unanswered: Vec<Value> = self
            .unanswered
            .iter()
            .map(|open| json!({"delivery": open.delivery, "key": open.key, "bytes": open.bytes}))
            .collect();
        json!({
            "report": "drain",
            "reason": self.reason,
            "during": self.during,
            "state": self.state,
            "files": self.totals.files,
            "unread_bytes": self.totals.unread_bytes,
            "skipped": self.totals.skipped,
            "unreadable": self.totals.unreadable,
            "containers_missed": self.totals.containers_missed,
            "acknowledged_bytes": acknowledged,
            "unanswered": unanswered,
            "seconds": (self.time.as_secs_f64() * 1000.0).round() / 1000.0,
            "persisted": self.persisted,
            "deliveries": by_delivery,
        })
        .to_string()
    }
}
