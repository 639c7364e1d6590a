//! Protocol Buffers as far as destinations need them: varints, fixed numbers, length-delimited
//! fields. A message within a message is written in place; its length is put in front of it when
//! it is complete, with as many bytes as it needs, so that the text is the canonical one.
//! Source: the encoding guide of Protocol Buffers.

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const FIXED32: u32 = 5;

/// The most bytes of a varint of 64 bits.
const VARINT_LEN_MAX: usize = 10;

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn push_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_key(field: u32, wire_type: u32, out: &mut Vec<u8>) {
    push_varint(u64::from(field << 3 | wire_type), out);
}

/// Appends a field of type uint32, uint64, int64 (not negative), bool or enum.
pub(crate) fn push_number(field: u32, number: u64, out: &mut Vec<u8>) {
    push_key(field, VARINT, out);
    push_varint(number, out);
}

/// Appends a field of type fixed64.
pub(crate) fn push_fixed64(field: u32, number: u64, out: &mut Vec<u8>) {
    push_key(field, FIXED64, out);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a field of type fixed32.
pub(crate) fn push_fixed32(field: u32, number: u32, out: &mut Vec<u8>) {
    push_key(field, FIXED32, out);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a field of type string or bytes.
pub(crate) fn push_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    push_key(field, LEN, out);
    push_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a field that is a message; `fill` appends what is in it.
pub(crate) fn push_message(field: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    push_key(field, LEN, out);
    let at = out.len();
    // Nearly all messages are shorter than 128 bytes: room for one byte of length is kept free.
    out.push(0);
    fill(out);
    let len = out.len() - at - 1;
    let mut length = [0; VARINT_LEN_MAX];
    let bytes = varint(len as u64, &mut length);
    if let [one] = bytes {
        out[at] = *one;
    } else {
        out.splice(at..=at, bytes.iter().copied());
    }
}

/// A number as a varint.
fn varint(mut number: u64, bytes: &mut [u8; VARINT_LEN_MAX]) -> &[u8] {
    let mut len = 0;
    loop {
        bytes[len] = number as u8 & 0x7f;
        number >>= 7;
        len += 1;
        if number == 0 {
            return &bytes[..len];
        }
        bytes[len - 1] |= 0x80;
    }
}

/// A field as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A varint or a fixed number.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message, as (number, value). Ends early where the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    std::iter::from_fn(move || {
        let key = take_varint(&mut bytes)?;
        let value = match key as u32 & 7 {
            VARINT => Value::Number(take_varint(&mut bytes)?),
            FIXED64 => Value::Number(u64::from_le_bytes(*take(&mut bytes, 8)?.first_chunk()?)),
            FIXED32 => {
                Value::Number(u32::from_le_bytes(*take(&mut bytes, 4)?.first_chunk()?).into())
            }
            LEN => {
                let len = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, len)?)
            }
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok()?, value))
    })
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_by_table() {
        for (number, expected) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            push_varint(number, &mut out);
            assert_eq!(out, expected);
            assert_eq!(varint(number, &mut [0; VARINT_LEN_MAX]), expected);
            assert_eq!(take_varint(&mut &out[..]), Some(number));
        }
    }

    #[test]
    fn a_message_has_its_length_however_long_it_is() {
        for len in [0, 1, 100, 125, 126, 127, 128, 16_383, 16_384, 3_000_000] {
            let text = vec![b'x'; len];
            let mut out = b"before".to_vec();
            push_message(7, &mut out, |out| {
                push_message(2, out, |out| push_bytes(1, &text, out));
                push_number(3, 5, out);
                push_fixed64(4, 6, out);
                out.extend_from_slice(&[5 << 3 | 5, 7, 0, 0, 0]);
            });
            let outer: Vec<_> = fields(&out[6..]).collect();
            let [(7, Value::Bytes(inner))] = outer[..] else { panic!("{len}: {outer:?}") };
            let inner: Vec<_> = fields(inner).collect();
            let [(2, Value::Bytes(message)), ref numbers @ ..] = inner[..] else { panic!("{len}") };
            let expected = [(3, Value::Number(5)), (4, Value::Number(6)), (5, Value::Number(7))];
            assert_eq!(numbers, expected);
            assert_eq!(fields(message).collect::<Vec<_>>(), [(1, Value::Bytes(&text))]);
        }
    }

    #[test]
    fn bytes_that_are_no_message_end_it() {
        for bytes in [&[0x0a, 5, 1][..], &[0x09, 1], &[0x0b], &[0xff; 11], &[0x08]] {
            assert_eq!(fields(bytes).count(), 0, "{bytes:?}");
        }
    }
}
