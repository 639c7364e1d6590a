//! How fast records are built: MB of raw log per second of one core, for several kinds of text,
//! record ids on. Run: `cargo run --release -p flusher --example encode_speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use flusher::{Format, Piece, RecordShape, encode_ndjson};
use record::{FileUid, PipelineKey, Tags};

/// As much as a reader gives at once.
const PIECE_LEN: usize = 256 * 1024;
/// How long each kind is measured, and how often.
const MEASURE: Duration = Duration::from_millis(300);
const ROUNDS: usize = 5;

fn main() {
    let tags = Tags(vec![
        ("__path__".into(), "/var/log/app/server.log".into()),
        ("__hostname__".into(), "node-0001.example.internal".into()),
    ]);
    let shape = RecordShape {
        pipeline: PipelineKey(7),
        record_id_key: Some("__record_id__".into()),
        offset_key: None,
    };
    let positions = RecordShape { offset_key: Some("__file_offset__".into()), ..shape.clone() };
    let plain = RecordShape { record_id_key: None, ..shape.clone() };
    let ascii = "2026-05-04T10:20:30.123Z INFO shop.cart item added user=8812 cart=77 ";
    let json = r#"{"ts":"2026-05-04T10:20:30Z","level":"info","msg":"item added","user":8812,"#;
    let cyrillic = "2026-05-04 10:20:30 товар добавлен в корзину ";
    let chinese = "2026-05-04 10:20:30 商品已加入购物车用户 ";
    let cases = [
        ("ASCII, 512-byte lines", &shape, text(ascii, 512)),
        ("ASCII, 512-byte lines, offsets", &positions, text(ascii, 512)),
        ("ASCII, 512-byte lines, no ids", &plain, text(ascii, 512)),
        ("ASCII, 128-byte lines", &shape, text(ascii, 128)),
        ("ASCII, 4 KiB lines", &shape, text(ascii, 4096)),
        ("JSON, 512-byte lines", &shape, text(json, 512)),
        ("Cyrillic, 512-byte lines", &shape, text(cyrillic, 512)),
        ("Chinese, 512-byte lines", &shape, text(chinese, 512)),
        ("Latin-1 (no UTF-8), 512-byte lines", &shape, latin1(ascii, 512)),
    ];
    for (name, shape, raw) in &cases {
        let mut speeds: Vec<f64> =
            (0..ROUNDS).map(|_| megabytes_per_second(shape, &tags, raw)).collect();
        speeds.sort_by(f64::total_cmp);
        println!("{name:36} {:6.0} MB/s", speeds[ROUNDS / 2]);
    }
}

/// Lines of `len` bytes, each with its `\n`, together about [`PIECE_LEN`].
fn text(phrase: &str, len: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    for number in 0..PIECE_LEN / len {
        let mut line = format!("{number:06} ");
        line.extend(phrase.chars().cycle().take(len));
        while line.len() >= len {
            line.pop();
        }
        raw.extend_from_slice(line.as_bytes());
        raw.resize(raw.len() + len - 1 - line.len(), b'.');
        raw.push(b'\n');
    }
    raw
}

fn latin1(phrase: &str, len: usize) -> Vec<u8> {
    let mut raw = text(phrase, len);
    for byte in raw.iter_mut().skip(100).step_by(len) {
        *byte = 0xe9;
    }
    raw
}

fn megabytes_per_second(shape: &RecordShape, tags: &Tags, raw: &[u8]) -> f64 {
    let mut body = Vec::new();
    let mut bytes = 0u64;
    let begin = Instant::now();
    while begin.elapsed() < MEASURE {
        // Four pieces a request, as a delivery merges them.
        body.clear();
        for _ in 0..4 {
            let piece = Piece {
                raw,
                file: FileUid(1),
                generation: 0,
                start: bytes,
                tags,
                format: Format::Lines,
            };
            black_box(encode_ndjson(shape, &piece, 1_777_890_030_000_000_000, &mut body));
            bytes += raw.len() as u64;
        }
        black_box(&body);
    }
    bytes as f64 / 1e6 / begin.elapsed().as_secs_f64()
}
