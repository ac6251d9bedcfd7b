//! The same choices make the same run.

use memcache_sim::replay::Origin;
use memcache_sim::{Options, run};

#[test]
fn a_seed_makes_the_same_run_twice_and_its_tape_makes_it_again() {
    for seed in 0..100 {
        let (first, tape) = Origin::Seed(seed).replay(run, &Options::default());
        let (second, same_tape) = Origin::Seed(seed).replay(run, &Options::default());
        let (again, tape_again) = Origin::Tape(tape.clone()).replay(run, &Options::default());
        let results =
            [&first, &second, &again].map(|report| (report.trace_hash, report.operations));
        assert_eq!(results[0], results[1], "seed {seed} differs from itself");
        assert_eq!(results[0], results[2], "seed {seed} differs from its tape");
        assert!(same_tape == tape && tape_again == tape, "seed {seed} makes other choices");
    }
}

#[test]
fn a_transcript_changes_nothing() {
    for seed in 0..20 {
        let (plain, tape) = Origin::Seed(seed).replay(run, &Options::default());
        let options = Options { transcript: true };
        let (told, told_tape) = Origin::Seed(seed).replay(run, &options);
        assert_eq!((told.trace_hash, told_tape), (plain.trace_hash, tape), "seed {seed}");
        assert!(plain.transcript.is_empty() && !told.transcript.is_empty(), "seed {seed}");
    }
}
