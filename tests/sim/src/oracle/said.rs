//! What a response says, field by field, so that two readings of it can be compared.

use memcache_proto::codec::{MetaFlags, Response};

/// The word of a response, and its fields as text, in the order of its line.
pub(super) type Said = Vec<Vec<u8>>;

/// What the codec says that a response says.
pub(super) fn said(response: &Response<'_>) -> Option<Said> {
    let word = |word: &str, texts: &[&[u8]]| {
        let mut said = vec![word.as_bytes().to_vec()];
        said.extend(texts.iter().map(|text| text.to_vec()));
        Some(said)
    };
    let digits = |number: u64| number.to_string().into_bytes();
    let some = |number: Option<u64>| number.map_or_else(Vec::new, digits);
    match *response {
        Response::Value { key, flags, cas, value } => {
            word("VALUE", &[key.as_bytes(), &digits(flags.bits()), &some(cas), value])
        }
        Response::Config { name, flags, text } => {
            word("CONFIG", &[name.as_bytes(), &digits(flags.bits()), text])
        }
        Response::End => word("END", &[]),
        Response::Stored => word("STORED", &[]),
        Response::NotStored => word("NOT_STORED", &[]),
        Response::Exists => word("EXISTS", &[]),
        Response::NotFound => word("NOT_FOUND", &[]),
        Response::Deleted => word("DELETED", &[]),
        Response::Touched => word("TOUCHED", &[]),
        Response::Ok => word("OK", &[]),
        Response::Reset => word("RESET", &[]),
        Response::Number(number) => word("number", &[&digits(number)]),
        Response::Version(text) => word("VERSION", &[text]),
        Response::Stat { name, value } => word("STAT", &[name, value]),
        Response::Prefix { prefix, get, hit, set, del } => {
            word("PREFIX", &[prefix, &digits(get), &digits(hit), &digits(set), &digits(del)])
        }
        Response::Item { key, bytes, exptime } => {
            word("ITEM", &[key.as_bytes(), &digits(bytes), &digits(exptime)])
        }
        Response::Metadump { key, exp, la, cas, fetch, cls, size, flags } => {
            let (exp, la) = (exp.to_string(), la.to_string());
            let flags = some(flags.map(|flags| flags.bits()));
            let fetch: &[u8] = if fetch { b"yes" } else { b"no" };
            let (cas, cls, size) = (digits(cas), digits(cls.into()), digits(size));
            word("key=", &[key, exp.as_bytes(), la.as_bytes(), &cas, fetch, &cls, &size, &flags])
        }
        Response::Busy(text) => word("BUSY", &[text]),
        Response::BadClass(text) => word("BADCLASS", &[text]),
        Response::NoSpare(text) => word("NOSPARE", &[text]),
        Response::NotFull(text) => word("NOTFULL", &[text]),
        Response::Unsafe(text) => word("UNSAFE", &[text]),
        Response::Same(text) => word("SAME", &[text]),
        Response::NotStarted(text) => word("NOTSTARTED", &[text]),
        Response::MemlimitTooSmall(text) => word("MEMLIMIT_TOO_SMALL", &[text]),
        Response::MemlimitAdjustFailed(text) => word("MEMLIMIT_ADJUST_FAILED", &[text]),
        Response::WatcherTooMany(text) => word("WATCHER_TOO_MANY", &[text]),
        Response::WatcherFailed(text) => word("WATCHER_FAILED", &[text]),
        Response::Hd(ref flags) => flagged("HD", flags, &[]),
        Response::Va { ref flags, value } => flagged("VA", flags, value),
        Response::En(ref flags) => flagged("EN", flags, &[]),
        Response::Nf(ref flags) => flagged("NF", flags, &[]),
        Response::Ns(ref flags) => flagged("NS", flags, &[]),
        Response::Ex(ref flags) => flagged("EX", flags, &[]),
        Response::Mn => word("MN", &[]),
        Response::Me { key, items } => word("ME", &[key, items]),
        Response::Error(text) => word("ERROR", &[text]),
        Response::ClientError(text) => word("CLIENT_ERROR", &[text]),
        Response::ServerError(text) => word("SERVER_ERROR", &[text]),
        _ => None,
    }
}

/// A word, a value, and the known flags with their letters, by letter.
fn flagged(word: &str, flags: &MetaFlags<'_>, value: &[u8]) -> Option<Said> {
    let number =
        |letter: char, number: Option<u64>| number.map(|number| format!("{letter}{number}"));
    let set = |letter: char, set: bool| set.then(|| letter.to_string());
    let token = |letter: u8, text: Option<&[u8]>| text.map(|text| [&[letter], text].concat());
    let texts = [
        number('c', flags.cas()),
        number('f', flags.client_flags().map(|flags| flags.bits())),
        number('h', flags.was_hit().map(u64::from)),
        number('l', flags.last_access()),
        number('s', flags.size()),
        flags.ttl().map(|ttl| format!("t{ttl}")),
        set('W', flags.is_won()),
        set('X', flags.is_stale()),
        set('Z', flags.is_won_by_another()),
        set('b', flags.is_base64()),
    ];
    let texts = texts.into_iter().flatten().map(String::into_bytes);
    let tokens = [token(b'O', flags.opaque()), token(b'k', flags.key())].into_iter().flatten();
    let mut known: Vec<_> = texts.chain(tokens).collect();
    known.sort();
    let mut said = vec![word.as_bytes().to_vec(), value.to_vec()];
    said.append(&mut known);
    Some(said)
}
