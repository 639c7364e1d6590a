//! `scripts/torture`: kills the real agent again and again while logs are written, rotated and
//! deleted before a destination that fails, and counts every line. Prints the README's table;
//! exit code 1 where anything was lost or came twice. In one scenario files are deleted unread:
//! there the agent has to have reported what is lost, to the byte.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.

mod act;
mod deletes;
mod ordeal;
mod scenario;

use std::process::ExitCode;
use std::time::Duration;

use scenario::Scenario;

const USAGE: &str = "usage: scripts/torture [--minutes N] [--seed N] [--only NAME]";

/// What the command line asks for.
struct Args {
    minutes: f64,
    seed: u64,
    only: Option<String>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { minutes: 2.0, seed: fastrand::u64(..), only: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match word.as_str() {
            "--minutes" => args.minutes = value.parse().map_err(|_| USAGE)?,
            "--seed" => args.seed = value.parse().map_err(|_| USAGE)?,
            "--only" => args.only = Some(value),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let mut scenarios = scenario::all();
    scenarios.retain(|one| args.only.as_ref().is_none_or(|name| one.name.contains(name.as_str())));
    if scenarios.is_empty() {
        eprintln!("no scenario is called so");
        return ExitCode::from(2);
    }
    let share = Duration::from_secs_f64(args.minutes * 60.0).div_f64(scenarios.len() as f64);
    println!("seed {}; each scenario takes {} s", args.seed, share.as_secs());
    run_all(&scenarios, share, args.seed)
}

fn run_all(scenarios: &[Scenario], share: Duration, seed: u64) -> ExitCode {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let ordeal = ordeal::run(scenario, share, seed);
        println!("{}: {} kills; {}", scenario.name, ordeal.kills, ordeal.verdict);
        let is_reported = scenario.deletes == Some(deletes::When::Known);
        let lost = match ordeal.failure.is_none() && is_reported {
            true => format!("{}, every byte reported", ordeal.verdict.lost),
            false => ordeal.verdict.lost.to_string(),
        };
        rows.push(format!(
            "| {} | {} | {} | {} | {} | {} |",
            scenario.name,
            ordeal.kills,
            ordeal.verdict.written,
            lost,
            ordeal.verdict.repeated_by_key,
            ordeal.verdict.repeated_raw
        ));
        failures.extend(ordeal.failure.map(|failure| format!("{}: {failure}", scenario.name)));
    }
    println!("\n| scenario | kills | lines | lost | repeated by key | repeated raw |");
    println!("|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nFAILED, with --seed {seed}:");
    failures.iter().for_each(|failure| println!("{failure}"));
    ExitCode::FAILURE
}
