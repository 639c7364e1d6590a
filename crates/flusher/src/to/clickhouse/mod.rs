//! `flusher_clickhouse`: `INSERT ... FORMAT JSONEachRow` over ClickHouse's HTTP interface.
//! A column that holds the record id makes repeated rows tell-tale: a ReplacingMergeTree ordered by
//! it keeps one of them.
//! With `DeduplicationToken` each insert carries its request's key, and the table drops a repeated
//! one as long as it remembers it.
//! Not here: keys (`options.rs`), rows (`encode.rs`), what an answer means (`answer.rs`), what is
//! asked before the first insert (`learn.rs`).

mod answer;
mod encode;
mod learn;
mod options;

use std::sync::OnceLock;

use ::http::{Method, Uri};

pub(crate) use options::ClickhouseTarget;

use crate::http::{Call, Endpoint, Probed, encoded, fails, retry};
use crate::{CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict};
use answer::insert_verdict;
use encode::encode_rows;
use learn::{ASK_SETTINGS, Known, ask_window, known_settings, window};
use options::{ClickhouseOptions, identifier};

/// A table.
struct ClickhouseFlusher {
    shape: RecordShape,
    options: ClickhouseOptions,
    endpoint: Endpoint,
    /// Where rows are posted to, once the server has said what it knows.
    insert: OnceLock<String>,
}

impl ClickhouseFlusher {
    fn new(options: ClickhouseOptions, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options.http, "application/x-ndjson")?;
        Ok(Self { shape, options, endpoint, insert: OnceLock::new() })
    }

    /// The address of rows, but for a token.
    fn insert_url(&self, known: Known) -> String {
        let base = self.endpoint.uri().to_string();
        let join = if base.contains('?') { '&' } else { '?' };
        let query = format!("INSERT INTO {} FORMAT JSONEachRow", identifier(&self.options.table));
        // An asynchronous insert is answered before it is stored.
        let settled = if known.asynchronous { "&async_insert=0" } else { "" };
        let dropped = match (self.options.has_token, known.deduplicate) {
            (true, true) => "&insert_deduplicate=1&deduplicate_insert=enable",
            (true, false) => "&insert_deduplicate=1",
            (false, _) => "",
        };
        format!(
            "{base}{join}database={}&query={}&input_format_skip_unknown_fields=1\
             &date_time_input_format=best_effort&wait_end_of_query=1{settled}{dropped}",
            encoded(&self.options.database),
            encoded(&query)
        )
    }

    /// The address of one request's rows.
    fn address(&self, request: &Outgoing<'_>) -> Result<Uri, Verdict> {
        let insert = self.learn()?;
        let address = match self.options.has_token {
            true => format!("{insert}&insert_deduplication_token={}", request.ticket.key),
            false => insert.clone(),
        };
        address.parse().map_err(|error| {
            condition(format!("no URL for the rows: {error}; look at Table and Database"))
        })
    }

    /// Asks the server what it knows, the first time.
    fn learn(&self) -> Result<&String, Verdict> {
        if let Some(insert) = self.insert.get() {
            return Ok(insert);
        }
        let known = self.ask(ASK_SETTINGS, known_settings)?;
        if self.options.has_token {
            self.learn_window(known)?;
        }
        Ok(self.insert.get_or_init(|| self.insert_url(known)))
    }

    /// A table that remembers no tokens would take every repeated request: nothing is sent to it.
    fn learn_window(&self, known: Known) -> Result<(), Verdict> {
        let ClickhouseOptions { database, table, .. } = &self.options;
        if !known.token {
            let why = "this ClickHouse is older than 22.2 and knows no tokens";
            return Err(condition(format!("{why}: remove DeduplicationToken")));
        }
        match self.ask(&ask_window(database, table), window)? {
            0 => Err(condition(format!(
                "{database}.{table} remembers no inserts, so that DeduplicationToken would do \
                 nothing: give it one with ALTER TABLE {0} MODIFY SETTING \
                 non_replicated_deduplication_window = 1000 (of a replicated table \
                 replicated_deduplication_window), or remove the key",
                identifier(table)
            ))),
            window => {
                log::info!("{}: the table remembers {window} inserts", self.target());
                Ok(())
            }
        }
    }

    /// Asks one question.
    fn ask<T>(&self, query: &str, read: fn(&[u8]) -> Option<T>) -> Result<T, Verdict> {
        let (method, uri, headers) = (Method::POST, self.endpoint.uri(), Vec::new());
        let call = Call { method, uri, headers, body: query.as_bytes(), sent_before: false };
        let mut said = None;
        let verdict = self.endpoint.call_plain(call, |reply| match insert_verdict(reply, 1) {
            Verdict::Taken => {
                said = read(reply.answer.body);
                retry(&reply.answer, true, "no answer of ClickHouse; check Endpoint and Table")
            }
            other => other,
        });
        said.ok_or_else(|| waits(verdict))
    }
}

fn condition(reason: String) -> Verdict {
    Verdict::Retry { after: None, reason, condition: true }
}

/// What went wrong before any row was sent refuses none.
fn waits(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Refused { reason, .. } | Verdict::Conflict { reason } => condition(reason),
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
        let uri = match self.address(request) {
            Ok(uri) => uri,
            Err(verdict) => return verdict,
        };
        let (body, sent_before) = (request.body, request.sent_before);
        let call = Call { method: Method::POST, uri: &uri, headers: Vec::new(), body, sent_before };
        self.endpoint.call(call, |reply| insert_verdict(reply, request.records))
    }

    fn check(&self) -> Vec<CheckStep> {
        let ClickhouseOptions { database, table, .. } = &self.options;
        let query = format!("EXISTS TABLE {}.{}", identifier(database), identifier(table));
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
