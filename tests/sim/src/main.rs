//! The command line of the simulator.

use std::io::{self, ErrorKind, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::Once;

use memcache_sim::cli::Tool;

fn main() -> ExitCode {
    // Where a run panics, shrinking has it panic a thousand times more.
    let (once, told) = (Once::new(), panic::take_hook());
    panic::set_hook(Box::new(move |panic| once.call_once(|| told(panic))));
    let command = "cargo run -p memcache-sim --";
    let tool = Tool { command, checks: memcache_sim::CHECKS, run: memcache_sim::run };
    let mut out = io::stdout().lock();
    let done = tool.main(std::env::args().skip(1), &mut out, &mut io::stderr());
    match done.and_then(|status| out.flush().map(|()| status)) {
        Ok(status) => ExitCode::from(status),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memcache-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
