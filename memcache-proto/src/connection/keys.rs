use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Key;

/// Which of a get's keys the values of its reply belong to.
///
/// Servers answer in the order of the keys, so each search goes on behind the last key found, and all
/// of them together look at each key once. A proxy may answer in another order; from the first value
/// that does the keys are looked up in an index.
///
/// Every request has one, so it is small.
pub(super) struct KeyOrder {
    /// Where the first key stands, counted from the start of the line.
    first: u32,
    /// Where the key behind the last one found stands, and its number.
    next: u32,
    number: u32,
    index: Option<Box<Index>>,
}

/// The keys in the order of their bytes, and equal ones in their own.
struct Index(Vec<Place>);

struct Place {
    start: u32,
    end: u32,
    number: u32,
    /// At the first of equal keys: how many of them have been found.
    found: u32,
}

impl KeyOrder {
    /// For a line whose first key stands at `first`.
    pub(super) fn new(first: usize) -> Self {
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        KeyOrder { first, next: first, number: 0, index: None }
    }

    /// Forgets what has been found.
    pub(super) fn restart(&mut self) {
        (self.next, self.number, self.index) = (self.first, 0, None);
    }

    /// The number of `key` among the keys of `line`, which is without its CR LF. A key that is there
    /// more than once has its numbers in turn.
    #[inline]
    pub(super) fn find(&mut self, line: &[u8], key: Key<'_>) -> Option<u32> {
        if self.index.is_none() {
            let mut at = position(self.next);
            let mut number = self.number;
            while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
                if let Some([] | [b' ', ..]) = rest.strip_prefix(key.as_bytes()) {
                    let next = at + key.len() + 1;
                    self.next = u32::try_from(next).unwrap_or(u32::MAX);
                    self.number = number + 1;
                    return Some(number);
                }
                let Some(space) = memchr::memchr(b' ', rest) else { break };
                at += space + 1;
                number += 1;
            }
            self.index = Some(Box::new(Index(index(line, position(self.first)))));
        }
        self.look_up(line, key)
    }

    #[cold]
    fn look_up(&mut self, line: &[u8], key: Key<'_>) -> Option<u32> {
        let Index(index) = &mut **self.index.as_mut()?;
        let first = index.partition_point(|place| place.key(line) < key.as_bytes());
        let place = index.get_mut(first).filter(|place| place.key(line) == key.as_bytes())?;
        let found = usize::try_from(place.found).unwrap_or(usize::MAX);
        place.found += 1;
        let number = place.number;
        let equal = index.get(first.saturating_add(found));
        // More values than keys of this name: the last of them is answered again.
        Some(equal.filter(|place| place.key(line) == key.as_bytes()).map_or(number, |p| p.number))
    }
}

impl Place {
    fn key<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(position(self.start)..position(self.end)).unwrap_or_default()
    }
}

fn position(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn index(line: &[u8], first: usize) -> Vec<Place> {
    let mut start = first;
    let keys = line.get(first..).unwrap_or_default().split(|&byte| byte == b' ');
    let mut places: Vec<_> = (0_u32..)
        .zip(keys)
        .filter_map(|(number, key)| {
            let end = start + key.len();
            let place = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
            start = end + 1;
            Some(Place { start: place.0, end: place.1, number, found: 0 })
        })
        .collect();
    places.sort_by(|a, b| a.key(line).cmp(b.key(line)));
    places
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn key(text: &str) -> Key<'_> {
        Key::new(text).unwrap()
    }

    #[test]
    fn keys_are_found_in_any_order_and_in_turn() {
        type Asked<'a> = &'a [(&'a str, Option<u32>)];
        let cases: &[(&str, Asked<'_>)] = &[
            ("get a b c", &[("a", Some(0)), ("b", Some(1)), ("c", Some(2))]),
            ("get a b c", &[("c", Some(2)), ("a", Some(0)), ("b", Some(1)), ("x", None)]),
            ("get a b a", &[("a", Some(0)), ("b", Some(1)), ("a", Some(2))]),
            ("get a b a", &[("b", Some(1)), ("a", Some(2)), ("a", Some(0))]),
            ("get ab a abc", &[("a", Some(1)), ("abc", Some(2)), ("ab", Some(0))]),
            ("get ab", &[("a", None), ("abc", None), ("ab", Some(0))]),
            ("get a a b", &[("b", Some(2)), ("a", Some(0)), ("a", Some(1))]),
        ];
        for (line, asked) in cases {
            let mut order = KeyOrder::new("get ".len());
            for &(name, expected) in *asked {
                assert_eq!(order.find(line.as_bytes(), key(name)), expected, "{name} of {line}");
            }
        }
    }

    /// Each search from the start again would take minutes here.
    #[test]
    fn the_reverse_order_is_not_quadratic() {
        let names: Vec<String> = (0..200_000).map(|number| format!("key{number}")).collect();
        let line = format!("get {}", names.join(" "));
        let mut order = KeyOrder::new("get ".len());
        for (number, name) in (0_u32..200_000).zip(&names).collect::<Vec<_>>().into_iter().rev() {
            assert_eq!(order.find(line.as_bytes(), key(name)), Some(number));
        }
    }
}
