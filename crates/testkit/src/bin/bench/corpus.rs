//! The files that are collected, with what their lines come to.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use testkit::Tally;

/// Bytes of a line with its newline.
pub const LINE_LEN: usize = 512;

/// What to make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many files.
    pub files: u64,
    /// Bytes of each.
    pub bytes: u64,
    /// Whether the lines look like an access log, with quotes that JSON escapes.
    pub quoted: bool,
}

impl Plan {
    /// Whether the bare loop is measured over it too.
    pub fn is_reference(&self) -> bool {
        self.files == 1 && !self.quoted
    }

    /// For the table.
    pub fn name(&self) -> String {
        let size = self.bytes >> 20;
        let kind = if self.quoted { ", 8 quotes a line" } else { "" };
        match self.files {
            1 => format!("1 file of {size} MiB{kind}"),
            files => format!("{files} files of {size} MiB{kind}"),
        }
    }
}

/// Files on disk. Removed when dropped.
pub struct Corpus {
    /// The directory that holds nothing else.
    pub dir: PathBuf,
    /// What a receiver must count.
    pub tally: Tally,
    /// Bytes in all files.
    pub bytes: u64,
}

impl Corpus {
    /// Makes them, so that they are in the page cache.
    pub fn make(dir: &Path, plan: &Plan) -> Result<Self, String> {
        let dir = dir.join("corpus");
        let fail = |error: std::io::Error| format!("cannot make {}: {error}", dir.display());
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(fail)?;
        }
        fs::create_dir_all(&dir).map_err(fail)?;
        let mut tally = Tally::default();
        for file in 0..plan.files {
            let path = dir.join(format!("{file:03}.log"));
            write(&path, file, plan, &mut tally).map_err(fail)?;
        }
        let lines = plan.files * (plan.bytes / LINE_LEN as u64);
        Ok(Self { dir: dir.clone(), tally, bytes: lines * LINE_LEN as u64 })
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        // What stays behind is overwritten by the next run.
        let _ignored = fs::remove_dir_all(&self.dir);
    }
}

fn write(path: &Path, file: u64, plan: &Plan, tally: &mut Tally) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut line = Vec::with_capacity(LINE_LEN);
    for number in 0..plan.bytes / LINE_LEN as u64 {
        line.clear();
        push(&mut line, file, number, plan.quoted);
        tally.add(&line[..LINE_LEN - 1]);
        out.write_all(&line)?;
    }
    out.flush()
}

/// Appends one line, newline included.
fn push(line: &mut Vec<u8>, file: u64, number: u64, quoted: bool) {
    let quote = if quoted { '"' } else { '\'' };
    let text = format!(
        "10.0.{}.{} - - [01/Jan/2026:00:00:00 +0000] {quote}GET /item/{number:010} HTTP/1.1{quote} \
         200 {} {quote}https://shop.example/cart{quote} {quote}Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36{quote} \
         {quote}trace={number:016x}{quote} ",
        file % 256,
        number % 256,
        number * 7919 % 100_000,
    );
    line.extend_from_slice(text.as_bytes());
    line.resize(LINE_LEN - 1, b'.');
    line.push(b'\n');
}
