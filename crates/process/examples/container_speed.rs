//! How fast a container's output is taken apart: `cargo run --release --example container_speed`.

use std::hint::black_box;
use std::time::Instant;

use process::split::{Assembly, for_each, safe_len};

const BYTES: usize = 64 * 1024 * 1024;

fn main() {
    let time = "2026-11-22T13:38:34.108452771Z";
    let text = "a line of an application that is neither short nor long ".repeat(8);
    let json = |log: &str, attrs: &str| {
        format!("{{\"log\":\"{log}\\n\",\"stream\":\"stdout\",{attrs}\"time\":\"{time}\"}}\n")
    };
    let escaped = text.replace("line", "\\\"line\\\"");
    let attrs = "\"attrs\":{\"tag\":\"web\"},";
    let runs = [
        ("json-file", json(&text, "")),
        ("json-file, escapes", json(&escaped, "")),
        ("json-file, attributes", json(&text, attrs)),
        ("json-file, by the parser", json(&text, "").replace("{\"log\"", "{ \"log\"")),
        ("CRI", format!("{time} stdout F {text}\n")),
    ];
    for (name, line) in runs {
        let raw = line.repeat(BYTES / line.len()).into_bytes();
        let rate = |work: &mut dyn FnMut()| {
            let best = (0..5)
                .map(|_| {
                    let started = Instant::now();
                    work();
                    started.elapsed()
                })
                .min()
                .unwrap_or_default();
            raw.len() as f64 / best.as_secs_f64() / 1e6
        };
        let safe = rate(&mut || {
            black_box(safe_len(black_box(&raw)));
        });
        let mut assembly = Assembly::new();
        let records = rate(&mut || {
            for_each(black_box(&raw), &mut assembly, |record| {
                black_box(record.content.len());
            });
        });
        let len = line.len();
        println!("{name:26} {len:4} B/line: safe_len {safe:6.0} MB/s, for_each {records:6.0} MB/s");
    }
}
