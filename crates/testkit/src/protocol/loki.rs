//! Loki's push API: an entry that is equal to one that is there, in time, line and metadata, is
//! dropped.

use std::collections::HashSet;

use serde_json::Value;

use super::page::{Page, Protocol};
use crate::{Reply, Request};

/// Lines that are not taken: the text of the answer 400.
pub type Refuses = Box<dyn FnMut(&str) -> Option<&'static str> + Send>;

/// A Loki.
#[derive(Default)]
pub struct Loki {
    entries: HashSet<String>,
    tenants: HashSet<String>,
    refuses: Option<Refuses>,
}

impl Loki {
    /// One that refuses some lines. The others of such a push are stored all the same.
    pub fn refusing(refuses: Refuses) -> Self {
        Self { refuses: Some(refuses), ..Self::default() }
    }

    fn push(&mut self, body: &Value, page: &mut Page<'_>) -> Option<Reply> {
        let mut refused = None;
        for stream in body["streams"].as_array()? {
            let labels = stream["stream"].as_object()?;
            if labels.is_empty() {
                page.complain("a stream without labels".into());
            }
            for entry in stream["values"].as_array()? {
                let [time, line, metadata] = &entry.as_array()?[..] else { return None };
                time.as_str()?.parse::<i64>().ok()?;
                let text = line.as_str()?;
                if metadata["record_id"].as_str()?.len() != 32 {
                    page.complain(format!("no record id: {entry}"));
                }
                let why = self.refuses.as_mut().and_then(|refuses| refuses(text));
                if let Some(why) = why {
                    refused = Some(why);
                    continue;
                }
                let is_new = self.entries.insert(format!("{} {entry}", stream["stream"]));
                page.note(text.as_bytes(), is_new);
            }
        }
        Some(match refused {
            None => Reply::status(204),
            Some(why) => Reply { body: why.to_owned(), ..Reply::status(400) },
        })
    }
}

impl Protocol for Loki {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        if request.target != "/loki/api/v1/push" {
            return Reply::status(404);
        }
        self.tenants.extend(request.header("x-scope-orgid").map(str::to_owned));
        let body = request.plain_body().ok();
        let body = body.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        body.and_then(|body| self.push(&body, page)).unwrap_or_else(|| {
            page.complain("no push".into());
            Reply::status(400)
        })
    }
}
