//! One HTTP request at a time over kept connections.
//! Promise: a call ends within the timeout, but for a name server that is silent; an answer's body
//! is kept up to a bound and read to its end up to another; redirects are not followed; every
//! failure says its cause; no thread is started.
//! Not here: what a status means (`table.rs`), which headers say who the agent is (`auth.rs`), how
//! connections are made (`connections.rs`).

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::Timeout;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::connections::Connections;
use super::options::HttpOptions;
use super::proxy::{self, Route, authorization};
use super::secret::{Kept, Template};
use super::{headers, url};
use crate::Error;

/// How much of an answer's body is kept, in bytes, where the destination does not ask for more.
const ANSWER_LEN_MAX: u64 = 64 * 1024;
/// How much more is read to see whether the body comes whole, in bytes.
const REST_LEN_MAX: u64 = 16 * 1024 * 1024;

/// An endpoint and the connections to it.
pub(crate) struct Client {
    connections: Connections,
    uri: Uri,
    headers: Vec<(HeaderName, Kept)>,
    proxy_authorization: Option<String>,
    /// Whether a proxy reads the requests.
    is_absolute: bool,
    /// What is between, for messages.
    via: Option<String>,
    target: String,
    timeout: Duration,
    answer_len_max: u64,
    /// Whether the destination hung up while it was being sent a body: the next request asks
    /// before it sends its own (RFC 9110, 10.1.1), so that a refusal can be read.
    ask_first: AtomicBool,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Its beginning.
    pub(crate) body: Vec<u8>,
    /// Whether all of it came.
    pub(crate) is_whole: bool,
}

/// Why nothing came back.
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether it stays so until somebody acts.
    pub(crate) condition: bool,
}

impl Client {
    /// One for a destination whose bodies are of `content_type`, where `Headers` do not name
    /// another.
    pub(crate) fn new(options: &HttpOptions, content_type: &'static str) -> Result<Self, Error> {
        let uri = uri(&options.url)?;
        let target = format!(
            "{}://{}{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(|authority| authority.as_str()).unwrap_or_default(),
            uri.path()
        );
        let route = Route::to(&uri, &target);
        Self::by(route, uri, target, options, content_type)
    }

    fn by(
        route: Route,
        uri: Uri,
        target: String,
        options: &HttpOptions,
        content_type: &'static str,
    ) -> Result<Self, Error> {
        let headers = given(&options.headers, content_type)?;
        let (proxy_authorization, via) = match &route {
            Route::Direct => (None, None),
            Route::Connect(proxy) => (None, Some(via(proxy))),
            Route::Absolute(proxy) => (authorization(proxy), Some(via(proxy))),
        };
        Ok(Self {
            is_absolute: matches!(route, Route::Absolute(_)),
            connections: Connections::new(options, route)?,
            uri,
            headers,
            proxy_authorization,
            via,
            target,
            timeout: options.timeout,
            answer_len_max: ANSWER_LEN_MAX,
            ask_first: AtomicBool::new(false),
        })
    }

    /// The same, keeping so much of an answer's body.
    pub(crate) fn with_answers_of(self, bytes: u64) -> Self {
        Self { answer_len_max: bytes, ..self }
    }

    /// The configured URL.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The URL without what may be secret in it.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Sends `body`, or none where it is empty and the method carries none, with `headers` besides
    /// the configured ones. `uri` is of the configured scheme and authority.
    pub(crate) fn call(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Response, Failure> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in &self.headers {
            let value = value.value().map_err(Failure::condition)?;
            request = request.header(name, secret_header(name.as_str(), &value)?);
        }
        let proxy = self.proxy_authorization.iter();
        let proxy = proxy.map(|value| ("Proxy-Authorization", value));
        for (name, value) in headers.iter().map(|(name, value)| (*name, value)).chain(proxy) {
            request = request.header(name, secret_header(name, value)?);
        }
        let has_body = !body.is_empty() || !matches!(*method, Method::GET | Method::HEAD);
        if has_body && self.ask_first.swap(false, Ordering::Relaxed) {
            request = request.header("Expect", "100-continue");
        }
        let _absolute = self.is_absolute.then(|| proxy::ask_absolutely(method, uri));
        let agent = self.connections.agent(&self.target);
        let sent = match has_body {
            true => request.body(body).map(|request| agent.run(request)),
            false => request.body(()).map(|request| agent.run(request)),
        };
        let sent = sent.map_err(|error| Failure::condition(format!("no request: {error}")))?;
        let mut response = sent.map_err(|error| self.failure(&error))?;
        let (body, is_whole) = read_answer(response.body_mut().as_reader(), self.answer_len_max);
        let status = response.status().as_u16();
        if status == 401 {
            self.headers.iter().for_each(|(_, value)| value.distrust());
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Response { status, headers, body, is_whole })
    }

