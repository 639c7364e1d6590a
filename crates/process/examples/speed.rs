//! How fast lines become fields: `cargo run --release -p process --example speed`.
//! Megabytes of raw bytes per second of one thread, splitting and chain, without reading and encoding.

use std::hint::black_box;
use std::time::Instant;

use process::split::{Multiline, Splitter};
use process::{Chain, Context, registry};
use record::Event;
use serde_json::{Value, json};

const BYTES: usize = 64 << 20;

const ACCESS: &str = r#"10.2.33.4 - alice [28/Nov/2026:20:51:51 +0000] "GET /api/v1/items/4711?token=TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT&page=2 HTTP/1.1" 200 18432 "https://shop.example.com/category/garden/tools?sort=price&order=descending&filter=available" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.2478.51" 0.024 0.023 upstream-7.svc.cluster.local:8080 5f3c2a9e"#;
const CERTAIN: &str = r#"([\d.]+) \S+ (\S+) \[([^\]]*)\] "(\S+) (\S+) ([^"]*)" (\d+) (\d+) "([^"]*)" "([^"]*)" (\S+) (\S+) (.*)"#;
const LAZY: &str =
    r#"(.*?) \S+ (.*?) \[(.*?)\] "(\S+) (\S+) (.*?)" (\d+) (\d+) "(.*?)" "(.*?)" (\S+) (\S+) (.*)"#;
const JSON: &str = r#"{"time":"2026-11-28T20:51:51.123Z","level":"info","logger":"http.access","msg":"request served \"quickly\"","method":"GET","path":"/api/v1/items/4711","status":200,"duration_ms":24.5,"bytes":18432,"trace_id":"5f3c2a9e8b7d4c6f9a1e2b3c4d5e6f70"}"#;
const JAVA: &str = "2026-11-28 20:51:51,123 ERROR [main] c.e.s.OrderService - cannot place the order\n\
    java.lang.IllegalStateException: the cart of customer 4711 is empty and was checked out twice\n\
    \tat com.example.shop.OrderService.place(OrderService.java:142)\n\
    \tat com.example.shop.OrderController.checkout(OrderController.java:87)\n\
    \tat org.springframework.web.method.support.InvocableHandlerMethod.invoke(Invocable.java:205)\n\
    \tat java.base/java.lang.Thread.run(Thread.java:1583)";

fn main() {
    let keys: Vec<String> = (0..13).map(|at| format!("field_{at}")).collect();
    let regex = |pattern: &str| {
        json!({"Type": "processor_parse_regex_native", "SourceKey": "content", "Regex": pattern,
               "Keys": keys})
    };
    let parse_json = json!({"Type": "processor_parse_json_native", "SourceKey": "content"});
    let start = json!({"StartPattern": r"\d+-\d+-\d+ \d+:\d+:\d+,\d+ .*"});
    let runs = [
        ("lines alone", ACCESS, vec![], None),
        ("regex, 13 fields", ACCESS, vec![regex(CERTAIN)], None),
        ("regex, 13 fields, lazy groups", ACCESS, vec![regex(LAZY)], None),
        ("JSON, 10 fields", JSON, vec![parse_json], None),
        ("multiline, a pattern", JAVA, vec![], Some(start)),
        ("multiline, java", JAVA, vec![], Some(json!({"Mode": "java"}))),
    ];
    for (name, text, processors, multiline) in runs {
        let raw = format!("{text}\n").repeat(BYTES / text.len()).into_bytes();
        let (chain, splitter) = (chain(&processors), splitter(multiline.as_ref()));
        let rate = |work: &mut dyn FnMut() -> u64| {
            let times = (0..5).map(|_| {
                let started = Instant::now();
                black_box(work());
                started.elapsed()
            });
            raw.len() as f64 / times.min().unwrap_or_default().as_secs_f64() / 1e6
        };
        let cut = rate(&mut || splitter.cut(black_box(&raw)) as u64);
        let split = rate(&mut || fields(&splitter, &chain, black_box(&raw)));
        println!("{name:30} {:4} B: cut {cut:6.0} MB/s, records {split:6.0} MB/s", text.len() + 1);
    }
}

fn chain(documents: &[Value]) -> Chain {
    let config = |document| {
        let path = "speed.json".as_ref();
        let (config, errors) = settings::read_processor(path, document, &registry::PROCESSORS);
        config.unwrap_or_else(|| panic!("{errors:?}"))
    };
    registry::chain(&documents.iter().map(config).collect::<Vec<_>>())
}

fn splitter(document: Option<&Value>) -> Splitter {
    let multiline = document.map(|document| {
        let (read, errors) = settings::read_alone("m".as_ref(), document, Multiline::read);
        read.unwrap_or_else(|| panic!("{errors:?}")).into()
    });
    Splitter { multiline, ..Splitter::default() }
}

/// How many fields come out.
fn fields(splitter: &Splitter, chain: &Chain, raw: &[u8]) -> u64 {
    let (mut tallies, mut count) = (chain.tallies(), 0);
    splitter.split(raw, &mut Event::new(), &mut |event| {
        let _ = chain.apply(event, &Context::default(), &mut tallies);
        count += event.len() as u64;
    });
    count
}
