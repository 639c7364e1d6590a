//! The binary `irontail`: what the command line asks for, done, and the exit code. It is a library,
//! so that the simulation runs the same start and the same loops.

#![allow(missing_docs)] // Nobody but the binary and the simulation uses it.
#![allow(clippy::new_without_default)] // Neither does anybody want defaults.

mod args;
mod cli;
pub mod collect;
pub mod config;
pub mod containers;
mod exit;
pub mod follow;
mod http;
mod log_line;
mod own_log;
mod receive;
pub mod run;
pub mod start;
pub mod status;

use std::process::ExitCode;

use args::Command;
use cli::{check, check_connect, sample, state_command};
use config::plan;
use exit::Exit;
use run::interrupts::{Interrupts, no_thread};
use run::supervise;

/// Does what the process was asked for.
pub fn main() -> ExitCode {
    own_log::begin();
    let exit = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => perform(command),
        Err(error) => {
            eprintln!("irontail: {error}; irontail --help lists the commands");
            Exit::Usage
        }
    };
    ExitCode::from(exit as u8)
}

fn perform(command: Command) -> Exit {
    match command {
        Command::Help => print(args::HELP),
        Command::Version => print(concat!("irontail ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Collect(args) => run(|| plan::ad_hoc(&args)),
        Command::Run(args) => run(|| plan::to_run(&args)),
        Command::Check(args) => planned(plan::configured(&args), |plan| checked(&args, &plan)),
        Command::StateDump(args) => state_command::dump(args.state_dir),
        Command::StateVerify(args) => state_command::verify(args.state_dir),
        Command::StateRewind(args) => state_command::rewind(args),
        Command::Receive(args) => receive(&args),
    }
}

/// Prints what `irontail check` was asked for.
fn checked(args: &args::RunArgs, plan: &plan::Plan) -> Exit {
    let out = &mut std::io::stdout().lock();
    let Some(path) = &args.sample else {
        let works = check::print(plan, out).and_then(|errors| {
            errors.iter().for_each(|error| eprintln!("irontail: {error}"));
            let is_reached = !args.connect || check_connect::print(plan, out)?;
            Ok(errors.is_empty() && is_reached)
        });
        return if works.unwrap_or(false) { Exit::Done } else { Exit::Usage };
    };
    match sample::print(&plan.pipelines, path, out) {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("irontail: the sample {} cannot be used: {error}", path.display());
            Exit::Usage
        }
    }
}

/// Runs what a plan says. Signals are watched before anything is read: one that comes at any
/// moment of the start ends in a report too.
fn run(plan: impl FnOnce() -> Result<plan::Plan, Vec<String>>) -> Exit {
    match Interrupts::begin() {
        Ok(interrupts) => planned(plan(), |plan| supervise::run(plan, &interrupts)),
        Err(error) => unwatched(&error),
    }
}

/// Without its signals the agent could not be stopped in order.
fn unwatched(error: &std::io::Error) -> Exit {
    log::error!("signals cannot be watched: {}; start it again", no_thread(error));
    Exit::Failed
}

fn receive(args: &args::ReceiveArgs) -> Exit {
    let interrupts = match Interrupts::begin() {
        Ok(interrupts) => interrupts,
        Err(error) => return unwatched(&error),
    };
    match receive::receive(args, &interrupts) {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("irontail: {error}");
            if error.is_end() { Exit::Failed } else { Exit::Usage }
        }
    }
}

fn planned(plan: Result<plan::Plan, Vec<String>>, go: impl FnOnce(plan::Plan) -> Exit) -> Exit {
    match plan {
        Ok(plan) => go(plan),
        Err(errors) => {
            for error in errors {
                eprintln!("irontail: {error}");
            }
            Exit::Usage
        }
    }
}

fn print(text: &str) -> Exit {
    use std::io::Write;
    // A reader that closed the pipe has seen what it wanted.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Done
}
