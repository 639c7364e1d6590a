//! `scripts/bench`: what the agent costs. Throughput (one file, a hundred files) to a blackhole
//! and over HTTP, idle files, latency; medians as a table for the README.
//!
//! A figure counts only where the agent runs as it does in production: journal, checkpoint and
//! record ids on, sync as by default. The receiver is a process of its own, so that its work is
//! not the agent's; it counts lines and checksums their contents, and a run in which either is
//! off is void and ends the bench with exit code 1.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.

mod args;
mod bare;
mod corpus;
mod idle;
mod latency;
mod receiver;
mod sink;
mod stage;
mod table;
mod throughput;

use std::process::ExitCode;

use args::Args;
use corpus::Corpus;
use table::Table;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words == ["sink"] {
        sink::serve();
        return ExitCode::SUCCESS;
    }
    if let [first, dir, address @ ..] = &words[..]
        && first == "bare"
    {
        let worked = bare::work(dir.as_ref(), address.first().map(String::as_str));
        return worked.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let outcome = Args::parse(&words).and_then(|args| bench(&args));
    match outcome {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Everything, one after the other, so that nothing competes with the agent but the receiver.
fn bench(args: &Args) -> Result<Table, String> {
    let mut table = Table::new(args);
    for (plan, to) in throughput::plans(args) {
        let corpus = Corpus::make(&args.dir, &plan)?;
        let runs = throughput::run(args, &corpus, to)?;
        table.throughput(&format!("{} to {to}", plan.name()), &runs);
        if plan.is_reference() {
            table.bare(&format!("{} to {to}", plan.name()), bare::run(args, &corpus, to)?);
        }
    }
    table.idle(args, idle::run(args)?);
    table.latency(args, latency::run(args)?);
    Ok(table)
}
