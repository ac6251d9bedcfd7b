use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// An integer of any size, kept without loss: Python's have no largest one.
///
/// It is made from Rust's integers or from decimal text, and goes back into those that can hold it.
/// Those that an `i128` can hold take no memory of their own.
///
/// ```
/// use memcache_proto::value::Integer;
///
/// let counter: Integer = " +007 ".parse()?;
/// assert_eq!(counter, Integer::from(7));
/// assert_eq!(u8::try_from(&counter), Ok(7));
///
/// let great: Integer = "-100000000000000000000000000000000000000000000000".parse()?;
/// assert!(i128::try_from(&great).is_err());
/// assert!(great < counter);
/// assert_eq!(great.to_string(), "-100000000000000000000000000000000000000000000000");
/// # Ok::<(), memcache_proto::value::IntegerError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer(Repr);

impl Integer {
    /// Reads decimal digits as a server or another client may have written them: with a sign, with
    /// leading zeros, with white space around (a decremented counter keeps its width: `9 `).
    ///
    /// Python's `int()` reads the same and also underscores between digits, which no client writes
    /// and which are refused.
    ///
    /// # Errors
    ///
    /// [`IntegerError::Malformed`] where `text` is anything else.
    pub fn parse(text: &[u8]) -> Result<Self, IntegerError> {
        let leading = text.iter().take_while(|&&byte| is_space(byte)).count();
        let (negative, sign_len) = match text.get(leading) {
            Some(b'-') => (true, 1),
            Some(b'+') => (false, 1),
            _ => (false, 0),
        };
        let first = leading + sign_len;
        let rest = text.get(first..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, trailing) = rest.split_at(len);
        if digits.is_empty() {
            return Err(IntegerError::Malformed { position: first });
        }
        if let Some(strange) = trailing.iter().position(|&byte| !is_space(byte)) {
            return Err(IntegerError::Malformed { position: first + len + strange });
        }
        Ok(Integer(Repr::new(negative, digits)))
    }

    /// The decimal digits, with a `-` before them where it is negative: what is sent.
    pub(super) fn digits(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Repr::Small(small) => Cow::Owned(itoa::Buffer::new().format(*small).as_bytes().into()),
            Repr::Great(text) => Cow::Borrowed(text.as_bytes()),
        }
    }

    /// As [`Integer::digits`], owned.
    pub(super) fn into_digits(self) -> Vec<u8> {
        match self.0 {
            Repr::Small(small) => itoa::Buffer::new().format(small).as_bytes().into(),
            Repr::Great(text) => text.into_string().into_bytes(),
        }
    }
}

impl FromStr for Integer {
    type Err = IntegerError;

    fn from_str(text: &str) -> Result<Self, IntegerError> {
        Integer::parse(text.as_bytes())
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(small) => fmt::Display::fmt(small, f),
            Repr::Great(text) => match text.strip_prefix('-') {
                Some(digits) => f.pad_integral(false, "", digits),
                None => f.pad_integral(true, "", text),
            },
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Integer({self})")
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(left), Repr::Small(right)) => left.cmp(right),
            (left, right) => left.magnitude_order().cmp(&right.magnitude_order()).then_with(|| {
                // Of the same sign and length, both great.
                let (left, right) = (left.great_text(), right.great_text());
                if left.starts_with('-') { right.cmp(left) } else { left.cmp(right) }
            }),
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! primitives {
    ($($primitive:ident)*) => {$(
        impl From<$primitive> for Integer {
            fn from(integer: $primitive) -> Self {
                match i128::try_from(integer) {
                    Ok(small) => Integer(Repr::Small(small)),
                    Err(_) => {
                        Integer(Repr::Great(itoa::Buffer::new().format(integer).into()))
                    }
                }
            }
        }

        impl TryFrom<&Integer> for $primitive {
            type Error = IntegerError;

            fn try_from(integer: &Integer) -> Result<Self, IntegerError> {
                let fits = match &integer.0 {
                    Repr::Small(small) => $primitive::try_from(*small).ok(),
                    Repr::Great(text) => text.parse().ok(),
                };
                fits.ok_or_else(|| IntegerError::OutOfRange {
                    integer: integer.clone(),
                    wanted: stringify!($primitive),
                })
            }
        }

        impl TryFrom<Integer> for $primitive {
            type Error = IntegerError;

            fn try_from(integer: Integer) -> Result<Self, IntegerError> {
                Self::try_from(&integer)
            }
        }
    )*};
}
primitives!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

/// Why there is no such integer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntegerError {
    /// The text is no decimal number.
    Malformed {
        /// Where the first byte stands that does not belong there, or where a digit is missing,
        /// counted from 0.
        position: usize,
    },
    /// The type asked for cannot hold the integer.
    OutOfRange {
        /// The integer.
        integer: Integer,
        /// The type asked for.
        wanted: &'static str,
    },
}

