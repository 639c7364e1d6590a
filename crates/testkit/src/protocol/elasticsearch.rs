//! `_bulk` as Elasticsearch answers it: a status for each document, and a conflict where its id is
//! there already.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::page::{Page, Protocol};
use crate::{Reply, Request};

/// A document that is not taken: its status, and the type of its error.
pub type Objection = Box<dyn FnMut(&Value) -> Option<(u16, &'static str)> + Send>;

/// An Elasticsearch.
#[derive(Default)]
pub struct Elasticsearch {
    ids: HashSet<(String, String)>,
    objects: Option<Objection>,
}

impl Elasticsearch {
    /// One that takes every document but those to which `objects` objects.
    pub fn objecting(objects: Objection) -> Self {
        Self { objects: Some(objects), ..Self::default() }
    }

    fn create(&mut self, action: &Value, document: &Value, page: &mut Page<'_>) -> Value {
        let of = |name: &str| action["create"][name].as_str().unwrap_or_default().to_owned();
        let (index, id) = (of("_index"), of("_id"));
        let text = document["content"].as_str().unwrap_or_default();
        if id.len() != 32 || index.is_empty() || document["@timestamp"].as_str().is_none() {
            page.complain(format!("no document to create: {action} {document}"));
        }
        let problem = self.objects.as_mut().and_then(|objects| objects(document));
        if let Some((status, kind)) = problem {
            return json!({"create": {"status": status, "error": {"type": kind, "reason": "by script"}}});
        }
        let is_new = self.ids.insert((index, id));
        page.note(text.as_bytes(), is_new);
        match is_new {
            true => json!({"create": {"status": 201}}),
            false => json!({"create": {"status": 409,
                "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}}),
        }
    }
}

impl Protocol for Elasticsearch {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let body = match request.plain_body() {
            Ok(body) if request.target.starts_with("/_bulk?") => body,
            _ => return Reply::status(400),
        };
        let mut lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let mut items = Vec::new();
        while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
            let parsed = |line: &[u8]| serde_json::from_slice::<Value>(line);
            match (parsed(action), parsed(document)) {
                (Ok(action), Ok(document)) => items.push(self.create(&action, &document, page)),
                _ => return Reply::status(400),
            }
        }
        let errors = items.iter().any(|item| item["create"]["status"] != 201);
        let body = json!({"errors": errors, "items": items}).to_string();
        Reply { body, ..Reply::status(200) }
    }
}
