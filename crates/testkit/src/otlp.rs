//! What a receiver of OTLP logs finds in a request: the records of an ExportLogsServiceRequest, by
//! the field numbers of opentelemetry-proto.

use crate::grpc::{Value, fields};

/// A record, as far as the tests look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpRecord {
    /// The text of its body.
    pub body: String,
    /// `time_unix_nano`; 0 where it has none.
    pub time: u64,
    /// `observed_time_unix_nano`; 0 where it has none.
    pub observed_time: u64,
    /// Its attributes and those of its resource, texts only.
    pub attributes: Vec<(String, String)>,
}

impl OtlpRecord {
    /// An attribute of the record or its resource.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The records of a body; `None` where it is no such request.
pub fn otlp_records(body: &[u8]) -> Option<Vec<OtlpRecord>> {
    let mut records = Vec::new();
    for resource_logs in messages(body, 1)? {
        let mut resource = Vec::new();
        for one in messages(resource_logs, 1)? {
            resource.extend(attributes(one, 1)?);
        }
        for scope_logs in messages(resource_logs, 2)? {
            for record in messages(scope_logs, 2)? {
                records.push(read(record, &resource)?);
            }
        }
    }
    Some(records)
}

/// The messages in the fields of this number.
fn messages(message: &[u8], number: u32) -> Option<Vec<&[u8]>> {
    let inner = fields(message)?.into_iter().filter(|(found, _)| *found == number);
    inner
        .map(|(_, value)| if let Value::Bytes(bytes) = value { Some(bytes) } else { None })
        .collect()
}

fn attributes(message: &[u8], number: u32) -> Option<Vec<(String, String)>> {
    let mut attributes = Vec::new();
    for attribute in messages(message, number)? {
        let key = messages(attribute, 1)?.pop()?;
        let value = messages(attribute, 2)?.pop()?;
        if let Some((1, text)) = fields(value)?.pop() {
            attributes.push((String::from_utf8(key.to_vec()).ok()?, text.text()));
        }
    }
    Some(attributes)
}

fn read(record: &[u8], resource: &[(String, String)]) -> Option<OtlpRecord> {
    let mut read = OtlpRecord { attributes: attributes(record, 6)?, ..OtlpRecord::default() };
    read.attributes.extend(resource.iter().cloned());
    for (number, value) in fields(record)? {
        match (number, value) {
            (1, Value::Number(time)) => read.time = time,
            (11, Value::Number(time)) => read.observed_time = time,
            (5, Value::Bytes(body)) => read.body = fields(body)?.pop()?.1.text(),
            _ => {}
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::Message;

    #[test]
    fn records_have_their_text_and_all_attributes() {
        let text = |text: &str| Message::new().text(1, text);
        let attribute =
            |key: &str, value: &str| Message::new().text(1, key).message(2, &text(value));
        let record =
            Message::new().number(1, 5).message(5, &text("hi")).message(6, &attribute("a", "b"));
        let resource = Message::new().message(1, &attribute("host.name", "node"));
        let scope = Message::new().message(2, &record.number(11, 7));
        let logs = Message::new().message(1, &resource).message(2, &scope);
        let body = Message::new().message(1, &logs);
        let records = otlp_records(body.as_bytes()).unwrap();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.body.as_str(), record.time, record.observed_time), ("hi", 5, 7));
        assert_eq!(record.attribute("host.name"), Some("node"));
        assert_eq!(record.attribute("a"), Some("b"));
        assert_eq!(otlp_records(b"{}"), None);
    }
}
