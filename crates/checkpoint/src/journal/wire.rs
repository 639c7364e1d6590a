//! Values as the journal writes them: numbers as LEB128, keys little endian, lists with their
//! length before them, tags by number (`tags.rs`).
//! Invariant: reading what was written gives the same value; any other bytes give `None`, never
//! a panic, and no length found in the bytes makes it allocate more than there are bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use record::{
    Bounds, DeliveryKey, FileSeen, FileUid, FlusherKey, Head, Identity, PipelineKey, Range,
    RequestId, RequestKey, Signature, Tags,
};

use crate::FileSpan;
use crate::journal::tags::{Definitions, Interner};

/// A value of a journal entry.
pub(crate) trait Wire: Sized {
    /// Appends it.
    fn put(&self, to: &mut Out);
    /// Reads one from the front; `None` if the bytes are none.
    fn take(from: &mut In) -> Option<Self>;
}

/// Where values are written to.
pub(crate) struct Out<'a> {
    pub bytes: &'a mut Vec<u8>,
    pub tags: &'a mut Interner,
}

/// Where values are read from.
pub(crate) struct In<'a> {
    rest: &'a [u8],
    tags: &'a Definitions,
    /// Whether tags were named that nothing defines.
    pub tags_lost: bool,
}

impl<'a> In<'a> {
    /// From the beginning of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], tags: &'a Definitions) -> Self {
        Self { rest: bytes, tags, tags_lost: false }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// A length, and as many bytes.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u64::take(self)?.try_into().ok()?;
        self.slice(len)
    }
}

impl Wire for u8 {
    fn put(&self, to: &mut Out) {
        to.bytes.push(*self);
    }

    fn take(from: &mut In) -> Option<Self> {
        from.array::<1>().map(|[byte]| byte)
    }
}

impl Wire for u64 {
    fn put(&self, to: &mut Out) {
        let mut value = *self;
        while value >= 0x80 {
            to.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        to.bytes.push(value as u8);
    }

    fn take(from: &mut In) -> Option<Self> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = u8::take(from)?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl Wire for u32 {
    fn put(&self, to: &mut Out) {
        u64::from(*self).put(to);
    }

    fn take(from: &mut In) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

impl Wire for i64 {
    fn put(&self, to: &mut Out) {
        // Small magnitudes are short, whatever the sign.
        (((self << 1) ^ (self >> 63)) as u64).put(to);
    }

    fn take(from: &mut In) -> Option<Self> {
        let value = u64::take(from)?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

impl Wire for String {
    fn put(&self, to: &mut Out) {
        (self.len() as u64).put(to);
        to.bytes.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut In) -> Option<Self> {
        String::from_utf8(from.bytes()?.to_vec()).ok()
    }
}

impl Wire for Arc<Path> {
    fn put(&self, to: &mut Out) {
        let bytes = self.as_os_str().as_bytes();
        (bytes.len() as u64).put(to);
        to.bytes.extend_from_slice(bytes);
    }

    fn take(from: &mut In) -> Option<Self> {
        from.bytes().map(|bytes| Path::new(OsStr::from_bytes(bytes)).into())
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Out) {
        u8::from(self.is_some()).put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut In) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(None),
            1 => T::take(from).map(Some),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Out) {
        (self.len() as u64).put(to);
        self.iter().for_each(|item| item.put(to));
    }

    fn take(from: &mut In) -> Option<Self> {
        let count = u64::take(from)?;
        // Every item takes at least a byte.
        let is_possible = count <= from.left() as u64;
        is_possible.then(|| (0..count).map(|_| T::take(from)).collect())?
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Out) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut In) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl Wire for Arc<Tags> {
    fn put(&self, to: &mut Out) {
        to.tags.id(self).put(to);
    }

    fn take(from: &mut In) -> Option<Self> {
        let id = u32::take(from)?;
        let known = from.tags.get(id);
        from.tags_lost |= known.is_none();
        Some(known.unwrap_or_default())
    }
}

/// Keys: random bits, which gain nothing from being numbers.
macro_rules! wire_keys {
    ($($name:ident($int:ty)),*) => { $(
        impl Wire for $name {
            fn put(&self, to: &mut Out) {
                to.bytes.extend_from_slice(&self.0.to_le_bytes());
            }

            fn take(from: &mut In) -> Option<Self> {
                from.array().map(|bytes| $name(<$int>::from_le_bytes(bytes)))
            }
        }
    )* };
}
wire_keys!(FileUid(u128), RequestKey(u128), PipelineKey(u64), FlusherKey(u64));

/// Structures: one field after the other.
macro_rules! wire_struct {
    ($($name:ident { $($field:tt),* })*) => { $(
        impl $crate::journal::wire::Wire for $name {
            fn put(&self, to: &mut $crate::journal::wire::Out) {
                $( self.$field.put(to); )*
            }

            fn take(from: &mut $crate::journal::wire::In) -> Option<Self> {
                Some($name { $( $field: $crate::journal::wire::Wire::take(from)? ),* })
            }
        }
    )* };
}
pub(crate) use wire_struct;

wire_struct! {
    RequestId { 0 }
    Tags { 0 }
    DeliveryKey { pipeline, flusher }
    Identity { dev, inode, birth }
    Head { len, hash }
    Signature { size, hash }
    FileSeen { uid, generation, identity, head, signature, logical, real, size }
    FileSpan { file, generation, start, end }
    Range { file, generation, start, end, crc, anchor, tags }
    Bounds { delivery, time, encoding, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(value: &impl Wire) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.put(&mut Out { bytes: &mut bytes, tags: &mut Interner::default() });
        bytes
    }

    fn read<T: Wire>(bytes: &[u8]) -> Option<T> {
        T::take(&mut In::new(bytes, &Definitions::default()))
    }

    #[test]
    fn numbers_come_back() {
        let edges = [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, u64::from(u32::MAX), 1 << 63, u64::MAX];
        for value in edges {
            assert_eq!(read(&bytes_of(&value)), Some(value));
            assert_eq!(read(&bytes_of(&(value as i64))), Some(value as i64));
            assert_eq!(read::<u32>(&bytes_of(&value)), u32::try_from(value).ok());
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        assert_eq!(read::<u64>(&[0xFF; 9]), None, "unfinished");
        assert_eq!(read::<u64>(&[0xFF; 10]), None, "more than 64 bits");
        assert_eq!(read::<Arc<Path>>(&[5, 1, 2]), None, "fewer bytes than said");
        assert_eq!(read::<String>(&[2, 0xC3, 0x28]), None, "not UTF-8");
        assert_eq!(read::<Option<u8>>(&[2, 0]), None, "neither there nor not");
        assert_eq!(read::<Vec<u8>>(&bytes_of(&u64::MAX)), None);
    }
}
