//! `flusher_http`: NDJSON over POST. A request carries its key as `Idempotency-Key`, so that an
//! endpoint that knows the key drops a resend; what an answer means is `http/table.rs`.
//! A crash while the answer is on its way leaves a request that is sent again under its old key.
//! Not here: keys and connections of any HTTP destination (`http/`), when to try again (the
//! agent).

use std::sync::Arc;

use ::http::Method;
use disk::Disk;
use serde_json::{Value, json};
use settings::{Destination, Foreign, Plain, Section, Surroundings, no_effect, only, refused};

use crate::http::{Call, Endpoint, HttpOptions, Probed, denied, fails, verdict};
use crate::target::Target;
use crate::{
    Backoff, Batch, CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape,
    Verdict, encode_ndjson,
};

const SHAPE: &str = "a body is one JSON object a line (content, __time__, __tag__:NAME): remove \
                     the key";
const POOL: &str = "each sender keeps one connection";

const FOREIGN: [Foreign; 12] = [
    refused("Convert", SHAPE),
    refused("Encoder", SHAPE),
    refused("Authenticator", "use Authentication"),
    refused("RequestInterceptors", "remove the key"),
    refused("FlushInterceptor", "remove the key"),
    only("AsyncIntercept", Plain::Flag(false), "remove the key"),
    only("DropEventWhenQueueFull", Plain::Flag(false), "nothing is dropped: remove the key"),
    no_effect("QueueCapacity", "nothing is read before a sender is free to send it"),
    no_effect("MaxConnsPerHost", POOL),
    no_effect("MaxIdleConnsPerHost", POOL),
    no_effect("IdleConnTimeout", POOL),
    no_effect("WriteBufferSize", POOL),
];

/// `flusher_http` as configured.
#[derive(Clone, Debug)]
pub(crate) struct HttpTarget(HttpOptions);

impl HttpTarget {
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        section.foreign(&FOREIGN);
        HttpOptions::read(section, around, "RemoteURL", Batch::default()).map(Self)
    }
}

impl Destination for HttpTarget {
    fn name(&self) -> String {
        format!("flusher_http {}", self.0.url)
    }

    fn shape(&self) -> Value {
        json!({ "kind": "http" })
    }

    fn concurrency(&self) -> usize {
        self.0.concurrency
    }
}

impl Target for HttpTarget {
    fn class(&self) -> Class {
        Class::RequestId
    }

    fn batch(&self) -> Batch {
        self.0.batch
    }

    fn backoff(&self) -> Backoff {
        self.0.retry
    }

    fn flusher(&self, _: &Arc<dyn Disk>, shape: RecordShape) -> Result<Box<dyn Flusher>, Error> {
        Ok(Box::new(HttpFlusher::new(self.0.clone(), shape)?))
    }
}

/// An HTTP endpoint.
pub struct HttpFlusher {
    shape: RecordShape,
    endpoint: Endpoint,
}

impl HttpFlusher {
    /// One that posts records of this shape. It reads its secrets and connects to nothing yet.
    ///
    /// # Errors
    /// When the URL, a header, the CA file or a secret's source cannot work.
    pub fn new(options: HttpOptions, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options, "application/x-ndjson")?;
        Ok(Self { shape, endpoint })
    }
}

impl Flusher for HttpFlusher {
    fn class(&self) -> Class {
        Class::RequestId
    }

    fn target(&self) -> &str {
        self.endpoint.target()
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding()
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_ndjson(&self.shape, piece, time, body)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.endpoint.pack(body, packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        let headers = vec![("Idempotency-Key", request.ticket.key.to_string())];
        self.endpoint.post(request, headers, |reply| verdict(&reply.answer))
    }

    fn check(&self) -> Vec<CheckStep> {
        let (uri, headers) = (self.endpoint.uri(), Vec::new());
        let call = Call { method: Method::HEAD, uri, headers, body: b"", sent_before: false };
        self.endpoint.check(call, |reply| match reply.answer.status {
            // It may know nothing but POST.
            status @ (200..=299 | 400 | 405 | 411 | 415 | 422 | 501) => Probed::Works(format!(
                "it answers HEAD with status {status}; whether it takes records shows when the \
                 first are sent"
            )),
            403 => denied(reply, "it forbids this: check the credentials' rights"),
            404 | 410 => fails(reply, "there is nothing at this path: check RemoteURL"),
            300..=399 => fails(reply, "it redirects: set RemoteURL to the address that it names"),
            _ => fails(reply, "it does not work now"),
        })
    }
}
