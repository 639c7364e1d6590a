//! What every HTTP destination has: its keys, its credentials, one client, the table from
//! answers to verdicts. `ureq` is named in this folder and nowhere else.

pub(crate) mod aws;

mod auth;
mod certificate;
mod check;
mod client;
mod compress;
mod connections;
mod endpoint;
mod headers;
mod options;
mod proxy;
mod resolver;
mod secret;
mod table;
mod tls;
mod url;

pub use auth::Auth;
pub use compress::Compression;
pub use options::HttpOptions;
pub use secret::{Secret, Template};
pub use table::{Answer, verdict};
pub use tls::TlsOptions;

pub(crate) use check::Probed;
pub(crate) use endpoint::{Call, Endpoint, Reply, denied, fails};
pub(crate) use secret::{Keeper, source};
pub(crate) use table::{excerpt, retry};
pub(crate) use url::encoded;
