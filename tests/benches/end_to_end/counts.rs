use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, process};

use serde_json::{Value as Json, json};

use crate::compare::rounded;
use crate::contender::Row;
use crate::lone::{contender, items};
use crate::watch::Watch;

/// A tracer lets so much time pass between two calls that a client would think it had rested, and look at
/// its connection.
const TRACED: Duration = Duration::from_secs(10);

/// Makes the calls that somebody traces: `just CLIENT ROW ADDRESS COUNT`.
pub(crate) fn just(arguments: &[String]) {
    let [client, row, address, count] = arguments else { panic!("just what?") };
    let row = Row::named(row).expect("a row");
    let count = count.parse().expect("a number");
    Watch::turn_off();
    contender(client, address, &items(), TRACED).run(row, count, &mut Default::default());
}

/// The instructions, allocations and system calls of one call, as far as they can be counted here: what
/// many calls cost more than few, as start and end are in both.
pub(crate) fn of(client: &str, row: Row, address: &str) -> Json {
    let few = match row.keys() {
        _ if row == Row::GetLarge => 2,
        1 => 50,
        _ => 5,
    };
    let counts = [few, few * 6];
    let run =
        |count: usize| ["just", client, row.name(), address, &count.to_string()].map(str::to_owned);
    let each = |totals: [Option<f64>; 2]| match totals {
        [Some(few_total), Some(many_total)] => {
            Some(rounded((many_total - few_total) / (counts[1] - few) as f64))
        }
        _ => None,
    };
    let profiles = counts.map(|count| callgrind(&run(count)));
    json!({
        "keys": row.keys(),
        "instructions": each(profiles.map(|profile| Some(profile?.0))),
        "allocations": each(profiles.map(|profile| Some(profile?.1))),
        "system_calls": each(counts.map(|count| strace(&run(count)))),
    })
}

fn report(name: &str) -> PathBuf {
    env::temp_dir().join(format!("end-to-end-{}-{name}", process::id()))
}

/// The instructions and the allocations of a run of this program; `None` where there is no valgrind.
fn callgrind(arguments: &[String]) -> Option<(f64, f64)> {
    let report = report("callgrind");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", report.display()))
        .arg(env::current_exe().ok()?)
        .args(arguments)
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&report).unwrap_or_default();
    let _ = fs::remove_file(&report);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    Some((total.trim().parse().ok()?, allocations(&text)))
}

/// How often the allocator was called for memory, from the outside, by a profile of callgrind.
fn allocations(profile: &str) -> f64 {
    const ALLOCATORS: [&str; 6] =
        ["malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"];
    let mut names = HashMap::new();
    let (mut within, mut called, mut count) = (false, false, 0.0);
    for line in profile.lines() {
        // `fn=(7) malloc` the first time, `fn=(7)` from then on.
        let is_allocator = |names: &mut HashMap<String, bool>, name: &str| {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id.to_owned(), ALLOCATORS.contains(&name));
            }
            names.get(id).copied().unwrap_or(false)
        };
        if let Some(name) = line.strip_prefix("fn=") {
            within = is_allocator(&mut names, name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = is_allocator(&mut names, name);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let calls = calls.split(' ').next().and_then(|calls| calls.parse::<f64>().ok());
            if called && !within {
                count += calls.unwrap_or(0.0);
            }
        }
    }
    count
}

/// The system calls of a run of this program, in all threads; `None` where they cannot be counted.
fn strace(arguments: &[String]) -> Option<f64> {
    let report = report("strace");
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&report)
        .arg(env::current_exe().ok()?)
        .args(arguments)
        .output()
        .ok()?;
    let text = fs::read_to_string(&report).unwrap_or_default();
    let _ = fs::remove_file(&report);
    if !output.status.success() {
        return None;
    }
    // The last line: 100.00, seconds, usecs a call, calls, errors if any, "total".
    let total = text.lines().rfind(|line| line.ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}
