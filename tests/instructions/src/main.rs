//! Counts the instructions of the core alone, by callgrind: no socket, no clock, no server.
//!
//! ```sh
//! cargo run --release -p memcache-instructions             # prints them
//! cargo run --release -p memcache-instructions -- --check  # and fails if they have changed
//! cargo run --release -p memcache-instructions -- --write  # and keeps them
//! ```
//!
//! The program runs itself twice for each row, under `valgrind --tool=callgrind`: once with few calls and
//! once with many. The difference is what the calls cost, without start and end.
//!
//! The counts are kept in `tests/instructions/kept.txt`, with the tools that they belong to. `--check` fails if
//! a count differs from the kept one by more than 5 %, up or down: a count that has fallen must be kept
//! too, or the next rise goes unseen. With other tools, another compiler for instance, the counts are
//! printed and nothing fails.

mod core_alone;
mod kept;
mod rows;

use std::env;
use std::process::{Command, ExitCode};

use kept::Kept;
use rows::{ROWS, Row};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How far a count may be from the kept one, as a part of that.
const TOLERANCE: f64 = 0.05;

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", name, count] => {
            let row = ROWS.iter().find(|row| row.name == name).ok_or("no such row")?;
            (row.run)(count.parse()?);
            Ok(ExitCode::SUCCESS)
        }
        [] => print(Then::Nothing),
        ["--check"] => print(Then::Check),
        ["--write"] => print(Then::Write),
        _ => Err("usage: memcache-instructions [--check | --write]".into()),
    }
}

/// What to do when the counts have been printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Check,
    Write,
}

/// Prints each count beside the one that was kept.
fn print(then: Then) -> Outcome<ExitCode> {
    let Some(tools) = kept::tools()? else {
        println!("not counted: valgrind is not installed");
        return Ok(ExitCode::SUCCESS);
    };
    let kept = Kept::read()?;
    let (mut counts, mut changed) = (Vec::new(), Vec::new());
    println!("{:<22} {:>10} {:>8} {:>10} {:>8}", "", "a call", "a key", "kept", "change");
    for row in &ROWS {
        let count = count(row)?;
        let before = kept.count(row.name);
        let change = before.map(|before| count / before - 1.0);
        println!(
            "{:<22} {count:>10.0} {:>8.0} {:>10} {:>8}",
            row.name,
            count / f64::from(row.keys),
            before.map(|before| format!("{before:.0}")).unwrap_or_default(),
            change.map(|change| format!("{:+.1} %", change * 100.0)).unwrap_or_default(),
        );
        if change.is_none_or(|change| change.abs() > TOLERANCE) {
            changed.push(row.name);
        }
        counts.push((row.name.to_owned(), count));
    }
    if then == Then::Write {
        Kept { tools, counts }.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    if kept.tools != tools {
        println!("kept with {}\nhere:     {tools}\nso nothing is checked", kept.tools);
        return Ok(ExitCode::SUCCESS);
    }
    if changed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("changed by more than {:.0} %: {}", TOLERANCE * 100.0, changed.join(", "));
    println!("keep the new counts with --write if the change is meant");
    Ok(if then == Then::Check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The instructions of one call.
fn count(row: &Row) -> Outcome<f64> {
    let few = 20;
    let many = few + 10_000 / row.keys.max(10);
    Ok((total(row, many)? - total(row, few)?) / f64::from(many - few))
}

/// The instructions of this program when it makes so many calls.
fn total(row: &Row, count: u32) -> Outcome<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", row.name, &count.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let total = text.lines().find_map(|line| line.split_once("Collected : "));
    match total {
        Some((_, total)) if output.status.success() => Ok(total.trim().parse()?),
        _ => Err(format!("callgrind failed: {text}").into()),
    }
}
