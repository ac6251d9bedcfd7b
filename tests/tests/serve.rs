//! The example `serve`, as a process of its own: what is left of it when it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Starts it, and waits until it says that it listens.
fn start(address: &str) -> (Child, String) {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_serve"));
    let mut child =
        serve.args(["--listen", address]).stdout(Stdio::piped()).spawn().expect("it was built");
    let mut said = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    output.read_line(&mut said).expect("it says something");
    (child, said)
}

#[test]
fn sigterm_ends_it_in_good_order_and_leaves_no_file() {
    let path: PathBuf =
        std::env::temp_dir().join(format!("memcache-serve-{}.sock", std::process::id()));
    let address = format!("unix:{}", path.display());
    // Left behind as by one that was killed.
    drop(UnixListener::bind(&path).expect("a new socket"));
    for signal in [Signal::TERM, Signal::INT] {
        let (mut child, said) = start(&address);
        assert_eq!(said, format!("listening on {address}\n"));
        let mut client = UnixStream::connect(&path).expect("it listens");
        client.write_all(b"mn\r\n").expect("it reads");
        client.read_exact(&mut [0; 4]).expect("MN and CR LF");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it is there");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{signal:?}");
        assert_eq!(client.read(&mut [0; 4]).expect("the end"), 0);
        assert!(!fs::exists(&path).expect("a directory"), "{signal:?}");
    }
}
