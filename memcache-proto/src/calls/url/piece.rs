use alloc::string::String;
use alloc::vec::Vec;

use super::{UrlError, UrlErrorKind};

/// A part of a text that knows where in the text it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl<'t> Piece<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Piece { text, start: 0 }
    }

    /// An error about this piece, which it quotes.
    pub(super) fn error(self, kind: UrlErrorKind) -> UrlError {
        UrlError::new(kind, self.start, self.text)
    }

    /// An error about this piece, which it does not quote.
    pub(super) fn hidden(self, kind: UrlErrorKind) -> UrlError {
        UrlError::hidden(kind, self.start)
    }

    /// What stands before and behind the first of `separators`.
    pub(super) fn split_once(self, separators: &[char]) -> Option<(Self, Self)> {
        self.cut(self.text.find(separators)?)
    }

    /// What stands before and behind the last `separator`.
    pub(super) fn rsplit_once(self, separator: char) -> Option<(Self, Self)> {
        self.cut(self.text.rfind(separator)?)
    }

    /// What stands before and behind the one-byte character at `at`.
    fn cut(self, at: usize) -> Option<(Self, Self)> {
        Some((self.until(at)?, self.from(at + 1)?))
    }

    /// What stands before the byte `end`.
    pub(super) fn until(self, end: usize) -> Option<Self> {
        Some(Piece { text: self.text.get(..end)?, start: self.start })
    }

    /// What stands at the byte `start` and behind it.
    pub(super) fn from(self, start: usize) -> Option<Self> {
        Some(Piece { text: self.text.get(start..)?, start: self.start + start })
    }

    /// The pieces between `separators`: at least one.
    pub(super) fn split(self, separators: &'static [char]) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        core::iter::from_fn(move || {
            let piece = rest?;
            let (first, others) = match piece.split_once(separators) {
                Some((first, others)) => (first, Some(others)),
                None => (piece, None),
            };
            rest = others;
            Some(first)
        })
    }

    /// Without the spaces around it.
    pub(super) fn trim(self) -> Self {
        let text = self.text.trim_start_matches(' ');
        let start = self.start + self.text.len() - text.len();
        Piece { text: text.trim_end_matches(' '), start }
    }

    /// The bytes that its percent sequences and its other characters stand for.
    ///
    /// # Errors
    ///
    /// The first `%` that two hexadecimal digits do not follow, with the characters where these should be.
    pub(super) fn decode(self) -> Result<Vec<u8>, Self> {
        let mut bytes = Vec::new();
        let mut rest = self;
        while let Some((before, behind)) = rest.split_once(&['%']) {
            bytes.extend_from_slice(before.text.as_bytes());
            let digits = behind.until(2).map(|digits| digits.text.as_bytes());
            let (Some(&[high, low]), Some(others)) = (digits, behind.from(2)) else {
                return Err(self.sequence(before));
            };
            let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                return Err(self.sequence(before));
            };
            bytes.push(high << 4 | low);
            rest = others;
        }
        bytes.extend_from_slice(rest.text.as_bytes());
        Ok(bytes)
    }

    /// The `%` behind `before`, and up to two characters more.
    fn sequence(self, before: Self) -> Self {
        let start = before.start + before.text.len() - self.start;
        let text = self.text.get(start..).unwrap_or_default();
        let end = text.char_indices().nth(3).map_or(text.len(), |(end, _)| end);
        Piece { text: text.get(..end).unwrap_or_default(), start: self.start + start }
    }

    /// As [`decode`](Self::decode), for what must be text.
    pub(super) fn decode_text(self) -> Result<String, UrlError> {
        let bytes = self.decode().map_err(|piece| piece.error(UrlErrorKind::Percent))?;
        String::from_utf8(bytes).map_err(|_| self.error(UrlErrorKind::NotUtf8))
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Writes `bytes` so that [`Piece::decode`] gives them back: letters, digits and `-._~` as they are, and
/// what is in `plain`; all else percent-encoded.
pub(super) fn encode(
    f: &mut core::fmt::Formatter<'_>,
    bytes: &[u8],
    plain: &[u8],
) -> core::fmt::Result {
    use core::fmt::Write;

    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || plain.contains(byte) {
            f.write_char(char::from(*byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_sequences_are_decoded_or_pointed_at() {
        type Expected<'a> = Result<&'a [u8], (&'a str, usize)>;
        let cases: &[(&str, Expected<'_>)] = &[
            ("", Ok(b"")),
            ("a+b", Ok(b"a+b")),
            ("%41%2f%2F%00%ff", Ok(b"A//\0\xff")),
            ("100%25", Ok(b"100%")),
            ("%", Err(("%", 0))),
            ("ab%", Err(("%", 2))),
            ("ab%4", Err(("%4", 2))),
            ("%41%4x%41", Err(("%4x", 3))),
            ("%+1", Err(("%+1", 0))),
            ("%%41", Err(("%%4", 0))),
            ("%ü1", Err(("%ü1", 0))),
            ("%1ü", Err(("%1ü", 0))),
            ("%日本語", Err(("%日本", 0))),
        ];
        for (text, expected) in cases {
            let decoded = Piece::new(text).decode();
            let decoded = decoded.as_deref().map_err(|piece| (piece.text, piece.start));
            assert_eq!(decoded, *expected, "{text:?}");
        }
    }
}
