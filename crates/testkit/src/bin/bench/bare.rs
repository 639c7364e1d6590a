//! What the machine gives: a bare loop that reads, splits lines, builds records and sends them.
//! It has no state, no identity, no checksum, no back-pressure and no retry, so it is the ceiling
//! that the agent's figures are to be read against, since they differ from machine to machine.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::Usage;

use crate::args::Args;
use crate::corpus::Corpus;
use crate::receiver::Receiver;
use crate::throughput::To;

/// Bytes of one read.
const READ_LEN: usize = 64 * 1024;

/// Bytes of a body at which it is sent.
const BODY_LEN: usize = 1024 * 1024;

/// Raw megabytes per CPU-second of a process that does nothing else, once per run.
pub fn run(args: &Args, corpus: &Corpus, to: To) -> Result<Vec<f64>, String> {
    (0..args.runs).map(|_| one(corpus, to)).collect()
}

fn one(corpus: &Corpus, to: To) -> Result<f64, String> {
    let receiver = Receiver::start()?;
    let program = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let mut command = Command::new(program);
    command.arg("bare").arg(&corpus.dir);
    if to == To::Http {
        command.arg(receiver.address());
    }
    let output =
        command.output().map_err(|error| format!("cannot start the bare loop: {error}"))?;
    if to == To::Http && receiver.tally()? != corpus.tally {
        return Err("void: the bare loop's lines did not all arrive".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds: f64 = text.trim().parse().map_err(|_| format!("the bare loop said {text:?}"))?;
    Ok(corpus.bytes as f64 / 1e6 / seconds)
}

/// The process itself: every file of a directory, to an address or nowhere. Prints its CPU time
/// in seconds.
pub fn work(dir: &Path, address: Option<&str>) -> std::io::Result<()> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    let mut stream = address.map(TcpStream::connect).transpose()?;
    let mut raw = vec![0; READ_LEN];
    let mut body = Vec::with_capacity(2 * BODY_LEN);
    for path in files {
        let mut file = File::open(path)?;
        let mut kept = 0;
        loop {
            let count = file.read(&mut raw[kept..])?;
            if count == 0 {
                break;
            }
            let end = kept + count;
            let mut start = 0;
            for newline in memchr::memchr_iter(b'\n', &raw[..end]) {
                body.extend_from_slice(b"{\"content\":\"");
                body.extend_from_slice(&raw[start..newline]);
                body.extend_from_slice(b"\"}\n");
                start = newline + 1;
            }
            raw.copy_within(start..end, 0);
            kept = end - start;
            if body.len() >= BODY_LEN {
                send(stream.as_mut(), &mut body)?;
            }
        }
    }
    send(stream.as_mut(), &mut body)?;
    println!("{}", Usage::of(std::process::id())?.cpu.as_secs_f64());
    Ok(())
}

fn send(stream: Option<&mut TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    if let Some(stream) = stream {
        let len = body.len();
        write!(stream, "POST / HTTP/1.1\r\nHost: bare\r\nContent-Length: {len}\r\n\r\n")?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut some = [0; 512];
            let count = stream.read(&mut some)?;
            answer.extend_from_slice(&some[..count]);
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    body.clear();
    Ok(())
}
