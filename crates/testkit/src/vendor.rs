//! Vendors' own code as receivers: small Python shims (`tests/vendors`) around packages that
//! `.ci/run` installs into an environment of their own. Each is a process that is started by a test
//! and ends with it.
//! Not here: what is asked of them (`protocol/`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Request;

/// How long a shim may take to answer.
const ANSWERS_IN: Duration = Duration::from_secs(60);

/// A shim that runs.
pub struct Vendor {
    address: SocketAddr,
    process: Child,
    dir: tempfile::TempDir,
}

/// What a shim answered.
#[derive(Debug)]
pub struct VendorAnswer {
    /// The status.
    pub status: u16,
    /// Its headers, as they came.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl VendorAnswer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Vendor {
    /// Starts `tests/vendors/NAME.py`, and waits until it listens.
    ///
    /// # Errors
    /// A sentence, where its packages are not installed.
    pub fn start(name: &str) -> Result<Self, String> {
        let python = python()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vendors").join(name);
        let script = script.with_extension("py");
        let dir = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let errors = dir.path().join("errors");
        let said = File::create(&errors).map_err(|error| format!("no log: {error}"))?;
        let mut process = Command::new(&python)
            .arg("-B")
            .arg(&script)
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .map_err(|error| format!("{}: {error}", python.display()))?;
        let mut line = String::new();
        let out = process.stdout.take().expect("it is piped");
        let read = BufReader::new(out).read_line(&mut line);
        match (read, line.trim().parse()) {
            (Ok(_), Ok(port)) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                Ok(Self { address, process, dir })
            }
            _ => {
                let _ended = (process.kill(), process.wait());
                let said = std::fs::read_to_string(&errors).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing").to_owned();
                Err(format!("{} does not start: {last} (.ci/run installs it)", script.display()))
            }
        }
    }

    /// Asks it.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn ask(&self, request: &Request) -> std::io::Result<VendorAnswer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWERS_IN))?;
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        for (name, value) in &request.headers {
            if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&request.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read_answer(&answer).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }

    /// Asks it with a body only.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn post(&self, target: &str, body: &str) -> VendorAnswer {
        let request = Request {
            method: "POST".into(),
            target: target.into(),
            headers: vec![("host".into(), self.address.to_string())],
            body: body.into(),
        };
        self.ask(&request).unwrap_or_else(|error| panic!("{target}: {error}: {}", self.errors()))
    }

    /// What it said on standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("errors")).unwrap_or_default()
    }

    /// `http://HOST:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        let _ended = (self.process.kill(), self.process.wait());
    }
}

fn read_answer(answer: &[u8]) -> Option<VendorAnswer> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&answer[..end]).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some(VendorAnswer { status, headers, body: answer[end + 4..].to_vec() })
}

/// The interpreter with the vendors' packages, in the directory of what is built.
fn python() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = test.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
    let target = built.and_then(Path::parent).ok_or("tests are built by cargo")?;
    let python = target.join("ci-vendors/bin/python");
    match python.exists() {
        true => Ok(python),
        false => Err(format!("{} is not there: .ci/run installs it", python.display())),
    }
}
