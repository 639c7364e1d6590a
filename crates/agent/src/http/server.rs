//! All sockets of one server: who is accepted, who is disconnected, when answers are committed.
//! Own code on httparse (which the HTTP client links already): the small servers that exist start
//! a thread for each connection without a limit or a timeout, and one of them allocates whatever
//! `Content-Length` announces.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use flusher::Recurring;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connection::Connection;
use super::{Handler, Limits, Response};

/// How long nothing is accepted after an error that would come again at once.
const PAUSE: Duration = Duration::from_secs(1);
/// How long requests that have begun may take after the stop.
const FINISH: Duration = Duration::from_secs(2);

/// A listener and its clients.
pub struct Server<H> {
    listener: TcpListener,
    limits: Limits,
    handler: H,
    clients: Vec<Connection>,
    accept_at: Instant,
    refused: Recurring,
    /// When it ends, once it was asked to.
    end_at: Option<Instant>,
}

impl<H: Handler> Server<H> {
    /// Serves what connects to `listener`, which does not block.
    pub fn new(listener: TcpListener, limits: Limits, handler: H) -> Self {
        let (clients, accept_at, refused) = (Vec::new(), Instant::now(), Recurring::default());
        Self { listener, limits, handler, clients, accept_at, refused, end_at: None }
    }

    /// Answers until `stop` is readable or closed; without it, for ever. Gives the handler back.
    pub fn run(mut self, stop: Option<&UnixStream>) -> H {
        while self.end_at.is_none_or(|end| Instant::now() < end && !self.clients.is_empty()) {
            let stops = self.wait(stop);
            let now = Instant::now();
            if stops && self.end_at.is_none() {
                self.end_at = Some(now + FINISH);
            }
            if self.end_at.is_none() && now >= self.accept_at && !self.accept(now) {
                self.accept_at = now + PAUSE;
            }
            self.turn(now);
        }
        self.handler
    }

