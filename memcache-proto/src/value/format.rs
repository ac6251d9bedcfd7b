use super::{Flags, ValueKind};

/// Whose values these are: which bytes and flags are stored for a value, and what is read back.
///
/// Clients that share a cache must agree on it. The flags of what is stored:
///
/// | | bytes | text | an integer | a bool | a pickle | compressed, from `min_compress_len` = n on |
/// |---|---|---|---|---|---|---|
/// | [`PythonMemcached`](Self::PythonMemcached) | 0 | 16 | 2 | 2 | 1 | more than n bytes; no integers |
/// | [`PythonMemcached158`](Self::PythonMemcached158) | 0 | 0 | 2 | 2 | 1 | the same |
/// | [`Pylibmc`](Self::Pylibmc) | 0 | 16 | 4 | 2 | 1 | n bytes or more, integers too |
/// | [`Pymemcache`](Self::Pymemcache) | 0 | 0 | 0 | 0 | 0 | never |
/// | [`PymemcachePickle`](Self::PymemcachePickle) | 0 | 16 | 2 | 2 | 1 | more than n bytes; no integers |
///
/// Text is UTF-8, an integer is its decimal digits, a bool is the integer 0 or 1, and 8 is added to the
/// flags of what is compressed. All of them read each other's integers.
///
/// ```
/// use memcache_proto::value::{ToValue, Transcoder, ValueFormat};
///
/// let transcoder = Transcoder { format: ValueFormat::Pylibmc, ..Transcoder::default() };
/// assert_eq!(transcoder.encode(7.to_value()?)?.flags.bits(), 4);
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueFormat {
    /// python-memcached from 1.59 on.
    ///
    /// Reading, the first flag to be set counts, in the order text, integer, long, pickle; bits beside
    /// these are passed over, and flags of nothing but such bits are an error. (It pickles a `bool`,
    /// and reads ours as the integer that is equal to it.)
    #[default]
    PythonMemcached,
    /// python-memcached up to 1.58, which knows no flag of text.
    ///
    /// What has no flags is read as text where it is UTF-8, as bytes where it is not: it raises an
    /// error there, as it cannot read the bytes that it stored itself. Text with the flag that newer
    /// versions set is read, which it refuses, so that a service can move from one to the other.
    PythonMemcached158,
    /// pylibmc.
    ///
    /// Reading, two of the flags text, integer, long and pickle at once are an error, and bits beside
    /// these are passed over, so that flags of nothing but such bits are bytes.
    Pylibmc,
    /// pymemcache as it is without a serde: everything is bytes, and the flags are not looked at, nor
    /// is anything compressed or inflated.
    ///
    /// It refuses text that is not ASCII unless told an encoding; ours is UTF-8. (It writes a `bool` as
    /// `True` or `False`.)
    Pymemcache,
    /// pymemcache with `pickle_serde` or `compressed_serde`, which compresses what is longer than 400
    /// bytes: set `min_compress_len` to that.
    ///
    /// Read as [`PythonMemcached`](Self::PythonMemcached) is, but flags of nothing but unknown bits are
    /// bytes. (It pickles a `bool`, and reads ours as the integer that is equal to it.)
    PymemcachePickle,
}

/// What flags say of the bytes beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Of this kind.
    Kind(ValueKind),
    /// Text where it is UTF-8, else bytes.
    TextOrBytes,
}

impl ValueFormat {
    /// The flags of a value, before it is compressed.
    pub(super) fn flags(self, kind: ValueKind) -> Flags {
        match (self, kind) {
            (ValueFormat::Pymemcache, _) | (_, ValueKind::Bytes) => Flags::default(),
            (ValueFormat::PythonMemcached158, ValueKind::Text) => Flags::default(),
            (_, ValueKind::Text) => Flags::TEXT,
            (ValueFormat::Pylibmc, ValueKind::Integer) => Flags::LONG,
            (_, ValueKind::Integer) => Flags::INTEGER,
            (_, ValueKind::Pickle) => Flags::PICKLE,
        }
    }

    /// The flags of a `bool`, which is never compressed.
    pub(super) fn bool_flags(self) -> Flags {
        match self {
            ValueFormat::Pymemcache => Flags::default(),
            _ => Flags::INTEGER,
        }
    }

    /// What the flags say, compression aside; `None` where that is nothing that the format knows.
    #[inline]
    pub(super) fn reading(self, flags: Flags) -> Option<Reading> {
        if self == ValueFormat::PythonMemcached && flags == Flags::default() {
            return Some(Reading::Kind(ValueKind::Bytes));
        }
        self.flagged(flags)
    }

