//! Entries of an iLogtail checkpoint: which of them speak of a file. The rule is that agent's
//! own: the inode number, whatever device and name, and the signature of how the file begins.

use std::collections::HashMap;
use std::path::PathBuf;

use record::Signature;

use crate::identity::fingerprint::has_signature;

/// An entry of an iLogtail checkpoint.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// `file_name`: the name under which it was collected.
    pub path: PathBuf,
    /// `real_file_name`: where it was last.
    pub real_path: PathBuf,
    /// `dev`.
    pub dev: u64,
    /// `inode`.
    pub inode: u64,
    /// `sig_size` and `sig_hash`.
    pub signature: Signature,
    /// `offset`: what stands before it was collected.
    pub offset: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Foreigns {
    entries: Vec<Foreign>,
    by_inode: HashMap<u64, Vec<usize>>,
}

impl Foreigns {
    pub(crate) fn new(entries: Vec<Foreign>) -> Self {
        let mut by_inode: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            by_inode.entry(entry.inode).or_default().push(index);
        }
        Self { entries, by_inode }
    }

    /// The indices of the entries that speak of a file of this inode number that begins so and is
    /// so long. Where one of the same device fits, those of others do not count.
    pub(crate) fn of(&self, (dev, inode): (u64, u64), begin: &[u8], size: u64) -> Vec<usize> {
        let candidates = self.by_inode.get(&inode).into_iter().flatten().copied();
        let fits = |&index: &usize| {
            let entry = &self.entries[index];
            entry.offset <= size && has_signature(begin, entry.signature)
        };
        let mut found: Vec<usize> = candidates.filter(fits).collect();
        if found.iter().any(|&index| self.entries[index].dev == dev) {
            found.retain(|&index| self.entries[index].dev == dev);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::fingerprint::signature;

    #[test]
    fn entries_speak_of_a_file_by_table() {
        let entry = |dev, inode, begin: &[u8], offset| Foreign {
            path: "/a.log".into(),
            real_path: "/a.log.1".into(),
            dev,
            inode,
            signature: signature(begin),
            offset,
        };
        let foreigns = Foreigns::new(vec![
            entry(1, 5, b"1\n2\n", 4),
            entry(2, 5, b"1\n2\n", 2),
            entry(1, 6, b"1\n2\n", 4),
            entry(3, 7, b"", 0),
        ]);
        type Row<'a> = ((u64, u64), &'a [u8], &'a [usize]);
        let rows: [Row; 6] = [
            ((1, 5), b"1\n2\n3\n", &[0]),
            ((9, 5), b"1\n2\n3\n", &[0, 1]),
            ((1, 5), b"1\n3\n", &[]),
            ((1, 5), b"1\n", &[]),
            ((1, 7), b"anything", &[3]),
            ((1, 8), b"1\n2\n", &[]),
        ];
        for (key, begin, expected) in rows {
            assert_eq!(foreigns.of(key, begin, begin.len() as u64), expected, "{key:?} {begin:?}");
        }
    }
}
