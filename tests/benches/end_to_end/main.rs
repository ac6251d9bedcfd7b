//! What calls cost from end to end: each client of this workspace, and others, beside a raw loop over the
//! same kind of socket to the same memcached, in the same run.
//!
//! ```sh
//! cargo bench -p memcache-tests --bench end_to_end                      # everything
//! cargo bench -p memcache-tests --bench end_to_end -- --quick unix tcp  # some of it, sooner
//! cargo bench -p memcache-tests --bench end_to_end -- --help            # what else there is
//! ```
//!
//! `docs/benches.md` says how it measures, what it found, and how to read that.

mod bare;
mod compare;
mod contender;
mod counts;
mod crowd;
mod items;
mod keys;
mod lone;
mod machine;
mod options;
mod others;
mod ours_async;
mod ours_sync;
mod page;
mod plot;
mod python;
mod raw;
mod record;
mod servers;
mod tables;
mod targets;
mod tasks;
mod watch;
mod workers;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use bytes::Bytes;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value as Json, json};

use options::{Options, USAGE};
use record::text;
use targets::Target;

/// What a get of many keys is read into where not into a map: values that share buffers.
type Pairs<'k> = Vec<(&'k String, Bytes)>;

/// A part of the bench, which has a process of its own.
type Section = (&'static str, fn(&Options) -> Vec<Json>);

const SECTIONS: [Section; 8] = [
    ("unix", lone::unix),
    ("tcp", lone::tcp),
    ("bare", bare::bare),
    ("crowd", crowd::crowd),
    ("keys", keys::keys),
    ("servers", servers::servers),
    ("tasks", tasks::tasks),
    ("counts", lone::counts),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((_, arguments)) = arguments.split_first().filter(|(first, _)| *first == "just") {
        counts::just(arguments);
        return ExitCode::SUCCESS;
    }
    let options = match Options::from_arguments() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if options.help {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match &options.section {
        Some(name) => {
            let (_, section) =
                SECTIONS.iter().find(|section| section.0 == name).expect("a section");
            share_one_core();
            println!("{}", Json::from(section(&options)));
            ExitCode::SUCCESS
        }
        None => all(&options),
    }
}

fn all(options: &Options) -> ExitCode {
    let results = match &options.from {
        Some(path) => {
            let text = fs::read_to_string(path).expect("results that were written before");
            serde_json::from_str(&text).expect("JSON")
        }
        None => measure(options),
    };
    let records = results["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    println!("{}", tables::all(records));

    let text = serde_json::to_string_pretty(&results).expect("JSON");
    let path = options.json.clone().unwrap_or_else(|| root().join("target/end_to_end.json"));
    fs::write(&path, text + "\n").expect("the results are written");
    println!("written to {}", path.display());
    if options.write {
        page::write(&root(), &results, records);
    }
    judge(options, records)
}

/// Runs each section in a process of its own: the threads that one has started, and where these may run,
/// are nothing to the next.
fn measure(options: &Options) -> Json {
    let program = env::current_exe().expect("this program has a path");
    let mut records = Vec::new();
    for (name, _) in SECTIONS {
        if !options.sections.is_empty() && !options.sections.iter().any(|section| section == name) {
            continue;
        }
        let output = Command::new(&program)
            .args(env::args().skip(1))
            .args(["--section", name])
            .stderr(Stdio::inherit())
            .output();
        let output = output.expect("this program starts");
        assert!(output.status.success(), "{name} has failed");
        let section: Vec<Json> = serde_json::from_slice(&output.stdout).expect("records");
        records.extend(section);
    }
    json!({ "machine": machine::describe(), "records": records })
}

/// Says which rows miss their targets.
fn judge(options: &Options, records: &[Json]) -> ExitCode {
    if !options.measured {
        println!("everything has run; nothing was measured, for which cargo bench is needed");
        return ExitCode::SUCCESS;
    }
    let mut missed = 0;
    for record in records {
        let Some(target) = Target::of(record).filter(|target| !target.is_met(record)) else {
            continue;
        };
        missed += 1;
        println!(
            "missed: {}, {}, {}{}: {} is {}, not {}",
            text(record, "section"),
            text(record, "row"),
            text(record, "client"),
            record["size"].as_u64().map(|size| format!(" at {size}")).unwrap_or_default(),
            target.field,
            record[target.field],
            target.bound(),
        );
    }
    println!("{missed} missed");
    if options.check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Keeps this process, and all that it starts from now on, to one core.
fn share_one_core() {
    let allowed = sched_getaffinity(None).expect("the cores there are");
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    // The last: interrupts often go to the first.
    let core = cores.next_back().expect("a core");
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).expect("one core is enough");
}

/// The directory of the workspace.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace").to_owned()
}
