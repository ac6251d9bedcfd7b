use std::borrow::Cow;
use std::collections::HashSet;
use std::env;

use memcache_sync::{Integer, KeyHash, ToKey, Value};
use serde_json::{Value as Json, json};

use crate::pair;
use crate::profile::Profile;

/// A key's longest, in bytes, with its prefix.
const MAX_KEY_LEN: usize = 250;
/// Ranges of letters, from ASCII's to those of four bytes.
const SCRIPTS: &[(u32, u32)] = &[
    (0x21, 0x7e),
    (0xa1, 0xff),
    (0x370, 0x3ff),
    (0x410, 0x44f),
    (0x5d0, 0x5ea),
    (0x905, 0x939),
    (0x4e00, 0x9fff),
    (0x1f300, 0x1f5ff),
];

/// Makes keys, values and weights, the same for the same seed.
pub(crate) struct Generator {
    state: u64,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What Python's calls on many keys are told apart from the key; empty for most.
    pub(crate) prefix: String,
    pub(crate) key: Key,
    pub(crate) value: Value,
}

/// A key as a caller of either side has it.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Text(String),
    Bytes(Vec<u8>),
    Integer(i64),
}

impl Generator {
    /// One of the seed that `INTEROP_SEED` names, which a failure shows.
    pub(crate) fn new() -> Self {
        let seed = number_from("INTEROP_SEED", 1);
        println!("INTEROP_SEED={seed}");
        Generator { state: seed }
    }

    /// How many keys a test has.
    pub(crate) fn count() -> usize {
        usize::try_from(number_from("INTEROP_KEYS", 2_000)).expect("a number of keys")
    }

    /// A weight for each of so many servers, of which one at least is positive.
    pub(crate) fn weights(&mut self, profile: &Profile, servers: usize) -> Vec<i32> {
        let mut weights: Vec<_> = (0..servers).map(|_| *self.pick(profile.weights)).collect();
        let sure = self.below(servers);
        weights[sure] = weights[sure].max(1);
        weights
    }

    /// So many items, whose whole keys differ. Some values are as long as `threshold`, or nearly.
    pub(crate) fn items(&mut self, profile: &Profile, count: usize, threshold: usize) -> Vec<Item> {
        let mut seen = HashSet::new();
        let mut items = Vec::with_capacity(count);
        while items.len() < count {
            let prefix = match self.below(5) {
                0 => (*self.pick(&["shop:", "caf\u{e9}/\u{4f1a}:"])).to_owned(),
                _ => String::new(),
            };
            let key = self.key(profile, MAX_KEY_LEN - prefix.len());
            let item = Item { prefix, key, value: self.value(profile, threshold) };
            if profile.can_have(&item.value) && seen.insert(item.whole()) {
                items.push(item);
            }
        }
        items
    }

    /// So many items whose keys' hash is 0, which some versions of python-memcached take for 1. Chance
    /// makes too few of them.
    pub(crate) fn items_of_hash_zero(&mut self, count: usize) -> Vec<Item> {
        let first = self.below(1 << 40);
        let names = (first..).map(|number| format!("zero:{number}"));
        let names = names.filter(|name| KeyHash::Crc32.hash(name.as_bytes()) == 0).take(count);
        let item =
            |name| Item { prefix: String::new(), key: Key::Text(name), value: Value::from("0") };
        names.map(item).collect()
    }

    fn key(&mut self, profile: &Profile, max: usize) -> Key {
        match self.below(if profile.integer_keys { 8 } else { 7 }) {
            0 => Key::Text(format!("user:{}", self.below(100_000))),
            1 => Key::Text(self.letters(&SCRIPTS[..1], max)),
            2 | 3 => {
                let len = 1 + self.below(60);
                Key::Text(self.letters(SCRIPTS, len.max(4)))
            }
            4..7 if !profile.bytes_keys => Key::Text(self.letters(SCRIPTS, max)),
            4 | 5 => {
                let len = 1 + self.below(40);
                Key::Bytes((0..len).map(|_| self.key_byte()).collect())
            }
            6 => {
                // As long as can be.
                Key::Bytes((0..max).map(|_| self.key_byte()).collect())
            }
            _ => Key::Integer(self.number() >> self.below(64)),
        }
    }