    /// Waits until a socket can go on or a time is over; whether it has to stop.
    fn wait(&self, stop: Option<&UnixStream>) -> bool {
        let now = Instant::now();
        let accepts = self.end_at.is_none() && self.accept_at <= now;
        let mut until = self.clients.iter().map(|client| client.deadline).min();
        let due = [self.end_at, (self.accept_at > now).then_some(self.accept_at)];
        for due in due.into_iter().flatten() {
            until = Some(until.map_or(due, |until| until.min(due)));
        }
        if self.clients.iter().any(Connection::is_ready) {
            until = Some(now);
        }
        let mut sockets: Vec<PollFd<'_>> = self
            .clients
            .iter()
            .map(|client| PollFd::new(client.stream(), client.waits_for()))
            .collect();
        if accepts {
            sockets.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        let stop = stop.filter(|_| self.end_at.is_none());
        if let Some(stop) = stop {
            sockets.push(PollFd::new(stop, PollFlags::IN));
        }
        // A millisecond late, so that what is due is due.
        let wait = until.map(|at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        // An interruption is a turn without anything to do.
        let _ = poll(&mut sockets, wait.as_ref());
        stop.is_some() && sockets.last().is_some_and(|socket| !socket.revents().is_empty())
    }

    /// Takes clients that wait; false where that fails and would fail again at once.
    fn accept(&mut self, now: Instant) -> bool {
        for _ in 0..self.limits.clients_max {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.clients.len() >= self.limits.clients_max {
                        self.evict(now);
                    }
                    if stream.set_nonblocking(true).is_ok() {
                        self.clients.push(Connection::new(stream, &self.limits, now));
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return true,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => {
                        if let Some(more) = self.refused.came(now) {
                            log::warn!("HTTP server: a client cannot be accepted: {error}{more}");
                        }
                        return false;
                    }
                },
            }
        }
        true
    }

    /// Disconnects the client that was silent longest. Clients that have sent a whole request are
    /// answered first, however many connect.
    fn evict(&mut self, now: Instant) {
        self.turn(now);
        if self.clients.len() < self.limits.clients_max {
            return;
        }
        let silent = self.clients.iter().enumerate().min_by_key(|(_, client)| client.heard);
        if let Some((place, _)) = silent {
            self.clients.swap_remove(place);
        }
    }

    /// Reads from all, answers what is whole, commits, writes to all.
    fn turn(&mut self, now: Instant) {
        let Self { clients, limits, handler, .. } = self;
        clients.retain_mut(|client| now < client.deadline && client.turn(limits, now));
        let mut total = 0;
        for client in &mut *clients {
            total += client.body_len();
            if total > limits.bodies_len_max && !client.is_ready() && client.body_len() > 0 {
                total -= client.body_len();
                let text = "too much is being received at once; try again\n";
                client.refuse(&Response::text(503, text), now);
            }
        }
        let mut answers: Vec<(usize, Response)> = Vec::new();
        for (place, client) in clients.iter_mut().enumerate() {
            if let Some(request) = client.take_request() {
                answers.push((place, handler.answer(&request)));
            }
        }
        if answers.is_empty() {
            return self.leave_idle();
        }
        let committed = handler.commit();
        for (place, answer) in &answers {
            let answer = committed.as_ref().err().unwrap_or(answer);
            clients[*place].respond(answer, self.end_at.is_some());
        }
        clients.retain_mut(|client| client.turn(limits, now));
        self.leave_idle();
    }

    /// At the end, those that have asked nothing are left.
    fn leave_idle(&mut self) {
        if self.end_at.is_some() {
            self.clients.retain(|client| !client.is_idle());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use delivery::threads::spawn::spawn;

    use super::*;
    use crate::http::Request;

    const LIMITS: Limits = Limits {
        clients_max: 16,
        body_len_max: 1024 * 1024,
        bodies_len_max: 4 * 1024 * 1024,
        time_max: Duration::from_secs(60),
    };

    /// Answers with the path and the length of the body; large answers on request.
    struct Echo;

    impl Handler for Echo {
        fn answer(&mut self, request: &Request) -> Response {
            match request.path.as_str() {
                "/large" => Response::text(200, "x".repeat(1_000_000)),
                path => Response::text(200, format!("{path} {}\n", request.body.len())),
            }
        }
    }

    fn start(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener, limits, Echo);
        spawn("http", move || server.run(None)).unwrap();
        address
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
        let mut client = connect(address);
        client.write_all(request.as_ref()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    fn is_well(address: SocketAddr) {
        let request = "POST /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
        let answer = ask(address, request);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n/a 3\n"), "{answer}");
    }

    #[test]
    fn an_announced_length_costs_nothing_and_ends_nothing() {
        let address = start(LIMITS);
        for length in ["99999999999", "18446744073709551615", "184467440737095516150", "1048577"] {
            let mut client = connect(address);
            let head = format!("POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            client.write_all(head.as_bytes()).unwrap();
            drop(client);
            assert!(ask(address, head).starts_with("HTTP/1.1 413 "), "{length}");
            is_well(address);
        }
        // One that is allowed, and never comes.
        let mut client = connect(address);
        client.write_all(b"POST /a HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nabc").unwrap();
        drop(client);
        is_well(address);
    }

    #[test]
    fn heads_and_trailers_without_an_end_are_refused() {
        let address = start(LIMITS);
        let endless = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(100_000));
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1_000_000));
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let trailers = format!("{chunked}0\r\n{}", "A: b\r\n".repeat(100_000));
        for request in [endless, long, trailers] {
            let mut client = connect(address);
            // It may be refused before it is sent whole.
            let _ = client.write_all(request.as_bytes());
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            is_well(address);
        }
    }

    #[test]
    fn silent_and_slow_clients_delay_no_other() {
        let address = start(LIMITS);
        let large = "GET /large HTTP/1.1\r\n\r\n";
        // Clients that send nothing, a part, or do not read what they asked for.
        let parts = ["", "GET /a HT", large, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"];
        let slow: Vec<TcpStream> = (0..4 * LIMITS.clients_max)
            .map(|number| {
                let mut client = connect(address);
                client.write_all(parts[number % parts.len()].as_bytes()).unwrap();
                client
            })
            .collect();
        for _ in 0..10 {
            is_well(address);
        }
        drop(slow);
    }

    #[test]
    fn a_silent_client_is_disconnected_after_its_time() {
        let time_max = Duration::from_millis(50);
        let begun = Instant::now();
        let address = start(Limits { time_max, ..LIMITS });
        for part in ["", "GET /a HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"] {
            assert_eq!(ask(address, part), "");
        }
        assert!(begun.elapsed() >= 3 * time_max);
    }

    #[test]
    fn all_bodies_together_are_bounded() {
        let limits = Limits { bodies_len_max: 1024 * 1024, ..LIMITS };
        let address = start(limits);
        let head = "POST /a HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
        let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
        for client in &mut clients {
            client.write_all(head.as_bytes()).unwrap();
            client.write_all(&vec![b'a'; 600_000]).unwrap();
        }
        let mut refused = 0;
        for client in &mut clients {
            let _ = client.write_all(&vec![b'a'; 400_000]);
            let mut answer = [0; 12];
            client.read_exact(&mut answer).unwrap();
            refused += usize::from(answer.ends_with(b"503"));
        }
        assert_eq!(refused, 2);
        is_well(address);
    }

    #[test]
    fn requests_on_one_connection_are_answered_in_their_order() {
        let address = start(LIMITS);
        let requests = "POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
                        POST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
                        HEAD /3 HTTP/1.1\r\n\r\n\
                        GET /4 HTTP/1.1\r\nConnection: close\r\n\r\n";
        let answers = ask(address, requests);
        let bodies: Vec<&str> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
        assert_eq!(bodies.len(), 4, "{answers}");
        for (body, end) in bodies.iter().zip(["\n/1 3\n", "\n/2 2\n", "\r\n\r\n", "\n/4 0\n"]) {
            assert!(body.ends_with(end), "{body:?} {end:?}");
        }
        // One after the other, as clients that reuse a connection do.
        let mut client = connect(address);
        for number in 0..3 {
            write!(client, "GET /{number} HTTP/1.1\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(format!("/{number} 0\n").as_bytes()) {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
        }
    }

    #[test]
    fn a_client_that_waits_for_a_word_before_its_body_gets_it() {
        let address = start(LIMITS);
        let mut client = connect(address);
        let head = "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\
                    Connection: close\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
        let mut word = [0; 25];
        client.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"abc").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("/a 3\n"), "{answer}");
    }

    #[test]
    fn a_stop_answers_what_has_begun_and_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stops) = UnixStream::pair().unwrap();
        let server = Server::new(listener, LIMITS, Echo);
        let server = spawn("http", move || server.run(Some(&stops))).unwrap();
        let mut idle = connect(address);
        let mut begun = connect(address);
        begun.write_all(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\na").unwrap();
        is_well(address);
        drop(stop);
        assert_eq!(idle.read(&mut [0; 9]).unwrap(), 0);
        begun.write_all(b"bc").unwrap();
        let mut answer = String::new();
        begun.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("Connection: close\r\n") && answer.ends_with("/a 3\n"), "{answer}");
        server.join().unwrap();
    }
}
