//! Requests: built of what readers read, or again of what the journal says.

pub(crate) mod builder;
pub(crate) mod interleaved;
#[expect(clippy::module_inception, reason = "the folder's main type")]
pub(crate) mod request;
pub(crate) mod resend;
