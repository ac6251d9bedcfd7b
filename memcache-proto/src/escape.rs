//! Text of a peer's, shown so that it can do nothing to a terminal or a log.

use alloc::string::{String, ToString};
use core::fmt::{self, Display, Write};

/// Shows what a peer sent, text or bytes, so that a terminal or a log can be given it.
///
/// Ordinary text stays as it is, of any language. Escaped are control characters (`\n`, `\x1b`), the
/// characters that reverse or break lines (`\u{202e}`), and bytes that are not UTF-8 (`\xff`). A
/// backslash stays, so that what has been escaped once is not changed by a second time.
///
/// Whatever this crate displays or returns as text of a peer's has gone through here: a server's
/// version, its statistics, its error messages.
///
/// ```
/// use memcache_proto::Escaped;
///
/// let answer = b"VERSION \x1b[2J1.6\xff";
/// assert_eq!(Escaped(answer).to_string(), "VERSION \\x1b[2J1.6\\xff");
/// assert_eq!(Escaped("größer").to_string(), "größer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<B>(
    /// The text or bytes.
    pub B,
);

impl<B: AsRef<[u8]>> Display for Escaped<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_ref().utf8_chunks() {
            Escaping(f).write_str(chunk.valid())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// A peer's bytes as text: as [`Escaped`] shows them. It takes no more memory than it needs.
pub(crate) fn text(bytes: &[u8]) -> String {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.contains(is_escaped) => text.into(),
        _ => {
            let mut text = Escaped(bytes).to_string();
            text.shrink_to_fit();
            text
        }
    }
}

/// Shows an error of somebody else's, which may quote a peer, as [`Escaped`] shows text.
pub(crate) struct Quoting<E>(pub(crate) E);

impl<E: Display> Display for Quoting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written through it.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|&(_, c)| is_escaped(c)) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            match u8::try_from(character) {
                Ok(byte @ 0..=0x7f) => write!(self.0, "{}", byte.escape_ascii())?,
                _ => write!(self.0, "{}", character.escape_unicode())?,
            }
            rest = from.get(character.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Whether a terminal or a reader of lines would do something else than show it.
fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(&[u8], &str)] = &[
        (b"", ""),
        (b"out of memory storing object", "out of memory storing object"),
        (b"a \"quoted\" 'word' \\ C:\\tmp", "a \"quoted\" 'word' \\ C:\\tmp"),
        ("größer 日本 e\u{301} \u{1f980}".as_bytes(), "größer 日本 e\u{301} \u{1f980}"),
        (b"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        (b"one\r\ntwo\tthree\0\x7f", "one\\r\\ntwo\\tthree\\x00\\x7f"),
        // A terminal takes it for ESC [.
        ("\u{9b}2J".as_bytes(), "\\u{9b}2J"),
        ("\u{202e}abc\u{2028}\u{2066}".as_bytes(), "\\u{202e}abc\\u{2028}\\u{2066}"),
        (b"\xff\xfe text \xc3", "\\xff\\xfe text \\xc3"),
    ];

    #[test]
    fn nothing_that_a_peer_sent_can_steer_a_terminal_and_ordinary_text_stays() {
        for (bytes, expected) in CASES {
            let shown = text(bytes);
            assert_eq!(shown, *expected);
            assert!(!shown.chars().any(is_escaped), "{shown:?}");
            // What has gone through once is not changed by a second time.
            assert_eq!(text(shown.as_bytes()), *expected);
            assert_eq!(Quoting(&shown).to_string(), *expected);
        }
    }

    #[test]
    fn an_error_of_somebody_else_is_shown_in_the_same_way() {
        for (bytes, expected) in CASES {
            let Ok(text) = core::str::from_utf8(bytes) else { continue };
            assert_eq!(Quoting(text).to_string(), *expected);
        }
    }
}
