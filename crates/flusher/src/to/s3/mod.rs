//! `flusher_s3`: each request is one object of NDJSON under a key of its own, in Amazon S3 or what
//! speaks like it (MinIO, R2, OSS, Ceph).
//! Promise: the key is a function of what the journal has of the request, so that a resend writes
//! the same object; with `Conditional` an object that is there is never written anew. A crash at
//! any moment leaves each record in exactly one object.
//! Not here: keys (`options.rs`), what an answer means (`answer.rs`), signatures (`http/aws/`).

mod answer;
mod options;

use std::time::SystemTime;

use ::http::{Method, Uri};
use record::Tags;

pub(crate) use options::S3Target;

use crate::http::aws::{AwsKeys, Signing, path_encoded};
use crate::http::{Call, Compression, Endpoint};
use crate::{
    CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict, encode_ndjson,
};
use answer::{Means, list_means, means};
use options::S3Options;

/// A listing of no object: whoever may not list is told so only if the keys are known.
const LIST_NOTHING: &str = "list-type=2&max-keys=0";

/// A bucket.
struct S3Flusher {
    shape: RecordShape,
    options: S3Options,
    endpoint: Endpoint,
    keys: AwsKeys,
}

impl S3Flusher {
    fn new(options: S3Options, shape: RecordShape) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&options.http, "application/x-ndjson")?.with_packed_objects();
        let keys = AwsKeys::new(&options.keys, &options.region)?;
        Ok(Self { shape, options, endpoint, keys })
    }

    /// The object's key, from the bucket's address on: by date, and within it by the request.
    fn key(&self, request: &Outgoing<'_>) -> String {
        let nobody = Tags::default();
        let tags = request.bounds.ranges.first().map_or(&nobody, |range| &range.tags);
        let prefix = self.options.prefix.fill(tags, request.bounds.time);
        let packed = match self.options.http.compression {
            Compression::Gzip => ".gz",
            Compression::None => "",
        };
        format!("{prefix}{}.ndjson{packed}", request.ticket.key)
    }

    /// What the signature of a request is for.
    fn signing<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        query: &'a str,
        body: &'a [u8],
    ) -> Signing<'a> {
        let authority = self.endpoint.uri().authority();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Signing {
            region: &self.options.region,
            service: "s3",
            method,
            host: authority.map_or("", |authority| authority.as_str()),
            path,
            query,
            body,
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        }
    }

    fn put(&self, request: &Outgoing<'_>) -> Result<Verdict, String> {
        let base = self.endpoint.uri();
        let path = format!("{}{}", base.path(), path_encoded(&self.key(request)));
        let authority = base.authority().map_or("", |authority| authority.as_str());
        let scheme = base.scheme_str().unwrap_or_default();
        let uri: Uri = format!("{scheme}://{authority}{path}")
            .parse()
            .map_err(|error| format!("no URL for an object: {error}; look at Prefix"))?;
        let signing = self.signing("PUT", &path, "", request.body);
        let condition = ("if-none-match", "*".to_owned());
        let condition = self.options.is_conditional.then_some(condition);
        let headers = signing.headers(&self.keys.at(signing.now)?, condition.as_slice());
        let (body, sent_before) = (request.body, request.sent_before);
        let call = Call { method: Method::PUT, uri: &uri, headers, body, sent_before };
        Ok(self.endpoint.call(call, |reply| {
            let Means { verdict, keys_are_bad } = means(reply, request.records);
            if keys_are_bad {
                self.keys.distrust();
            }
            verdict
        }))
    }
}

impl Flusher for S3Flusher {
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

    fn place(&self, tags: &Tags) -> u64 {
        self.options.prefix.number(tags)
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        self.endpoint.pack(body, packed)
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        self.put(request).unwrap_or_else(|reason| Verdict::Retry {
            after: None,
            reason: format!("PUT {}: {reason}", self.endpoint.target()),
            condition: true,
        })
    }

    fn check(&self) -> Vec<CheckStep> {
        let base = self.endpoint.uri();
        let authority = base.authority().map_or("", |authority| authority.as_str());
        let scheme = base.scheme_str().unwrap_or_default();
        let uri = format!("{scheme}://{authority}{}?{LIST_NOTHING}", base.path()).parse::<Uri>();
        let signed = uri.map_err(|error| error.to_string()).and_then(|uri| {
            let signing = self.signing("GET", base.path(), LIST_NOTHING, b"");
            Ok((uri, signing.headers(&self.keys.at(signing.now)?, &[])))
        });
        let (uri, headers) = match signed {
            Ok(signed) => signed,
            Err(reason) => return vec![CheckStep::new("authentication", Err(reason))],
        };
        let call = Call { method: Method::GET, uri: &uri, headers, body: b"", sent_before: false };
        self.endpoint.check(call, list_means)
    }
}
