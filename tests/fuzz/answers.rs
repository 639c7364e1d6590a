//! What destinations answer, as bytes on a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{Disk, RealDisk};
use flusher::{Flusher, Format, Outgoing, Piece, RecordShape};
use record::{Bounds, DeliveryKey, FileUid, RequestId, RequestKey, Tags, Ticket};
use serde_json::{Value, json};

use crate::Target;

/// Every destination that speaks HTTP sends one record and gets this answer.
pub const ANSWERS: Target = Target {
    name: "answers",
    seeds: || SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    make: || {
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("a bound listener has an address");
        let given = answer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = given.lock().expect("no holder panics").clone();
                reply(stream, &answer);
            }
        });
        let flushers: Vec<Box<dyn Flusher>> =
            destinations(&format!("http://{address}")).iter().map(made).collect();
        Box::new(move |input| {
            *answer.lock().expect("no holder panics") = input.to_vec();
            flushers.iter().for_each(|flusher| send(&**flusher));
        })
    },
};

/// Reads what is there of the request, answers and hangs up.
fn reply(mut stream: TcpStream, answer: &[u8]) {
    let mut request = [0; 64 * 1024];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = stream.read(&mut request);
    let _ = stream.write_all(answer);
}

fn send(flusher: &dyn Flusher) {
    let tags = Tags::default();
    let (raw, format) = (b"one\n".as_slice(), Format::Lines);
    let piece = Piece { raw, file: FileUid(1), generation: 0, start: 0, tags: &tags, format };
    let (mut body, mut packed) = (Vec::new(), Vec::new());
    let records = flusher.encode(&piece, 0, &mut body).records;
    let bounds =
        Bounds { delivery: DeliveryKey::default(), time: 0, encoding: 0, ranges: Vec::new() };
    for sent_before in [false, true] {
        let ticket = Ticket { request: RequestId(1), key: RequestKey(1) };
        let body = flusher.finish(&body, &mut packed);
        let _ = flusher.send(&Outgoing { ticket, bounds: &bounds, body, records, sent_before });
    }
}

fn made(entry: &Value) -> Box<dyn Flusher> {
    let dir = tempfile::tempdir().expect("the temporary directory can be written");
    let document = json!({"inputs": [{"Type": "input_file", "FilePaths": ["/nowhere/*.log"]}],
                          "flushers": [entry]});
    let path = dir.path().join("p.json");
    std::fs::write(&path, document.to_string()).expect("there is room");
    let nowhere = dir.path().join("none");
    let loaded = settings::load(&[path], &nowhere, dir.path(), &flusher::DESTINATIONS);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let target = flusher::target(&loaded.pipelines[0].flushers[0]);
    target.flusher(&disk, RecordShape::default()).expect("nothing outside is needed")
}

fn destinations(base: &str) -> Vec<Value> {
    let fast = json!("500ms");
    vec![
        json!({"Type": "flusher_http", "RemoteURL": format!("{base}/in"), "Timeout": fast}),
        json!({"Type": "flusher_otlp", "Endpoint": base, "Timeout": fast}),
        json!({"Type": "flusher_elasticsearch", "Endpoint": base, "Index": "a", "Timeout": fast}),
        json!({"Type": "flusher_loki", "URL": base, "Timeout": fast}),
        json!({"Type": "flusher_clickhouse", "Endpoint": base, "Table": "t", "Timeout": fast}),
    ]
}

const SEEDS: [&str; 7] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy",
    "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 87\r\n\r\n\
     {\"errors\":true,\"items\":[{\"create\":{\"status\":409,\"error\":{\"type\":\"x\",\"reason\":\"y\"}}}]}",
    "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x0a\x06\x08\x01\x12\x02no",
    "HTTP/1.1 400 Bad\r\nContent-Length: 70\r\n\r\n\
     entry for stream '{a=\"b\"}' has timestamp too old: 2026-11-28T10:00:00Z!",
];
