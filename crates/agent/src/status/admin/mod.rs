//! The admin endpoint (`--admin ADDR`): /healthz, /readyz and /metrics over HTTP.
//! It only reads the status, on a thread of its own, and stays until the process ends: also an
//! agent that loads its state, or stops, can be asked.
//! Not here: HTTP (`http/`), the text of the metrics (`metrics.rs`, `exposition.rs`).

mod exposition;
mod metrics;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use settings::Setting;

use crate::http::{Handler, Limits, Request, Response, Server};
use crate::status::Status;
use delivery::threads::ends::Ends;
use delivery::threads::heartbeat::SILENCE_MAX;
use delivery::threads::spawn::spawn_watched;

const LIMITS: Limits = Limits {
    clients_max: 32,
    // Nothing is asked with a body.
    body_len_max: 0,
    bodies_len_max: 0,
    time_max: Duration::from_secs(5),
};

/// Answers from the status.
struct Pages(Arc<Status>);

impl Handler for Pages {
    fn answer(&mut self, request: &Request) -> Response {
        match request.method.as_str() {
            "GET" | "HEAD" => page(&self.0, &request.path, Instant::now()),
            _ => Response::text(405, "only GET and HEAD\n"),
        }
    }
}

/// Why there is no endpoint.
pub enum OpenError {
    /// A sentence: the address cannot be used.
    Address(String),
    /// The system gives no thread.
    Thread(io::Error),
}

/// Listens, and answers from now on.
pub fn open(address: &Setting<String>, status: &Arc<Status>, ends: &Ends) -> Result<(), OpenError> {
    let failed = |error: io::Error| {
        let Setting { value, origin } = address;
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there; name a free port",
            io::ErrorKind::PermissionDenied => "ports below 1024 are root's; name a higher one",
            _ => "name an address of this machine and a free port, as in 127.0.0.1:9469",
        };
        OpenError::Address(format!(
            "the admin endpoint cannot listen on {value} ({origin}): {error}; {what}"
        ))
    };
    let listener = TcpListener::bind(&address.value).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    serve(listener, Pages(status.clone()), ends).map_err(OpenError::Thread)?;
    log::info!("admin endpoint on http://{local}");
    Ok(())
}

fn serve(
    listener: TcpListener,
    pages: impl Handler + Send + 'static,
    ends: &Ends,
) -> io::Result<()> {
    let server = Server::new(listener, LIMITS, pages);
    let served = spawn_watched(ends, "admin", "admin", move || {
        server.run(None);
        Ok(())
    });
    served.map(drop)
}

fn page(status: &Status, path: &str, now: Instant) -> Response {
    match path.split('?').next() {
        Some("/healthz") => health(status, now),
        Some("/readyz") => ready(status),
        Some("/metrics") => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            Response { status: 200, kind, body: metrics::text(status, now) }
        }
        _ => Response::text(404, "there are /healthz, /readyz and /metrics\n"),
    }
}

fn health(status: &Status, now: Instant) -> Response {
    let silences = status.heartbeats.silences(now);
    let hanging: String = silences
        .iter()
        .filter(|(_, silence)| *silence > SILENCE_MAX)
        .map(|(name, silence)| format!("{name} has not turned for {} s\n", silence.as_secs()))
        .collect();
    if hanging.is_empty() { Response::text(200, "ok\n") } else { Response::text(503, hanging) }
}

fn ready(status: &Status) -> Response {
    let missing = status.readiness.missing();
    if missing.is_empty() {
        return Response::text(200, "ready\n");
    }
    Response::text(503, missing.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use settings::Origin;

    use super::*;
    use crate::status::readiness::Condition;

    #[test]
    fn a_loop_that_hangs_is_named_and_one_that_rests_is_not() {
        let status = Status::new();
        let _hangs = status.heartbeats.add("collect");
        let rests = status.heartbeats.add("deliver app/http");
        rests.begin();
        let now = Instant::now();
        assert_eq!(health(&status, now).status, 200);
        let page = delivery::threads::heartbeat::while_blocked(|| {
            health(&status, now + Duration::from_secs(31))
        });
        assert_eq!((page.status, page.body.as_str()), (503, "collect has not turned for 31 s\n"));
    }

    #[test]
    fn readiness_tells_what_is_missing() {
        let status = Status::new();
        status.readiness.meet(Condition::Files);
        let page = page(&status, "/readyz?verbose", Instant::now());
        assert_eq!((page.status, page.body.as_str()), (503, "the state is not loaded yet\n"));
        status.readiness.meet(Condition::Loaded);
        assert_eq!(ready(&status).status, 200);
        assert_eq!(super::page(&status, "/", Instant::now()).status, 404);
    }

    struct Broken;

    impl Handler for Broken {
        fn answer(&mut self, _: &Request) -> Response {
            panic!("injected")
        }
    }

    #[test]
    fn a_panic_of_the_endpoint_is_reported() {
        use std::io::Write;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (ends, ended) = Ends::new();
        serve(listener, Broken, &ends).unwrap();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let end = ended.recv_timeout(Duration::from_secs(20)).unwrap();
        let how = delivery::threads::ends::How::Panicked("injected".into());
        assert_eq!(end, delivery::threads::ends::End { thread: "admin".into(), how });
    }

    #[test]
    fn an_address_in_use_is_named_with_its_origin() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let value = taken.local_addr().unwrap().to_string();
        let address =
            Setting { value: value.clone(), origin: Origin::CommandLine("--admin".into()) };
        let Err(OpenError::Address(error)) =
            open(&address, &Arc::new(Status::new()), &Ends::new().0)
        else {
            panic!("the address is free")
        };
        for part in [value.as_str(), "--admin", "another process"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
