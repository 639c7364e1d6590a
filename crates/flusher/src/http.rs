//! `flusher_http`: NDJSON over POST. A request carries its key as `Idempotency-Key`, so that an
//! endpoint that knows the key drops a resend; what an answer means is `verdict.rs`.
//! A crash while the answer is on its way leaves a request that is sent again under its old key.
//! Not here: connections (`http_client.rs`), when to try again (the agent).

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use flate2::GzBuilder;
use record::RequestKey;

use crate::http_client::{Client, Failure};
use crate::secret::Keeper;
use crate::{
    Answer, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Secret, Verdict,
    encode_ndjson, retry_after, verdict,
};

/// How request bodies are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `Content-Encoding: gzip`, at the fastest level.
    Gzip,
}

/// The header by which the destination knows us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None, or one that stands in the headers.
    #[default]
    None,
    /// `Authorization` with user name and password (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization` with a token (RFC 6750).
    Bearer(Secret),
    /// A header of the destination's own, such as `X-Api-Key`.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
}

/// How the destination's certificate is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file with the authorities to trust, in place of the built-in ones (Mozilla's).
    pub ca_file: Option<PathBuf>,
    /// Takes any certificate: encryption without knowing who is at the other end.
    pub insecure_skip_verify: bool,
}

/// What `flusher_http` can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// `RemoteURL`, http or https.
    pub url: String,
    /// Further headers (`Headers`). A `Content-Type` or `User-Agent` among them replaces ours.
    pub headers: Vec<(String, String)>,
    /// Further query parameters (`Query`), not yet percent-encoded.
    pub query: Vec<(String, String)>,
    /// Who we are.
    pub auth: Auth,
    /// `Compression`.
    pub compression: Compression,
    /// `Timeout` of a whole request, answer included.
    pub timeout: Duration,
    /// Timeout of setting up a connection, TLS included.
    pub connect_timeout: Duration,
    /// `Concurrency`: how many connections are kept open.
    pub connections: usize,
    /// TLS.
    pub tls: TlsOptions,
    /// `User-Agent`.
    pub user_agent: String,
}

impl HttpOptions {
    /// The defaults for a URL: no authentication, no compression, 60 s a request, 10 s to
    /// connect, one connection.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            query: Vec::new(),
            auth: Auth::None,
            compression: Compression::None,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            connections: 1,
            tls: TlsOptions::default(),
            user_agent: concat!("irontail/", env!("CARGO_PKG_VERSION")).to_string(),
        }
    }
}

/// An HTTP endpoint.
pub struct HttpFlusher {
    shape: RecordShape,
    compression: Compression,
    client: Client,
    credentials: Option<Credentials>,
}

/// An authentication header in the making.
struct Credentials {
    name: String,
    /// What stands before the secret: a scheme.
    scheme: &'static str,
    /// For Basic: the user, encoded with the secret.
    user: Option<String>,
    secret: Keeper,
}

impl HttpFlusher {
    /// One that posts records of this shape. It reads its secrets and connects to nothing yet.
    ///
    /// # Errors
    /// When the URL, a header, the CA file or a secret's source cannot work.
    pub fn new(options: HttpOptions, shape: RecordShape) -> Result<Self, Error> {
        let credentials = Credentials::new(&options.auth)?;
        let client = Client::new(&options)?;
        Ok(Self { shape, compression: options.compression, client, credentials })
    }

    fn headers(&self, key: RequestKey) -> Result<Vec<(&str, String)>, String> {
        let mut headers = vec![("Idempotency-Key", key.to_string())];
        if self.compression == Compression::Gzip {
            headers.push(("Content-Encoding", "gzip".to_string()));
        }
        if let Some(credentials) = &self.credentials {
            headers.push((&credentials.name, credentials.value()?));
        }
        Ok(headers)
    }
}

impl Flusher for HttpFlusher {
    fn class(&self) -> Class {
        Class::RequestId
    }

    fn target(&self) -> &str {
        self.client.target()
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_ndjson(&self.shape, piece, time, body)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        match self.compression {
            Compression::None => body,
            Compression::Gzip => gzip(body, packed),
        }
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let target = self.client.target();
        let failed = |reason: String, condition| {
            let reason = format!("POST {target}: {reason}");
            Verdict::Retry { after: None, reason, condition }
        };
        let headers = match self.headers(request.ticket.key) {
            Ok(headers) => headers,
            Err(reason) => return failed(reason, true),
        };
        match self.client.post(&headers, request.body) {
            Ok(response) => {
                if let (401, Some(credentials)) = (response.status, &self.credentials) {
                    credentials.secret.distrust();
                }
                let now = SystemTime::now();
                let after = response.retry_after.and_then(|value| retry_after(&value, now));
                let answer = Answer {
                    status: response.status,
                    retry_after: after,
                    body: &response.body,
                    sent_before: request.sent_before,
                };
                verdict(&answer).with_context(&format!("POST {target}"))
            }
            Err(Failure { reason, condition }) => failed(reason, condition),
        }
    }
}

impl Credentials {
    fn new(auth: &Auth) -> Result<Option<Self>, Error> {
        let (name, scheme, user, secret) = match auth {
            Auth::None => return Ok(None),
            Auth::Basic { user, .. } if user.contains(':') => {
                let reason = "a user name has no colon (RFC 7617)".to_string();
                return Err(Error::Option { name: "Authentication", reason });
            }
            Auth::Basic { user, password } => ("Authorization", "Basic ", Some(user), password),
            Auth::Bearer(token) => ("Authorization", "Bearer ", None, token),
            Auth::Header { name, value } => (name.as_str(), "", None, value),
        };
        let secret = Keeper::new(secret, "Authentication")?;
        Ok(Some(Self { name: name.to_string(), scheme, user: user.cloned(), secret }))
    }

    fn value(&self) -> Result<String, String> {
        let secret = self.secret.value()?;
        Ok(match &self.user {
            Some(user) => format!("{}{}", self.scheme, base64(&format!("{user}:{secret}"))),
            None => format!("{}{secret}", self.scheme),
        })
    }
}

/// RFC 4648, with padding.
fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Packs `body` into `packed`: no name, no time, no operating system, so that the same body gives
/// the same bytes.
fn gzip<'b>(body: &[u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
    const OS_UNKNOWN: u8 = 255;
    packed.clear();
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(OS_UNKNOWN)
        .write(&mut *packed, flate2::Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("a vector takes every byte");
    packed
}
