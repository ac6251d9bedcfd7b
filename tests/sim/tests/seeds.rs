//! The seeds of CI. Marks belong to the process, so that nothing else may run in this one.
//!
//! `MEMCACHE_SIM_SEEDS=FIRST..LAST`, without LAST itself, has others take their place; of those no marks are
//! expected.

use std::env;
use std::ops::Range;

use memcache_sim::marks::{EXPECTED, Tally};
use memcache_sim::replay::Origin;
use memcache_sim::run;
use memcache_sim::seeds::run_seeds;

const SEEDS: Range<u64> = 0..2000;

#[test]
fn no_seed_fails_and_what_is_rare_happens() {
    let seeds = wanted();
    let mut tally = Tally::begin();
    let totals = run_seeds(seeds.clone(), None, run, |_| tally.count());
    if let Some((seed, broken)) = totals.failed {
        let seed = Origin::Seed(seed);
        panic!(
            "a seed fails: {broken}\n  replay it: cargo run -p memcache-sim -- replay {seed}\n  \
             shrink it: cargo run -p memcache-sim -- shrink {seed}"
        );
    }
    println!("{} operations, {:.1} s", totals.operations, totals.took.as_secs_f64());
    let dark: Vec<_> = tally.dark().map(|mark| mark.name).collect();
    let dark: Vec<_> = EXPECTED.iter().filter(|name| dark.contains(name)).collect();
    assert!(dark.is_empty() || seeds != SEEDS, "these marks were lit by no seed: {dark:?}");
}

fn wanted() -> Range<u64> {
    let Ok(text) = env::var("MEMCACHE_SIM_SEEDS") else { return SEEDS };
    let range = text.split_once("..").and_then(|(first, last)| {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first < last).then_some(first..last)
    });
    range.unwrap_or_else(|| panic!("MEMCACHE_SIM_SEEDS={text} is not FIRST..LAST"))
}
