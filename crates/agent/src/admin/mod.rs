//! The admin endpoint (`--admin ADDR`): /healthz, /readyz and /metrics over HTTP.
//! It only reads the board, on a thread of its own, and stays until the process ends: also an
//! agent that loads its state, or stops, can be asked.
//! Not here: sockets (`server.rs`, `connection.rs`), the text of the metrics (`metrics.rs`,
//! `exposition.rs`).

mod connection;
mod exposition;
mod metrics;
mod server;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use settings::Setting;

use crate::board::Board;
use crate::pulse::SILENCE_MAX;
use crate::threads::spawn;

/// How long a client may take in all.
const TIME_MAX: Duration = Duration::from_secs(5);

/// One answer.
#[derive(Debug)]
pub struct Page {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Page {
    fn text(status: u16, body: String) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body }
    }
}

/// Listens, and answers from now on.
///
/// # Errors
/// A sentence: the address cannot be used.
pub fn open(address: &Setting<String>, board: &Arc<Board>) -> Result<(), String> {
    let failed = |error: io::Error| {
        let Setting { value, origin } = address;
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there; name a free port",
            io::ErrorKind::PermissionDenied => "ports below 1024 are root's; name a higher one",
            _ => "name an address of this machine and a free port, as in 127.0.0.1:9469",
        };
        format!("the admin endpoint cannot listen on {value} ({origin}): {error}; {what}")
    };
    let listener = TcpListener::bind(&address.value).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let board = board.clone();
    spawn("admin", move || {
        server::serve(&listener, TIME_MAX, &|path| page(&board, path, Instant::now()));
    })
    .map_err(failed)?;
    log::info!("admin endpoint on http://{local}");
    Ok(())
}

fn page(board: &Board, path: &str, now: Instant) -> Page {
    match path.split('?').next() {
        Some("/healthz") => health(board, now),
        Some("/readyz") => ready(board),
        Some("/metrics") => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            Page { status: 200, kind, body: metrics::text(board, now) }
        }
        _ => Page::text(404, "there are /healthz, /readyz and /metrics\n".into()),
    }
}

fn health(board: &Board, now: Instant) -> Page {
    let silences = board.pulses.silences(now);
    let hanging: String = silences
        .iter()
        .filter(|(_, silence)| *silence > SILENCE_MAX)
        .map(|(name, silence)| format!("{name} has not turned for {} s\n", silence.as_secs()))
        .collect();
    if hanging.is_empty() { Page::text(200, "ok\n".into()) } else { Page::text(503, hanging) }
}

fn ready(board: &Board) -> Page {
    let missing = board.readiness.missing();
    if missing.is_empty() {
        return Page::text(200, "ready\n".into());
    }
    Page::text(503, missing.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use settings::Origin;

    use super::*;
    use crate::readiness::Condition;

    #[test]
    fn a_loop_that_hangs_is_named_and_one_that_rests_is_not() {
        let board = Board::new();
        let _hangs = board.pulses.add("collect");
        let rests = board.pulses.add("deliver app/http");
        rests.begin();
        let now = Instant::now();
        assert_eq!(health(&board, now).status, 200);
        let page = crate::pulse::rest(|| health(&board, now + Duration::from_secs(31)));
        assert_eq!((page.status, page.body.as_str()), (503, "collect has not turned for 31 s\n"));
    }

    #[test]
    fn readiness_tells_what_is_missing() {
        let board = Board::new();
        board.readiness.meet(Condition::Files);
        let page = page(&board, "/readyz?verbose", Instant::now());
        assert_eq!((page.status, page.body.as_str()), (503, "the state is not loaded yet\n"));
        board.readiness.meet(Condition::Loaded);
        assert_eq!(ready(&board).status, 200);
        assert_eq!(super::page(&board, "/", Instant::now()).status, 404);
    }

    #[test]
    fn an_address_in_use_is_named_with_its_origin() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let value = taken.local_addr().unwrap().to_string();
        let address =
            Setting { value: value.clone(), origin: Origin::CommandLine("--admin".into()) };
        let error = open(&address, &Arc::new(Board::new())).unwrap_err();
        for part in [value.as_str(), "--admin", "another process"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
