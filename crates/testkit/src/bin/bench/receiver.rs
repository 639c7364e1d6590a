//! The bench's side of the receiver's process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::Tally;

/// A running receiver. Dropping it ends it.
pub struct Receiver {
    child: Child,
    /// Where to send to.
    pub url: String,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
        let mut child = Command::new(program)
            .arg("sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the receiver: {error}"))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).map_err(|error| format!("receiver: {error}"))?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// What has arrived.
    pub fn tally(&self) -> Result<Tally, String> {
        self.get("/tally")?.parse()
    }

    /// The times from writing to arrival.
    pub fn latencies(&self) -> Result<Vec<Duration>, String> {
        let text = self.get("/latencies")?;
        let nanos = text.lines().map(|line| line.parse().map(Duration::from_nanos));
        nanos.collect::<Result<_, _>>().map_err(|error| format!("latencies: {error}"))
    }

    /// Host and port of the URL.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").split('/').next().unwrap_or_default()
    }

    fn get(&self, target: &str) -> Result<String, String> {
        let address = self.address();
        let fail = |error: std::io::Error| format!("receiver at {address}: {error}");
        let mut stream = TcpStream::connect(address).map_err(fail)?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").map_err(fail)?;
        stream.shutdown(std::net::Shutdown::Write).map_err(fail)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(fail)?;
        let body = answer.split_once("\r\n\r\n").ok_or("the receiver's answer has no body")?;
        Ok(body.1.to_owned())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
