//! Values as text in the snapshot's JSON: keys in hex as everywhere, bytes in hex, paths.
//! A path that is not UTF-8 is `\u0000` and its bytes in hex (no path contains a NUL).

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use record::DeliveryKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A value that is written as its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<T>(pub T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        text.parse().map(Self).map_err(|_| de::Error::custom("not a key"))
    }
}

/// A delivery's key as `pipeline.flusher`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To(pub DeliveryKey);

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for To {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pipeline, flusher) = text.split_once('.').ok_or(())?;
        let pipeline = pipeline.parse().map_err(|_| ())?;
        Ok(Self(DeliveryKey { pipeline, flusher: flusher.parse().map_err(|_| ())? }))
    }
}

/// Bytes in hex.
#[derive(Clone, Debug)]
pub(crate) struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Hex {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(());
        }
        let digits = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
        let bytes = digits.map(|pair| u8::from_str_radix(pair, 16).map_err(|_| ()));
        bytes.collect::<Result<_, _>>().map(Self)
    }
}

/// A path as text.
pub(crate) fn path_text(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) => text.into(),
        None => format!("\0{}", Hex(path.as_os_str().as_bytes().to_vec())).into(),
    }
}

/// The path that [`path_text`] wrote.
pub(crate) fn text_path(text: &str) -> Option<PathBuf> {
    match text.strip_prefix('\0') {
        None => Some(text.into()),
        Some(hex) => {
            let Hex(bytes) = hex.parse().ok()?;
            Some(OsStr::from_bytes(&bytes).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_comes_back_also_one_that_is_not_utf8() {
        for bytes in [&b"/var/log/app.log"[..], b"/\xff\xfe", b"/caf\xc3\xa9", b"/a\"\\\n"] {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(text_path(&path_text(path)).unwrap(), path);
        }
        assert_eq!(text_path("\0xyz"), None);
    }
}
