//! A destination of logs over HTTP that fails by script, can go down and come up on the same
//! port, and keeps a book of everything it saw.
//!
//! One thread accepts, one serves each connection. What is stored is in the book before the
//! answer is written, as with a destination that can be trusted.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http::{Connection, write_answer};
use crate::port::Port;
use crate::{Faults, Ledger, Protocol, Reply, Request, Treatment, until};

/// Whoever keeps what arrives. Called from many threads.
pub trait Keeper: Send + Sync {
    /// A request is there; `stored` tells whether it is kept. What is answered if it is.
    fn receive(&self, request: &Request, stored: bool) -> Reply;
    /// Its answer was written in full.
    fn answered(&self, request: &Request);
    /// What a GET gets.
    fn report(&self, _target: &str) -> String {
        String::new()
    }
}

impl Keeper for Mutex<Ledger> {
    fn receive(&self, request: &Request, stored: bool) -> Reply {
        self.lock().expect("no keeper panics").receive(request, stored)
    }

    fn answered(&self, request: &Request) {
        self.lock().expect("no keeper panics").answered(request);
    }
}

/// A running destination. Dropping it takes it down.
pub struct Destination<K: Keeper + 'static = Mutex<Ledger>> {
    address: SocketAddr,
    shared: Arc<Shared<K>>,
    state: State,
}

enum State {
    /// Accepts on a thread.
    Up(JoinHandle<()>),
    /// Holds its port, refuses connects.
    Down(Port),
    /// Between the two.
    Changing,
}

struct Shared<K> {
    keeper: K,
    faults: Mutex<Arc<Faults>>,
    requests: AtomicU64,
    down: AtomicBool,
    /// Copies of the open connections, by number, to cut them.
    open: Mutex<Vec<(u64, TcpStream)>>,
}

impl Destination {
    /// Starts one on a free port of the loopback interface, with a [`Ledger`].
    pub fn start(faults: Faults) -> Self {
        Self::with_keeper(Mutex::new(Ledger::new()), faults)
    }

    /// Starts one at an address of the loopback network, with a [`Ledger`].
    pub fn at(address: SocketAddr, faults: Faults) -> Self {
        let port = Port::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        Self::at_port(port, Mutex::new(Ledger::new()), faults)
    }

    /// Starts one on a free port of the loopback interface that speaks a protocol.
    pub fn speaking(protocol: impl Protocol + 'static, faults: Faults) -> Self {
        Self::with_keeper(Mutex::new(Ledger::speaking(protocol)), faults)
    }

    /// Its address, as `http://HOST:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks into the book.
    pub fn ledger<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.keeper.lock().expect("no keeper panics"))
    }

    /// Waits until `count` different lines have arrived.
    #[track_caller]
    pub fn wait_lines(&self, count: u64, limit: Duration) {
        until(limit, &format!("{count} different lines"), || {
            match self.ledger(|ledger| ledger.by_key().distinct()) {
                distinct if distinct >= count => Ok(()),
                distinct => Err(format!("{distinct} lines")),
            }
        });
    }
}

impl<K: Keeper + 'static> Destination<K> {
    /// Starts one on a free port of the loopback interface.
    pub fn with_keeper(keeper: K, faults: Faults) -> Self {
        Self::at_port(Port::free().expect("loopback has a free port"), keeper, faults)
    }

    fn at_port(port: Port, keeper: K, faults: Faults) -> Self {
        let address = port.address();
        let shared = Arc::new(Shared {
            keeper,
            faults: Mutex::new(Arc::new(faults)),
            requests: AtomicU64::new(0),
            down: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let mut destination = Self { address, shared, state: State::Down(port) };
        destination.up();
        destination
    }

    /// Where to send to.
    pub fn url(&self) -> String {
        format!("http://{}/logs", self.address)
    }

    /// Who keeps what arrives.
    pub fn keeper(&self) -> &K {
        &self.shared.keeper
    }

    /// Changes the script from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults.lock().expect("no holder panics") = Arc::new(faults);
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Closes the listener and cuts every connection; connects are refused from now on.
    pub fn down(&mut self) {
        match std::mem::replace(&mut self.state, State::Changing) {
            State::Up(acceptor) => self.close(acceptor),
            other => return self.state = other,
        }
        let limit = Duration::from_secs(5);
        let port = until(limit, "the port to be free", || Port::bind(self.address));
        self.state = State::Down(port);
    }

    fn close(&self, acceptor: JoinHandle<()>) {
        self.shared.down.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the acceptor
        acceptor.join().expect("the acceptor does not panic");
        for (_, stream) in self.shared.open.lock().expect("no holder panics").drain(..) {
            // One that is closed already says so; that is what is wanted.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again on the same port.
    pub fn up(&mut self) {
        let port = match std::mem::replace(&mut self.state, State::Changing) {
            State::Down(port) => port,
            other => return self.state = other,
        };
        let listener = port.listen().expect("a bound socket can listen");
        self.shared.down.store(false, Ordering::SeqCst);
        self.state = State::Up(accept(listener, self.shared.clone()));
    }
}

impl<K: Keeper + 'static> Drop for Destination<K> {
    fn drop(&mut self) {
        if let State::Up(acceptor) = std::mem::replace(&mut self.state, State::Changing) {
            self.close(acceptor);
        }
    }
}

fn accept<K: Keeper + 'static>(listener: TcpListener, shared: Arc<Shared<K>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            let Ok(stream) = stream else { continue };
            let Ok(copy) = stream.try_clone() else { continue };
            // Under the lock: `down` cuts every connection that it does not find refused here.
            let mut open = shared.open.lock().expect("no holder panics");
            if shared.down.load(Ordering::SeqCst) {
                return;
            }
            open.push((number, copy));
            let shared = shared.clone();
            std::thread::spawn(move || {
                serve(stream, &shared);
                let mut open = shared.open.lock().expect("no holder panics");
                open.retain(|(other, _)| *other != number);
            });
        }
    })
}