    /// What a failed or refused request went through, for its message: the answer may be that of
    /// a proxy.
    pub(crate) fn via(&self) -> &str {
        self.via.as_deref().unwrap_or_default()
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        if let ureq::Error::Io(io) = error
            && matches!(io.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        {
            self.ask_first.store(true, Ordering::Relaxed);
        }
        let refused_by_proxy = matches!(error, ureq::Error::ConnectProxyFailed(_));
        let condition = is_tls(error) || refused_by_proxy;
        Failure { reason: cause(error, self.timeout), condition }
    }
}

impl Failure {
    fn condition(reason: String) -> Self {
        Self { reason, condition: true }
    }
}

/// A header's value, of which nothing prints the text.
fn secret_header(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Failure::condition(format!("the value of {name} has a character that no header has"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// An answer's beginning, and whether all of it came.
fn read_answer(mut answer: impl Read, len_max: u64) -> (Vec<u8>, bool) {
    let mut beginning = Vec::new();
    let read = answer.by_ref().take(len_max).read_to_end(&mut beginning);
    let rest = io::copy(&mut answer.take(REST_LEN_MAX), &mut io::sink());
    (beginning, read.is_ok() && rest.is_ok_and(|rest| rest < REST_LEN_MAX))
}

fn via(proxy: &ureq::Proxy) -> String {
    format!(" (through the proxy {}:{})", proxy.host(), proxy.port())
}

/// A sentence for an error of ureq, which has no `source`.
fn cause(error: &ureq::Error, timeout: Duration) -> String {
    match error {
        tls if is_tls(tls) => format!("TLS: {tls}; TLS.CAFile names the authorities to trust"),
        ureq::Error::Io(io) => match io.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(inner) => cause(inner, timeout),
            None => io.to_string(),
        },
        ureq::Error::Timeout(Timeout::Resolve) => "no answer from the name server in time".into(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection in time".into(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", timeout.as_secs_f64()),
        ureq::Error::ConnectProxyFailed(reason) => format!(
            "the proxy does not connect: {reason}; allow this destination there, or except it \
             with NO_PROXY"
        ),
        ureq::Error::HostNotFound => "no such host; check RemoteURL or the name server".into(),
        other => other.to_string(),
    }
}

/// Whether the two ends cannot agree on a secure connection. rustls says so during the handshake,
/// as an `InvalidData` of the stream.
fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => true,
        ureq::Error::Io(io) => io.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn uri(url: &str) -> Result<Uri, Error> {
    let wrong = |reason: String| Error::Option { name: "RemoteURL", reason };
    let normal = url::normal_url(url).map_err(wrong)?;
    normal.parse().map_err(|error| wrong(format!("{normal:?} is no URL ({error})")))
}

/// `Headers`, with a `Content-Type`.
fn given(
    headers: &[(String, Template)],
    content_type: &'static str,
) -> Result<Vec<(HeaderName, Kept)>, Error> {
    const NAME: &str = "Headers";
    let mut given = Vec::new();
    for (name, value) in headers {
        let (parsed, _) = headers::parse(name, &value.literal())
            .map_err(|problem| Error::Option { name: NAME, reason: format!("{name} {problem}") })?;
        given.push((parsed, value.keep(NAME)?));
    }
    if !given.iter().any(|(name, _)| name == "content-type") {
        let name = HeaderName::from_static("content-type");
        given.push((name, Template::from(content_type).keep(NAME)?));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // the other end is a thread
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one connection with these, a request each, and gives their heads.
    fn proxy(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let head = |stream: &mut BufReader<_>| {
                let lines = stream.lines().map(Result::unwrap);
                lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>()
            };
            let mut heads = Vec::new();
            for answer in answers {
                let lines = head(&mut stream);
                if lines.iter().any(|line| line == "content-length: 3") {
                    stream.read_exact(&mut [0; 3]).unwrap();
                }
                heads.push(lines);
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            heads
        };
        (format!("http://me:pass@{address}"), std::thread::spawn(serve))
    }

    fn client(url: &str, route: Route) -> Client {
        let uri = url.parse().unwrap();
        Client::by(route, uri, url.into(), &HttpOptions::new(url), "text/plain").unwrap()
    }

    #[test]
    fn a_proxy_is_given_the_whole_url_of_a_destination_without_tls() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let forbidden = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
        let (url, thread) = proxy(vec![ok, forbidden]);
        // The name is the proxy's to resolve: here it has no address.
        let destination = "http://logs.invalid:8080/in?a=b";
        let client = client(destination, Route::Absolute(ureq::Proxy::new(&url).unwrap()));
        for expected in [200, 403] {
            let answer =
                client.call(&Method::POST, client.uri(), &[("X-Own", "1".into())], b"{}\n");
            assert_eq!(
                answer.unwrap_or_else(|failure| panic!("{}", failure.reason)).status,
                expected
            );
        }
        assert!(client.via().starts_with(" (through the proxy 127.0.0.1:"), "{}", client.via());
        for head in thread.join().unwrap() {
            assert_eq!(head[0], "POST http://logs.invalid:8080/in?a=b HTTP/1.1");
            for line in
                ["host: logs.invalid:8080", "proxy-authorization: Basic bWU6cGFzcw==", "x-own: 1"]
            {
                assert!(
                    head.iter().any(|found| found.to_lowercase() == line.to_lowercase()),
                    "{head:?}"
                );
            }
        }
    }

    #[test]
    fn a_proxy_that_does_not_connect_is_a_condition_with_its_cure() {
        let (url, thread) = proxy(vec!["HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]);
        let destination = "https://logs.invalid/in";
        let client = client(destination, Route::Connect(ureq::Proxy::new(&url).unwrap()));
        let Err(failure) = client.call(&Method::POST, client.uri(), &[], b"{}\n") else {
            panic!("nothing was connected")
        };
        assert!(failure.condition, "{}", failure.reason);
        assert!(failure.reason.contains("the proxy does not connect: "), "{}", failure.reason);
        assert!(failure.reason.contains("NO_PROXY"), "{}", failure.reason);
        assert!(!failure.reason.contains("pass"), "{}", failure.reason);
        assert!(thread.join().unwrap()[0][0].starts_with("CONNECT logs.invalid:443 HTTP/1.1"));
    }
}