impl fmt::Display for IntegerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntegerError::Malformed { position } => {
                write!(f, "the text is no decimal number at position {position}")
            }
            IntegerError::OutOfRange { integer, wanted } => {
                write!(f, "{wanted} cannot hold the integer {}", Short(integer))
            }
        }
    }
}

impl core::error::Error for IntegerError {}

/// An integer in a message: a peer may have sent one of a million digits.
pub(super) struct Short<'a>(pub(super) &'a Integer);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No integer of Rust's is cut.
        const SHOWN: usize = 40;
        let text = self.0.0.great_text();
        let sign_len = usize::from(text.starts_with('-'));
        match text.get(..sign_len + SHOWN) {
            Some(shown) if shown.len() < text.len() => {
                write!(f, "{shown}... of {} digits", text.len() - sign_len)
            }
            _ => fmt::Display::fmt(self.0, f),
        }
    }
}

/// Each integer has one form only, so that equality can be derived.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(i128),
    /// Decimal digits of what an `i128` cannot hold, `-` before them where it is negative, without
    /// leading zeros.
    Great(Box<str>),
}

impl Repr {
    /// `digits` are ASCII digits, at least one.
    fn new(negative: bool, digits: &[u8]) -> Self {
        let small = match digits.len() {
            // No 18 digits overflow an i64, which is several times as fast.
            ..=18 => {
                let sum = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
                Some(i128::from(if negative { -sum } else { sum }))
            }
            _ => digits.iter().try_fold(0_i128, |sum, digit| {
                let digit = i128::from(digit - b'0');
                // Negative numbers are summed as such: the least one has no positive counterpart.
                sum.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
            }),
        };
        if let Some(small) = small {
            return Repr::Small(small);
        }
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        let significant = digits.iter().skip(zeros).map(|&digit| char::from(digit));
        let mut text = String::with_capacity(usize::from(negative) + digits.len() - zeros);
        text.extend(negative.then_some('-').into_iter().chain(significant));
        Repr::Great(text.into())
    }

    /// Orders integers of which one at least is great: those of different results by it alone.
    fn magnitude_order(&self) -> isize {
        match self {
            Repr::Small(_) => 0,
            Repr::Great(text) => {
                let len = isize::try_from(text.len()).unwrap_or(isize::MAX);
                if text.starts_with('-') { -len } else { len }
            }
        }
    }

    fn great_text(&self) -> &str {
        match self {
            Repr::Small(_) => "",
            Repr::Great(text) => text,
        }
    }
}

