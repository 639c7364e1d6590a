//! VictoriaLogs' `/insert/jsonline`: every line that it can read is stored, whatever it has already;
//! one that it cannot is skipped and answered as if it were stored. So all of that is complained of.
//! Source: VictoriaLogs' documents of data ingestion (jsonline, HTTP parameters, limits).

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::page::{Page, Protocol};
use crate::{Reply, Request, ndjson};

/// The default of `-insert.maxLineSizeBytes`.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// The longest name of a field.
const NAME_BYTES_MAX: usize = 128;

/// A VictoriaLogs. Lines count once by their field `id`, as `| uniq by (id)` counts them.
#[derive(Default)]
pub struct VictoriaLogs {
    ids: HashSet<String>,
}

impl VictoriaLogs {
    fn insert(
        &mut self,
        line: &[u8],
        fields: &BTreeMap<&str, &str>,
        page: &mut Page<'_>,
    ) -> Result<(), String> {
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("a line of {} bytes is skipped", line.len()));
        }
        let line: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let object = line.as_object().ok_or("no object")?;
        if let Some(name) = object.keys().find(|name| name.len() > NAME_BYTES_MAX) {
            return Err(format!("the field {name} has too long a name"));
        }
        let field = |parameter: &str| {
            let name = fields.get(parameter).ok_or(format!("no {parameter}"))?;
            object.get(*name).ok_or(format!("no field {name}"))
        };
        // Without one, or with 0, it would be the time of arrival: another one for each try.
        let time = field("_time_field")?;
        if time.as_i64().is_none_or(|seconds| seconds <= 0) {
            return Err(format!("no time: {time}"));
        }
        for stream in fields.get("_stream_fields").into_iter().flat_map(|all| all.split(',')) {
            if !object.contains_key(stream) {
                return Err(format!("no field {stream} for the stream"));
            }
        }
        let text = field("_msg_field")?.as_str().ok_or("a message is text")?;
        let id = object.get("id").and_then(Value::as_str).ok_or("no id")?;
        page.note(text.as_bytes(), self.ids.insert(id.to_owned()));
        Ok(())
    }
}

impl Protocol for VictoriaLogs {
    fn store(&mut self, request: &Request, page: &mut Page<'_>) -> Reply {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path != "/insert/jsonline" {
            page.complain(format!("unsupported path {path}"));
            return Reply::status(400);
        }
        let fields = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let Ok(body) = request.plain_body() else { return Reply::status(400) };
        for line in ndjson::records(&body) {
            if let Err(why) = self.insert(line, &fields, page) {
                page.complain(format!("{why}: {}", String::from_utf8_lossy(line)));
            }
        }
        Reply::status(200)
    }
}
