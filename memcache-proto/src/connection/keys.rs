use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use crate::Key;

/// Which of a get's keys the values of its reply belong to.
///
/// Servers answer in the order of the keys, so each search goes on behind the last key found, and all
/// of them together look at each key once. A proxy may answer in another order; from the first value
/// that does the keys are looked up in an index. No key is found more often than it was asked for.
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

/// What the values of a reply have said of the keys, besides their order. Only the request that is being
/// answered needs it.
#[derive(Default)]
pub(super) struct Tally {
    /// The keys that were passed over, by their numbers, in order. They may still be answered.
    passed_over: Vec<Range<u32>>,
    /// All places of a key that was found more often than it was asked for.
    repeated: Vec<usize>,
}

/// How many runs of missing keys there is kept room for between replies.
const KEPT: usize = 1 << 10;

impl Tally {
    /// For the next reply.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.passed_over.clear();
        if self.passed_over.capacity() > KEPT {
            self.passed_over = Vec::new();
        }
    }

    /// The numbers, in order, of a key that had one value too many.
    pub(super) fn repeated(&self) -> &[usize] {
        &self.repeated
    }
}

/// The keys not found before, in the order of their bytes, and equal ones in their own.
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

    /// As [`find`](Self::find), if the key is the one behind the last that was found; else `None`, and nothing has
    /// changed.
    #[inline]
    pub(super) fn find_next(&mut self, line: &[u8], key: Key<'_>) -> Option<u32> {
        let rest = line.get(position(self.next)..)?;
        let Some([] | [b' ', ..]) = rest.strip_prefix(key.as_bytes()) else { return None };
        if self.index.is_some() {
            return None;
        }
        let number = self.number;
        self.next += u32::try_from(key.len()).ok()? + 1;
        self.number += 1;
        Some(number)
    }

    /// The number of `key` among the keys of `line`, which is without its CR LF; `None` where it is not
    /// there, or was found before. A key that is there more than once has its numbers in turn. `tally` must
    /// be clear before the first search.
    #[inline]
    pub(super) fn find(&mut self, line: &[u8], key: Key<'_>, tally: &mut Tally) -> Option<u32> {
        if self.index.is_none() {
            let mut at = position(self.next);
            let mut number = self.number;
            while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
                if let Some([] | [b' ', ..]) = rest.strip_prefix(key.as_bytes()) {
                    if number != self.number {
                        tally.passed_over.push(self.number..number);
                    }
                    let next = at + key.len() + 1;
                    self.next = u32::try_from(next).unwrap_or(u32::MAX);
                    self.number = number + 1;
                    return Some(number);
                }
                let Some(space) = memchr::memchr(b' ', rest) else { break };
                at += space + 1;
                number += 1;
            }
            sometimes!("values out of order");
            let index = index(line, position(self.first), self.number, &tally.passed_over);
            self.index = Some(Box::new(Index(index)));
        }
        let found = self.look_up(line, key);
        if found.is_none() {
            tally.repeated = self.numbers_of(line, key);
        }
        found
    }

    #[cold]
    fn look_up(&mut self, line: &[u8], key: Key<'_>) -> Option<u32> {
        let Index(index) = &mut **self.index.as_mut()?;
        let first = index.partition_point(|place| place.key(line) < key.as_bytes());
        let place = index.get_mut(first).filter(|place| place.key(line) == key.as_bytes())?;
        let found = position(place.found);
        place.found = place.found.saturating_add(1);
        let equal = index.get(first.saturating_add(found));
        equal.filter(|place| place.key(line) == key.as_bytes()).map(|place| place.number)
    }

    /// All numbers of `key` among the keys of `line`, whether it was found or not.
    #[cold]
    fn numbers_of(&self, line: &[u8], key: Key<'_>) -> Vec<usize> {
        let keys = line.get(position(self.first)..).unwrap_or_default();
        let keys = keys.split(|&byte| byte == b' ').enumerate();
        keys.filter(|(_, asked)| *asked == key.as_bytes()).map(|(number, _)| number).collect()
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

/// The keys of `line` but for those before the number `next` that have not been passed over.
fn index(line: &[u8], first: usize, next: u32, passed_over: &[Range<u32>]) -> Vec<Place> {
    let mut start = first;
    let mut gaps = passed_over.iter().peekable();
    let keys = line.get(first..).unwrap_or_default().split(|&byte| byte == b' ');
    let mut places: Vec<_> = (0_u32..)
        .zip(keys)
        .filter_map(|(number, key)| {
            let end = start + key.len();
            let place = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
            start = end + 1;
            while gaps.next_if(|gap| gap.end <= number).is_some() {}
            let passed_over = gaps.peek().is_some_and(|gap| gap.contains(&number));
            if number < next && !passed_over {
                return None;
            }
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
            // None of them more often than it was asked for.
            ("get a", &[("a", Some(0)), ("a", None)]),
            ("get a b c", &[("a", Some(0)), ("a", None), ("b", Some(1)), ("b", None)]),
            ("get a b c", &[("a", Some(0)), ("c", Some(2)), ("b", Some(1)), ("b", None)]),
            ("get a b c", &[("b", Some(1)), ("b", None), ("a", Some(0)), ("a", None)]),
            ("get a b c d e", &[("b", Some(1)), ("d", Some(3)), ("c", Some(2)), ("b", None)]),
            ("get a b c d e", &[("b", Some(1)), ("d", Some(3)), ("d", None), ("a", Some(0))]),
            ("get a b c d e", &[("e", Some(4)), ("c", Some(2)), ("e", None), ("c", None)]),
            ("get a b a", &[("b", Some(1)), ("a", Some(2)), ("a", Some(0)), ("a", None)]),
            ("get a a b", &[("a", Some(0)), ("a", Some(1)), ("a", None), ("b", Some(2))]),
        ];
        for (line, asked) in cases {
            let mut order = KeyOrder::new("get ".len());
            let mut tally = Tally::default();
            for &(name, expected) in *asked {
                let found = order.find(line.as_bytes(), key(name), &mut tally);
                assert_eq!(found, expected, "{name} of {line}");
            }
        }
    }

    /// However a server mixes the keys, each is found as often as it was asked for.
    #[test]
    fn every_order_is_found_once() {
        let keys = ["a", "b", "a", "c", "d"];
        let line = format!("get {}", keys.join(" "));
        let most = |name: &str| keys.iter().filter(|key| **key == name).count();
        for orders in 0..4_usize.pow(7) {
            let mut order = KeyOrder::new("get ".len());
            let (mut tally, mut found) = (Tally::default(), Vec::new());
            for place in 0..7 {
                let name = ["a", "b", "c", "d"][orders / 4_usize.pow(place) % 4];
                let before = found.iter().filter(|&&number| keys[number] == name).count();
                let number = order.find(line.as_bytes(), key(name), &mut tally);
                assert_eq!(number.is_some(), before < most(name), "{name} in {orders}");
                let Some(number) = number.map(position) else { continue };
                assert_eq!(keys[number], name);
                assert!(!found.contains(&number), "{number} twice in {orders}");
                found.push(number);
            }
        }
    }

    /// Each search from the start again would take minutes here.
    #[test]
    fn the_reverse_order_is_not_quadratic() {
        let names: Vec<String> = (0..200_000).map(|number| format!("key{number}")).collect();
        let line = format!("get {}", names.join(" "));
        let mut order = KeyOrder::new("get ".len());
        let mut tally = Tally::default();
        for (number, name) in (0_u32..200_000).zip(&names).collect::<Vec<_>>().into_iter().rev() {
            let found = order.find(line.as_bytes(), key(name), &mut tally);
            assert_eq!(found, Some(number));
        }
    }
}
