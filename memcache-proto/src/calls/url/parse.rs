//! The grammar of a URL.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use super::list::{self, SEPARATORS};
use super::parameters::{self, Kind, Value};
use super::piece::Piece;
use super::{Url, UrlError, UrlErrorKind};
use crate::client::{Credentials, CredentialsError};
use crate::discovery::Source;
use crate::routing::Server;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Plain,
    Tls,
    Unix,
}

pub(super) const PLAIN: &str = "memcached";
pub(super) const TLS: &str = "memcached+tls";
pub(super) const UNIX: &str = "memcached+unix";

/// `SCHEME://[USER:PASSWORD@]SERVERS[/][?PARAMETERS]`
pub(super) fn url(text: &str) -> Result<Url, UrlError> {
    let (scheme, rest) = scheme(Piece::new(text))?;
    let (login, rest) = split_login(rest)?;
    if let Some(place) = login.and_then(forbidden) {
        return Err(place.hidden(UrlErrorKind::Forbidden));
    }
    if let Some(place) = forbidden(rest) {
        return Err(place.error(UrlErrorKind::Forbidden));
    }
    let credentials = login.map(credentials).transpose()?;
    let (place, query) = match rest.split_once(&['?']) {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let (servers, source) = match scheme {
        Scheme::Plain | Scheme::Tls => hosts(place)?,
        Scheme::Unix => (paths(place)?, None),
    };
    let values = match query {
        Some(query) => parameters(query, scheme)?,
        None => BTreeMap::new(),
    };
    Ok(Url { tls: scheme == Scheme::Tls, credentials, servers, source, values })
}

fn scheme(whole: Piece<'_>) -> Result<(Scheme, Piece<'_>), UrlError> {
    let end = whole.text.find("://");
    let Some((name, rest)) = end.and_then(|end| Some((whole.until(end)?, whole.from(end + 3)?)))
    else {
        // Anything, with a password in it perhaps.
        return Err(whole.hidden(UrlErrorKind::Scheme));
    };
    for (known, scheme) in [(PLAIN, Scheme::Plain), (TLS, Scheme::Tls), (UNIX, Scheme::Unix)] {
        if name.text.eq_ignore_ascii_case(known) {
            return Ok((scheme, rest));
        }
    }
    match name.text.contains('@') {
        true => Err(name.hidden(UrlErrorKind::Scheme)),
        false => Err(name.error(UrlErrorKind::Scheme)),
    }
}

/// The user and the password, and what stands behind the `@`. There is one `@` at most, so that nothing of a
/// password with such characters in it is taken for a server, or shown as one.
fn split_login(rest: Piece<'_>) -> Result<(Option<Piece<'_>>, Piece<'_>), UrlError> {
    let Some((login, behind)) = rest.rsplit_once('@') else { return Ok((None, rest)) };
    if login.text.contains(['@', '/', '?']) {
        let at = login.start + login.text.len();
        return Err(UrlError::hidden(UrlErrorKind::AtSign, at));
    }
    Ok((Some(login), behind))
}

/// The first character that must not stand there as it is.
fn forbidden(piece: Piece<'_>) -> Option<Piece<'_>> {
    let is_forbidden = |c: char| c.is_control() || c.is_whitespace() || c == '#';
    let from = piece.from(piece.text.find(is_forbidden)?)?;
    from.until(from.text.chars().next()?.len_utf8())
}

fn credentials(login: Piece<'_>) -> Result<Credentials, UrlError> {
    let Some((user, password)) = login.split_once(&[':']) else {
        return Err(login.hidden(UrlErrorKind::NoPassword));
    };
    let decode = |piece: Piece<'_>| {
        piece.decode().map_err(|sequence| sequence.hidden(UrlErrorKind::Percent))
    };
    Credentials::new(decode(user)?, decode(password)?).map_err(|error| {
        let place = if error == CredentialsError::Password { password } else { user };
        place.hidden(UrlErrorKind::Credentials(error))
    })
}

/// The servers, and who knows others.
type Hosts = (Vec<Server>, Option<Source>);

fn hosts(place: Piece<'_>) -> Result<Hosts, UrlError> {
    let (hosts, path) =
        match place.text.find('/').and_then(|at| place.until(at).zip(place.from(at))) {
            Some((hosts, path)) => (hosts, Some(path)),
            None => (place, None),
        };
    if hosts.text.is_empty() {
        return Err(place.error(UrlErrorKind::NoServers));
    }
    if let Some(path) = path.filter(|path| path.text != "/") {
        return Err(path.error(UrlErrorKind::Path));
    }
    let (mut servers, mut source) = (Vec::new(), None);
    for item in hosts.split(SEPARATORS) {
        match list::source(item, Piece::decode_text)? {
            None => servers.push(list::server(item, Piece::decode_text)?),
            Some(_) if source.is_some() => return Err(item.error(UrlErrorKind::TwoSources)),
            found => source = found,
        }
    }
    Ok((servers, source))
}

fn paths(place: Piece<'_>) -> Result<Vec<Server>, UrlError> {
    if place.text.is_empty() {
        return Err(place.error(UrlErrorKind::NoServers));
    }
    let path = |piece: Piece<'_>| match piece.text.starts_with('/') {
        true => piece.decode_text(),
        false => Err(piece.error(UrlErrorKind::RelativePath)),
    };
    place.split(SEPARATORS).map(|item| list::server(item, path)).collect()
}

fn parameters(query: Piece<'_>, scheme: Scheme) -> Result<BTreeMap<usize, Value>, UrlError> {
    let mut values = BTreeMap::new();
    for pair in query.split(&['&']).filter(|pair| !pair.text.is_empty()) {
        let (name, value) = match pair.split_once(&['=']) {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        let Some((order, parameter)) = parameters::find(name.text) else {
            let nearest = parameters::nearest(name.text);
            return Err(name.error(UrlErrorKind::UnknownParameter { nearest }));
        };
        let known = parameter.name;
        if matches!(parameter.kind, Kind::Tls(_)) && scheme != Scheme::Tls {
            return Err(name.error(UrlErrorKind::NotTls { parameter: known }));
        }
        let Entry::Vacant(free) = values.entry(order) else {
            return Err(name.error(UrlErrorKind::Repeated { parameter: known }));
        };
        let Some(value) = value.filter(|value| !value.text.is_empty()) else {
            return Err(name.error(UrlErrorKind::NoValue { parameter: known }));
        };
        free.insert(parameter.read(value)?);
    }
    Ok(values)
}
