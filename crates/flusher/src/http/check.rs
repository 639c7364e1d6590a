//! A check of an HTTP destination, from its name to a harmless request: which step fails, and what
//! to do. Each step is taken by itself first, so that the failure of one is not taken for that of
//! another; the request is made as every other one, with the same client and credentials.
//! Nothing is stored at the destination, and nothing here is part of sending.
//! Not here: which request is harmless, and what its answer means (the destination).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use ureq::http::Uri;

use super::certificate::valid_until;
use super::resolver::{lookup, port};
use crate::check::CheckStep;

/// How long a connection, or the handshake on it, may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// A certificate that ends sooner is warned of.
const SOON: i64 = 14 * 24 * 3600;
/// Signatures are refused beyond 15 minutes (S3, the Log Service); and times are wrong by more.
const CLOCK_DIFFERENCE_MAX: i64 = 60;

/// What a harmless request came to.
pub(crate) enum Probed {
    /// The destination answers, and takes the credentials where it looks at them. What it said.
    Works(String),
    /// It does not take the credentials, and what to do.
    Denied(String),
    /// It answers otherwise than it should, and what to do.
    Fails(String),
}

/// The steps up to the request. `via`: the proxy that connects, in words.
pub(super) fn approach(uri: &Uri, via: Option<&str>) -> Vec<CheckStep> {
    if let Some(via) = via {
        let said = format!("left to the proxy{}", via.trim_start_matches(" (through the proxy"));
        let said = said.trim_end_matches(')').to_owned();
        return vec![CheckStep::new("dns", Ok(said))];
    }
    let mut steps = Vec::new();
    let host = uri.host().unwrap_or_default();
    let addresses = match lookup(host, port(uri)) {
        Ok(found) => found.collect::<Vec<_>>(),
        Err(error) => {
            let outcome = format!(
                "{host} has no address: {error}; check the name, and the name server in \
                 /etc/resolv.conf"
            );
            steps.push(CheckStep::new("dns", Err(outcome)));
            return steps;
        }
    };
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    steps.push(CheckStep::new("dns", Ok(format!("{host} is {}", ips.join(", ")))));
    let begin = Instant::now();
    let stream = match connect(&addresses) {
        Ok((stream, address)) => {
            let millis = begin.elapsed().as_millis();
            steps.push(CheckStep::new("tcp", Ok(format!("{address} connects in {millis} ms"))));
            stream
        }
        Err(error) => {
            steps.push(CheckStep::new("tcp", Err(error)));
            return steps;
        }
    };
    if uri.scheme_str() == Some("https") {
        let outcome = certificate_end(host, stream);
        steps.push(CheckStep::new("tls", outcome));
    }
    steps
}

fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), String> {
    let mut last = String::from("no address to connect to");
    for address in addresses {
        match TcpStream::connect_timeout(address, STEP_TIMEOUT) {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = format!("{address}: {error}; {}", cure(&error)),
        }
    }
    Err(last)
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there: check the port, start the server",
        ErrorKind::TimedOut => "nothing answers there: check the address and firewalls",
        _ => "check the network",
    }
}

/// A handshake that trusts anybody, to see what the server shows: that it is to be trusted is seen
/// by the request.
fn certificate_end(host: &str, mut stream: TcpStream) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("no handshake: {error}; is there a server that speaks TLS at this port?")
    };
    let limit = Some(STEP_TIMEOUT);
    stream.set_read_timeout(limit).map_err(|error| failed(&error))?;
    stream.set_write_timeout(limit).map_err(|error| failed(&error))?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|error| failed(&error))?;
    let connection = ClientConnection::new(Arc::new(config), name);
    let mut connection = connection.map_err(|error| failed(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| failed(&error))?;
    }
    let version =
        connection.protocol_version().map_or("TLS", |version| version.as_str().unwrap_or("TLS"));
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let Some(until) = shown.and_then(|certificate| valid_until(certificate)) else {
        return Ok(format!("{version}; the end of its certificate cannot be read"));
    };
    ends(version, until, seconds(SystemTime::now()))
}

/// What is to be said of a certificate that ends then.
fn ends(version: &str, until: i64, now: i64) -> Result<String, String> {
    let date = httpdate::fmt_http_date(
        SystemTime::UNIX_EPOCH + Duration::from_secs(until.max(0).unsigned_abs()),
    );
    let days = (until - now).div_euclid(24 * 3600);
    match until - now {
        i64::MIN..0 => Err(format!("the certificate ended on {date}: renew it at the destination")),
        0..SOON => {
            Ok(format!("{version}; its certificate ends in {days} days, on {date}: renew it"))
        }
        _ => Ok(format!("{version}; its certificate is valid until {date} ({days} days)")),
    }
}

/// The steps of the request and after it. `date`: the answer's, with when it came.
pub(super) fn conclude(probed: Probed, date: Option<&str>, now: SystemTime) -> Vec<CheckStep> {
    let mut steps = match probed {
        Probed::Works(said) => vec![CheckStep::new("request", Ok(said))],
        Probed::Denied(why) => vec![CheckStep::new("authentication", Err(why))],
        Probed::Fails(why) => vec![CheckStep::new("request", Err(why))],
    };
    let theirs = date.and_then(|date| httpdate::parse_http_date(date).ok());
    steps.extend(theirs.map(|theirs| CheckStep::new("clock", clock(theirs, now))));
    steps
}

fn clock(theirs: SystemTime, ours: SystemTime) -> Result<String, String> {
    let difference = seconds(ours) - seconds(theirs);
    if difference.abs() <= CLOCK_DIFFERENCE_MAX {
        return Ok(format!("differs from this machine's by {} s", difference.abs()));
    }
    Err(format!(
        "this machine's clock is {} s {} the destination's: signatures and times of records are \
         wrong; run a time service (chrony, systemd-timesyncd)",
        difference.abs(),
        if difference < 0 { "behind" } else { "ahead of" }
    ))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Takes every certificate: it is only looked at.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_an_error_once_it_is_past_and_a_warning_before() {
        const DAY: i64 = 24 * 3600;
        let now = 1_795_911_300;
        assert!(ends("TLSv1_3", now - 1, now).unwrap_err().contains("ended on Sun, 29 Nov 2026"));
        let soon = ends("TLSv1_3", now + 3 * DAY, now).unwrap();
        assert!(soon.contains("ends in 3 days"), "{soon}");
        let long = ends("TLSv1_3", now + 90 * DAY, now).unwrap();
        assert!(long.contains("valid until") && long.contains("(90 days)"), "{long}");
    }

    #[test]
    fn a_clock_that_is_a_minute_off_is_an_error_that_says_which_way() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(clock(at(1_000), at(1_060)).is_ok());
        assert!(clock(at(1_000), at(1_061)).unwrap_err().contains("61 s ahead of"));
        assert!(clock(at(2_000), at(1_000)).unwrap_err().contains("1000 s behind"));
    }
}
