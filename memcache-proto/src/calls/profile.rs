use super::Config;
use crate::routing::{Distribution, KeyHash, RendezvousKeys};
use crate::value::ValueFormat;

/// Another client that the cache is shared with: where its keys go and what its values look like, in one
/// word.
///
/// Each is that client as it is by default; what the other program has set differently is set here
/// after it, with the builder's `distribution`, `key_hash` or `value_format`. A prefix that pylibmc
/// (`namespace`) or pymemcache (`key_prefix`) puts before its keys is bytes there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// python-memcached from 1.60 on.
    #[default]
    PythonMemcached,
    /// python-memcached up to 1.58, which most tutorials print: a key's hash is never 0, and text is
    /// stored with flags 0, which are read as text. (Its deletes carry a time of 0, which means
    /// nothing to a server; none is sent.)
    PythonMemcached158,
    /// pylibmc, and so libmemcached: modula of its default hash. Whoever sets `"hash": "crc"` there
    /// takes [`KeyHash::Crc32`] here, and so on: the names are alike.
    Pylibmc,
    /// pylibmc with the behavior `"ketama": True`.
    PylibmcKetama,
    /// pylibmc with the behavior `"ketama_weighted": True`, which sets the hash to md5, too.
    PylibmcKetamaWeighted,
    /// pymemcache without a serde, its keys `str`: everything is bytes with flags 0.
    Pymemcache,
    /// pymemcache with `serde.pickle_serde` (once `python_memcache_serializer`) or
    /// `serde.compressed_serde`, its keys `str`.
    PymemcachePickle,
}

impl Profile {
    /// How the servers share the keys.
    #[must_use]
    pub fn distribution(self) -> Distribution {
        match self {
            Profile::PythonMemcached | Profile::PythonMemcached158 => Distribution::PythonMemcached,
            Profile::Pylibmc => Distribution::Modula,
            Profile::PylibmcKetama => Distribution::Ketama,
            Profile::PylibmcKetamaWeighted => Distribution::KetamaWeighted,
            Profile::Pymemcache | Profile::PymemcachePickle => {
                Distribution::Rendezvous { keys: RendezvousKeys::Text }
            }
        }
    }

    /// The hash that chooses a key's server.
    #[must_use]
    pub fn key_hash(self) -> KeyHash {
        match self {
            Profile::PythonMemcached | Profile::Pymemcache | Profile::PymemcachePickle => {
                KeyHash::Crc32
            }
            Profile::PythonMemcached158 => KeyHash::Crc32NonZero,
            Profile::Pylibmc | Profile::PylibmcKetama => KeyHash::OneAtATime,
            Profile::PylibmcKetamaWeighted => KeyHash::Md5,
        }
    }

    /// Whether a key's prefix takes part in choosing its server. pylibmc's `namespace` and pymemcache's
    /// `key_prefix` do not.
    #[must_use]
    pub fn hash_with_prefix_key(self) -> bool {
        matches!(self, Profile::PythonMemcached | Profile::PythonMemcached158)
    }

    /// How values are stored and read.
    #[must_use]
    pub fn value_format(self) -> ValueFormat {
        match self {
            Profile::PythonMemcached => ValueFormat::PythonMemcached,
            Profile::PythonMemcached158 => ValueFormat::PythonMemcached158,
            Profile::Pylibmc | Profile::PylibmcKetama | Profile::PylibmcKetamaWeighted => {
                ValueFormat::Pylibmc
            }
            Profile::Pymemcache => ValueFormat::Pymemcache,
            Profile::PymemcachePickle => ValueFormat::PymemcachePickle,
        }
    }
}

impl Config {
    /// Has the client be the equal of another.
    pub fn set_profile(&mut self, profile: Profile) {
        self.settings.distribution = profile.distribution();
        self.settings.key_hash = profile.key_hash();
        self.settings.hash_with_prefix_key = profile.hash_with_prefix_key();
        self.transcoder.format = profile.value_format();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Operation};
    use crate::{Key, Time};

    /// Which server of three each profile takes, with the prefix or without.
    #[test]
    fn a_prefix_counts_where_it_does_for_the_other_client() {
        let key = Key::new("foo").unwrap();
        for profile in [
            Profile::PythonMemcached,
            Profile::PythonMemcached158,
            Profile::Pylibmc,
            Profile::PylibmcKetama,
            Profile::PylibmcKetamaWeighted,
            Profile::Pymemcache,
            Profile::PymemcachePickle,
        ] {
            // A prefix that moves the key, in some of these.
            let moved = ["a:", "b:", "c:", "d:", "e:"].into_iter().any(|prefix| {
                let mut config = Config::default();
                for port in 1..=3 {
                    config.add_server(&alloc::format!("10.0.0.1:{port}"), 1);
                }
                config.set_profile(profile);
                config.settings.key_prefix = prefix.into();
                let cluster = config.build(|| 0).unwrap().cluster().clone();
                let selector = cluster.selector();
                assert_eq!(selector.distribution(), profile.distribution());
                assert_eq!(selector.key_hash(), profile.key_hash());
                let whole = alloc::format!("{prefix}foo");
                let expected = match profile.hash_with_prefix_key() {
                    true => selector.candidates(whole.as_bytes()).next(),
                    false => selector.candidates(b"foo").next(),
                };
                let mut client = Client::new(cluster.clone());
                assert_eq!(client.destination(key, Time::ZERO), expected, "{profile:?}, {prefix}");
                let get = Operation::Get { key: key.into(), cas: false };
                client.submit(get, Time::ZERO).unwrap();
                let Some(crate::client::Action::Connect { connection, .. }) =
                    client.poll_action(Time::ZERO)
                else {
                    panic!("it connects")
                };
                assert_eq!(Some(connection.server()), expected, "{profile:?}, {prefix}");
                expected != selector.candidates(b"foo").next()
            });
            assert_eq!(moved, profile.hash_with_prefix_key(), "{profile:?}");
        }
    }
}
