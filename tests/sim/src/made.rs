//! The choices that a run has made, part by part, for whoever changes them.

use std::ops::Range;

use crate::source::{Writer, width};
use crate::{Source, Tape};

/// A choice that a run has made, or the beginning or the end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Choice {
        number: usize,
        /// How many bytes of a tape it takes.
        width: usize,
    },
    Begin,
    End,
}

impl Item {
    /// The number that was chosen; 0 where nothing was.
    pub(crate) fn number(&self) -> usize {
        match *self {
            Item::Choice { number, .. } => number,
            Item::Begin | Item::End => 0,
        }
    }

    /// The choice of another number; the beginning and the end of a part are what they are.
    pub(crate) fn with(self, number: usize) -> Self {
        match self {
            Item::Choice { width, .. } => Item::Choice { number, width },
            Item::Begin | Item::End => self,
        }
    }
}

/// Writes down the choices that are made of a tape.
pub(crate) struct Made<'a> {
    tape: Tape<'a>,
    items: Vec<Item>,
}

impl<'a> Made<'a> {
    pub(crate) fn new(tape: &'a [u8]) -> Self {
        Made { tape: Tape::new(tape), items: Vec::new() }
    }

    /// What was chosen. Parts that a run did not end, because it broke off, have an end.
    pub(crate) fn into_items(self) -> Vec<Item> {
        closed(self.items)
    }
}

impl Source for Made<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.tape.below(bound);
        if bound > 1 {
            self.items.push(Item::Choice { number, width: width(bound) });
        }
        number
    }

    fn begin(&mut self) {
        self.tape.begin();
        self.items.push(Item::Begin);
    }

    fn end(&mut self) {
        self.tape.end();
        self.items.push(Item::End);
    }
}

/// The tape of these choices.
pub(crate) fn to_tape(items: &[Item]) -> Vec<u8> {
    let mut writer = Writer::default();
    for item in items {
        match *item {
            Item::Choice { number, width } => writer.choice(number, width),
            Item::Begin => writer.begin(),
            Item::End => writer.end(),
        }
    }
    writer.into_tape()
}

/// The choices without those at the end that are 0, and without those at the end of each part, as what has
/// ended says as much.
pub(crate) fn trimmed(items: Vec<Item>) -> Vec<Item> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        if item == Item::End {
            trim(&mut kept);
        }
        kept.push(item);
    }
    trim(&mut kept);
    kept
}

/// Takes choices of 0 and empty parts off the end.
fn trim(items: &mut Vec<Item>) {
    loop {
        match items[..] {
            [.., Item::Begin, Item::End] => items.truncate(items.len() - 2),
            [.., Item::Choice { number: 0, .. }] => items.truncate(items.len() - 1),
            _ => return,
        }
    }
}

/// The choices, and an end for each part that has none.
pub(crate) fn closed(mut items: Vec<Item>) -> Vec<Item> {
    let count = |wanted| items.iter().filter(|item| **item == wanted).count();
    let open = count(Item::Begin) - count(Item::End);
    items.extend((0..open).map(|_| Item::End));
    items
}

/// Where the parts of this depth are; 1 for those that are in no other.
pub(crate) fn parts(items: &[Item], depth: usize) -> Vec<Range<usize>> {
    let (mut now, mut start, mut found) = (0, 0, Vec::new());
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Begin => {
                now += 1;
                start = if now == depth { at } else { start };
            }
            Item::End => {
                if now == depth {
                    found.push(start..at + 1);
                }
                now -= 1;
            }
            Item::Choice { .. } => {}
        }
    }
    found
}

/// The choices, with this number at this place.
pub(crate) fn with(items: &[Item], at: usize, number: usize) -> Vec<Item> {
    let mut items = items.to_vec();
    if let Some(item) = items.get_mut(at) {
        *item = item.with(number);
    }
    items
}

/// The choices without `size` of them; `None` where those begin or end a part that they do not hold all of.
pub(crate) fn without(items: &[Item], at: usize, size: usize) -> Option<Vec<Item>> {
    let mut depth = 0_usize;
    for item in &items[at..at + size] {
        match item {
            Item::Begin => depth += 1,
            Item::End => depth = depth.checked_sub(1)?,
            Item::Choice { .. } => {}
        }
    }
    (depth == 0).then(|| [&items[..at], &items[at + size..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(` and `)` for the beginning and the end of a part, a digit for a choice.
    fn items(text: &str) -> Vec<Item> {
        let item = |found: char| match found {
            '(' => Item::Begin,
            ')' => Item::End,
            _ => Item::Choice { number: found.to_digit(10).expect("a digit") as usize, width: 1 },
        };
        text.chars().map(item).collect()
    }

    #[test]
    fn what_is_made_of_a_tape_is_that_tape() {
        for text in ["", "1", "102", "1(2)3", "1(20(3)4)(5)", "(1)", "((7)1)", "(0(0)1)2"] {
            let made = items(text);
            let tape = to_tape(&made);
            let mut again = Made::new(&tape);
            for item in &made {
                match item {
                    Item::Begin => again.begin(),
                    Item::End => again.end(),
                    Item::Choice { number, .. } => assert_eq!(again.below(10), *number, "{text}"),
                }
            }
            assert_eq!(again.into_items(), made, "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_taken_off() {
        let cases = [
            ("1020", "102"),
            ("1(20)0", "1(2)"),
            ("1(0)0()", "1"),
            ("1(0)2", "1()2"),
            ("((0)0)0", ""),
            ("((0)1)", "(()1)"),
        ];
        for (text, expected) in cases {
            assert_eq!(trimmed(items(text)), items(expected), "{text}");
            assert_eq!(to_tape(&items(text)), to_tape(&items(expected)), "{text}");
        }
    }

    #[test]
    fn parts_are_found_and_taken_out_whole() {
        let made = items("1(2(3)4)5(6)7");
        assert_eq!(parts(&made, 1), [1..8, 9..12]);
        assert_eq!(parts(&made, 2).first(), Some(&(3..6)));
        assert_eq!([2, 3].map(|depth| parts(&made, depth).len()), [1, 0]);
        let cases = [
            (0, 1, Some("(2(3)4)5(6)7")),
            (1, 7, Some("15(6)7")),
            (1, 11, Some("17")),
            (2, 4, Some("1(4)5(6)7")),
            (2, 6, None),
            (0, 2, None),
            (7, 2, None),
        ];
        for (at, size, expected) in cases {
            assert_eq!(without(&made, at, size), expected.map(items), "{at} {size}");
        }
        assert_eq!(closed(items("1(2(3)")), items("1(2(3))"));
    }
}
