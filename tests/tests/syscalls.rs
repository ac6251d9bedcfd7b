//! What a call costs in system calls, counted by `strace`. Without it, or where it may not trace, the
//! tests say so and pass.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, fs, process};

use memcache_tests::{Memcached, Scripted, Step};

/// How many calls of each kind the program makes; `None` where it cannot be traced.
fn trace(program: &str, arguments: &[&str]) -> Option<BTreeMap<String, u32>> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let report = env::temp_dir().join(format!("memcache-strace-{}-{number}", process::id()));
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&report)
        .arg(program)
        .args(arguments)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("strace does not start: {error}");
            return None;
        }
    };
    let text = fs::read_to_string(&report).unwrap_or_default();
    let _ = fs::remove_file(&report);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && (errors.contains("ptrace") || errors.contains("not permitted")) {
        println!("strace may not trace: {errors}");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    // % time, seconds, usecs/call, calls, errors if any, syscall
    let calls = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        Some((words.last()?.to_string(), words.get(3)?.parse().ok()?))
    });
    Some(calls.filter(|(name, _)| name != "total").collect())
}

/// What one operation costs, by the name of the call.
#[derive(Debug)]
struct Cost(BTreeMap<String, f64>);

impl Cost {
    /// Of operations that `trace` makes as often as it is told: what `many` cost more than `few`, as
    /// beginning and ending are in both. `None` where nothing can be traced.
    fn of(
        few: u32,
        many: u32,
        trace: impl Fn(u32) -> Option<BTreeMap<String, u32>>,
    ) -> Option<Self> {
        let (Some(less), Some(more)) = (trace(few), trace(many)) else {
            let banner = "=".repeat(60);
            // Not `eprintln!`, which is swallowed where a test passes.
            let skipped = "SKIPPED: system calls cannot be counted here";
            let _ = writeln!(io::stderr(), "{banner}\n{skipped}\n{banner}");
            return None;
        };
        let cost = more.into_iter().map(|(name, calls)| {
            let more = f64::from(calls) - f64::from(less.get(&name).copied().unwrap_or(0));
            (name, more / f64::from(many - few))
        });
        Some(Cost(cost.filter(|(_, cost)| cost.abs() > 0.001).collect()))
    }

    fn total(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|&name| self.0.get(name)).sum()
    }

    fn total_without(&self, names: &[&str]) -> f64 {
        self.0
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(_, cost)| cost)
            .sum()
    }
}

#[test]
fn a_warm_call_is_one_send_and_one_receive() {
    let memcached = Memcached::start();
    for operation in ["get", "set", "many"] {
        let cost = Cost::of(100, 1_100, |count| {
            let arguments = [&memcached.address(), operation, &count.to_string()];
            trace(env!("CARGO_BIN_EXE_warm"), &arguments)
        });
        let Some(cost) = cost else { return };
        println!("{operation}: {cost:?} a call");
        let sends = cost.total(&["sendto", "write", "writev", "sendmsg"]);
        let receives = cost.total(&["recvfrom", "read", "readv", "recvmsg"]);
        // The beginning is not always the same, nor need a long answer come in one piece.
        assert!((0.99..=1.01).contains(&sends), "{operation}: {cost:?}");
        let most = if operation == "many" { 1.1 } else { 1.01 };
        assert!((0.99..=most).contains(&receives), "{operation}: {cost:?}");
        // The heap may grow, and a wait may be cut short, now and then.
        let others = cost.total_without(&["sendto", "write", "recvfrom", "read"]);
        assert!(others < if operation == "many" { 0.5 } else { 0.02 }, "{operation}: {cost:?}");
    }
}

/// Asynchronously, where the answer is not there yet: one receive finds that out, one takes it. Waiting
/// costs what it costs a bare loop.
#[test]
fn a_lone_task_sends_once_and_receives_twice() {
    for place in ["block-on", "executor"] {
        let cost = |who: &str| {
            Cost::of(40, 140, |count| {
                let server = slow_server(count);
                let (address, count) = (server.address(), count.to_string());
                trace(env!("CARGO_BIN_EXE_lone"), &[&address, who, place, &count])
            })
        };
        let (Some(client), Some(bare)) = (cost("client"), cost("bare")) else { return };
        println!("{place}: {client:?} a get, a bare loop: {bare:?}");
        let sends = client.total(&["sendto", "writev", "sendmsg"]);
        assert!((0.99..=1.01).contains(&sends), "{place}: {client:?}");
        let receives = client.total(&["recvfrom", "readv", "recvmsg"]);
        assert!((1.99..=2.01).contains(&receives), "{place}: {client:?}");
        // How often the threads of smol wake each other is the scheduler's affair.
        let [ours, least] =
            [&client, &bare].map(|cost| cost.total_without(&["sendto", "recvfrom", "futex"]));
        assert!(ours < least + 2.0, "{place}: {client:?}, a bare loop: {bare:?}");
    }
}

/// A server that stores once and then answers so many gets, each after a while.
fn slow_server(gets: u32) -> Scripted {
    let reply = format!("VALUE lone 0 100\r\n{}\r\nEND\r\n", "v".repeat(100));
    let get = [Step::Lines(1), Step::Wait(Duration::from_millis(5)), Step::send(&reply)];
    let gets = std::iter::repeat_n(get, gets as usize).flatten();
    let script: Vec<Step> =
        [Step::Lines(2), Step::send("STORED\r\n")].into_iter().chain(gets).collect();
    // Whoever connects second only gets.
    Scripted::start(vec![script.clone(), script[2..].to_vec()])
}
