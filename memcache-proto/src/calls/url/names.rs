//! The names of profiles, distributions, hashes and formats.

use super::super::{Config, Profile};
use crate::routing::{Distribution, KeyHash, RendezvousKeys};
use crate::value::ValueFormat;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Profile(Profile),
    Distribution(Distribution),
    KeyHash(KeyHash),
    ValueFormat(ValueFormat),
}

/// Names and what they stand for. Of several for the same, the first is the one that is written.
pub(super) type Names = &'static [(&'static str, Choice)];

pub(super) const PROFILES: Names = &[
    ("python_memcached", Choice::Profile(Profile::PythonMemcached)),
    ("python_memcached_158", Choice::Profile(Profile::PythonMemcached158)),
    ("pylibmc", Choice::Profile(Profile::Pylibmc)),
    ("pylibmc_ketama", Choice::Profile(Profile::PylibmcKetama)),
    ("pylibmc_ketama_weighted", Choice::Profile(Profile::PylibmcKetamaWeighted)),
    ("pymemcache", Choice::Profile(Profile::Pymemcache)),
    ("pymemcache_pickle", Choice::Profile(Profile::PymemcachePickle)),
];

pub(super) const DISTRIBUTIONS: Names = &[
    ("python_memcached", Choice::Distribution(Distribution::PythonMemcached)),
    ("modula", Choice::Distribution(Distribution::Modula)),
    ("ketama", Choice::Distribution(Distribution::Ketama)),
    ("ketama_weighted", Choice::Distribution(Distribution::KetamaWeighted)),
    ("rendezvous", Choice::Distribution(Distribution::Rendezvous { keys: RendezvousKeys::Text })),
    (
        "rendezvous_bytes",
        Choice::Distribution(Distribution::Rendezvous { keys: RendezvousKeys::Bytes }),
    ),
];

pub(super) const KEY_HASHES: Names = &[
    ("crc32", Choice::KeyHash(KeyHash::Crc32)),
    ("crc32_non_zero", Choice::KeyHash(KeyHash::Crc32NonZero)),
    ("crc32_whole", Choice::KeyHash(KeyHash::Crc32Whole)),
    ("one_at_a_time", Choice::KeyHash(KeyHash::OneAtATime)),
    ("md5", Choice::KeyHash(KeyHash::Md5)),
    ("fnv1_64", Choice::KeyHash(KeyHash::Fnv64)),
    ("fnv1a_64", Choice::KeyHash(KeyHash::Fnv64a)),
    ("fnv1_32", Choice::KeyHash(KeyHash::Fnv32)),
    ("fnv1a_32", Choice::KeyHash(KeyHash::Fnv32a)),
    ("murmur", Choice::KeyHash(KeyHash::Murmur)),
    ("murmur3", Choice::KeyHash(KeyHash::Murmur3)),
    ("jenkins", Choice::KeyHash(KeyHash::Jenkins)),
    // The names of the variants, and of libmemcached.
    ("default", Choice::KeyHash(KeyHash::OneAtATime)),
    ("crc", Choice::KeyHash(KeyHash::Crc32)),
    ("fnv64", Choice::KeyHash(KeyHash::Fnv64)),
    ("fnv64a", Choice::KeyHash(KeyHash::Fnv64a)),
    ("fnv32", Choice::KeyHash(KeyHash::Fnv32)),
    ("fnv32a", Choice::KeyHash(KeyHash::Fnv32a)),
];

pub(super) const VALUE_FORMATS: Names = &[
    ("python_memcached", Choice::ValueFormat(ValueFormat::PythonMemcached)),
    ("python_memcached_158", Choice::ValueFormat(ValueFormat::PythonMemcached158)),
    ("pylibmc", Choice::ValueFormat(ValueFormat::Pylibmc)),
    ("pymemcache", Choice::ValueFormat(ValueFormat::Pymemcache)),
    ("pymemcache_pickle", Choice::ValueFormat(ValueFormat::PymemcachePickle)),
];

/// What a name stands for. `python-memcached-1.58` and `PythonMemcached158` are `python_memcached_158`,
/// too: only letters, whatever their case, and digits count.
pub(super) fn choice(names: Names, text: &str) -> Option<Choice> {
    let letters = |text: &'static str| text.bytes().filter(u8::is_ascii_alphanumeric);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.bytes().all(allowed) {
        return None;
    }
    let sought = || text.bytes().filter(u8::is_ascii_alphanumeric);
    let is_same = |name| letters(name).eq(sought().map(|byte| byte.to_ascii_lowercase()));
    names.iter().find(|(name, _)| is_same(name)).map(|&(_, choice)| choice)
}

impl Choice {
    pub(super) fn apply(self, config: &mut Config) {
        match self {
            Choice::Profile(profile) => config.set_profile(profile),
            Choice::Distribution(distribution) => config.settings.distribution = distribution,
            Choice::KeyHash(hash) => config.settings.key_hash = hash,
            Choice::ValueFormat(format) => config.transcoder.format = format,
        }
    }

    /// The name that is written for it.
    pub(super) fn name(self) -> Option<&'static str> {
        let names = match self {
            Choice::Profile(_) => PROFILES,
            Choice::Distribution(_) => DISTRIBUTIONS,
            Choice::KeyHash(_) => KEY_HASHES,
            Choice::ValueFormat(_) => VALUE_FORMATS,
        };
        names.iter().find(|&&(_, choice)| choice == self).map(|&(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_matter() {
        let old = Some(Choice::Profile(Profile::PythonMemcached158));
        let default = Some(Choice::KeyHash(KeyHash::OneAtATime));
        let cases = [
            (PROFILES, "python_memcached_158", old),
            (PROFILES, "python-memcached-1.58", old),
            (PROFILES, "PythonMemcached158", old),
            (PROFILES, "python memcached 158", None),
            (PROFILES, "pylibmc2", None),
            (PROFILES, "", None),
            (KEY_HASHES, "one-at-a-time", default),
            (KEY_HASHES, "default", default),
            (KEY_HASHES, "FNV1a_64", Some(Choice::KeyHash(KeyHash::Fnv64a))),
            (KEY_HASHES, "ketama", None),
        ];
        for (names, text, expected) in cases {
            assert_eq!(choice(names, text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_name_is_read_and_has_one_that_is_written() {
        for names in [PROFILES, DISTRIBUTIONS, KEY_HASHES, VALUE_FORMATS] {
            for &(name, meant) in names {
                assert_eq!(choice(names, name), Some(meant), "{name}");
                let written = meant.name().unwrap();
                assert_eq!(choice(names, written), Some(meant), "{name}");
            }
        }
    }
}
