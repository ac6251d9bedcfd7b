//! A simulator of memcached clusters, networks and callers: every run a seed, every seed a whole cluster.
//!
//! [`run`] draws servers, settings, faults and callers from a [`Source`], lets them meet on a clock that
//! only moves when nothing else can happen, and judges what came of it by [`CHECKS`].
//!
//! ```
//! use memcache_sim::{Options, Seed, run};
//!
//! let report = run(&mut Seed::new(7), &Options::default());
//! assert_eq!(report.broken, None);
//! ```
//!
//! # What is in a run
//!
//! * One to four clients that share what they know of the servers, with settings of all kinds. Some read
//!   before they are asked to; some hand their bytes over before they are written.
//! * A [`Network`] that takes its time, cuts what it carries into pieces, stalls, drips, loses connections
//!   with or without a word.
//! * [Servers](SimServer) that are memcached in memory, and are killed, hung, crowded, slow or out of memory,
//!   evict and forget; or that [lie](Lie).
//! * Callers that ask for every operation there is, give up at any moment, take part of an answer, close all
//!   connections, exchange the servers.
//!
//! Half of all this is left out of each run, so that no two things are always met together. 0 is the calm
//! choice of everything: a run without choices is one lookup.
//!
//! # How it is judged
//!
//! All that a client writes is read by a naive reader of the stream, which pairs it with what the servers
//! say. Nearly every request carries a number of its own over the wire, as flags, as a delta, as an exptime,
//! so that it is known which it is. What a caller is told has to be what that reader saw, and the history of
//! each key has to be that of the servers.
//!
//! # Somebody else's client
//!
//! Implement [`Simulated`] for it, drive it with a [`Network`], note in a [`History`] what its callers ask
//! for and are told, and what [the servers do](Watch::handled), and [check](History::check) that. The example
//! `foreign` has all of it.

// Before the others, which use its macro.
#[macro_use]
pub mod marks;

mod args;
mod callers;
mod checks;
pub mod cli;
mod computing;
mod conduct;
mod deaths;
mod ending;
mod faults;
mod history;
mod hostile;
mod judge;
mod link;
mod made;
mod model;
mod moments;
mod network;
pub mod oracle;
pub mod replay;
mod report;
mod requests;
mod said;
pub mod seeds;
mod server;
mod settings;
mod sharing;
pub mod shrink;
mod simulated;
mod source;
#[cfg(test)]
mod toy;
mod trace;
mod verdicts;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use checks::CHECKS;
pub use conduct::Conduct;
pub use history::{Act, Answer, Call, Happening, History, Verb, What};
pub use hostile::{Hostility, Lie};
pub use link::End;
pub use network::{Member, Network, Place, Watch};
pub use report::{Broken, Line, Report};
pub use server::{Mode, SimServer, Step};
pub use simulated::{Simulated, Want};
pub use source::{Choose, Recorder, Seed, Source, Tape};

use judge::Judge;
use settings::Plan;
use trace::Trace;
use world::{START, World};

/// How a run is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the report has a transcript. It costs time and memory. Default: no.
    pub transcript: bool,
}

/// A check: its name, and the sentence that has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, as it stands in [`Broken::check`].
    pub name: &'static str,
    /// What has to hold.
    pub sentence: &'static str,
}

/// Makes one run of the choices of `source`, and judges it. A panic of the client is caught, and reported
/// as the check `panic`.
pub fn run(source: &mut dyn Source, options: &Options) -> Report {
    let plan = Plan::draw(source);
    let trace = Trace::new(START, options.transcript);
    let mut judge = Judge::new(trace, &plan.settings, plan.servers);
    let mut operations = 0;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan, &mut judge, source);
        let _ = world.live();
        operations = world.operations;
    }));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        judge.broken = Some(Broken { check: "panic".into(), message: text.into() });
    }
    Report {
        broken: judge.broken.take(),
        operations,
        trace_hash: judge.trace.hash(),
        transcript: judge.trace.take_lines(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_seeds_hold() {
        for seed in 0..100 {
            let report = run(&mut Seed::new(seed), &Options::default());
            assert_eq!(report.broken, None, "seed {seed}");
        }
    }

    #[test]
    fn the_same_choices_give_the_same_run() {
        for seed in 0..20 {
            let mut recorder = Recorder::new(Seed::new(seed));
            let first = run(&mut recorder, &Options { transcript: true });
            let tape = recorder.into_tape();
            let second = run(&mut Tape::new(&tape), &Options::default());
            assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
            assert!(!first.transcript.is_empty() && second.transcript.is_empty());
        }
    }

    #[test]
    fn a_run_without_choices_is_calm() {
        let report = run(&mut Tape::new(&[]), &Options::default());
        assert_eq!(report.broken, None);
    }
}
