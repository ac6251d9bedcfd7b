//! The simulator's own marks, and in how many runs each mark was lit.

use memcache_proto::marks::{self, Mark, Marks};

/// Lights the mark of the simulator of this name; with a condition, where that holds. A name that is not
/// in [`LIST`](crate::marks::LIST) does not compile.
macro_rules! sometimes {
    ($name:literal) => {{
        const AT: usize = ::memcache_proto::marks::place($crate::marks::LIST, $name);
        $crate::marks::MARKS.light(AT);
    }};
    ($name:literal, $when:expr) => {{
        if $when {
            sometimes!($name);
        }
    }};
}

/// The marks of the simulator.
pub static MARKS: Marks<{ LIST.len() }> = Marks::new(LIST);

/// The marks of the simulator, in the order of what they are about.
pub const LIST: &[Mark] = &[];

/// The marks that the seeds of CI must light: what the promises of the client hang on, and what so many
/// seeds have always lit many times over.
pub const EXPECTED: &[&str] = &[];

/// In how many runs each mark was lit, those of the core and those of the simulator. Marks belong to the
/// process, so only one thread at a time may make runs that are counted.
#[derive(Debug)]
pub struct Tally {
    counts: Vec<(&'static Mark, u64)>,
}

impl Tally {
    /// Begins to count: all marks are dark from now on.
    #[must_use]
    pub fn begin() -> Self {
        let all = marks::MARKS.all().iter().chain(MARKS.all());
        let tally = Tally { counts: all.map(|mark| (mark, 0)).collect() };
        tally.darken();
        tally
    }

    /// Counts what the run has lit that has just ended. Call it after each.
    pub fn count(&mut self) {
        // What is lit comes in the order of the list.
        let mut lit = marks::MARKS.lit().chain(MARKS.lit()).peekable();
        for (mark, count) in &mut self.counts {
            *count += u64::from(lit.next_if_eq(mark).is_some());
        }
        drop(lit);
        self.darken();
    }

    fn darken(&self) {
        marks::MARKS.reset();
        MARKS.reset();
    }

    /// Each mark, and in how many runs it was lit.
    pub fn counts(&self) -> impl Iterator<Item = (&'static Mark, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// The marks that no run has lit.
    pub fn dark(&self) -> impl Iterator<Item = &'static Mark> + '_ {
        self.counts().filter(|&(_, count)| count == 0).map(|(mark, _)| mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_marks_and_each_mark_has_its_own() {
        let all: Vec<_> = marks::LIST.iter().chain(LIST).collect();
        for mark in LIST {
            let same = all.iter().filter(|other| other.name == mark.name);
            assert_eq!(same.count(), 1, "{}", mark.name);
            assert!(mark.sentence.ends_with('.'), "{}", mark.name);
        }
        for name in EXPECTED {
            assert!(all.iter().any(|mark| mark.name == *name), "{name} is no mark");
        }
    }
}
