//! Runs seeds: `seeds FIRST COUNT`.

use std::time::Instant;

use memcache_sim::{Options, Seed, run};

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let first = arguments.next().unwrap_or(0);
    let count = arguments.next().unwrap_or(1000);
    let (begun, mut operations, mut broken) = (Instant::now(), 0, 0);
    for seed in first..first + count {
        let report = run(&mut Seed::new(seed), &Options { transcript: count == 1 });
        operations += report.operations;
        report.transcript.iter().for_each(|line| println!("{line}"));
        if let Some(what) = report.broken {
            broken += 1;
            println!("seed {seed}: {what}");
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} seeds, {operations} operations, {broken} broken, {seconds:.1} s");
}
