//! Failures that were kept: none of them fails any more. Each is a file of `regressions`, and a new one is
//! what `memcache-sim` prints for a failure, with a first line that says what it broke.

use std::fs;
use std::path::Path;

use memcache_sim::replay::{Origin, Regression};
use memcache_sim::{Options, run};

#[test]
fn what_once_failed_does_not_fail_again() {
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
        let origin = Origin::Tape(kept.tape);
        let (report, _) = origin.replay(run, &Options::default());
        if let Some(broken) = report.broken {
            panic!(
                "{name} fails again\n  it once broke: {}\n  now: {broken}\n  \
                 cargo run -p memcache-sim -- replay {origin}",
                kept.comment,
            );
        }
        replayed += 1;
    }
    assert!(replayed > 0, "there is a calm run at least");
}
