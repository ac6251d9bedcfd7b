use core::fmt;

use super::{ServerList, Url, UrlError, UrlErrorKind};
use crate::client::{Credentials, CredentialsError};

const URL: &str = "MEMCACHED_URL";
const SERVERS: &str = "MEMCACHED_SERVERS";
const USERNAME: &str = "MEMCACHED_USERNAME";
const PASSWORD: &str = "MEMCACHED_PASSWORD";

impl Url {
    /// The URL that environment variables make. `lookup` returns the value of a variable, or `None` if it is
    /// not set. An empty one counts as not set.
    ///
    /// | variable | value |
    /// |---|---|
    /// | `MEMCACHED_URL` | a URL |
    /// | `MEMCACHED_SERVERS` | a [`ServerList`]; not looked at if there is a `MEMCACHED_URL` |
    /// | `MEMCACHED_USERNAME`, `MEMCACHED_PASSWORD` | the login, as it is, without percent sequences; not looked at if the URL has one |
    ///
    /// Nothing stands in for variables that are missing: a service that has lost its settings should say so,
    /// not look for a cache on `localhost`.
    ///
    /// ```
    /// use memcache_proto::calls::Url;
    ///
    /// let url = Url::from_vars(|name| match name {
    ///     "MEMCACHED_SERVERS" => Some("10.0.0.1, 10.0.0.2*2"),
    ///     "MEMCACHED_USERNAME" => Some("shop"),
    ///     "MEMCACHED_PASSWORD" => Some("correct-horse"),
    ///     _ => None,
    /// })?;
    /// assert_eq!(url.to_string(), "memcached://shop:***@10.0.0.1:11211,10.0.0.2:11211*2");
    /// # Ok::<(), memcache_proto::calls::VarsError>(())
    /// ```
    ///
    /// The names of others are a matter of `lookup`. This takes what Heroku sets for MemCachier,
    /// `MEMCACHIER_SERVERS`, `MEMCACHIER_USERNAME` and `MEMCACHIER_PASSWORD`:
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use memcache_proto::calls::Url;
    ///
    /// let heroku = HashMap::from([
    ///     ("MEMCACHIER_SERVERS", "mc1.example.com,mc2.example.com"),
    ///     ("MEMCACHIER_USERNAME", "4E2F"),
    ///     ("MEMCACHIER_PASSWORD", "secret"),
    /// ]);
    /// let url = Url::from_vars(|name| heroku.get(&*name.replace("MEMCACHED_", "MEMCACHIER_")))?;
    /// assert_eq!(url.servers().len(), 2);
    /// # Ok::<(), memcache_proto::calls::VarsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VarsError`] says which variable is missing, or what is wrong with it.
    pub fn from_vars<V: AsRef<[u8]>>(
        lookup: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, VarsError> {
        let value = |name| lookup(name).filter(|value| !value.as_ref().is_empty());
        let wrong = |variable| move |error| VarsError::Wrong { variable, error };
        let mut url = if let Some(url) = value(URL) {
            text(url.as_ref()).and_then(Url::parse).map_err(wrong(URL))?
        } else if let Some(servers) = value(SERVERS) {
            let list = text(servers.as_ref()).and_then(ServerList::parse);
            Url::from(list.map_err(wrong(SERVERS))?)
        } else {
            return Err(VarsError::NotSet);
        };
        if url.credentials.is_none() {
            url.credentials = match (value(USERNAME), value(PASSWORD)) {
                (Some(user), Some(password)) => {
                    Some(Credentials::new(user, password).map_err(VarsError::Credentials)?)
                }
                (Some(_), None) => return Err(VarsError::NoPassword),
                (None, Some(_)) => return Err(VarsError::NoUser),
                (None, None) => None,
            };
        }
        Ok(url)
    }
}

fn text(bytes: &[u8]) -> Result<&str, UrlError> {
    core::str::from_utf8(bytes)
        .map_err(|error| UrlError::hidden(UrlErrorKind::NotUtf8, error.valid_up_to()))
}

/// Why environment variables do not say which servers there are. It never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VarsError {
    /// Neither `MEMCACHED_URL` nor `MEMCACHED_SERVERS` is set.
    NotSet,
    /// A variable cannot be read.
    Wrong {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it, and where.
        error: UrlError,
    },
    /// `MEMCACHED_USERNAME` is set, and `MEMCACHED_PASSWORD` is not.
    NoPassword,
    /// `MEMCACHED_PASSWORD` is set, and `MEMCACHED_USERNAME` is not.
    NoUser,
    /// No server can know this user or this password.
    Credentials(CredentialsError),
}

