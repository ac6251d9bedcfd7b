//! Marks that say which rare branches were taken: for tests that must know whether they reach them.
//!
//! **Unstable.** Marks come, go and are renamed with any release. Take the feature `marks` for tests alone.
//! It changes no result and no byte that is sent: a mark that is lit is a flag that is set, one for the
//! whole process. Without the feature there are no marks and no code for them.
//!
//! ```
//! use memcache_proto::connection::{Connection, SubmitError};
//! use memcache_proto::{Limits, codec::Command, marks::MARKS};
//!
//! MARKS.reset();
//! let mut connection = Connection::new(Limits { max_queued_bytes: 1, ..Limits::default() });
//! assert!(connection.submit(&Command::Version).is_ok());
//! assert_eq!(connection.submit(&Command::Version), Err(SubmitError::Full));
//! assert!(MARKS.lit().any(|mark| mark.name == "queue full"));
//! ```

mod list;

pub use list::LIST;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

/// The marks of this crate.
pub static MARKS: Marks<{ LIST.len() }> = Marks::new(LIST);

/// A mark: where something rare happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: &'static str,
    /// What has happened where it is lit.
    pub sentence: &'static str,
}

/// A list of marks, and which of them are lit.
///
/// A crate that wants marks of its own has a list and a `static` of this type, and a macro like this one:
///
/// ```
/// use memcache_proto::marks::{Mark, Marks};
///
/// pub const LIST: &[Mark] =
///     &[Mark { name: "server killed", sentence: "A server was killed." }];
/// pub static MARKS: Marks<{ LIST.len() }> = Marks::new(LIST);
///
/// macro_rules! sometimes {
///     ($name:literal) => {{
///         // At compile time: a name that is not in the list is an error.
///         const AT: usize = memcache_proto::marks::place(LIST, $name);
///         MARKS.light(AT);
///     }};
/// }
///
/// sometimes!("server killed");
/// assert_eq!(MARKS.lit().count(), 1);
/// ```
pub struct Marks<const N: usize> {
    list: &'static [Mark],
    lit: [AtomicBool; N],
}

impl<const N: usize> Marks<N> {
    /// The marks of this list, all dark.
    ///
    /// # Panics
    ///
    /// Panics if the list has not `N` marks; in a `static` that is an error of the compiler.
    #[must_use]
    pub const fn new(list: &'static [Mark]) -> Self {
        assert!(list.len() == N, "a place for each mark");
        Marks { list, lit: [const { AtomicBool::new(false) }; N] }
    }

    /// All of them, in the order of the list.
    #[must_use]
    pub fn all(&self) -> &'static [Mark] {
        self.list
    }

    /// Lights the mark at this place of the list. Does nothing if the list is shorter.
    #[inline]
    pub fn light(&self, at: usize) {
        if let Some(lit) = self.lit.get(at) {
            // Threads that light the same mark over and over share its line of the cache.
            if !lit.load(Ordering::Relaxed) {
                lit.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Those that were lit since the process began or [`reset`](Self::reset) was called, by whatever
    /// thread.
    pub fn lit(&self) -> impl Iterator<Item = &'static Mark> {
        let lit = self.list.iter().zip(&self.lit).filter(|(_, lit)| lit.load(Ordering::Relaxed));
        lit.map(|(mark, _)| mark)
    }

    /// Makes all of them dark again.
    pub fn reset(&self) {
        for lit in &self.lit {
            lit.store(false, Ordering::Relaxed);
        }
    }
}

impl<const N: usize> fmt::Debug for Marks<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lit().map(|mark| mark.name)).finish()
    }
}

/// The place of the mark of this name in a list.
///
/// # Panics
///
/// Panics if there is none; in a `const` that is an error of the compiler.
#[must_use]
pub const fn place(list: &[Mark], name: &str) -> usize {
    let mut at = 0;
    while at < list.len() {
        if is_same(list[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("there is no mark of this name")
}

/// `==`, which cannot be used in a `const`.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_mark_has_a_name_of_its_own_and_a_sentence() {
        for (at, mark) in LIST.iter().enumerate() {
            assert_eq!(place(LIST, mark.name), at, "{} is there twice", mark.name);
            assert!(mark.sentence.ends_with('.'), "{}", mark.name);
            assert!(mark.name.is_ascii() && mark.name.len() <= 32, "{}", mark.name);
        }
    }

    #[test]
    fn marks_are_lit_and_made_dark_one_by_one() {
        const ALL: &[Mark] = &[
            Mark { name: "a", sentence: "A." },
            Mark { name: "ab", sentence: "B." },
            Mark { name: "b", sentence: "C." },
        ];
        let marks: Marks<3> = Marks::new(ALL);
        let lit = || marks.lit().map(|mark| mark.name).collect::<Vec<_>>();
        assert!(lit().is_empty());
        marks.light(place(ALL, "ab"));
        marks.light(place(ALL, "ab"));
        assert_eq!(lit(), ["ab"]);
        marks.light(place(ALL, "b"));
        marks.light(3);
        assert_eq!(lit(), ["ab", "b"]);
        marks.reset();
        assert!(lit().is_empty());
    }

    #[test]
    #[should_panic(expected = "no mark of this name")]
    fn there_is_no_place_for_a_name_that_is_not_there() {
        let _ = place(LIST, "queue ful");
    }
}
