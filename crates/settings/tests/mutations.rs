//! Whatever bytes a configuration file holds, reading it ends with values or errors: no panic.

mod place;

use std::path::Path;

use flusher::DESTINATIONS;
use place::Place;
use settings::{CommandLine, Parameters, Pipeline, read_saved, save};

/// How many mutations of each sample are tried.
const ROUNDS: usize = 1000;

const JSON: &str = include_str!("data/full.json");
const YAML: &str = include_str!("data/full.yaml");

/// What is put in: what parsers and checks stumble over.
const PIECES: [&str; 30] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "&a ",
    "*a",
    "!!int ",
    "---\n",
    "\n",
    "\t",
    "- ",
    "? ",
    "|",
    ">",
    "#",
    "'",
    "null",
    "-1",
    "18446744073709551616",
    "1e999",
    "\u{0}",
    "\u{feff}",
    "\u{20ac}",
    "**",
    "[z-a]",
    "%{",
];

fn mutate(sample: &str, random: &mut fastrand::Rng) -> String {
    let mut bytes = sample.as_bytes().to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..12)).min(bytes.len());
        match random.u8(0..5) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 => {
                let copy = bytes[at..end].to_vec();
                let to = random.usize(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            3 if at < bytes.len() => bytes[at] = random.u8(..),
            _ => {
                let piece = PIECES[random.usize(0..PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_mutation_of_a_document_panics() {
    let seed = std::env::var("IRONTAIL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("IRONTAIL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let mut taken = 0;
    for _ in 0..ROUNDS {
        for (sample, name) in [(JSON, "p.json"), (YAML, "p.yaml")] {
            let text = mutate(sample, &mut random);
            let outcome = std::panic::catch_unwind(|| read(&place, name, &text));
            taken += usize::from(outcome.unwrap_or_else(|_| panic!("{name} panics on:\n{text}")));
        }
    }
    assert!(taken > 0, "some mutations leave a pipeline whole");
}

/// Reads a text in every way there is; whether it was a pipeline.
fn read(place: &Place, name: &str, text: &str) -> bool {
    let path = Path::new("/s/x.json");
    let _ = read_saved(path, text, Path::new("/work"), &DESTINATIONS);
    let line = CommandLine::default();
    let _ = Parameters::resolve(&|_| None, Some((path, text)), &line, Path::new("/work"));
    let document = format!(
        r#"{{"irontail": {{"version": 1}}, "pipelines": [
            {{"name": "p", "origin": "/p", "document": {text}}}]}}"#
    );
    let saved = read_saved(path, &document, Path::new("/work"), &DESTINATIONS);
    if let Ok(settings::Saved::Ours(loaded)) = &saved {
        examine(&loaded.pipelines);
    }
    place.write(name, text);
    let loaded = place.load(&[name]);
    loaded.errors.iter().for_each(|error| drop(error.to_string()));
    examine(&loaded.pipelines);
    !loaded.pipelines.is_empty()
}

fn examine(pipelines: &[Pipeline]) {
    for pipeline in pipelines {
        let _ = (pipeline.inputs_hash(), pipeline.shape_hash(0), pipeline.shape_hash(99));
    }
    let _ = save(pipelines);
}
