//! The sockets of the admin endpoint: one thread waits for all of them at once, so that a client
//! that is slow, silent or hostile holds up nobody. Each connection has one request, a time and a
//! length; when there are too many, the oldest goes.
//!
//! Own code, with httparse (which the HTTP client needs anyway) for the head: `tiny_http` starts
//! a thread a connection, without a limit and without a timeout, and stops accepting for good
//! at the first error, which is when an agent is out of descriptors and wants to say so.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Page;
use super::connection::Connection;

/// The most clients at once.
const CONNECTIONS_MAX: usize = 32;
/// How long nothing is accepted after an error that would come again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers until the process ends. A client may take `time_max` in all.
pub fn serve(listener: &TcpListener, time_max: Duration, answer: &dyn Fn(&str) -> Page) {
    let mut connections: Vec<Connection> = Vec::new();
    let mut accept_at = Instant::now();
    loop {
        wait(listener, &connections, time_max, accept_at);
        let now = Instant::now();
        if now >= accept_at && !accept_all(listener, &mut connections, answer) {
            accept_at = now + PAUSE;
        }
        connections.retain_mut(|connection| {
            now.saturating_duration_since(connection.since) < time_max && connection.turn(answer)
        });
    }
}

/// Waits until a socket can go on, or a time is over.
fn wait(
    listener: &TcpListener,
    connections: &[Connection],
    time_max: Duration,
    accept_at: Instant,
) {
    let now = Instant::now();
    let mut until = connections.iter().map(|connection| connection.since + time_max).min();
    let mut sockets: Vec<PollFd<'_>> = connections
        .iter()
        .map(|connection| PollFd::new(connection.stream(), connection.waits_for()))
        .collect();
    if accept_at > now {
        until = Some(until.map_or(accept_at, |until| until.min(accept_at)));
    } else {
        sockets.push(PollFd::new(listener, PollFlags::IN));
    }
    // A millisecond late, so that what is due is due.
    let wait = until.map(|until| until.saturating_duration_since(now) + Duration::from_millis(1));
    let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
    // An interruption is a turn without anything to do.
    let _ = poll(&mut sockets, wait.as_ref());
}

/// Takes every client that waits; false where that fails and would fail again at once.
fn accept_all(
    listener: &TcpListener,
    connections: &mut Vec<Connection>,
    answer: &dyn Fn(&str) -> Page,
) -> bool {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                if connections.len() >= CONNECTIONS_MAX {
                    // Whoever has asked by now is answered, however many come.
                    connections.remove(0).turn(answer);
                }
                if stream.set_nonblocking(true).is_ok() {
                    connections.push(Connection::new(stream, Instant::now()));
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return true,
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                _ => {
                    log::warn!("admin endpoint: a client cannot be accepted: {error}");
                    return false;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use super::*;
    use crate::threads::spawn;

    fn start(time_max: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        spawn("admin", move || {
            serve(&listener, time_max, &|path| Page::text(200, path.repeat(100_000)));
        })
        .unwrap();
        address
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn silent_and_slow_clients_hold_up_nobody() {
        let address = start(Duration::from_secs(60));
        let request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
        // Clients that say nothing, say half, or do not read what they asked for.
        let slow: Vec<TcpStream> = (0..3 * CONNECTIONS_MAX)
            .map(|number| {
                let mut client = TcpStream::connect(address).unwrap();
                let said = ["", "GET /a HT", request][number % 3];
                client.write_all(said.as_bytes()).unwrap();
                client
            })
            .collect();
        for _ in 0..10 {
            let answer = ask(address, request);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &answer[..100]);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("Content-Length: 200000"), "{head}");
            assert_eq!(body.len(), 200_000);
        }
        drop(slow);
    }

    #[test]
    fn a_client_that_says_nothing_is_left_after_its_time() {
        let time_max = Duration::from_millis(50);
        let begun = Instant::now();
        assert_eq!(ask(start(time_max), "GET /a HTTP/1.1\r\n"), "");
        assert!(begun.elapsed() >= time_max);
    }
}
