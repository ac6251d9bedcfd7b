//! What is stored is what is read, for all values in all formats.

use super::{
    Flags, FromValue, Integer, Raw, ToValue, Transcoder, Value, ValueFormat, ValueKind, ValueRef,
};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use proptest::prelude::*;

/// Bytes and text, some of them worth compressing.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..2_000_usize).prop_map(|(byte, len)| alloc::vec![byte; len]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,100}", (any::<char>(), 0..500_usize).prop_map(repeated)]
}

fn repeated((char, len): (char, usize)) -> String {
    core::iter::repeat_n(char, len).collect()
}

fn integers() -> impl Strategy<Value = Integer> {
    let great = "-?[1-9][0-9]{0,500}".prop_map(|text| text.parse().expect("an integer"));
    prop_oneof![any::<i128>().prop_map(Integer::from), great]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        octets().prop_map(Value::from),
        text().prop_map(Value::from),
        integers().prop_map(Value::from),
        octets().prop_map(|bytes| Value::Pickle(bytes.into())),
    ]
}

fn transcoders() -> impl Strategy<Value = Transcoder> {
    let formats = prop_oneof![
        Just(ValueFormat::PythonMemcached),
        Just(ValueFormat::PythonMemcached158),
        Just(ValueFormat::Pylibmc),
        Just(ValueFormat::Pymemcache),
        Just(ValueFormat::PymemcachePickle),
    ];
    (formats, 0..200_usize).prop_map(|(format, min_compress_len)| Transcoder {
        format,
        min_compress_len,
        ..Transcoder::default()
    })
}

fn stored(transcoder: &Transcoder, value: &impl ToValue) -> (Flags, Bytes) {
    let encoded = transcoder.encode(value.to_value().expect("a value")).expect("its encoding");
    (encoded.flags, encoded.bytes.into_owned().into())
}

fn read<T: FromValue>(transcoder: &Transcoder, value: &impl ToValue) -> T {
    let (flags, bytes) = stored(transcoder, value);
    T::from_stored(transcoder, flags, bytes).expect("what was stored")
}

/// What a format can say of this value.
fn expected(format: ValueFormat, value: Value) -> Value {
    let bytes = |value| Bytes::from_value(value).expect("all values are bytes");
    match (format, value.kind()) {
        (ValueFormat::Pymemcache, _) => Value::Bytes(bytes(value)),
        (ValueFormat::PythonMemcached158, ValueKind::Bytes) => {
            String::from_value(value.clone()).map_or(value, Value::from)
        }
        _ => value,
    }
}

proptest! {
    #[test]
    fn a_value_comes_back_as_its_format_can_tell(transcoder in transcoders(), value in values()) {
        let decoded: Value = read(&transcoder, &value);
        prop_assert_eq!(decoded, expected(transcoder.format, value));
    }

    #[test]
    fn a_type_comes_back_in_every_format(
        transcoder in transcoders(), bytes in octets(), text in text(), integer in integers(),
        number: u64, bool: bool,
    ) {
        prop_assert_eq!(read::<Vec<u8>>(&transcoder, &bytes), bytes);
        prop_assert_eq!(read::<String>(&transcoder, &text), text);
        prop_assert_eq!(read::<Integer>(&transcoder, &integer), integer);
        prop_assert_eq!(read::<u64>(&transcoder, &number), number);
        prop_assert_eq!(read::<bool>(&transcoder, &bool), bool);
    }

    #[test]
    fn a_raw_item_comes_back_as_it_was(
        transcoder in transcoders(), bits: u32, bytes in octets(), value in values(),
    ) {
        let raw = Raw { flags: Flags::new(bits), bytes: bytes.into() };
        prop_assert_eq!(read::<Raw>(&transcoder, &raw), raw);
        let (flags, bytes) = stored(&transcoder, &value);
        let raw = Raw { flags, bytes };
        prop_assert_eq!(read::<Raw>(&transcoder, &value), raw.clone());
        prop_assert_eq!(read::<Value>(&transcoder, &raw), read::<Value>(&transcoder, &value));
    }

    #[test]
    fn whatever_is_stored_is_decoded_or_refused(
        transcoder in transcoders(), bits in 0..64_u64, bytes in octets(),
    ) {
        let (flags, bytes) = (Flags::from_wire(bits), Bytes::from(bytes));
        let raw = Raw::from_stored(&transcoder, flags, bytes.clone());
        prop_assert_eq!(raw, Ok(Raw { flags, bytes: bytes.clone() }));
        if let Ok(value) = transcoder.decode(flags, bytes) {
            let back: Value = read(&transcoder, &value);
            prop_assert_eq!(back, expected(transcoder.format, value));
        }
    }

    #[test]
    fn no_encoding_is_longer_than_the_value(transcoder in transcoders(), bytes in octets()) {
        let encoded = transcoder.encode(ValueRef::from(&*bytes)).expect("its encoding");
        prop_assert!(encoded.bytes.len() <= bytes.len());
        let min = transcoder.min_compress_len;
        let compressed = encoded.flags.contains(Flags::COMPRESSED);
        prop_assert!(!compressed || (min > 0 && bytes.len() >= min));
    }
}
