//! Who is let in, where a server asks for a login. The answers are memcached 1.6.18's.

use crate::Credentials;
use crate::codec::Response;

/// A login is no longer than this, in bytes.
pub(super) const MAX_LEN: usize = 2048;

/// How long the value is that a login announces: it is a `set`, whose key, flags and exptime are not looked
/// at. `None` if the line is another command.
pub(super) fn announced(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    if words.next()? != b"set" {
        return None;
    }
    core::str::from_utf8(words.nth(3)?).ok()?.parse().ok()
}

/// What a login with this value and what follows it is answered; `STORED` lets in.
pub(super) fn answer(credentials: &Credentials, block: &[u8]) -> Response<'static> {
    let Some(value) = block.strip_suffix(b"\r\n") else {
        return Response::ClientError(b"bad command line termination");
    };
    let mut words = value.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some(user), Some(password)) => {
            if user == credentials.user() && password == credentials.password() {
                Response::Stored
            } else {
                Response::ClientError(b"authentication failure")
            }
        }
        _ => Response::ClientError(b"bad authentication token format"),
    }
}