    /// A byte that a key may have: no white space, no control character.
    fn key_byte(&mut self) -> u8 {
        let byte = 0x21 + u8::try_from(self.below(0xff - 0x21)).expect("a byte");
        if byte < 0x7f { byte } else { byte + 1 }
    }

    /// A value of any kind.
    pub(crate) fn value(&mut self, profile: &Profile, threshold: usize) -> Value {
        match self.below(20) {
            0 => Value::from(""),
            1 => Value::from(b""),
            2 => Value::from(
                (*self.pick(&["a\r\nb", "END\r\n", "\0", " 7 ", "\r\nSTORED\r\n"])).to_owned(),
            ),
            3..6 => {
                let len = self.below(300);
                Value::from(self.letters(SCRIPTS, len))
            }
            6..9 => {
                let len = self.below(300);
                Value::from(self.bytes(len))
            }
            // Around the threshold, what can be compressed and what cannot.
            9 => Value::from("a".repeat(threshold + self.below(3) - 1)),
            10 => Value::from(vec![b'b'; threshold + self.below(3) - 1]),
            11 => {
                let len = threshold + self.below(3) - 1;
                Value::from(self.bytes(len))
            }
            12..15 => {
                let number = self.number() >> self.below(64);
                Value::from(number)
            }
            15 => Value::from(*self.pick(&[0, 1, -1, i64::MAX, i64::MIN, 1 << 31, 1 << 53])),
            16 => Value::from(*self.pick(&[u128::MAX, 1 << 64, (1 << 64) - 1, 1 << 127])),
            17 | 18 => {
                let most = if profile.long_integers { 300 } else { threshold - 21 };
                let len = 20 + self.below(most);
                let sign = if self.below(2) == 0 { "" } else { "-" };
                let digits = (0..len).map(|_| char::from(b'1' + self.digit()));
                let digits: String = sign.chars().chain(digits).collect();
                Value::from(digits.parse::<Integer>().expect("digits"))
            }
            _ => {
                let len = self.below(20_000);
                Value::from(self.bytes(len))
            }
        }
    }

    /// Text of these scripts of at most so many bytes.
    fn letters(&mut self, scripts: &[(u32, u32)], max: usize) -> String {
        let mut text = String::new();
        let len = self.below(max + 1);
        let (first, last) = *self.pick(scripts);
        loop {
            let span = usize::try_from(last - first + 1).expect("a range of letters");
            let letter = first + u32::try_from(self.below(span)).expect("a letter");
            let letter = char::from_u32(letter).expect("no surrogate");
            if text.len() + letter.len_utf8() > len.max(4).min(max) {
                return text;
            }
            text.push(letter);
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect()
    }

    fn digit(&mut self) -> u8 {
        u8::try_from(self.below(9)).expect("a digit")
    }

    pub(crate) fn number(&mut self) -> i64 {
        i64::from_ne_bytes(self.next().to_ne_bytes())
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a bound");
        usize::try_from(self.next() % bound).expect("less than the bound")
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Item {
    /// The key as it stands on the wire.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let mut whole = self.prefix.clone().into_bytes();
        whole.extend_from_slice(self.key.to_key().expect("a key").as_key().as_bytes());
        whole
    }

    /// The whole key as a caller of Python's has it: text where it can be.
    pub(crate) fn whole_json(&self) -> Json {
        match &self.key {
            Key::Text(text) => json!(format!("{}{text}", self.prefix)),
            Key::Integer(integer) => json!(format!("{}{integer}", self.prefix)),
            Key::Bytes(_) => pair::bytes(&self.whole()),
        }
    }
}

impl Key {
    /// The key as the driver reads it.
    pub(crate) fn json(&self) -> Json {
        match self {
            Key::Text(text) => json!(text),
            Key::Bytes(bytes) => pair::bytes(bytes),
            Key::Integer(integer) => pair::number(&integer.to_string()),
        }
    }
}

impl ToKey for Key {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Key::Text(text) => text.to_bytes(),
            Key::Bytes(bytes) => bytes.to_bytes(),
            Key::Integer(integer) => integer.to_bytes(),
        }
    }
}

fn number_from(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}
