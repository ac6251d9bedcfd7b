use super::{FromValue, ToValue, Value, ValueError, ValueRef};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value of any type that serde can write, as JSON. Needs feature `json`.
///
/// It is stored as text, so that Python reads a `str`, for `json.loads`. Text and bytes are read.
///
/// ```
/// use memcache_proto::value::{Flags, FromValue, Json, ToValue, Transcoder};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct User {
///     name: String,
///     age: u8,
/// }
///
/// let transcoder = Transcoder::default();
/// let user = Json(User { name: "Ada".into(), age: 36 });
/// let encoded = transcoder.encode(user.to_value()?)?;
/// assert_eq!(encoded.flags, Flags::TEXT);
/// assert_eq!(&*encoded.bytes, br#"{"name":"Ada","age":36}"#);
///
/// // What Python stored with json.dumps has spaces.
/// let stored = br#"{"name": "Ada", "age": 36}"#[..].into();
/// let read: Json<User> = Json::from_stored(&transcoder, Flags::TEXT, stored)?;
/// assert_eq!(read, user);
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T: Serialize> ToValue for Json<T> {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        match serde_json::to_string(&self.0) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(ValueError::Serialize { cause: error.into(), bytes: Bytes::new() }),
        }
    }
}

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        let (read, bytes) = match value {
            Value::Text(text) => (serde_json::from_str(&text), text.into()),
            Value::Bytes(bytes) => (serde_json::from_slice(&bytes), bytes),
            Value::Integer(_) | Value::Pickle(_) => {
                return Err(ValueError::Mismatch { found: value.kind(), wanted: "JSON" });
            }
        };
        read.map(Json).map_err(|error| ValueError::NotJson {
            line: error.line(),
            column: error.column(),
            cause: error.into(),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Flags, Transcoder, ValueFormat, ValueKind};
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    type Ages = BTreeMap<String, u8>;

    fn ages() -> Json<Ages> {
        Json([("Ada".into(), 36), ("\u{4f1a}".into(), 0)].into())
    }

    #[test]
    fn json_is_stored_as_text_and_read_in_every_format() {
        // Dumped by CPython 3.11: json.dumps({"Ada": 36, "\u4f1a": 0}), and with ensure_ascii=False.
        let ascii = r#"{"Ada": 36, "\u4f1a": 0}"#;
        let utf8 = "{\"Ada\": 36, \"\u{4f1a}\": 0}";
        let cases = [
            (ValueFormat::PythonMemcached, 16),
            (ValueFormat::PythonMemcached158, 0),
            (ValueFormat::Pylibmc, 16),
            (ValueFormat::Pymemcache, 0),
        ];
        for (format, flags) in cases {
            let transcoder = Transcoder { format, ..Transcoder::default() };
            let value = ages();
            let encoded = transcoder.encode(value.to_value().unwrap()).unwrap();
            assert_eq!(encoded.flags.bits(), flags, "{format:?}");
            assert_eq!(*encoded.bytes, *"{\"Ada\":36,\"\u{4f1a}\":0}".as_bytes());
            for text in [ascii, utf8] {
                let bytes = Bytes::from_static(text.as_bytes());
                let read = Json::from_stored(&transcoder, encoded.flags, bytes);
                assert_eq!(read, Ok(ages()), "{format:?}");
            }
        }
    }

    #[test]
    fn what_is_not_the_json_asked_for_comes_with_its_place_and_bytes() {
        let cases: &[(Value, usize, usize)] = &[
            (Value::from(""), 1, 0),
            (Value::from("{\"Ada\": 36,\n \"Bob\": 256}"), 2, 11),
            (Value::from("{}x"), 1, 3),
            (Value::from(b"{\"\xff\": 1}"), 1, 3),
            (Value::from("[1]"), 1, 0),
        ];
        for (value, at_line, at_column) in cases {
            let stored = Bytes::from_value(value.clone()).unwrap();
            match Json::<Ages>::from_value(value.clone()) {
                Err(ValueError::NotJson { line, column, cause, bytes }) => {
                    assert_eq!((line, column), (*at_line, *at_column), "{value:?}");
                    assert!(cause.get().is::<serde_json::Error>());
                    assert_eq!(bytes, stored);
                }
                other => panic!("{value:?}: {other:?}"),
            }
        }
        // A peer that nests without end is stopped before the stack is.
        let deep = Value::from("[".repeat(10_000));
        let nested = Json::<serde_json::Value>::from_value(deep);
        assert!(matches!(nested, Err(ValueError::NotJson { column: 128, .. })));
    }

    #[test]
    fn integers_and_pickles_are_no_json() {
        for (value, found) in
            [(Value::from(1), ValueKind::Integer), (Value::Pickle("1".into()), ValueKind::Pickle)]
        {
            let mismatch = ValueError::Mismatch { found, wanted: "JSON" };
            assert_eq!(Json::<u8>::from_value(value), Err(mismatch));
        }
    }

    #[test]
    fn what_cannot_be_serialized_is_a_typed_error() {
        let unkeyed: BTreeMap<Vec<u8>, u8> = [(b"a".to_vec(), 1)].into();
        match Json(unkeyed).to_value() {
            Err(ValueError::Serialize { cause, bytes }) => {
                assert_eq!((&*cause.to_string(), bytes.len()), ("key must be a string", 0));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(Json("a").to_value(), Ok(ValueRef::from("\"a\"")));
        let transcoder = Transcoder::default();
        let read = Json::<String>::from_stored(&transcoder, Flags::TEXT, "\"a\"".into());
        assert_eq!(read, Ok(Json("a".into())));
    }
}
