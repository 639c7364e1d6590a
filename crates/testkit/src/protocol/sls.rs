//! PutLogs as the Log Service reads it: the size before packing, an LZ4 block, a LogGroup. Records
//! that have a `record_id` count once by it: the service itself has no memory.

use std::collections::HashSet;

use super::page::{Page, Protocol};
use crate::grpc::{Value, fields};
use crate::{Reply, Request};

/// A Logstore named `web` of the project `shop`.
#[derive(Default)]
pub struct Sls {
    ids: HashSet<String>,
}

impl Sls {
    fn put(&mut self, request: &Request, page: &mut Page<'_>) -> Option<()> {
        if request.header("x-log-project") != Some("shop")
            || request.header("x-log-apiversion") != Some("0.6.0")
            || !request.header("authorization")?.starts_with("LOG AKID:")
        {
            page.complain(format!("no request of the API: {:?}", request.headers));
        }
        let size: usize = request.header("x-log-bodyrawsize")?.parse().ok()?;
        let body = match request.header("x-log-compresstype") {
            Some("lz4") => lz4_flex::block::decompress(&request.body, size).ok()?,
            Some(_) => return None,
            None => request.body.clone(),
        };
        if body.len() != size {
            page.complain(format!("{} bytes, not {size}", body.len()));
        }
        let mut tags = Vec::new();
        for (number, value) in fields(&body)? {
            match (number, value) {
                (1, Value::Bytes(log)) => self.log(log, page)?,
                (6, Value::Bytes(tag)) => tags.push(pair(tag)?),
                _ => {}
            }
        }
        if !tags.iter().any(|(name, _)| name == "__path__") {
            page.complain(format!("no path among {tags:?}"));
        }
        Some(())
    }

    fn log(&mut self, log: &[u8], page: &mut Page<'_>) -> Option<()> {
        let (mut text, mut id) = (None, None);
        for (number, value) in fields(log)? {
            if let (2, Value::Bytes(content)) = (number, value) {
                let (name, value) = pair(content)?;
                match name.as_str() {
                    "content" => text = Some(value),
                    "record_id" => id = Some(value),
                    _ => {}
                }
            }
        }
        let is_new = id.is_none_or(|id| self.ids.insert(id));
        page.note(text?.as_bytes(), is_new);
        Some(())
    }
}

fn pair(message: &[u8]) -> Option<(String, String)> {
    let mut pair = (String::new(), String::new());
    for (number, value) in fields(message)? {
        if let Value::Bytes(bytes) = value {
            let text = String::from_utf8(bytes.to_vec()).ok()?;
            match number {
                1 => pair.0 = text,
                _ => pair.1 = text,
            }
        }
    }
    Some(pair)
}

impl Protocol for Sls {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let genuine = ("x-log-requestid", "5B0A6B60BB6EE39764D458B5".to_owned());
        let reply = |status| Reply { headers: vec![genuine.clone()], ..Reply::status(status) };
        if request.target != "/logstores/web/shards/lb" {
            let body = r#"{"errorCode":"LogStoreNotExist","errorMessage":"no such"}"#.to_owned();
            return Reply { body, ..reply(404) };
        }
        match self.put(request, page) {
            Some(()) => reply(200),
            None => {
                page.complain("no LogGroup".into());
                reply(400)
            }
        }
    }
}
