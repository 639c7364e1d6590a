//! One exchange with an HTTP destination: what each of them does alike around its own protocol.
//! Promise: a send ends in a verdict, and each reason says where the request went. Credentials
//! that were not accepted are read again before the next try.
//! Not here: the connection (`client.rs`), what an answer means (`table.rs`, or the destination).

use std::time::SystemTime;

use ureq::http::{HeaderMap, Method, Uri};

use super::auth::Credentials;
use super::check::{self, Probed};
use super::client::{Client, Failure};
use super::compress::Compression;
use super::options::HttpOptions;
use super::table::{Answer, excerpt};
use crate::{CheckStep, Error, Outgoing, Verdict, retry_after};

/// An HTTP destination: its connections, its credentials, how bodies are packed.
pub(crate) struct Endpoint {
    client: Client,
    credentials: Option<Credentials>,
    compression: Compression,
    /// Whether a packed body is named as what it is in transit, and unpacked by the receiver.
    names_packing: bool,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Where to, below the configured scheme and authority.
    pub(crate) uri: &'a Uri,
    /// Besides `Headers`, `Authentication` and the packing.
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: &'a [u8],
    pub(crate) sent_before: bool,
}

/// What came back.
pub(crate) struct Reply<'a> {
    pub(crate) answer: Answer<'a>,
    headers: HeaderMap,
}

impl<'a> Reply<'a> {
    /// One with these headers.
    #[cfg(test)]
    pub(crate) fn of(answer: Answer<'a>, headers: &[(&'static str, &str)]) -> Self {
        let parsed = |value: &str| value.parse().expect("tests give values that are some");
        let name = ureq::http::HeaderName::from_static;
        let headers = headers.iter().map(|(key, value)| (name(key), parsed(value)));
        Self { answer, headers: headers.collect() }
    }

    /// A header's text; `None` where there is no such header, or it is no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Endpoint {
    /// One whose bodies are of `content_type`. It reads its secrets and connects to nothing yet.
    pub(crate) fn new(options: &HttpOptions, content_type: &'static str) -> Result<Self, Error> {
        let credentials = Credentials::new(&options.auth)?;
        let client = Client::new(options, content_type)?;
        let compression = options.compression;
        Ok(Self { client, credentials, compression, names_packing: true })
    }

    /// The same, keeping so much of an answer's body.
    pub(crate) fn with_answers_of(self, bytes: u64) -> Self {
        Self { client: self.client.with_answers_of(bytes), ..self }
    }

    /// The same for bodies that are stored as they are sent.
    pub(crate) fn with_packed_objects(self) -> Self {
        Self { names_packing: false, ..self }
    }

    /// The configured URL without what may be secret in it.
    pub(crate) fn target(&self) -> &str {
        self.client.target()
    }

    /// The configured URL.
    pub(crate) fn uri(&self) -> &Uri {
        self.client.uri()
    }

    /// The body as it is sent.
    pub(crate) fn pack<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.compression.pack(body, packed)
    }

    /// Posts a request to the configured URL.
    pub(crate) fn post(
        &self,
        request: &Outgoing<'_>,
        headers: Vec<(&str, String)>,
        judge: impl FnOnce(&Reply<'_>) -> Verdict,
    ) -> Verdict {
        let (body, sent_before) = (request.body, request.sent_before);
        let call = Call { method: Method::POST, uri: self.uri(), headers, body, sent_before };
        self.call(call, judge)
    }

    /// Makes a request whose body is packed as `Compression` says; `judge` says what its answer
    /// means.
    pub(crate) fn call(
        &self,
        mut call: Call<'_>,
        judge: impl FnOnce(&Reply<'_>) -> Verdict,
    ) -> Verdict {
        let encoding = self.compression.content_encoding().filter(|_| self.names_packing);
        call.headers.extend(encoding.map(|encoding| ("Content-Encoding", encoding.to_owned())));
        self.call_plain(call, judge)
    }

    /// Makes a request whose body is what it is.
    pub(crate) fn call_plain(
        &self,
        call: Call<'_>,
        judge: impl FnOnce(&Reply<'_>) -> Verdict,
    ) -> Verdict {
        let Call { method, uri, mut headers, body, sent_before } = call;
        let context = format!("{method} {}{}", spoken(uri), self.client.via());
        let own = self.credentials.as_ref().map(|own| own.value().map(|value| (&*own.name, value)));
        let sent = own.transpose().map_err(|reason| Failure { reason, condition: true });
        let sent = sent.and_then(|own| {
            headers.extend(own);
            self.client.call(&method, uri, &headers, body)
        });
        let verdict = match sent {
            Ok(response) => {
                if let (401, Some(credentials)) = (response.status, &self.credentials) {
                    credentials.distrust();
                }
                let answer = Answer {
                    status: response.status,
                    retry_after: None,
                    body: &response.body,
                    is_whole: response.is_whole,
                    sent_before,
                };
                let mut reply = Reply { answer, headers: response.headers };
                let after = reply.header("retry-after");
                reply.answer.retry_after = after.and_then(|it| retry_after(it, SystemTime::now()));
                judge(&reply)
            }
            Err(Failure { reason, condition }) => Verdict::Retry { after: None, reason, condition },
        };
        verdict.with_context(&context)
    }
}

impl Endpoint {
    /// Checks the way to the destination, and what it says to a harmless request.
    pub(crate) fn check(
        &self,
        call: Call<'_>,
        judge: impl FnOnce(&Reply<'_>) -> Probed,
    ) -> Vec<CheckStep> {
        let via = Some(self.client.via()).filter(|via| !via.is_empty());
        let mut steps = check::approach(self.uri(), via);
        if steps.iter().any(|step| step.outcome.is_err()) {
            return steps;
        }
        let (mut probed, mut date) = (None, None);
        let verdict = self.call_plain(call, |reply| {
            date = reply.header("date").map(|date| (date.to_owned(), SystemTime::now()));
            probed = Some(match reply.answer.status {
                401 => denied(reply, "it does not accept the credentials: check them"),
                407 => denied(reply, "the proxy wants credentials: check HTTPS_PROXY"),
                _ => judge(reply),
            });
            Verdict::Taken
        });
        // Without an answer the verdict says why, and where.
        let probed = probed.unwrap_or_else(|| match verdict {
            Verdict::Retry { reason, .. } => Probed::Fails(reason),
            other => Probed::Fails(format!("{other:?}")),
        });
        let (date, now) = date.map_or((None, SystemTime::now()), |(date, now)| (Some(date), now));
        steps.extend(check::conclude(probed, date.as_deref(), now));
        steps
    }
}

/// The destination does not let the agent in.
pub(crate) fn denied(reply: &Reply<'_>, cure: &str) -> Probed {
    Probed::Denied(said(reply, cure))
}

/// The destination answers otherwise than it should.
pub(crate) fn fails(reply: &Reply<'_>, cure: &str) -> Probed {
    Probed::Fails(said(reply, cure))
}

fn said(reply: &Reply<'_>, cure: &str) -> String {
    let Answer { status, body, .. } = reply.answer;
    format!("status {status}; {cure}{}", excerpt(body))
}

/// A URL without its query, which may be long, or secret.
fn spoken(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{scheme}://{authority}{}", uri.path())
}
