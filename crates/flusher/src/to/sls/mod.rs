//! `flusher_sls`: Alibaba Cloud's Log Service, by PutLogs. A request is one LogGroup, whose topic,
//! source and tags hold for all of its records, so that one is cut where the tags change.
//! Plain: the service cannot tell a repeated request from a new one.
//! Not here: keys (`options.rs`), the LogGroup (`encode.rs`), signatures (`sign.rs`), what an
//! answer means (`answer.rs`).

mod answer;
mod encode;
mod options;
mod sign;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use ::http::{Method, Uri};
use record::Tags;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use options::SlsTarget;

use crate::http::{Call, Endpoint, Keeper, Probed};
use crate::{CheckStep, Class, Encoded, Error, Flusher, Outgoing, Piece, RecordShape, Verdict};
use answer::sls_verdict;
use encode::{ENCODER_VERSION, encode_logs};
use options::{Packing, SlsOptions};
use sign::{Keys, Put, md5_hex_upper};

/// The most bytes of the size that stands before a packed body.
const SIZE_LEN: usize = 4;

/// A Logstore.
struct SlsFlusher {
    shape: RecordShape,
    options: SlsOptions,
    endpoint: Endpoint,
    id: Keeper,
    secret: Keeper,
    token: Option<Keeper>,
    /// Seconds that the service's clock is ahead of this machine's: for signatures alone.
    ahead: AtomicI64,
}

impl SlsFlusher {
    fn new(options: SlsOptions, shape: RecordShape) -> Result<Self, Error> {
        const NAME: &str = "Credentials";
        let endpoint = Endpoint::new(&options.http, "application/x-protobuf")?;
        let id = Keeper::new(&options.id, NAME)?;
        let secret = Keeper::new(&options.secret, NAME)?;
        let token = options.token.as_ref().map(|token| Keeper::new(token, NAME)).transpose()?;
        Ok(Self { shape, options, endpoint, id, secret, token, ahead: AtomicI64::new(0) })
    }

    fn keys(&self) -> Result<Keys, String> {
        Ok(Keys {
            id: self.id.value()?,
            secret: self.secret.value()?,
            token: self.token.as_ref().map(Keeper::value).transpose()?,
        })
    }

    /// Which shard the records of these tags go to: the same one for the same values.
    fn shard(&self, tags: &Tags) -> Option<String> {
        let names = &self.options.shard_hash_keys;
        let value = |name: &String| {
            let tag = tags.written().find(|(found, _)| found == name);
            tag.map_or("", |(_, value)| value)
        };
        let values: Vec<&str> = names.iter().map(value).collect();
        (!names.is_empty()).then(|| md5_hex_upper(values.join("_").as_bytes()))
    }

