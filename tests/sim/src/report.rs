//! What came of one run.

use std::fmt;

/// What came of one run: how much was done in it, what was seen, and which check it broke, if any.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The check that did not hold. The run ended there.
    pub broken: Option<Broken>,
    /// How many operations were submitted; a call on many keys counts once.
    pub operations: u64,
    /// A hash of everything that happened, in its order. The same source gives the same.
    pub trace_hash: u64,
    /// What happened, line by line, if [`Options::transcript`](crate::Options::transcript) asked for it.
    pub transcript: Vec<Line>,
}

/// A check that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The name of the check: one of [`CHECKS`](crate::CHECKS), or `panic`.
    pub check: String,
    /// What was seen, and what should have been.
    pub message: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.message)
    }
}

/// A line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// Who did it: `client 0`, `server 2`, `client 0 -> server 2 #5`, `network`.
    pub who: String,
    /// What: an event, or bytes, escaped.
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  {:<24} {}", self.at_ms, self.who, self.what)
    }
}
