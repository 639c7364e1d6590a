//! What irontail says to a key that LoongCollector knows and irontail does not read.
//! The tables stand beside the readers of the plugins that the keys belong to.

use serde_json::Value;

/// A key and what is said to it.
pub struct Foreign {
    pub(crate) key: &'static str,
    pub(crate) verdict: Verdict,
}

/// What is said to such a key.
pub(crate) enum Verdict {
    /// It tunes the inside of LoongCollector and changes nothing of what arrives: a note.
    NoEffect(&'static str),
    /// Only this value means what irontail does anyway; another one is refused.
    Only(Plain, &'static str),
    /// It would change what arrives, or how: refused, with what to do instead. An empty list or
    /// object asks for nothing and passes.
    Refused(&'static str),
}

/// A value that can stand in a table.
pub enum Plain {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(&'static str),
}

impl Plain {
    pub(crate) fn equals(&self, value: &Value) -> bool {
        match self {
            Plain::Flag(flag) => value.as_bool() == Some(*flag),
            Plain::Number(number) => value.as_i64() == Some(*number),
            Plain::Text(text) => value.as_str() == Some(text),
        }
    }
}

/// A row of a table: tunes only the inside.
pub const fn no_effect(key: &'static str, reason: &'static str) -> Foreign {
    Foreign { key, verdict: Verdict::NoEffect(reason) }
}

/// A row of a table: one value passes.
pub const fn only(key: &'static str, value: Plain, reason: &'static str) -> Foreign {
    Foreign { key, verdict: Verdict::Only(value, reason) }
}

/// A row of a table: refused.
pub const fn refused(key: &'static str, instead: &'static str) -> Foreign {
    Foreign { key, verdict: Verdict::Refused(instead) }
}
