//! `flusher_clickhouse`: `INSERT ... FORMAT JSONEachRow` over ClickHouse's HTTP interface.
//! A column that holds the record id makes repeated rows tell-tale: a ReplacingMergeTree ordered by
//! it keeps one of them.
//! Not here: keys (`options.rs`), rows (`encode.rs`), what an answer means (`answer.rs`).

mod answer;
mod encode;
mod options;

use std::sync::OnceLock;

use ::http::{Method, Uri};

pub(crate) use options::ClickhouseTarget;

use crate::http::{Call, Endpoint, Probed, encoded, fails, retry};
use crate::{CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict};
use answer::insert_verdict;
use encode::encode_rows;
use options::ClickhouseOptions;

/// Asks whether the server knows a setting that it would otherwise refuse (unknown before 21.11).
const ASK: &str = "SELECT count() FROM system.settings WHERE name = 'async_insert'";

/// A table.
struct ClickhouseFlusher {
    shape: RecordShape,
    options: ClickhouseOptions,
    endpoint: Endpoint,
    /// Where rows are posted to, once the server has said what it knows.
    insert: OnceLock<Uri>,
}

impl ClickhouseFlusher {
    fn new(options: ClickhouseOptions, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options.http, "application/x-ndjson")?;
        Ok(Self { shape, options, endpoint, insert: OnceLock::new() })
    }

    /// The address of rows.
    fn insert_url(&self, knows_async: bool) -> String {
        let base = self.endpoint.uri().to_string();
        let join = if base.contains('?') { '&' } else { '?' };
        let query = format!("INSERT INTO {} FORMAT JSONEachRow", self.options.table);
        // An asynchronous insert is answered before it is stored.
        let settled = if knows_async { "&async_insert=0" } else { "" };
        format!(
            "{base}{join}database={}&query={}&input_format_skip_unknown_fields=1\
             &date_time_input_format=best_effort&wait_end_of_query=1{settled}",
            encoded(&self.options.database),
            encoded(&query)
        )
    }

    /// Asks the server what it knows, the first time.
    fn learn(&self) -> Result<&Uri, Verdict> {
        if let Some(uri) = self.insert.get() {
            return Ok(uri);
        }
        let (method, uri, headers) = (Method::POST, self.endpoint.uri(), Vec::new());
        let body = ASK.as_bytes();
        let call = Call { method, uri, headers, body, sent_before: false };
        let mut knows = None;
        let verdict = self.endpoint.call_plain(call, |reply| {
            let answer = &reply.answer;
            match insert_verdict(reply, 1) {
                Verdict::Taken => {
                    knows = match answer.body.trim_ascii() {
                        b"0" => Some(false),
                        b"1" => Some(true),
                        _ => None,
                    };
                    retry(answer, true, "no answer of ClickHouse; check Endpoint")
                }
                other => other,
            }
        });
        let Some(knows) = knows else { return Err(waits(verdict)) };
        let uri = self.insert_url(knows).parse::<Uri>().map_err(|error| Verdict::Retry {
            after: None,
            reason: format!("no URL for the rows: {error}; look at Table and Database"),
            condition: true,
        })?;
        Ok(self.insert.get_or_init(|| uri))
    }
}

/// What went wrong before any row was sent refuses none.
fn waits(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Refused { reason, .. } | Verdict::Conflict { reason } => {
            Verdict::Retry { after: None, reason, condition: true }
        }
        other => other,
    }
}

impl Flusher for ClickhouseFlusher {
    fn class(&self) -> Class {
        self.options.class()
    }

    fn target(&self) -> &str {
        self.endpoint.target()
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding() ^ self.options.columns_hash()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_rows(&self.shape, &self.options.columns, piece, time, body)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.endpoint.pack(body, packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let uri = match self.learn() {
            Ok(uri) => uri,
            Err(verdict) => return verdict,
        };
        let (body, sent_before) = (request.body, request.sent_before);
        let call = Call { method: Method::POST, uri, headers: Vec::new(), body, sent_before };
        self.endpoint.call(call, |reply| insert_verdict(reply, request.records))
    }

    fn check(&self) -> Vec<CheckStep> {
        let database = self.options.database.replace('\\', "\\\\").replace('`', "\\`");
        let query = format!("EXISTS TABLE `{database}`.{}", self.options.table);
        let (method, uri, body) = (Method::POST, self.endpoint.uri(), query.as_bytes());
        let call = Call { method, uri, headers: Vec::new(), body, sent_before: false };
        self.endpoint.check(call, |reply| match (insert_verdict(reply, 1), reply.answer.body) {
            (Verdict::Taken, body) if body.trim_ascii() == b"1" => {
                Probed::Works("the table is there".into())
            }
            (Verdict::Taken, body) if body.trim_ascii() == b"0" => {
                Probed::Fails("there is no such table: check Table and Database".into())
            }
            (Verdict::Retry { reason, condition: true, .. }, _) if reply.answer.status == 403 => {
                Probed::Denied(reason)
            }
            _ => fails(reply, "no answer of ClickHouse: check Endpoint, user and password"),
        })
    }
}
