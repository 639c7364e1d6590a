//! From a host's name to addresses, on the sender's own thread: nothing is spawned, so a limit of
//! processes cannot stop a delivery. An address that is written out is taken as it is, without
//! asking anybody. A name server that is silent holds the sender as long as the system's own
//! limits say (resolv.conf); each sender waits for itself alone.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 16;

/// Resolves the host of a URI, or always the same one in its place (a proxy's).
#[derive(Debug, Default)]
pub(crate) struct InlineResolver {
    /// Host and port to connect to, whatever the URI says.
    pub(crate) instead: Option<(String, u16)>,
}

impl Resolver for InlineResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (host, port) = match &self.instead {
            Some((host, port)) => (host.as_str(), *port),
            None => (uri.host().ok_or(Error::HostNotFound)?, port(uri)),
        };
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(lookup(host, port)?).take(ADDRESSES_MAX) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

pub(super) fn port(uri: &Uri) -> u16 {
    let is_https = uri.scheme_str() == Some("https");
    uri.port_u16().unwrap_or(if is_https { 443 } else { 80 })
}

pub(super) fn lookup(host: &str, port: u16) -> std::io::Result<std::vec::IntoIter<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)].into_iter()),
        Err(_) => (host, port).to_socket_addrs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_written_out_are_taken_as_they_are() {
        for (host, expected) in [
            ("127.0.0.1", "127.0.0.1:80"),
            ("[::1]", "[::1]:80"),
            ("::1", "[::1]:80"),
            ("192.0.2.7", "192.0.2.7:80"),
        ] {
            let found: Vec<SocketAddr> = lookup(host, 80).unwrap().collect();
            assert_eq!(found, [expected.parse().unwrap()], "{host}");
        }
    }

    #[test]
    fn the_port_follows_the_scheme() {
        for (uri, expected) in
            [("http://h/", 80), ("https://h/", 443), ("https://h:80/", 80), ("http://[::1]:7/", 7)]
        {
            assert_eq!(port(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
