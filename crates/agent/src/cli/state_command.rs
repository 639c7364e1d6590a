//! `irontail state`: a look into a state directory, and setting a file back.
//! Dump and verify only read; a rewind takes the lock that a running agent holds.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use checkpoint::{Checkpoint, Dump, OnLost, Options, Place};
use disk::{Disk, Holder, RealDisk, lock_within};
use settings::{CommandLine, Parameters};

use crate::args::RewindArgs;
use crate::config::node;
use crate::config::plan::environment;
use crate::exit::Exit;

/// Prints everything that the state directory says, as JSON.
pub fn dump(state_dir: Option<PathBuf>) -> Exit {
    inspected(state_dir, |dump| {
        let mut out = std::io::stdout().lock();
        let written = serde_json::to_writer_pretty(&mut out, dump).map_err(std::io::Error::from);
        match written.and_then(|()| out.write_all(b"\n")) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Usage,
        }
    })
}

/// Prints what is wrong with the state directory; nothing where nothing is.
pub fn verify(state_dir: Option<PathBuf>) -> Exit {
    inspected(state_dir, |dump| {
        for problem in &dump.problems {
            println!("{problem}");
        }
        if !dump.problems.is_empty() {
            return Exit::State;
        }
        println!("{}: {} files, nothing wrong", dump.snapshot, dump.files.len());
        Exit::Done
    })
}

/// Sets a file back, so that it is read again from an offset.
pub fn rewind(args: RewindArgs) -> Exit {
    match try_rewind(args) {
        Ok(text) => {
            println!("{text}");
            Exit::Done
        }
        Err(reason) => fail(&reason),
    }
}

fn try_rewind(args: RewindArgs) -> Result<String, String> {
    let place = place(args.state_dir)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let me = Holder::this(SystemTime::now());
    let lock = place.dir().join("irontail.lock");
    let _lock = lock_within(&*disk, &lock, Duration::ZERO, &me, &mut |_| true)
        .map_err(|error| error.to_string())?;
    let options = Options {
        place,
        boot_id: node::boot_id(),
        now_unix_nanos: node::unix_nanos(),
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    let (checkpoint, _) = Checkpoint::open(disk, options).map_err(|error| error.to_string())?;
    let file = args.file.to_string_lossy();
    let seen =
        checkpoint.rewind(&file, args.offset, args.same_ids).map_err(|error| error.to_string())?;
    Ok(format!(
        "{} is read again from byte {} (generation {}) at the next start",
        seen.logical.display(),
        args.offset,
        seen.generation
    ))
}

fn inspected(state_dir: Option<PathBuf>, look: impl FnOnce(&Dump) -> Exit) -> Exit {
    let dump = place(state_dir).and_then(|place| {
        checkpoint::inspect(&RealDisk, &place).map_err(|error| error.to_string())
    });
    match dump {
        Ok(dump) => look(&dump),
        Err(reason) => fail(&reason),
    }
}

/// Where the state lies: as an agent that is started here with this `--state-dir` would say.
fn place(state_dir: Option<PathBuf>) -> Result<Place, String> {
    let command_line = CommandLine { state_dir, ..CommandLine::default() };
    let working_dir = std::env::current_dir().map_err(|error| error.to_string())?;
    let parameters = Parameters::load(&environment, &command_line, &working_dir)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok(Place { snapshot: parameters.check_point_filename.value })
}

fn fail(reason: &str) -> Exit {
    eprintln!("irontail: {reason}");
    Exit::State
}
