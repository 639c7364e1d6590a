//! The proxy between the agent and a destination, as the environment names it.
//!
//! For an https destination the proxy is asked to connect through (CONNECT). For an http one the
//! request itself goes to the proxy, with the whole URL in its first line (RFC 9112, 3.2.2): most
//! proxies refuse to connect to port 80. The name of the destination is the proxy's to resolve.

use std::cell::RefCell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{Method, Uri};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Proxy};

/// How requests reach the destination.
pub(crate) enum Route {
    /// On a connection of their own.
    Direct,
    /// On a connection that the proxy makes.
    Connect(Proxy),
    /// By way of the proxy, which reads them.
    Absolute(Proxy),
}

impl Route {
    /// The route to a destination. The proxy of the environment is never used for this machine
    /// itself, nor for hosts in `NO_PROXY`. It is logged, because it is easily forgotten.
    pub(crate) fn to(uri: &Uri, target: &str) -> Route {
        let variables = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(proxy) = choose(uri, &variables) else { return Route::Direct };
        let (host, port) = (proxy.host(), proxy.port());
        log::info!("{target}: through the proxy {host}:{port} of the environment");
        let reads_requests = proxy.uri().scheme_str() == Some("http");
        if uri.scheme_str() == Some("http") && reads_requests {
            Route::Absolute(proxy)
        } else {
            Route::Connect(proxy)
        }
    }
}

/// Variables for a scheme, the strongest first. That of the other scheme is asked last for https
/// only: a proxy that is named for https alone may not take anything else.
fn names(uri: &Uri) -> &'static [&'static str] {
    if uri.scheme_str() == Some("https") {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"]
    } else {
        &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
    }
}

fn choose(uri: &Uri, variables: &dyn Fn(&str) -> Option<String>) -> Option<Proxy> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let address: Option<std::net::IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|ip| ip.is_loopback()) {
        return None;
    }
    let except = variables("NO_PROXY").or_else(|| variables("no_proxy")).unwrap_or_default();
    if except.split(',').any(|entry| is_exempt(&host, &entry.trim().to_lowercase())) {
        return None;
    }
    let (name, value) = names(uri).iter().find_map(|name| Some((name, variables(name)?)))?;
    match Proxy::new(&value) {
        Ok(proxy) => Some(proxy),
        Err(_) => {
            // The value may hold a password.
            log::warn!("{name} is no proxy's URL, as in http://proxy:3128: it is not used");
            None
        }
    }
}

/// Whether an entry of `NO_PROXY` covers a host: `*`, a host, or `.domain`, `*.domain` and
/// `domain` with all below it.
fn is_exempt(host: &str, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    let domain = entry.trim_start_matches('*').trim_start_matches('.');
    if domain.is_empty() {
        return false;
    }
    let is_below = host.strip_suffix(domain).is_some_and(|above| above.ends_with('.'));
    is_below || (entry == domain && host == domain)
}

/// The value of `Proxy-Authorization`, where the proxy's URL names a user.
pub(crate) fn authorization(proxy: &Proxy) -> Option<String> {
    let user = proxy.username()?;
    let pair = format!("{user}:{}", proxy.password().unwrap_or_default());
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

/// The first line of the request that this thread sends next, and what it becomes on its way.
struct FirstLine {
    origin: Vec<u8>,
    absolute: Vec<u8>,
}

thread_local! {
    static FIRST_LINE: RefCell<Option<FirstLine>> = const { RefCell::new(None) };
}

/// Ends what [`ask_absolutely`] began.
pub(crate) struct Asking;

impl Drop for Asking {
    fn drop(&mut self) {
        FIRST_LINE.take();
    }
}

/// Says that the next request of this thread names its whole URL. One, so that no body is taken
/// for the head of a request.
pub(crate) fn ask_absolutely(method: &Method, uri: &Uri) -> Asking {
    FIRST_LINE.set(Some(FirstLine::of(method, uri)));
    Asking
}

impl FirstLine {
    fn of(method: &Method, uri: &Uri) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        Self {
            origin: format!("{method} {path} HTTP/1.1\r\n").into_bytes(),
            absolute: format!("{method} http://{authority}{path} HTTP/1.1\r\n").into_bytes(),
        }
    }

    /// Replaces the line at the beginning of `output[..amount]`. The new amount; `None`: there is
    /// no room.
    fn rewrite(&self, output: &mut [u8], amount: usize) -> Option<usize> {
        let Self { origin, absolute } = self;
        if !output[..amount].starts_with(origin) {
            return Some(amount);
        }
        let total = amount - origin.len() + absolute.len();
        if total > output.len() {
            return None;
        }
        output.copy_within(origin.len()..amount, absolute.len());
        output[..absolute.len()].copy_from_slice(absolute);
        Some(total)
    }
}