/// Serves a connection until either side ends it. Errors end it: the client sees a cut connection.
fn serve<K: Keeper>(stream: TcpStream, shared: &Shared<K>) {
    let _ignored = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let mut request = Request::default();
    while let Ok(true) = connection.read(&mut request) {
        if !answer(connection.stream(), &request, shared) {
            break;
        }
    }
    let _closed = connection.stream().shutdown(Shutdown::Both);
}

/// Whether the connection stays.
fn answer<K: Keeper>(stream: &TcpStream, request: &Request, shared: &Shared<K>) -> bool {
    if request.method == "GET" {
        let report = shared.keeper.report(&request.target);
        return write_answer(stream, 200, &[], &report).is_ok();
    }
    let faults = shared.faults.lock().expect("no holder panics").clone();
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let treatment = faults.decide(number, request);
    let reply = shared.keeper.receive(request, treatment.stores());
    if !faults.delay.is_zero() {
        std::thread::sleep(faults.delay);
    }
    match treatment {
        Treatment::Take => {
            let Reply { status, headers, body } = reply;
            let written = write_answer(stream, status, &headers, &body).is_ok();
            if written {
                shared.keeper.answered(request);
            }
            written
        }
        Treatment::Refuse(status) => write_answer(stream, status, &[], "by script\n").is_ok(),
        Treatment::Throttle(seconds) => {
            write_answer(stream, 429, &[("Retry-After", seconds.to_string())], "").is_ok()
        }
        Treatment::StoreAndDrop => false,
        Treatment::StoreAndHang(time) => {
            hang(stream, time);
            false
        }
    }
}

/// Writes half an answer and waits until the client closes, or `time` has passed.
fn hang(mut stream: &TcpStream, time: Duration) {
    let start = Instant::now();
    let _cut = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le");
    let _ignored = stream.set_read_timeout(Some(Duration::from_millis(100)));
    while start.elapsed() < time {
        match stream.peek(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
            Ok(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn post(stream: &mut TcpStream, key: &str, body: &str) -> std::io::Result<String> {
        let len = body.len();
        let head = format!(
            "POST /logs HTTP/1.1\r\nIdempotency-Key: {key}\r\nContent-Length: {len}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes())?;
        let mut answer = [0; 512];
        let read = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or("").to_owned())
    }

    fn connect<K: Keeper>(destination: &Destination<K>) -> std::io::Result<TcpStream> {
        TcpStream::connect(destination.address)
    }

    #[test]
    fn it_stores_before_it_cuts_the_connection() {
        let faults = Faults { drop_every: Some(2), ..Faults::none() };
        let destination = Destination::start(faults);
        let mut stream = connect(&destination).unwrap();
        assert_eq!(post(&mut stream, "a", "{\"content\":\"x\"}\n").unwrap(), "HTTP/1.1 200 OK");
        let cut = post(&mut stream, "b", "{\"content\":\"y\"}\n");
        assert!(cut.is_err() || cut.is_ok_and(|line| line.is_empty()));
        assert_eq!(destination.ledger(|ledger| ledger.raw().lines()), 2);
        let mut stream = connect(&destination).unwrap();
        post(&mut stream, "b", "{\"content\":\"y\"}\n").unwrap();
        assert_eq!(
            destination.ledger(|ledger| (ledger.raw().lines(), ledger.by_key().lines())),
            (3, 2)
        );
    }

    #[test]
    fn it_comes_up_again_on_the_same_port() {
        let mut destination = Destination::start(Faults::none());
        let mut before = connect(&destination).unwrap();
        post(&mut before, "a", "").unwrap();
        destination.down();
        assert!(connect(&destination).is_err());
        let cut = post(&mut before, "b", "");
        assert!(cut.is_err() || cut.is_ok_and(|line| line.is_empty()));
        destination.up();
        let mut after = connect(&destination).unwrap();
        assert_eq!(post(&mut after, "b", "").unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(destination.requests(), 2);
    }

    #[test]
    fn a_hanging_answer_is_stored_and_ends_with_the_script() {
        let hang_every = Some((1, Duration::from_millis(150)));
        let destination = Destination::start(Faults { hang_every, ..Faults::none() });
        let mut stream = connect(&destination).unwrap();
        assert_eq!(post(&mut stream, "a", "{\"content\":\"x\"}").unwrap(), "HTTP/1.1 200 OK");
        let rest = stream.read(&mut [0; 64]).unwrap();
        assert_eq!(rest, 0, "the answer stays half");
        assert_eq!(destination.ledger(|ledger| ledger.raw().lines()), 1);
    }
}
