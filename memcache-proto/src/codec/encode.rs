use alloc::vec::Vec;

use super::Response;

impl<'a> Response<'a> {
    /// Appends the response, as a server writes it, to `out`.
    ///
    /// Texts are written as they stand, so they must not hold CR or LF; those that were parsed do not.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        match *self {
            Response::Value { key, flags, cas, value } => {
                put(out, &[b"VALUE ", key.as_bytes(), b" "]);
                put(out, &[digits.format(flags.bits()).as_bytes(), b" "]);
                put(out, &[digits.format(value.len()).as_bytes()]);
                if let Some(cas) = cas {
                    put(out, &[b" ", digits.format(cas).as_bytes()]);
                }
                put(out, &[b"\r\n", value]);
            }
            Response::Config { name, flags, text } => {
                put(out, &[b"CONFIG ", name.as_bytes(), b" "]);
                put(out, &[digits.format(flags.bits()).as_bytes(), b" "]);
                put(out, &[digits.format(text.len()).as_bytes(), b"\r\n", text]);
            }
            Response::Va { flags, value } => {
                put(out, &[b"VA ", digits.format(value.len()).as_bytes()]);
                flags.encode(out);
                put(out, &[b"\r\n", value]);
            }
            Response::Hd(ref flags)
            | Response::Nf(ref flags)
            | Response::Ns(ref flags)
            | Response::En(ref flags)
            | Response::Ex(ref flags) => {
                put(out, &[self.word_and_text().0]);
                flags.encode(out);
            }
            Response::Me { key, items } => put(out, &[b"ME ", key, b" ", items]),
            Response::Number(number) => put(out, &[digits.format(number).as_bytes()]),
            Response::Version(text) => put(out, &[b"VERSION ", text]),
            Response::Stat { name, value } => put(out, &[b"STAT ", name, b" ", value]),
            Response::Prefix { prefix, get, hit, set, del } => {
                put(out, &[b"PREFIX ", prefix]);
                for (name, count) in
                    [(" get ", get), (" hit ", hit), (" set ", set), (" del ", del)]
                {
                    put(out, &[name.as_bytes(), digits.format(count).as_bytes()]);
                }
            }
            Response::Item { key, bytes, exptime } => {
                put(out, &[b"ITEM ", key.as_bytes(), b" ["]);
                put(out, &[digits.format(bytes).as_bytes(), b" b; "]);
                put(out, &[digits.format(exptime).as_bytes(), b" s]"]);
            }
            Response::Metadump { key, exp, la, cas, fetch, cls, size, flags } => {
                put(out, &[b"key=", key]);
                put(out, &[b" exp=", digits.format(exp).as_bytes()]);
                put(out, &[b" la=", digits.format(la).as_bytes()]);
                put(out, &[b" cas=", digits.format(cas).as_bytes()]);
                put(out, &[b" fetch=", if fetch { b"yes" } else { b"no" }]);
                put(out, &[b" cls=", digits.format(cls).as_bytes()]);
                put(out, &[b" size=", digits.format(size).as_bytes()]);
                if let Some(flags) = flags {
                    put(out, &[b" flags=", digits.format(flags.bits()).as_bytes()]);
                }
                return out.push(b'\n');
            }
            _ => {
                let (word, text) = self.word_and_text();
                let space: &[u8] = match text.first() {
                    None | Some(b':') => b"",
                    Some(_) => b" ",
                };
                put(out, &[word, space, text]);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The word and the text of a response that is nothing else.
    fn word_and_text(&self) -> (&'static [u8], &'a [u8]) {
        match *self {
            Response::End => (b"END", b""),
            Response::Stored => (b"STORED", b""),
            Response::NotStored => (b"NOT_STORED", b""),
            Response::Exists => (b"EXISTS", b""),
            Response::NotFound => (b"NOT_FOUND", b""),
            Response::Deleted => (b"DELETED", b""),
            Response::Touched => (b"TOUCHED", b""),
            Response::Ok => (b"OK", b""),
            Response::Reset => (b"RESET", b""),
            Response::Busy(text) => (b"BUSY", text),
            Response::BadClass(text) => (b"BADCLASS", text),
            Response::NoSpare(text) => (b"NOSPARE", text),
            Response::NotFull(text) => (b"NOTFULL", text),
            Response::Unsafe(text) => (b"UNSAFE", text),
            Response::Same(text) => (b"SAME", text),
            Response::NotStarted(text) => (b"NOTSTARTED", text),
            Response::MemlimitTooSmall(text) => (b"MEMLIMIT_TOO_SMALL", text),
            Response::MemlimitAdjustFailed(text) => (b"MEMLIMIT_ADJUST_FAILED", text),
            Response::WatcherTooMany(text) => (b"WATCHER_TOO_MANY", text),
            Response::WatcherFailed(text) => (b"WATCHER_FAILED", text),
            Response::Error(text) => (b"ERROR", text),
            Response::ClientError(text) => (b"CLIENT_ERROR", text),
            Response::ServerError(text) => (b"SERVER_ERROR", text),
            Response::Version(text) => (b"VERSION", text),
            Response::Hd(_) => (b"HD", b""),
            Response::Nf(_) => (b"NF", b""),
            Response::Ns(_) => (b"NS", b""),
            Response::Ex(_) => (b"EX", b""),
            Response::En(_) => (b"EN", b""),
            Response::Mn => (b"MN", b""),
            Response::Value { .. }
            | Response::Config { .. }
            | Response::Va { .. }
            | Response::Me { .. }
            | Response::Number(_)
            | Response::Stat { .. }
            | Response::Prefix { .. }
            | Response::Item { .. }
            | Response::Metadump { .. } => (b"", b""),
        }
    }
}

/// Appends the parts one behind the other.
pub(super) fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}
