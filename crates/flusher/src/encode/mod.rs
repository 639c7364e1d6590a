//! From raw bytes to a request body, as pure functions: NDJSON, record ids, the shape of a record.

mod escape;
mod frame;
mod id;
mod items;
mod ndjson;
mod protobuf;
mod records;
mod shape;
mod wide;

pub use id::{Origin, record_id};
pub use ndjson::encode_ndjson;
pub use shape::{RecordShape, TAG_PREFIX};

pub(crate) use escape::push_text;
pub(crate) use frame::NANOS_PER_SECOND;
pub(crate) use id::hex;
pub(crate) use ndjson::{Head, Lead, encode_led};
pub(crate) use protobuf::{
    Value, fields, push_bytes, push_fixed32, push_fixed64, push_message, push_number,
};
pub(crate) use records::{Record, each_record};
pub(crate) use shape::TIME_KEY;
