//! The endpoint over real connections.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use crossbeam::channel::Sender;
use delivery::threads::spawn::spawn;
use disk::{Disk, SimDisk};

use super::*;

struct Running {
    address: SocketAddr,
    signal: Sender<&'static str>,
    thread: JoinHandle<Result<Value, Error>>,
}

impl Running {
    fn start(out: &Path) -> Self {
        let args = ReceiveArgs { listen: "127.0.0.1:0".into(), out: Some(out.to_path_buf()) };
        Self::serve(Endpoint::bind(&args).unwrap())
    }

    fn serve(endpoint: Endpoint) -> Self {
        let address = endpoint.address;
        let interrupts = Interrupts::begin().unwrap();
        let signal = interrupts._signals.clone();
        let thread = spawn("endpoint", move || endpoint.serve(&interrupts)).unwrap();
        Self { address, signal, thread }
    }

    /// Sends a request with these header lines; returns the answer's status and body.
    fn send(&self, method: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        (status, text.to_string())
    }

    fn post(&self, key: &str, body: &[u8]) -> u16 {
        self.send("POST", &format!("Idempotency-Key: {key}\r\n"), body).0
    }

    fn stop(self) -> Value {
        self.signal.send("SIGTERM").unwrap();
        self.thread.join().unwrap().unwrap()
    }
}

#[test]
fn bodies_are_stored_once_by_key_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let running = Running::start(&out);
    assert_eq!(running.post("a", b"{\"n\":1}\n{\"n\":2}\n"), 200);
    assert_eq!(running.post("a", b"{\"n\":1}\n{\"n\":2}\n"), 200);
    assert_eq!(running.post("b", b"{\"n\":3}"), 200);
    let (status, counts) = running.send("GET", "", b"");
    assert_eq!(status, 200);
    let counts: Value = serde_json::from_str(&counts).unwrap();
    assert_eq!(counts, running.stop());
    assert_eq!([&counts["stored"], &counts["repeated"], &counts["lines"]], [2, 1, 3]);
    let running = Running::start(&out);
    assert_eq!(running.post("a", b"{\"n\":1}\n{\"n\":2}\n"), 200);
    assert_eq!(running.stop()["repeated"], 1);
    assert_eq!(content(&out), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn gzip_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let running = Running::start(&out);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"{\"packed\":true}\n").unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(running.send("POST", "Content-Encoding: gzip\r\n", &packed).0, 200);
    assert_eq!(running.send("POST", "Content-Encoding: gzip\r\n", b"{}\n").0, 400);
    assert_eq!(running.send("POST", "Content-Encoding: br\r\n", b"{}\n").0, 415);
    running.stop();
    assert_eq!(content(&out), "{\"packed\":true}\n");
}

#[test]
fn what_is_no_object_a_line_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let running = Running::start(&out);
    let bodies: [&[u8]; 6] =
        [b"{}\n[]\n", b"{}\n\n", b"{\"a\":1", b"{} {}\n", b"text\n", b"{\"a\":\"\xff\"}\n"];
    for body in bodies {
        let (status, reason) = running.send("POST", "Idempotency-Key: k\r\n", body);
        assert_eq!(status, 400, "{body:?}");
        assert!(reason.contains("is no JSON object"), "{reason}");
    }
    assert_eq!(running.send("PUT", "", b"{}\n").0, 405);
    assert_eq!(running.post("k", b"{}\n"), 200, "a refused key is not remembered");
    assert_eq!(running.stop()["refused"], 6);
    assert_eq!(content(&out), "{}\n");
}

#[test]
fn an_address_in_use_and_an_output_that_cannot_be_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let out = Some(dir.path().join("out"));
    let error = Endpoint::bind(&ReceiveArgs { listen: listen.clone(), out }).err().unwrap();
    assert!(matches!(error, Error::Listen { .. }) && error.to_string().contains(&listen));
    let args = ReceiveArgs { listen: "127.0.0.1:0".into(), out: Some(dir.path().into()) };
    let error = Endpoint::bind(&args).err().unwrap();
    assert!(matches!(error, Error::Output { .. }), "{error}");
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
}

#[test]
fn what_was_answered_survives_a_power_loss() {
    let disk = SimDisk::new(1);
    let out = Path::new("/out/received");
    let store = Store::open(Arc::new(disk.clone()), out).unwrap();
    let running = Running::serve(Endpoint::listen("127.0.0.1:0", Desk::new(store)).unwrap());
    for number in 0..10 {
        let body = format!("{{\"n\":{number}}}\n");
        assert_eq!(running.post(&number.to_string(), body.as_bytes()), 200);
        let after = disk.after_power_loss(number);
        let stored = after.outside().read(out).unwrap();
        assert!(stored.ends_with(body.as_bytes()), "{number}: {stored:?}");
    }
    running.stop();
}

#[test]
fn no_client_ends_the_receiver() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let running = Running::start(&out);
    for length in ["99999999999", "18446744073709551616", "67108864"] {
        let mut stream = TcpStream::connect(running.address).unwrap();
        write!(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").unwrap();
        drop(stream);
        assert_eq!(running.post(length, b"{}\n"), 200);
    }
    // Ten megabytes of zeros become ten kilobytes; what they become again is bounded.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..80 {
        packer.write_all(&[b'0'; 1024 * 1024]).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert_eq!(running.send("POST", "Content-Encoding: gzip\r\n", &bomb).0, 413);
    assert_eq!(running.stop()["stored"], 3);
}

#[test]
fn an_end_of_a_thread_that_was_not_asked_for_ends_the_endpoint_with_an_error() {
    let interrupts = Interrupts::begin().unwrap();
    interrupts.ends.clone().watch("receive".into(), || Err("no sockets".to_owned().into()));
    let endpoint = Endpoint::listen("127.0.0.1:0", Desk::new(Store::print())).unwrap();
    let error = endpoint.serve(&interrupts).unwrap_err();
    assert!(error.is_end());
    assert_eq!(error.to_string(), "receive ended: no sockets; start it again");
}
