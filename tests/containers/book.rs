//! A destination that keeps whole records, for tests that look at their fields.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use testkit::{Destination, Faults, Keeper, Ledger, Reply, Request, ndjson, until};

/// What has arrived: the records, those of repeated keys left out, and the ledger of it all.
#[derive(Default)]
pub struct Book {
    pub ledger: Ledger,
    pub records: Vec<Value>,
    /// Every body, as it came and unpacked.
    pub bytes: Vec<u8>,
    keys: BTreeSet<String>,
}

pub struct Books(Mutex<Book>);

impl Keeper for Books {
    fn receive(&self, request: &Request, stored: bool) -> Reply {
        let mut book = self.0.lock().unwrap();
        let reply = book.ledger.receive(request, stored);
        let body = request.plain_body().expect("a body that can be unpacked");
        book.bytes.extend_from_slice(&body);
        let key = request.header("idempotency-key").unwrap_or_default().to_owned();
        if stored && book.keys.insert(key) {
            let records = ndjson::records(&body).map(serde_json::from_slice);
            book.records.extend(records.map(|record| record.expect("a record is JSON")));
        }
        reply
    }

    fn answered(&self, request: &Request) {
        self.0.lock().unwrap().ledger.answered(request);
    }
}

/// A destination with a [`Book`].
pub struct Receiver(Destination<Books>);

impl Receiver {
    pub fn start() -> Self {
        Self(Destination::with_keeper(Books(Mutex::default()), Faults::none()))
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Looks into the book.
    pub fn book<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.0.keeper().0.lock().unwrap())
    }

    /// The contents of all records, sorted.
    pub fn contents(&self) -> Vec<String> {
        let content = |record: &Value| record["content"].as_str().unwrap_or_default().to_owned();
        let mut contents: Vec<_> = self.book(|book| book.records.iter().map(content).collect());
        contents.sort();
        contents
    }

    /// Waits until the contents are these, in any order.
    #[track_caller]
    pub fn wait(&self, wanted: &[&str], limit: Duration) {
        let mut wanted: Vec<_> = wanted.to_vec();
        wanted.sort_unstable();
        until(limit, &format!("{wanted:?}"), || match self.contents() {
            found if found == wanted => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }

    /// Waits until `count` different lines of the writers have arrived.
    #[track_caller]
    pub fn wait_lines(&self, count: u64, limit: Duration) {
        until(limit, &format!("{count} different lines"), || {
            match self.book(|book| book.ledger.by_key().distinct()) {
                distinct if distinct >= count => Ok(()),
                distinct => Err(format!("{distinct} lines")),
            }
        });
    }

    /// The first record with this content.
    #[track_caller]
    pub fn record(&self, content: &str) -> Value {
        let found = |book: &Book| book.records.iter().find(|r| r["content"] == content).cloned();
        self.book(found).unwrap_or_else(|| panic!("no record {content:?}"))
    }
}
