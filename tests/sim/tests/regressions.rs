//! Runs that were kept, each in a file of `regressions`: failures, none of which fails any more, and runs
//! that light marks which few seeds light. `memcache-sim keep` and `light` write such files.
//!
//! Marks belong to the process, so that nothing else may run in this one.

use std::fs;
use std::path::Path;

use memcache_sim::marks::{Tally, named};
use memcache_sim::replay::{Origin, Regression};
use memcache_sim::{Options, run};

#[test]
fn what_was_kept_holds_and_lights_what_it_is_kept_for() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut replayed = 0;
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be read").path();
        let name = path.display();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it is text");
        let kept = Regression::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut tally = Tally::begin();
        let (report, _) = Origin::Tape(kept.tape.clone()).replay(run, &Options::default());
        tally.count();
        if let Some(broken) = report.broken {
            panic!(
                "{name} fails\n  it is kept for this: {}\n  now: {broken}\n  \
                 cargo run -p memcache-sim -- replay file:{name}",
                kept.comment,
            );
        }
        let wanted = named(&kept.lights()).unwrap_or_else(|mark| panic!("{name}: no mark {mark}"));
        let dark = wanted.iter().find(|mark| tally.dark().any(|dark| dark == **mark));
        if let Some(dark) = dark {
            // The run is another, as other choices are drawn now or the client does something else with them.
            let names = kept.lights().join("\" \"");
            panic!(
                "{name} does not light {:?} any more; another run that does:\n  \
                 cargo run -p memcache-sim -- light \"{names}\" > {name}",
                dark.name,
            );
        }
        replayed += 1;
    }
    assert!(replayed > 0, "there is a calm run at least");
}