    fn put(&self, request: &Outgoing<'_>) -> Result<Verdict, String> {
        let nobody = Tags::default();
        let tags = request.bounds.ranges.first().map_or(&nobody, |range| &range.tags);
        let (size, body) = request.body.split_at_checked(SIZE_LEN).unwrap_or_default();
        let raw_size = u32::from_le_bytes(size.try_into().unwrap_or_default());
        let base = self.endpoint.uri();
        let (path, query) = match self.shard(tags) {
            None => (format!("/logstores/{}/shards/lb", self.options.logstore), None),
            Some(key) => {
                let path = format!("/logstores/{}/shards/route", self.options.logstore);
                (path, Some(("key", key)))
            }
        };
        let authority = base.authority().map_or("", |authority| authority.as_str());
        let scheme = base.scheme_str().unwrap_or_default();
        let search = query.as_ref().map(|(name, value)| format!("?{name}={value}"));
        let uri: Uri = format!("{scheme}://{authority}{path}{}", search.unwrap_or_default())
            .parse()
            .map_err(|error| format!("no URL for a request: {error}; look at Logstore"))?;
        let now = seconds(SystemTime::now()) + self.ahead.load(Ordering::Relaxed);
        let put = Put {
            method: "POST",
            host: authority,
            path: &path,
            query: query.as_ref().map(|(name, value)| (*name, value.as_str())),
            project: (!self.options.names_project_in_host).then_some(&*self.options.project),
            body,
            raw_size,
            packing: self.options.packing.name(),
            now,
        };
        let headers = match &self.options.region {
            Some(region) => put.headers_v4(&self.keys()?, region),
            None => put.headers_v1(&self.keys()?),
        };
        let call = Call { method: Method::POST, uri: &uri, headers, body, sent_before: false };
        Ok(self.endpoint.call_plain(call, |reply| {
            if let 401 | 403 = reply.answer.status {
                [&self.id, &self.secret].into_iter().chain(&self.token).for_each(Keeper::distrust);
            }
            let means = sls_verdict(reply, request.records);
            if let Some(theirs) = means.server_time {
                self.ahead.store(theirs - seconds(SystemTime::now()), Ordering::Relaxed);
            }
            means.verdict
        }))
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Flusher for SlsFlusher {
    fn class(&self) -> Class {
        Class::Plain
    }

    fn target(&self) -> &str {
        self.endpoint.target()
    }

    fn encoding(&self) -> u64 {
        self.shape.encoding() ^ ENCODER_VERSION ^ u64::from(self.options.has_nanos) << 32
    }

    fn encode(&self, piece: &Piece<'_>, time: i64, body: &mut Vec<u8>) -> Encoded {
        encode_logs(&self.shape, self.options.has_nanos, piece, time, body)
    }

    fn place(&self, tags: &Tags) -> u64 {
        let mut hash = Xxh3::new();
        for (name, value) in tags.written() {
            [name, value].iter().for_each(|text| {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            });
        }
        hash.digest()
    }

    fn finish<'b>(&self, body: &'b [u8], packed: &'b mut Vec<u8>) -> &'b [u8] {
        packed.clear();
        packed.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        match self.options.packing {
            Packing::None => packed.extend_from_slice(body),
            Packing::Lz4 => packed.extend_from_slice(&lz4_flex::block::compress(body)),
        }
        packed
    }

    fn send(&self, request: &Outgoing<'_>) -> Verdict {
        self.put(request).unwrap_or_else(|reason| Verdict::Retry {
            after: None,
            reason: format!("POST {}: {reason}", self.endpoint.target()),
            condition: true,
        })
    }

    fn check(&self) -> Vec<CheckStep> {
        let base = self.endpoint.uri();
        let authority = base.authority().map_or("", |authority| authority.as_str());
        let scheme = base.scheme_str().unwrap_or_default();
        let path = format!("/logstores/{}", self.options.logstore);
        let uri = format!("{scheme}://{authority}{path}").parse::<Uri>();
        let put = Put {
            method: "GET",
            host: authority,
            path: &path,
            query: None,
            project: (!self.options.names_project_in_host).then_some(&*self.options.project),
            body: b"",
            raw_size: 0,
            packing: None,
            now: seconds(SystemTime::now()),
        };
        let signed = uri.map_err(|error| error.to_string()).and_then(|uri| {
            let keys = self.keys()?;
            Ok(match &self.options.region {
                Some(region) => (uri, put.headers_v4(&keys, region)),
                None => (uri, put.headers_v1(&keys)),
            })
        });
        let (uri, headers) = match signed {
            Ok(signed) => signed,
            Err(reason) => return vec![CheckStep::new("authentication", Err(reason))],
        };
        let call = Call { method: Method::GET, uri: &uri, headers, body: b"", sent_before: false };
        self.endpoint.check(call, |reply| match sls_verdict(reply, 1).verdict {
            Verdict::Taken => Probed::Works("the Logstore is there".into()),
            Verdict::Retry { reason, .. } => match reply.answer.status {
                403 if reply.header("x-log-requestid").is_some() => Probed::Works(
                    "the keys are known; they may not look at the Logstore, which is not needed, \
                     and whether they may write shows with the first records"
                        .into(),
                ),
                _ => Probed::Fails(reason),
            },
            other => Probed::Fails(format!("{other:?}")),
        })
    }
}
