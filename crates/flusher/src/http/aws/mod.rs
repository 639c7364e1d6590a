//! Requests that are signed as Amazon's services want it, and others that speak like them: which
//! keys (`keys.rs`, `web_identity.rs`), which signature (`sign.rs`).

mod keys;
mod sign;
mod web_identity;

pub(crate) use keys::{AwsKeys, KeysOptions};
pub(crate) use sign::{Signing, path_encoded, query_canonical};
pub(crate) use web_identity::element;