    fn flagged(self, flags: Flags) -> Option<Reading> {
        if self == ValueFormat::Pymemcache {
            return Some(Reading::Kind(ValueKind::Bytes));
        }
        let tested = [
            (Flags::TEXT, ValueKind::Text),
            (Flags::INTEGER, ValueKind::Integer),
            (Flags::LONG, ValueKind::Integer),
            (Flags::PICKLE, ValueKind::Pickle),
        ];
        let mut set = tested.into_iter().filter(|&(flag, _)| flags.contains(flag));
        let Some((_, kind)) = set.next() else { return self.untyped(flags) };
        if self == ValueFormat::Pylibmc && set.next().is_some() {
            return None;
        }
        Some(Reading::Kind(kind))
    }

    /// What flags say that hold no bit for a type.
    fn untyped(self, flags: Flags) -> Option<Reading> {
        let none = flags.without(Flags::COMPRESSED) == Flags::default();
        match self {
            ValueFormat::PythonMemcached158 if none => Some(Reading::TextOrBytes),
            ValueFormat::PythonMemcached | ValueFormat::PythonMemcached158 if !none => None,
            _ => Some(Reading::Kind(ValueKind::Bytes)),
        }
    }

    /// Whether there is a flag for compressed values.
    pub(super) fn compresses(self) -> bool {
        self != ValueFormat::Pymemcache
    }

    /// Whether a value of this many bytes is long enough to be compressed; `min` is not 0.
    pub(super) fn is_worth_compressing(self, kind: ValueKind, len: usize, min: usize) -> bool {
        match self {
            ValueFormat::Pymemcache => false,
            ValueFormat::Pylibmc => len >= min,
            _ => len > min && kind != ValueKind::Integer,
        }
    }

