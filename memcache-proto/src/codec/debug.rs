//! `Debug` of what goes over the wire: the line, which says how long the value behind it is, and not the
//! value, which may be secret.

use alloc::vec::Vec;
use core::fmt;

use super::{Command, MetaSet, Response};

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value_len = match self {
            Response::Value { value, .. } | Response::Va { value, .. } => Some(value.len()),
            Response::Config { text, .. } => Some(text.len()),
            _ => None,
        };
        put_line(f, "Response", value_len, |out| self.encode(out))
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value_len = match self {
            Command::Store { value, .. } => Some(value.len()),
            Command::MetaSet(set) => Some(set.value.len()),
            _ => None,
        };
        put_line(f, "Command", value_len, |out| self.encode(out))
    }
}

impl fmt::Debug for MetaSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_line(f, "MetaSet", Some(self.value.len()), |out| self.encode(out))
    }
}

/// Writes a line without its end, and without the value of `value_len` bytes behind it.
fn put_line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value_len: Option<usize>,
    encode: impl FnOnce(&mut Vec<u8>),
) -> fmt::Result {
    let mut encoded = Vec::new();
    encode(&mut encoded);
    let len = encoded.len() - value_len.map_or(0, |len| len + 2);
    let line = encoded.get(..len).unwrap_or_default().trim_ascii_end();
    write!(f, "{name}(\"{}\")", line.escape_ascii())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::codec::{MetaFlags, MetaKey, StoreVerb};
    use crate::value::Flags;
    use crate::{Exptime, Key};

    #[test]
    fn values_are_not_shown() {
        let key = Key::new("k").unwrap();
        let meta_key = MetaKey::new(b"k").unwrap();
        let value = b" secret\r\n";
        let (flags, exptime, verb) = (Flags::new(7), Exptime::NEVER, StoreVerb::Set);
        let store = Command::Store { verb, key, flags, exptime, value, noreply: true };
        let set = MetaSet::set(meta_key, value);
        let config = Response::Config { name: key, flags, text: value };
        let va = Response::Va { flags: MetaFlags::NONE, value };
        let cases = [
            (format!("{:?}", Response::Value { key, flags, cas: Some(5), value }), "VALUE k 7 9 5"),
            (format!("{va:?}"), "VA 9"),
            (format!("{config:?}"), "CONFIG k 7 9"),
            (format!("{:?}", Response::Stored), "STORED"),
            (format!("{store:?}"), "set k 7 0 9 noreply"),
            (format!("{:?}", Command::MetaSet(set)), "ms k 9"),
            (format!("{set:?}"), "ms k 9"),
            (format!("{:?}", Command::Quit), "quit"),
        ];
        for (shown, line) in cases {
            assert!(shown.ends_with(&format!("(\"{line}\")")), "{shown}");
        }
    }
}