/// Connections whose requests name their whole URL.
#[derive(Debug)]
pub(crate) struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = Rewriting<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Rewriting { inner }))
    }
}

/// A connection to a proxy that reads requests.
#[derive(Debug)]
pub(crate) struct Rewriting<In> {
    inner: In,
}

impl<In: Transport> Transport for Rewriting<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.inner.buffers().output();
        let amount = match FIRST_LINE.take() {
            Some(line) => line.rewrite(output, amount),
            None => Some(amount),
        };
        let amount =
            amount.ok_or_else(|| Error::Other("the head of a request is too long".into()))?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Option<String> {
        let variables = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        let proxy = choose(&url.parse().unwrap(), &variables)?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn the_proxy_by_scheme_and_exception() {
        let both = [("HTTP_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2")];
        let all = [("all_proxy", "c:3"), ("NO_PROXY", "x.example, .inner,*.deep.org,10.0.0.1")];
        for (url, environment, expected) in [
            ("http://h/", &both[..], Some("a:1")),
            ("https://h/", &both[..], Some("b:2")),
            ("https://h/", &both[..1], Some("a:1")),
            ("http://h/", &both[1..], None),
            ("http://localhost/", &both[..], None),
            ("http://127.0.0.9/", &both[..], None),
            ("http://[::1]/", &both[..], None),
            ("http://h/", &all[..], Some("c:3")),
            ("http://X.example/", &all[..], None),
            ("http://y.x.example/", &all[..], None),
            ("http://yx.example/", &all[..], Some("c:3")),
            ("http://a.inner/", &all[..], None),
            ("http://inner/", &all[..], Some("c:3")),
            ("http://a.deep.org/", &all[..], None),
            ("http://10.0.0.1/", &all[..], None),
            ("http://h/", &[("HTTP_PROXY", "ftp://nonsense"), ("ALL_PROXY", "d:4")], None),
        ] {
            assert_eq!(chosen(url, environment).as_deref(), expected, "{url} {environment:?}");
        }
    }

    #[test]
    fn only_the_first_line_of_a_head_is_rewritten() {
        let line = FirstLine::of(&Method::POST, &"http://h:81/a?b=c".parse().unwrap());
        let rewritten = |text: &str, room: usize| {
            let mut output = text.as_bytes().to_vec();
            output.resize(text.len() + room, b'!');
            let amount = line.rewrite(&mut output, text.len())?;
            Some(String::from_utf8(output[..amount].to_vec()).unwrap())
        };
        let head = "POST /a?b=c HTTP/1.1\r\nhost: h\r\n\r\n";
        let expected = "POST http://h:81/a?b=c HTTP/1.1\r\nhost: h\r\n\r\n";
        assert_eq!(rewritten(head, 100).as_deref(), Some(expected));
        assert_eq!(rewritten(head, 5), None);
        for body in ["{\"content\":\"POST /a?b=c HTTP/1.1\"}\n", "POST /other HTTP/1.1\r\n", ""] {
            assert_eq!(rewritten(body, 100).as_deref(), Some(body));
        }
    }
}
