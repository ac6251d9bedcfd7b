//! The program itself.

use std::process::Command;

/// The exit status, and what was written to the standard output and error.
fn called(line: &str) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_memcache-sim"));
    let done = program.args(line.split_whitespace()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_program_says_how_it_went() {
    let cases = [
        ("--help", 0, "replay TAPE", ""),
        ("replay -", 0, "All checks hold.", ""),
        ("seeds 0 3", 0, "3 seeds, ", ""),
        ("shrink -", 0, "This run breaks no check.", ""),
        ("keep - the calm run", 0, "# the calm run\n-\n", ""),
        ("light nothing", 2, "", "\"nothing\" is no mark. Try: "),
        ("replay file:nowhere", 2, "", "nowhere: "),
        ("checks", 0, "", ""),
        ("", 2, "", "there is no command.\nTry: cargo run -p memcache-sim -- --help\n"),
        ("replay xy", 2, "", "\"xy\" is no tape: 'x' is no hexadecimal digit.\n"),
    ];
    for (line, status, out, error) in cases {
        let (found, told, complained) = called(line);
        assert_eq!(found, Some(status), "{line}: {complained}");
        assert!(told.contains(out), "{line}: {told}");
        assert!(complained.starts_with(error), "{line}: {complained}");
    }
}
