//! The other end: an HTTP server that plays one step of a script for each request.

use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What it does with a request.
pub enum Step {
    /// Reads it and sends these bytes.
    Answer(&'static str),
    /// The same, and then neither sends more nor hangs up.
    AnswerThenSilence(&'static str),
    /// Sends these bytes after the request's head and hangs up.
    EarlyAnswer(&'static str),
    /// Reads it and hangs up.
    HangUp,
    /// Reads it and says nothing.
    Silence,
    /// Answers 200 with a body that never ends.
    Endless,
}

/// A request as it arrived.
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// All that arrived.
#[derive(Default)]
pub struct Received {
    pub requests: Vec<Request>,
    pub connections: usize,
}

/// A running server.
pub struct Endpoint {
    address: SocketAddr,
    scheme: &'static str,
    thread: JoinHandle<Received>,
    _end: Sender<()>,
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Endpoint {
    pub fn start(script: Vec<Step>) -> Self {
        Self::serve(script, "http", |stream| Box::new(stream))
    }

    pub fn start_tls(script: Vec<Step>) -> Self {
        Self::start_tls_with(script, &rustls::version::TLS13, false)
    }

    /// One that speaks this version of TLS, and may want a certificate of the client's.
    pub fn start_tls_with(
        script: Vec<Step>,
        version: &'static rustls::SupportedProtocolVersion,
        wants_client: bool,
    ) -> Self {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        let certificate = CertificateDer::from_pem_file(format!("{data}server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(format!("{data}server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap();
        let builder = if wants_client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(format!("{data}client.pem")).unwrap()).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let config = Arc::new(builder.with_single_cert(vec![certificate], key).unwrap());
        Self::serve(script, "https", move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream))
        })
    }

    fn serve(
        script: Vec<Step>,
        scheme: &'static str,
        wire: impl Fn(TcpStream) -> Box<dyn Wire> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let mut received = Received::default();
            let mut script = script.into_iter().peekable();
            while script.peek().is_some() {
                let (stream, _) = listener.accept().unwrap();
                received.connections += 1;
                // The client may hang up whenever it likes.
                let _ = talk(&mut *wire(stream), &mut script, &mut received.requests, &ended);
            }
            received
        });
        Self { address, scheme, thread, _end: end }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Waits for the script's end.
    pub fn finish(self) -> Received {
        self.thread.join().unwrap()
    }
}

fn talk(
    wire: &mut dyn Wire,
    script: &mut Peekable<impl Iterator<Item = Step>>,
    requests: &mut Vec<Request>,
    ended: &Receiver<()>,
) -> io::Result<()> {
    while script.peek().is_some() {
        let Some((mut request, length)) = head(wire)? else { return Ok(()) };
        let Some(step) = script.next() else { return Ok(()) };
        if let Step::EarlyAnswer(answer) = step {
            requests.push(request);
            return wire.write_all(answer.as_bytes());
        }
        request.body = vec![0; length];
        let read = wire.read_exact(&mut request.body);
        requests.push(request);
        read?;
        match step {
            Step::Answer(answer) => wire.write_all(answer.as_bytes())?,
            Step::HangUp | Step::EarlyAnswer(_) => return Ok(()),
            Step::AnswerThenSilence(answer) => {
                wire.write_all(answer.as_bytes())?;
                wire.flush()?;
                let _ = ended.recv();
            }
            Step::Silence => {
                let _ = ended.recv();
            }
            Step::Endless => {
                wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    wire.write_all(b"4\r\nmore\r\n")?;
                }
            }
        }
        wire.flush()?;
    }
    Ok(())
}

/// The next request's head and the length of its body; `None` when the client is done.
fn head(wire: &mut dyn Wire) -> io::Result<Option<(Request, usize)>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_string();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    let request = Request { line, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    Ok(Some((request, length)))
}
