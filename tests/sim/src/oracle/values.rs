//! Values and their flags, both ways.

use bytes::Bytes;
use memcache_proto::value::{
    Flags, FromValue, Integer, Transcoder, Value, ValueError, ValueFormat, ValueRef,
};

use crate::{Choose, Source, Tape};

/// Takes the bytes for a value as it is stored, and for one to store.
///
/// # Panics
///
/// Panics if a value inflates beyond the limit, or if what was encoded decodes to anything else.
pub fn values(bytes: &[u8]) {
    let (choices, bytes) = bytes.split_at(bytes.len().min(4));
    let mut tape = Tape::new(choices);
    let transcoder = Transcoder {
        format: *tape.pick(FORMATS),
        min_compress_len: *tape.pick(&[0, 1, 20, 400]),
        max_inflated_len: MAX_INFLATED_LEN,
        ..Transcoder::default()
    };
    let flags = Flags::new(u32::try_from(tape.below(64)).unwrap_or_default());
    decodes(&transcoder, flags, bytes);
    match tape.below(4) {
        0 => survives(&transcoder, ValueRef::from(bytes)),
        1 => survives(&transcoder, ValueRef::from(&*String::from_utf8_lossy(bytes))),
        2 => survives(&transcoder, ValueRef::pickle(bytes)),
        _ => {
            if let Ok(integer) = Integer::parse(bytes) {
                let shown = integer.to_string();
                assert_eq!(Integer::parse(shown.as_bytes()), Ok(integer.clone()), "{shown}");
                survives(&transcoder, ValueRef::Integer(std::borrow::Cow::Owned(integer)));
            }
        }
    }
}

const FORMATS: &[ValueFormat] = &[
    ValueFormat::PythonMemcached,
    ValueFormat::PythonMemcached158,
    ValueFormat::Pylibmc,
    ValueFormat::Pymemcache,
    ValueFormat::PymemcachePickle,
];

const MAX_INFLATED_LEN: usize = 1 << 16;

fn decodes(transcoder: &Transcoder, flags: Flags, bytes: &[u8]) {
    let stored = Bytes::copy_from_slice(bytes);
    let value = match transcoder.decode(flags, stored) {
        Ok(value) => value,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error says what is wrong");
            if let ValueError::InflatedTooLong { max, .. } = error {
                assert_eq!(max, MAX_INFLATED_LEN);
            }
            return;
        }
    };
    let len = match &value {
        Value::Bytes(bytes) | Value::Pickle(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        // Zeros and spaces are left out, a sign stays.
        Value::Integer(integer) => integer.to_string().len(),
        other => panic!("{other:?} is not known here"),
    };
    let most = bytes.len().max(MAX_INFLATED_LEN);
    assert!(len <= most, "{len} bytes, and {most} are allowed");
    // Whatever it is, it can be asked for as anything.
    let _ = (u64::from_value(value.clone()), String::from_value(value.clone()));
    let _ = (bool::from_value(value.clone()), Vec::<u8>::from_value(value));
}

/// What is stored of a value is read as that value.
fn survives(transcoder: &Transcoder, value: ValueRef<'_>) {
    let encoded = transcoder.encode(value.clone()).expect("nothing of the caller's own is there");
    if encoded.bytes.len() > MAX_INFLATED_LEN {
        return;
    }
    let stored = Bytes::copy_from_slice(&encoded.bytes);
    let read = transcoder.decode(encoded.flags, stored.clone());
    let read = read.unwrap_or_else(|error| panic!("{error}: {value:?} by {transcoder:?}"));
    let (kept, bytes) = match &value {
        ValueRef::Bytes(bytes) => (matches!(read, Value::Bytes(_)), bytes.to_vec()),
        ValueRef::Text(text) => (matches!(read, Value::Text(_)), text.as_bytes().to_vec()),
        ValueRef::Pickle(bytes) => (matches!(read, Value::Pickle(_)), bytes.to_vec()),
        ValueRef::Integer(integer) => {
            (matches!(read, Value::Integer(_)), integer.to_string().into_bytes())
        }
        other => panic!("{other:?} is not made here"),
    };
    let told = match &read {
        Value::Bytes(bytes) | Value::Pickle(bytes) => bytes.to_vec(),
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::Integer(integer) => integer.to_string().into_bytes(),
        other => panic!("{other:?} is not known here"),
    };
    assert_eq!(told, bytes, "{value:?} by {transcoder:?}");
    // What was compressed is not inflated where that is too long.
    if encoded.flags.contains(Flags::COMPRESSED) {
        let small = Transcoder { max_inflated_len: bytes.len() - 1, ..transcoder.clone() };
        let refused = small.decode(encoded.flags, stored);
        assert!(matches!(refused, Err(ValueError::InflatedTooLong { .. })), "{refused:?}");
    }
    // Formats without a flag for it read it as what it may be.
    let is_flagged =
        !matches!(transcoder.format, ValueFormat::PythonMemcached158 | ValueFormat::Pymemcache);
    assert!(kept || !is_flagged, "{read:?} in place of {value:?}");
}
