//! The binary `irontail`: what the command line asks for, done, and the exit code.

mod account;
mod admin;
mod args;
mod baseline;
mod board;
mod check;
mod check_containers;
mod collect;
mod containers;
mod dead_letter;
mod deliver;
mod delivery;
mod drain;
mod every;
mod exit;
mod follow;
mod format;
mod gone;
mod lag;
mod lane;
mod loss;
mod node;
mod plan;
mod pulse;
mod readiness;
mod ready;
mod receive;
mod relocate;
mod request;
mod resend;
mod room;
mod run;
mod saved_pipelines;
mod sources;
mod spill;
mod split;
mod start;
mod state;
mod stdio;
#[cfg(test)]
mod tests;
mod threads;
mod translate;
mod unspool;

use std::process::ExitCode;

use args::Command;
use exit::Exit;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
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
        Command::Collect(args) => planned(plan::ad_hoc(&args), run::run),
        Command::Run(args) => planned(plan::to_run(&args), run::run),
        Command::Check(args) => planned(plan::configured(&args), |plan| {
            let printed = check::print(&plan, &mut std::io::stdout().lock());
            if printed.is_ok() { Exit::Done } else { Exit::Usage }
        }),
        Command::StateDump(args) => state::dump(args.state_dir),
        Command::StateVerify(args) => state::verify(args.state_dir),
        Command::StateRewind(args) => state::rewind(args),
        Command::Receive(args) => receive(&args),
    }
}

fn receive(args: &args::ReceiveArgs) -> Exit {
    let received = run::watch_signals()
        .map_err(|error| format!("signals cannot be watched: {error}"))
        .and_then(|signals| receive::receive(args, &signals).map_err(|error| error.to_string()));
    match received {
        Ok(()) => Exit::Done,
        Err(reason) => {
            eprintln!("irontail: {reason}");
            Exit::Usage
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
