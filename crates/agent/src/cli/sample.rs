//! `irontail check --sample FILE`: what the processors of each pipeline make of the lines of a file,
//! so that a pattern is written without deploying it. Nothing is sent, no state is touched.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use delivery::stdio::StdioRules;
use delivery::{RecordFormat, Stages};
use flusher::{Format, Piece, RecordShape, encode_ndjson};
use record::{FileUid, Tags};
use settings::{Input, Pipeline};

use crate::config::translate::file_format;

/// How much of a sample is read, in bytes.
const SAMPLE_BYTES_MAX: u64 = 64 << 20;

/// Prints the records of `path` (`-`: standard input) as each pipeline makes them, one JSON object a
/// line, and behind them what its processors counted.
///
/// # Errors
/// Those of the sample and of the output.
pub fn print(pipelines: &[Pipeline], path: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut raw = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(SAMPLE_BYTES_MAX).read_to_end(&mut raw)?;
    } else {
        File::open(path)?.take(SAMPLE_BYTES_MAX).read_to_end(&mut raw)?;
    }
    for pipeline in pipelines {
        print_pipeline(pipeline, &raw, out)?;
    }
    Ok(())
}

fn print_pipeline(pipeline: &Pipeline, raw: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let stages = Stages::new(pipeline.name.clone(), process::registry::chain(&pipeline.processors));
    let format = match &pipeline.input {
        Input::File(_) => file_format(pipeline),
        Input::ContainerStdio(_) => RecordFormat {
            output: Some((StdioRules::ALL, "sample".to_owned())),
            ..RecordFormat::default()
        },
    };
    let text = format.text();
    let tags = Tags(text.into_iter().map(|text| (Tags::FORMAT.into(), text)).collect());
    let format = Format::Items { split: &stages, joins: &[] };
    let piece = Piece { raw, file: FileUid(0), generation: 0, start: 0, tags: &tags, format };
    let mut body = Vec::new();
    let encoded = encode_ndjson(&RecordShape::default(), &piece, delivery::unix_nanos(), &mut body);
    writeln!(out, "pipeline {} ({})", pipeline.name, pipeline.origin.display())?;
    out.write_all(&body)?;
    writeln!(out, "  {} records, {} left out", encoded.records, encoded.dropped)?;
    for (at, _) in process::registry::limits(&pipeline.processors) {
        writeln!(out, "  processors[{at}] (processor_rate_limit): not applied to a sample")?;
    }
    for (at, kind, reason, count) in stages.counts().read() {
        if count > 0 {
            writeln!(out, "  processors[{at}] ({kind}): {count} {}", reason.as_str())?;
        }
    }
    Ok(())
}
