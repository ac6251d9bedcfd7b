//! A call on a million keys ends, and takes memory in proportion to its answer.

use std::collections::HashMap;
use std::process::Command;

use memcache_tests::Memcached;

const KEYS: usize = 1_000_000;
const SPARE: usize = 64 << 20;

fn run(address: &str, operation: &str) -> HashMap<String, usize> {
    let count = KEYS.to_string();
    let mut program = Command::new(env!("CARGO_BIN_EXE_memory"));
    let output = program.args([address, operation, &count]).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{operation}: {}", text.replace('\n', ", "));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers = text.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    });
    numbers.collect()
}

#[test]
fn a_million_keys_take_memory_in_proportion_to_the_answer() {
    let memcached = Memcached::start_with(&["-m", "1024"]);
    let set = run(&memcached.address(), "set");
    let get = run(&memcached.address(), "get");
    for (operation, numbers) in [("set", set), ("get", get)] {
        assert_eq!(numbers["found"], KEYS, "{operation}");
        let (bytes, before, peak) = (numbers["bytes"], numbers["before"], numbers["after"]);
        let percent = |part: usize| part * 100 / bytes;
        println!(
            "{operation}: {} MiB at most, {}% of {} MiB of keys and values; {} MiB of them before \
             the call, so that it took {}%",
            peak >> 20,
            percent(peak),
            bytes >> 20,
            before >> 20,
            percent(peak - before),
        );
        // A caller who sets has all the items before the call.
        let own = if operation == "set" { before } else { 0 };
        assert!(peak - own <= 3 * bytes + SPARE, "{operation}: {peak} for {bytes}");
    }
}