/// White space as Python's `int()` strips it from bytes.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const I128_MAX: &str = "170141183460469231731687303715884105727";
    const BEYOND: &str = "170141183460469231731687303715884105728";
    const U128_MAX: &str = "340282366920938463463374607431768211455";

    #[test]
    fn messages_show_the_first_digits_of_a_great_integer() {
        let digits = |count| "1".repeat(count);
        for (text, expected) in [
            ("-1".into(), "-1".into()),
            (U128_MAX.into(), U128_MAX.into()),
            (digits(40), digits(40)),
            (digits(41), alloc::format!("{}... of 41 digits", digits(40))),
            (
                alloc::format!("-{}", digits(1_000_000)),
                alloc::format!("-{}... of 1000000 digits", digits(40)),
            ),
        ] {
            let integer: Integer = text.parse().unwrap();
            let error = IntegerError::OutOfRange { integer: integer.clone(), wanted: "u8" };
            assert_eq!(error.to_string(), alloc::format!("u8 cannot hold the integer {expected}"));
            let error = crate::value::ValueError::OutOfRange { integer, wanted: "u8" };
            assert!(error.to_string().contains(&alloc::format!("({expected})")), "{error}");
        }
    }

    /// What CPython 3.11's `int()` makes of the same bytes, underscores aside.
    #[test]
    fn text_is_read_as_python_reads_it() {
        let great = "1".repeat(5000);
        let padded = alloc::format!(" -000{great}\r\n");
        let negative = alloc::format!("-{great}");
        let least = alloc::format!("-{BEYOND}");
        let cases: &[(&str, Result<&str, usize>)] = &[
            ("0", Ok("0")),
            ("42", Ok("42")),
            ("-12", Ok("-12")),
            ("9 ", Ok("9")),
            (" 5", Ok("5")),
            ("+5", Ok("5")),
            ("-0", Ok("0")),
            ("007", Ok("7")),
            ("-007", Ok("-7")),
            ("000", Ok("0")),
            ("\t1\n", Ok("1")),
            ("\x0b1\x0c", Ok("1")),
            (I128_MAX, Ok(I128_MAX)),
            (BEYOND, Ok(BEYOND)),
            (&least, Ok(&least)),
            (&great, Ok(&great)),
            (&padded, Ok(&negative)),
            ("", Err(0)),
            ("  ", Err(2)),
            ("-", Err(1)),
            ("+ 5", Err(1)),
            ("--1", Err(1)),
            ("1 2", Err(2)),
            ("1_0", Err(1)),
            ("0x1", Err(1)),
            ("1.0", Err(1)),
            ("\0", Err(0)),
            ("1\0", Err(1)),
            ("\x1c1", Err(0)),
            ("\u{661}", Err(0)),
            ("true", Err(0)),
        ];
        for (text, expected) in cases {
            let shown = text.parse::<Integer>().map(|integer| integer.to_string());
            let expected = expected
                .map(ToString::to_string)
                .map_err(|position| IntegerError::Malformed { position });
            assert_eq!(shown, expected, "{text:?}");
        }
    }

    #[test]
    fn an_integer_goes_into_what_can_hold_it() {
        fn check<T>(fits: &[&str], not: &[&str])
        where
            T: for<'a> TryFrom<&'a Integer, Error = IntegerError> + Into<Integer>,
        {
            for text in fits {
                let integer: Integer = text.parse().unwrap();
                let back: Integer = T::try_from(&integer).unwrap_or_else(|e| panic!("{e}")).into();
                assert_eq!(back, integer);
                assert_eq!(back.into_digits(), text.as_bytes());
            }
            for text in not {
                let integer: Integer = text.parse().unwrap();
                let wanted = core::any::type_name::<T>();
                let refused = T::try_from(&integer).err();
                assert_eq!(refused, Some(IntegerError::OutOfRange { integer, wanted }));
            }
        }
        let least = alloc::format!("-{BEYOND}");
        let beneath = "-170141183460469231731687303715884105729";
        let above = "340282366920938463463374607431768211456";
        check::<u8>(&["0", "255"], &["-1", "256", BEYOND]);
        check::<u16>(&["0", "65535"], &["-1", "65536"]);
        check::<u32>(&["0", "4294967295"], &["-1", "4294967296"]);
        check::<u64>(&["0", "18446744073709551615"], &["-1", "18446744073709551616"]);
        check::<u128>(&["0", I128_MAX, BEYOND, U128_MAX], &["-1", above, beneath]);
        check::<usize>(&["0", "65535"], &["-1", BEYOND]);
        check::<i8>(&["-128", "127"], &["-129", "128"]);
        check::<i16>(&["-32768", "32767"], &["-32769", "32768"]);
        check::<i32>(&["-2147483648", "2147483647"], &["-2147483649", "2147483648"]);
        check::<i64>(&["-9223372036854775808"], &["-9223372036854775809"]);
        check::<i128>(&[&least, I128_MAX], &[beneath, BEYOND]);
        check::<isize>(&["-32768", "32767"], &[beneath, BEYOND]);
    }

    #[test]
    fn order_is_by_value() {
        let ascending = [
            "-1000000000000000000000000000000000000000000",
            "-270141183460469231731687303715884105728",
            "-170141183460469231731687303715884105729",
            "-170141183460469231731687303715884105728",
            "-2",
            "0",
            "10",
            I128_MAX,
            BEYOND,
            U128_MAX,
            "1000000000000000000000000000000000000000000",
        ]
        .map(|text| text.parse::<Integer>().unwrap());
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(left.cmp(right), i.cmp(&j), "{left} and {right}");
                assert_eq!(left == right, i == j);
            }
        }
    }
}
