//! How a client's connections are made: their limits, the way to the destination, and the files by
//! which the two ends prove who they are. Where one of these files changes it is read again, and new
//! connections are made by what it holds; while it cannot be used, by what was read before.
//! Not here: what the files hold (`tls.rs`).

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::transport::{Connector, DefaultConnector, TcpConnector};

use super::options::HttpOptions;
use super::proxy::{AbsoluteForm, Route};
use super::resolver::InlineResolver;
use super::tls::{self, TlsOptions};
use crate::{Error, Recurring};

/// Buffer of a connection for answers, in bytes: they are short.
const INPUT_BUFFER_LEN: usize = 16 * 1024;
/// Buffer of a connection for what is sent, in bytes: with half of it (ureq's own default) a
/// request takes twice as many calls and wakes the receiver twice as often, a quarter more CPU.
const OUTPUT_BUFFER_LEN: usize = 256 * 1024;
/// How long setting up a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Who the agent is, where `Headers` do not say otherwise.
const USER_AGENT: &str = concat!("irontail/", env!("CARGO_PKG_VERSION"));

/// Connections that are kept, and how new ones are made.
pub(super) struct Connections {
    options: HttpOptions,
    route: Route,
    known: Mutex<Known>,
}

struct Known {
    agent: Agent,
    /// When each file had been changed last that was read.
    changed: Vec<Option<SystemTime>>,
    problem: Recurring,
}

impl Connections {
    /// Reads the files for the first time. Nothing is connected yet.
    pub(super) fn new(options: &HttpOptions, route: Route) -> Result<Self, Error> {
        let changed = changed(&options.tls);
        let agent = agent(config(options, &route)?, &route);
        let known = Known { agent, changed, problem: Recurring::default() };
        Ok(Self { options: options.clone(), route, known: Mutex::new(known) })
    }

    /// What makes a request. `target` is where to, for messages.
    pub(super) fn agent(&self, target: &str) -> Agent {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at first: what changes while it is read is read again.
        let changed = changed(&self.options.tls);
        if changed != known.changed {
            match config(&self.options, &self.route) {
                Ok(config) => {
                    log::info!("{target}: the files of TLS have changed and were read again");
                    known.agent = agent(config, &self.route);
                    (known.changed, known.problem) = (changed, Recurring::default());
                }
                // A certificate may be replaced before its key is: until both fit, nothing changes.
                Err(error) => {
                    if let Some(more) = known.problem.came(Instant::now()) {
                        log::warn!("{target}: {error}; what it held before is used{more}");
                    }
                }
            }
        }
        known.agent.clone()
    }
}

/// When each file had been changed last; none where none is named.
fn changed(options: &TlsOptions) -> Vec<Option<SystemTime>> {
    let client = options.client.iter().flat_map(|(certificate, key)| [certificate, key]);
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    options.ca_file.iter().chain(client).map(|path| time(path)).collect()
}

fn config(options: &HttpOptions, route: &Route) -> Result<Config, Error> {
    let proxy = match route {
        Route::Connect(proxy) => Some(proxy.clone()),
        Route::Direct | Route::Absolute(_) => None,
    };
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .tls_config(tls::config(&options.tls)?)
        .user_agent(USER_AGENT)
        .timeout_global(Some(options.timeout))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(options.timeout)))
        .max_idle_connections(options.concurrency.max(1))
        .max_idle_connections_per_host(options.concurrency.max(1))
        .input_buffer_size(INPUT_BUFFER_LEN)
        .output_buffer_size(OUTPUT_BUFFER_LEN)
        .build())
}

fn agent(config: Config, route: &Route) -> Agent {
    match route {
        Route::Absolute(proxy) => {
            let instead = Some((proxy.host().to_owned(), proxy.port()));
            let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
            Agent::with_parts(config, connector, InlineResolver { instead })
        }
        Route::Direct | Route::Connect(_) => {
            Agent::with_parts(config, DefaultConnector::new(), InlineResolver::default())
        }
    }
}