impl fmt::Display for VarsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VarsError::NotSet => write!(f, "neither {URL} nor {SERVERS} is set"),
            VarsError::Wrong { variable, error } => write!(f, "{variable} is wrong {error}"),
            VarsError::NoPassword => write!(f, "{USERNAME} is set, but {PASSWORD} is not"),
            VarsError::NoUser => write!(f, "{PASSWORD} is set, but {USERNAME} is not"),
            VarsError::Credentials(error) => write!(f, "{USERNAME} and {PASSWORD}: {error}"),
        }
    }
}

impl core::error::Error for VarsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    type Vars<'a> = &'a [(&'a str, &'a str)];

    fn url(vars: Vars<'_>) -> Result<Url, VarsError> {
        Url::from_vars(|sought| {
            vars.iter().find(|(name, _)| *name == sought).map(|(_, value)| value)
        })
    }

    #[test]
    fn a_url_comes_first_then_a_list_of_servers() {
        let cases: &[(Vars<'_>, &str)] = &[
            (&[(URL, "memcached://a/?failover=0")], "memcached://a:11211/?failover=no"),
            (&[(SERVERS, "a, b*2")], "memcached://a:11211,b:11211*2"),
            (&[(SERVERS, "unix:/run/m.sock")], "memcached+unix:///run/m.sock"),
            (&[(URL, ""), (SERVERS, "b")], "memcached://b:11211"),
            (&[(URL, "memcached://a"), (SERVERS, "b::")], "memcached://a:11211"),
            (&[(SERVERS, "a"), (USERNAME, "u"), (PASSWORD, "p@/%")], "memcached://u:***@a:11211"),
            (&[(SERVERS, "a"), (USERNAME, ""), (PASSWORD, "")], "memcached://a:11211"),
            (
                &[(URL, "memcached+tls://a"), (USERNAME, "u"), (PASSWORD, "p")],
                "memcached+tls://u:***@a:11211",
            ),
            (&[(URL, "memcached://u:p@a"), (USERNAME, "other")], "memcached://u:***@a:11211"),
        ];
        for (vars, expected) in cases {
            assert_eq!(url(vars).unwrap().to_string(), *expected, "{vars:?}");
        }
        let found = url(&[(SERVERS, "a"), (USERNAME, "u"), (PASSWORD, "p@/%")]).unwrap();
        assert_eq!(found.credentials().unwrap().password(), b"p@/%");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let cases: &[(Vars<'_>, &str)] = &[
            (&[], "neither MEMCACHED_URL nor MEMCACHED_SERVERS is set"),
            (&[(USERNAME, "u")], "neither MEMCACHED_URL nor MEMCACHED_SERVERS is set"),
            (
                &[(URL, "redis://a")],
                "MEMCACHED_URL is wrong at byte 0, \"redis\": the URL must begin with memcached://, \
                 memcached+tls:// or memcached+unix://",
            ),
            (
                &[(URL, "10.0.0.1:11211")],
                "MEMCACHED_URL is wrong at byte 0: the URL must begin with memcached://, \
                 memcached+tls:// or memcached+unix://",
            ),
            (
                &[(SERVERS, "a:x")],
                "MEMCACHED_SERVERS is wrong at byte 2: the server address \"a:x\" has \"x\" for a port; \
                 expected 1 to 65535, or no colon for 11211",
            ),
            (
                &[(SERVERS, "a"), (USERNAME, "u")],
                "MEMCACHED_USERNAME is set, but MEMCACHED_PASSWORD is not",
            ),
            (
                &[(SERVERS, "a"), (PASSWORD, "p")],
                "MEMCACHED_PASSWORD is set, but MEMCACHED_USERNAME is not",
            ),
            (
                &[(SERVERS, "a"), (USERNAME, "u v"), (PASSWORD, "p")],
                "MEMCACHED_USERNAME and MEMCACHED_PASSWORD: the user of the login is empty, or has a \
                 space, a colon or a control character",
            ),
        ];
        for (vars, expected) in cases {
            assert_eq!(url(vars).unwrap_err().to_string(), *expected, "{vars:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_no_url_but_may_be_a_password() {
        let vars = |name: &str| match name {
            URL => Some(b"memcached://a\xff".to_vec()),
            _ => None,
        };
        let error = UrlError::hidden(UrlErrorKind::NotUtf8, 13);
        assert_eq!(Url::from_vars(vars), Err(VarsError::Wrong { variable: URL, error }));
        let vars = |name: &str| match name {
            SERVERS => Some(b"a".to_vec()),
            USERNAME | PASSWORD => Some(b"\xff".to_vec()),
            _ => None,
        };
        let url = Url::from_vars(vars).unwrap();
        assert_eq!(url.credentials().unwrap().password(), b"\xff");
    }
}