    /// The longest that the compressed form of a value of this many bytes may be to be kept.
    pub(super) fn longest_kept(self, len: usize) -> usize {
        match self {
            ValueFormat::PymemcachePickle => len,
            _ => len.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ValueFormat::{
        Pylibmc, Pymemcache, PymemcachePickle, PythonMemcached, PythonMemcached158,
    };
    use super::*;
    use crate::value::{Integer, ToValue, Transcoder, Value, ValueError, ValueRef};
    use bytes::Bytes;

    const FORMATS: [ValueFormat; 5] =
        [PythonMemcached, PythonMemcached158, Pylibmc, Pymemcache, PymemcachePickle];

    fn transcoder(format: ValueFormat, min_compress_len: usize) -> Transcoder {
        Transcoder { format, min_compress_len, ..Transcoder::default() }
    }

    /// What memcached 1.6.18 held after python-memcached 1.62, python-memcached 1.58, pylibmc 1.6.3,
    /// pymemcache 4.0.0 with `encoding="utf8"`, and pymemcache with `compressed_serde` had stored it;
    /// all on CPython 3.11.
    #[test]
    fn what_the_clients_store_is_what_is_stored() {
        let great: Integer = "10000000000000000000000000000000000000000".parse().unwrap();
        let cases: &[(&dyn ToValue, [u64; 5], &[u8])] = &[
            (b"a\xff", [0, 0, 0, 0, 0], b"a\xff"),
            (&"\u{4f1a}", [16, 0, 16, 0, 16], b"\xe4\xbc\x9a"),
            (&"", [16, 0, 16, 0, 16], b""),
            (&-7, [2, 2, 4, 0, 2], b"-7"),
            (&0, [2, 2, 4, 0, 2], b"0"),
            (&great, [2, 2, 4, 0, 2], b"10000000000000000000000000000000000000000"),
            // python-memcached 1.62 and compressed_serde pickle a bool, and pymemcache writes "True":
            // the numbers of those three are our own.
            (&true, [2, 2, 2, 0, 2], b"1"),
            (&false, [2, 2, 2, 0, 2], b"0"),
            (&ValueRef::pickle(b"(lp0\nI1\na."), [1, 1, 1, 0, 1], b"(lp0\nI1\na."),
        ];
        for (value, flags, bytes) in cases {
            for (format, flags) in FORMATS.into_iter().zip(*flags) {
                let transcoder = transcoder(format, 0);
                let encoded = transcoder.encode(value.to_value().unwrap()).unwrap();
                assert_eq!((encoded.flags.bits(), &*encoded.bytes), (flags, *bytes), "{format:?}");
            }
        }
    }

    /// What the same clients read from memcached 1.6.18 under these flags. Where python-memcached 1.58
    /// raises an error and ours reads, the case says so.
    #[test]
    fn what_the_clients_read_is_what_is_read() {
        let [bytes, text] = [Some(Value::from(b"9")), Some(Value::from("9"))];
        let [integer, pickle] = [Some(Value::from(9)), Some(Value::Pickle("9".into()))];
        let [bytes, text, integer, pickle] = [&bytes, &text, &integer, &pickle];
        let unknown = &None;
        let cases: &[(u64, [&Option<Value>; 5])] = &[
            (0, [bytes, text, bytes, bytes, bytes]),
            // 1.58: an error.
            (16, [text, text, text, bytes, text]),
            (2, [integer, integer, integer, bytes, integer]),
            (4, [integer, integer, integer, bytes, integer]),
            (1, [pickle, pickle, pickle, bytes, pickle]),
            // 1.58: a pickle. No client writes it.
            (17, [text, text, unknown, bytes, text]),
            (3, [integer, integer, unknown, bytes, integer]),
            (5, [integer, integer, unknown, bytes, integer]),
            (6, [integer, integer, unknown, bytes, integer]),
            (32, [unknown, unknown, bytes, bytes, bytes]),
            // 1.58: an error.
            (48, [text, text, text, bytes, text]),
            (34, [integer, integer, integer, bytes, integer]),
        ];
        for (flags, expected) in cases {
            for (format, expected) in FORMATS.into_iter().zip(expected) {
                let flags = Flags::from_wire(*flags);
                let decoded = transcoder(format, 0).decode(flags, Bytes::from_static(b"9"));
                let unknown = ValueError::UnknownFlags { flags, bytes: "9".into() };
                let expected = (*expected).clone().ok_or(unknown);
                assert_eq!(decoded, expected, "{format:?}, {flags:?}");
            }
        }
    }

    #[test]
    fn before_1_59_what_has_no_flags_is_text_where_it_can_be() {
        let cases: &[(&'static [u8], Value)] = &[
            (b"", Value::from("")),
            (b"\xe4\xbc\x9a", Value::from("\u{4f1a}")),
            // 1.58 raises UnicodeDecodeError.
            (b"a\xff", Value::from(b"a\xff")),
        ];
        for (bytes, expected) in cases {
            let bytes = Bytes::from_static(bytes);
            let decoded = transcoder(PythonMemcached158, 0).decode(Flags::default(), bytes);
            assert_eq!(decoded.as_ref(), Ok(expected));
        }
    }

    #[test]
    fn without_flags_pymemcache_leaves_compressed_bytes_as_they_are() {
        let flags = Flags::TEXT.with(Flags::COMPRESSED);
        let decoded = transcoder(Pymemcache, 0).decode(flags, "xyz".into());
        assert_eq!(decoded, Ok(Value::from(b"xyz")));
        let long = [b'a'; 1000];
        let encoded = transcoder(Pymemcache, 1).encode(long.to_value().unwrap()).unwrap();
        assert_eq!((encoded.flags, encoded.bytes.len()), (Flags::default(), 1000));
    }

    /// Seen as above, with `min_compress_len` given to set, or to `CompressedSerde`: which of 100
    /// letters and an integer of 402 digits are compressed. `CompressedSerde` raises an error where an
    /// integer would be.
    #[cfg(feature = "compression")]
    #[test]
    fn compression_begins_where_it_does_with_the_clients() {
        let text = "a".repeat(100);
        let mut power: alloc::string::String = "1".into();
        power.push_str(&"0".repeat(401));
        let power: Integer = power.parse().unwrap();
        let cases: &[(&dyn ToValue, usize, [u64; 5])] = &[
            (&text.as_bytes(), 99, [8, 8, 8, 0, 8]),
            (&text.as_bytes(), 100, [0, 0, 8, 0, 0]),
            (&text.as_bytes(), 101, [0, 0, 0, 0, 0]),
            (&text, 99, [24, 8, 24, 0, 24]),
            (&text, 100, [16, 0, 24, 0, 16]),
            (&text, 101, [16, 0, 16, 0, 16]),
            (&power, 0, [2, 2, 4, 0, 2]),
            (&power, 1, [2, 2, 12, 0, 2]),
            (&power, 402, [2, 2, 12, 0, 2]),
            (&power, 403, [2, 2, 4, 0, 2]),
            (&"aaaaaaaaaaa", 1, [16, 0, 16, 0, 24]),
            (&true, 1, [2, 2, 2, 0, 2]),
        ];
        for (value, min, flags) in cases {
            for (format, flags) in FORMATS.into_iter().zip(*flags) {
                let value = value.to_value().unwrap();
                let encoded = transcoder(format, *min).encode(value).unwrap();
                assert_eq!(encoded.flags.bits(), flags, "{format:?}, {min}");
            }
        }
    }
}
