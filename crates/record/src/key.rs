//! Names of things: fixed-width values that stay the same over restarts.
//! Each prints as lower-case hex of full width, and parses back from it.

use std::fmt;
use std::str::FromStr;

macro_rules! hex_key {
    ($(#[$doc:meta])* $name:ident, $int:ty, $width:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $width, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$int>::from_str_radix(text, 16).map(Self)
            }
        }
    };
}

hex_key!(
    /// A node: random, made once, kept in its own file of the state directory.
    NodeId, u128, "32"
);
hex_key!(
    /// A file: hash of node, inode, birth time and first record. Never recomputed while state
    /// about the file exists.
    FileUid, u128, "32"
);
hex_key!(
    /// A pipeline: stays when the pipeline is renamed.
    PipelineKey, u64, "16"
);
hex_key!(
    /// A flusher of a pipeline.
    FlusherKey, u64, "16"
);
hex_key!(
    /// What a destination knows a request by (the Idempotency-Key): the hash of its bounds record.
    RequestKey, u128, "32"
);

/// One flusher of one pipeline: it has its own cursor in every file, its own retries, its own
/// back-pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DeliveryKey {
    /// The pipeline.
    pub pipeline: PipelineKey,
    /// The flusher in it.
    pub flusher: FlusherKey,
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pipeline, self.flusher)
    }
}

/// A request's place in the journal: the sequence number of its bounds record. Later records
/// (taken, split, refused, spooled) name the request by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RequestId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_at_full_width_and_parse_back() {
        let uid = FileUid(0xab);
        assert_eq!(uid.to_string(), "000000000000000000000000000000ab");
        assert_eq!(uid.to_string().parse(), Ok(uid));
        assert_eq!(PipelineKey(u64::MAX).to_string().parse(), Ok(PipelineKey(u64::MAX)));
    }
}
