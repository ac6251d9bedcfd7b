//! A memcached in memory:
//! `cargo run -p memcache-sync --features server --example serve -- --listen 127.0.0.1:11311`

use std::process::ExitCode;
use std::{env, io, process, thread};

use memcache_proto::server::Settings;
use memcache_sync::server::Server;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const USAGE: &str = "\
usage: serve [--listen HOST:PORT | --listen unix:PATH] [--memory MIB] [--enable-shutdown]
  --listen           where to listen; 127.0.0.1:11211
  --memory           what all items together may take, in MiB; 64
  --enable-shutdown  let clients end it with the command `shutdown`";

fn main() -> ExitCode {
    if env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let (address, settings) = match parse(env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(fault) => {
            eprintln!("serve: {fault}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(&address, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serve: cannot listen on {address} (HOST:PORT or unix:PATH): {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a client ends it, or SIGTERM or SIGINT. Either way no file is left of a Unix socket.
fn serve(address: &str, settings: Settings) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let mut server = Server::builder().settings(settings).bind(address)?;
    println!("listening on {}", server.address());
    let (handle, stopper) = (signals.handle(), server.stopper());
    let watcher = thread::spawn(move || {
        // It is at its end, too, once the handle is closed.
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    server.wait();
    handle.close();
    let _ = watcher.join();
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(String, Settings), String> {
    let mut address = "127.0.0.1:11211".to_owned();
    let mut settings = Settings { process_id: process::id(), ..Settings::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--listen" => address = value()?,
            "--memory" => {
                let text = value()?;
                let bytes = text.parse::<usize>().ok().and_then(|mib| mib.checked_mul(1 << 20));
                settings.memory_limit = bytes
                    .filter(|&bytes| bytes > 0)
                    .ok_or(format!("--memory takes a number of MiB, not {text:?}"))?;
            }
            "--enable-shutdown" => settings.shutdown_enabled = true,
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    Ok((address, settings))
}
