//! A ClickHouse server of its own on the loopback interface, ended with its directory.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{need, until};

/// How long a server may take to answer.
const STARTS_IN: Duration = Duration::from_secs(60);

/// A server.
pub struct Clickhouse {
    program: PathBuf,
    dir: tempfile::TempDir,
    address: SocketAddr,
    server: Child,
}

impl Clickhouse {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// A sentence, where it is not installed.
    pub fn start() -> Result<Self, String> {
        let program = need::program("clickhouse-server")?;
        let dir = tempfile::tempdir().map_err(|error| format!("no directory: {error}"))?;
        let free = || crate::port::Port::free().map(|port| port.address());
        let http = free().map_err(|error| format!("no port: {error}"))?;
        let native = free().map_err(|error| format!("no port: {error}"))?;
        configure(dir.path(), http.port(), native.port()).map_err(|error| error.to_string())?;
        let server = spawn(&program, dir.path());
        let started = Self { program, dir, address: http, server };
        started.wait();
        Ok(started)
    }

    /// `http://HOST:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Kills it, and starts it again.
    pub fn restart(&mut self) {
        self.end();
        self.server = spawn(&self.program, self.dir.path());
        self.wait();
    }

    /// The answer to a query.
    ///
    /// # Errors
    /// Where the server does not answer, or says something else than 200.
    pub fn query(&self, query: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(self.address).map_err(failed)?;
        let len = query.len();
        let head = format!("POST / HTTP/1.0\r\nContent-Length: {len}\r\n\r\n{query}");
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(body.trim().to_owned()),
            _ => Err(format!("{head}: {body}")),
        }
    }

    fn wait(&self) {
        until(STARTS_IN, "ClickHouse to answer", || self.query("SELECT 1").map(drop));
    }

    fn end(&mut self) {
        self.server.kill().expect("a child can be killed");
        self.server.wait().expect("a child can be waited for");
    }
}

impl Drop for Clickhouse {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(program: &Path, dir: &Path) -> Child {
    let log = fs::File::create(dir.join("server.log")).expect("the directory can be written");
    let errors = log.try_clone().expect("a descriptor can be copied");
    Command::new(program)
        .arg(format!("--config-file={}", dir.join("config.xml").display()))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("a program that is there can be started")
}

fn configure(dir: &Path, http: u16, native: u16) -> std::io::Result<()> {
    let path = dir.display();
    let config = format!(
        "<yandex>
           <logger><level>warning</level><console>1</console></logger>
           <http_port>{http}</http_port><tcp_port>{native}</tcp_port>
           <listen_host>127.0.0.1</listen_host>
           <path>{path}/data/</path><tmp_path>{path}/tmp/</tmp_path>
           <user_files_path>{path}/files/</user_files_path>
           <users_config>{path}/users.xml</users_config>
           <default_profile>default</default_profile>
           <default_database>default</default_database>
           <mark_cache_size>16777216</mark_cache_size>
         </yandex>"
    );
    let users = "<yandex>
           <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
           <users><default><password></password>
             <networks><ip>127.0.0.1</ip></networks>
             <profile>default</profile><quota>default</quota></default></users>
           <quotas><default><interval><duration>3600</duration><queries>0</queries>
             <errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows>
             <execution_time>0</execution_time></interval></default></quotas>
         </yandex>";
    fs::write(dir.join("config.xml"), config)?;
    fs::write(dir.join("users.xml"), users)
}
