//! The open output of `flusher_file`: bytes are written at a known length, never at "the end".
//! Invariant: bytes below `committed` are synced and journaled; those above belong to requests
//! that will be sent again if anything fails.
//! A crash leaves any part of what lies above.
//! Not here: which requests those are (`file.rs`), what the file is called (`rotation.rs`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, DiskFile};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes before the end prove that a file is the one that we wrote.
const PROOF_LEN: u64 = 64;

/// First byte of a receipt: the version of its layout.
const RECEIPT_VERSION: u8 = 1;

/// How far an output is, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) inode: u64,
    pub(crate) len: u64,
    /// XXH3-64 of the last min(len, 64) bytes: an inode is given out again.
    pub(crate) proof: u64,
}

impl Receipt {
    /// Version (1 byte), then inode, length and proof, 8 bytes each, little endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![RECEIPT_VERSION];
        for value in [self.inode, self.len, self.proof] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (&version, values) = bytes.split_first().ok_or("it is empty")?;
        if version != RECEIPT_VERSION {
            return Err("it has another version");
        }
        let values: &[u8; 24] = values.try_into().map_err(|_| "it has another length")?;
        let value = |at: usize| {
            let bytes = values[at..at + 8].try_into().expect("the range is 8 bytes long");
            u64::from_le_bytes(bytes)
        };
        Ok(Self { inode: value(0), len: value(8), proof: value(16) })
    }

    /// Whether `file` still has the bytes that the receipt was given for.
    pub(crate) fn proves(&self, file: &dyn DiskFile) -> io::Result<bool> {
        Ok(proof(file, self.len)? == self.proof)
    }
}

/// The output.
pub(crate) struct Output {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    inode: u64,
    len: u64,
    committed: u64,
    /// Whether there may be bytes of a failed write beyond `len`.
    torn: bool,
}

impl Output {
    /// Opens the file at `path`, or makes it. Returns when its name is durable and its last line
    /// is a whole one.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, mode: u32) -> io::Result<Self> {
        let file = match disk.stat(path)? {
            Some(_) => disk.open(path)?,
            None => {
                let file = disk.create(path, 0)?;
                file.set_mode(mode)?;
                file
            }
        };
        if let Some(dir) = path.parent() {
            disk.sync_dir(dir)?;
        }
        let (inode, len) = (file.inode()?, file.len()?);
        let path = path.to_path_buf();
        let mut output = Self { path, file, inode, len, committed: len, torn: false };
        if output.end_line()? {
            output.sync()?;
            output.committed();
        }
        Ok(output)
    }

    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends `bytes`, all of them or (after an error) none.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.mend()?;
        let found = self.file.len()?;
        if found != self.len {
            self.adopt(found)?;
        }
        if let Err(error) = self.file.write_all_at(bytes, self.len) {
            self.torn = true;
            // If this fails too, the next append tries again.
            let _ = self.mend();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// What to journal for the present length.
    pub(crate) fn receipt(&self) -> io::Result<Receipt> {
        let proof = proof(&*self.file, self.len)?;
        Ok(Receipt { inode: self.inode, len: self.len, proof })
    }

    /// Notes that the journal has the present length.
    pub(crate) fn committed(&mut self) {
        self.committed = self.len;
    }

    /// Takes back what was appended since the last commit.
    pub(crate) fn forget(&mut self) {
        self.len = self.committed;
        self.torn = true;
        // If this fails, the next append tries again.
        let _ = self.mend();
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Goes on from a length that somebody else gave the file.
    fn adopt(&mut self, found: u64) -> io::Result<()> {
        log::warn!(
            "output {} has {found} bytes where {} were left: somebody else writes to it or cuts \
             it; appending after what is there",
            self.path.display(),
            self.len
        );
        self.len = found;
        self.committed = self.committed.min(found);
        self.end_line()?;
        Ok(())
    }

    /// Ends a last line that has no `\n`; true if there was one.
    fn end_line(&mut self) -> io::Result<bool> {
        let mut last = [b'\n'];
        if self.len > 0 {
            self.file.read_at(&mut last, self.len - 1)?;
        }
        if last == [b'\n'] {
            return Ok(false);
        }
        self.file.write_all_at(b"\n", self.len)?;
        self.len += 1;
        Ok(true)
    }
}

fn proof(file: &dyn DiskFile, len: u64) -> io::Result<u64> {
    let mut bytes = [0; PROOF_LEN as usize];
    let wanted = len.min(PROOF_LEN) as usize;
    let mut filled = 0;
    while filled < wanted {
        let position = len - (wanted - filled) as u64;
        match file.read_at(&mut bytes[filled..wanted], position)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(xxh3_64(&bytes[..filled]))
}
