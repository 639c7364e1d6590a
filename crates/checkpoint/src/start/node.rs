//! The node's id: random, made once, in its own file, so that file uids stay what they are when
//! everything else is lost.
//! A crash leaves no file or a whole one. Not here: where else the id stands (snapshot, journal
//! headers), from which a damaged file is mended (`recover.rs`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use disk::Disk;
use record::NodeId;

use crate::Error;

/// What is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeFound {
    Missing,
    Damaged,
    Id(NodeId),
}

/// A longer file holds no node id.
const NODE_ID_BYTES_MAX: u64 = 1024;

/// Reads the file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<NodeFound, Error> {
    let failed = |source| Error::io("read the node id", path, source);
    match disk.stat(path).map_err(failed)? {
        None => Ok(NodeFound::Missing),
        Some(stat) if stat.is_dir || stat.len > NODE_ID_BYTES_MAX => Ok(NodeFound::Damaged),
        Some(_) => {
            let text = match disk.read_within(path, NODE_ID_BYTES_MAX) {
                Err(error) if disk::is_unfit(&error) => return Ok(NodeFound::Damaged),
                read => read.map_err(failed)?,
            };
            Ok(parse(&text).map_or(NodeFound::Damaged, NodeFound::Id))
        }
    }
}

/// Writes the file.
pub(crate) fn write(disk: &dyn Disk, path: &Path, id: NodeId) -> Result<(), Error> {
    disk.replace(path, 0o600, &mut |out| out.write_all(text(id).as_bytes()))
        .map_err(|source| Error::io("write the node id", path, source))
}

/// A new one, from the kernel's random numbers.
pub(crate) fn random() -> Result<NodeId, Error> {
    let source = Path::new("/dev/urandom");
    let read = || -> io::Result<NodeId> {
        let mut bytes = [0; 16];
        File::open(source)?.read_exact(&mut bytes)?;
        Ok(NodeId(u128::from_le_bytes(bytes)))
    };
    read().map_err(|error| Error::io("read random numbers from", source, error))
}

/// The id, and a checksum so that no damaged one passes for another node.
fn text(id: NodeId) -> String {
    let id = id.to_string();
    format!("{id} {:08x}\n", crc32c::crc32c(id.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<NodeId> {
    let id = std::str::from_utf8(bytes.get(..32)?).ok()?.parse().ok()?;
    (text(id).as_bytes() == bytes).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_and_no_flipped_one_does() {
        let id = NodeId(0xfeed);
        let text = text(id).into_bytes();
        assert_eq!(parse(&text), Some(id));
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 0x20;
            assert_eq!(parse(&flipped), None, "byte {at}");
            assert_eq!(parse(&text[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn two_random_ids_differ() {
        assert_ne!(random().unwrap(), random().unwrap());
    }
}
