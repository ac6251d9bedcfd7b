use std::process::Command;
use std::{env, fs, thread};

use serde_json::{Value as Json, json};

/// Where the results come from.
pub(crate) fn describe() -> Json {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("an unknown processor", |cpu| cpu.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memcached = env::var("MEMCACHED").unwrap_or_else(|_| "memcached".into());
    json!({
        "processor": cpu,
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "system": format!("{} {}", env::consts::OS, kernel.trim()),
        "rustc": say("rustc", "--version"),
        "memcached": say(&memcached, "-V"),
    })
}

/// What a program says of itself.
fn say(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("{program} is not known"))
}
