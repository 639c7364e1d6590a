//! Protocol-buffer messages by field numbers (the encoding of proto3): written field by field,
//! read as a list of fields. Only what its users have: numbers, texts and messages.

/// A message in the making. Empty and zero fields are left out, as proto3 does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number or an enumeration's value.
    pub fn number(mut self, field: u32, value: u64) -> Self {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value);
        }
        self
    }

    /// A text.
    pub fn text(self, field: u32, value: &str) -> Self {
        if value.is_empty() { self } else { self.bytes(field, value.as_bytes()) }
    }

    /// A message inside this one, also where it is empty.
    pub fn message(self, field: u32, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    /// An entry of a map from text to text.
    pub fn entry(self, field: u32, key: &str, value: &str) -> Self {
        self.message(field, &Self::new().text(1, key).text(2, value))
    }

    /// The encoded message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text, or a message.
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// The text; empty where it is none.
    pub fn text(self) -> String {
        match self {
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Number(_) => String::new(),
        }
    }
}

/// The fields of a message, in their order; `None` where it is cut or has a field of another
/// kind.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => {
                let (number, rest) = message.split_first_chunk()?;
                message = rest;
                Value::Number(u64::from_le_bytes(*number))
            }
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(len)?;
                message = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        fields.push((u32::try_from(key >> 3).ok()?, value));
    }
    Some(fields)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_are_written() {
        assert_eq!(Message::new().number(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, "testing").as_bytes(), b"\x12\x07testing");
        let inner = Message::new().number(1, 150);
        assert_eq!(Message::new().message(3, &inner).as_bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert!(Message::new().number(1, 0).text(2, "").as_bytes().is_empty());
    }

    #[test]
    fn fields_are_read_back_in_order() {
        let message = Message::new().number(1, u64::MAX).text(16, "a").entry(7, "k", "v");
        let found = fields(message.as_bytes()).unwrap();
        assert_eq!(found[0], (1, Value::Number(u64::MAX)));
        assert_eq!((found[1].0, found[1].1.text()), (16, "a".into()));
        let Value::Bytes(entry) = found[2].1 else { panic!("{found:?}") };
        assert_eq!(fields(entry).unwrap()[1], (2, Value::Bytes(b"v")));
    }

    #[test]
    fn fixed_numbers_are_read() {
        let found = fields(&[0x09, 1, 2, 0, 0, 0, 0, 0, 0, 0x08, 5]);
        assert_eq!(found, Some(vec![(1, Value::Number(513)), (1, Value::Number(5))]));
        assert_eq!(fields(&[0x09, 1, 2, 0, 0]), None);
    }

    #[test]
    fn a_cut_message_is_none() {
        let message = Message::new().number(1, 300).text(2, "text");
        let bytes = message.as_bytes();
        for end in (1..bytes.len()).filter(|end| *end != 3) {
            assert_eq!(fields(&bytes[..end]), None, "cut at {end}");
        }
    }
}
