//! Times, numbers and switches, as text.

use core::fmt;
use core::time::Duration;

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// The units of a time, in nanoseconds. Longer names stand before those that end like them.
const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];

/// `500ms`, `3s`, `2m`, `1.5h`, `250us`; without a unit it is seconds, as in python-memcached. What is
/// less than a nanosecond is left out. Returns `None` for anything else, and for more than a `Duration` holds.
pub(super) fn time(text: &str) -> Option<Duration> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|&(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, SECOND));
    let (whole, part) = match digits.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (digits, ""),
    };
    let mut nanoseconds = u128::from(self::whole(whole)?).checked_mul(unit)?;
    let mut place = unit;
    for digit in part.chars() {
        place /= 10;
        nanoseconds = nanoseconds.checked_add(place * u128::from(digit.to_digit(10)?))?;
    }
    let seconds = u64::try_from(nanoseconds / SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanoseconds % SECOND).ok()?))
}

/// Digits only, where `u64::from_str` would also take a sign.
fn whole(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A whole number.
pub(super) fn number(text: &str) -> Option<usize> {
    whole(text).and_then(|number| usize::try_from(number).ok())
}

/// A weight: a whole number, not negative.
pub(super) fn weight(text: &str) -> Option<i32> {
    whole(text).and_then(|number| i32::try_from(number).ok())
}

/// Yes or no, in the words of most configuration files.
pub(super) fn switch(text: &str) -> Option<bool> {
    const WORDS: &[(&str, bool)] = &[
        ("true", true),
        ("false", false),
        ("1", true),
        ("0", false),
        ("yes", true),
        ("no", false),
        ("on", true),
        ("off", false),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, switch)| switch)
}

/// Writes a time as [`time`] reads it.
pub(super) fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
    match (seconds, nanoseconds) {
        (_, 0) => write!(f, "{seconds}s"),
        (0, _) if nanoseconds % 1_000_000 == 0 => write!(f, "{}ms", nanoseconds / 1_000_000),
        (0, _) if nanoseconds % 1_000 == 0 => write!(f, "{}us", nanoseconds / 1_000),
        _ => {
            let (mut part, mut digits) = (nanoseconds, 9);
            while part % 10 == 0 {
                part /= 10;
                digits -= 1;
            }
            write!(f, "{seconds}.{part:0digits$}s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        let (s, ms, us, ns) = (
            |n| Some(Duration::from_secs(n)),
            |n| Some(Duration::from_millis(n)),
            |n| Some(Duration::from_micros(n)),
            |n| Some(Duration::from_nanos(n)),
        );
        let cases = [
            ("3", s(3)),
            ("3s", s(3)),
            ("0", s(0)),
            ("1.5", ms(1_500)),
            ("1.5s", ms(1_500)),
            ("500ms", ms(500)),
            ("2m", s(120)),
            ("0.25m", s(15)),
            ("1.5h", s(5_400)),
            ("250us", us(250)),
            ("1.5us", ns(1_500)),
            ("7ns", ns(7)),
            ("0.000000001", ns(1)),
            ("0.0000000019", ns(1)),
            ("1.9ns", ns(1)),
            ("007s", s(7)),
            ("18446744073709551615", s(u64::MAX)),
            ("18446744073709551615.999999999", Some(Duration::MAX)),
            ("18446744073709551616", None),
            ("18446744073709551615m", None),
            ("99999999999999999999999999999999999999999h", None),
            ("", None),
            ("s", None),
            ("ms", None),
            (".5", None),
            ("1.", None),
            ("1.s", None),
            ("1.5.5", None),
            ("1.5e3", None),
            ("1,5", None),
            ("-1", None),
            ("+1", None),
            ("1 s", None),
            (" 1", None),
            ("1S", None),
            ("1d", None),
            ("inf", None),
            ("nan", None),
            ("\u{661}", None),
            ("1.\u{661}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), expected, "{text:?}");
        }
        let long = [&"9".repeat(100_000), ".", &"9".repeat(100_000)].concat();
        assert_eq!(time(&long), None);
        assert_eq!(time(&["0.", &"9".repeat(100_000)].concat()), ns(999_999_999));
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        struct Shown(Duration);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_time(f, self.0)
            }
        }
        for text in ["0s", "3s", "500ms", "250us", "0.0000015s", "1.5s", "2.05s", "9.000000001s"] {
            assert_eq!(Shown(time(text).unwrap()).to_string(), text);
        }
        let longest = Shown(Duration::MAX).to_string();
        assert_eq!(time(&longest), Some(Duration::MAX), "{longest}");
    }

    #[test]
    fn numbers_weights_and_switches() {
        let numbers = [
            ("0", Some(0), Some(0)),
            ("007", Some(7), Some(7)),
            ("2147483647", Some(2_147_483_647), Some(i32::MAX)),
            ("2147483648", Some(2_147_483_648), None),
            ("18446744073709551616", None, None),
            ("", None, None),
            ("+1", None, None),
            ("-1", None, None),
            ("1.0", None, None),
            ("0x10", None, None),
            ("1k", None, None),
            ("\u{661}", None, None),
        ];
        for (text, as_number, as_weight) in numbers {
            assert_eq!((number(text), weight(text)), (as_number, as_weight), "{text:?}");
        }
        let switches = [
            ("true false 1 0 yes no on off", [true, false].repeat(4)),
            ("True FALSE Yes oFF", alloc::vec![true, false, true, false]),
        ];
        for (words, expected) in switches {
            let found: Option<alloc::vec::Vec<_>> = words.split(' ').map(switch).collect();
            assert_eq!(found, Some(expected));
        }
        for word in ["", "t", "2", "01", "yes ", "enabled", "null"] {
            assert_eq!(switch(word), None, "{word:?}");
        }
    }
}
