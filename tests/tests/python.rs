//! Programs that nobody here wrote, pointed at the server in memory, behave as against memcached; and
//! what one client stores the other reads. Where Python or the libraries are missing the tests say so
//! and pass. Also, that the tests which PARITY.md names are there.
//!
//! The scripts print one line for each call. Masked are, by the scripts themselves: cas uniques, the
//! version, the values of statistics and those of their names that only one server has.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use bytes::Bytes;
use memcache_sync::{Client, Expiry, Integer, Value};
use memcache_tests::Target;
use memcache_tests::python::Python;

/// What the script prints.
fn run(name: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Python::Current
        .script(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("the script reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the script ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}

/// One line a call: the script's list of lists, cut at what only its outermost level holds.
fn lines(transcript: &str) -> Vec<&str> {
    let inner = transcript.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let text = inner.expect("a list");
    let (mut lines, mut depth, mut start) = (Vec::new(), 0, 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' if !quoted => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    lines.push(&text[start..=at]);
                }
            }
            _ => {}
        }
    }
    lines
}

fn compare(name: &str) {
    let targets = Target::both();
    let transcripts = thread::scope(|scope| {
        let runs = targets.each_ref().map(|target| {
            let address = target.address();
            scope.spawn(move || run(name, &[&address], ""))
        });
        runs.map(|run| run.join().expect("no thread panics"))
    });
    let [ours, theirs] = transcripts.each_ref().map(|transcript| lines(transcript));
    println!("{name}: {} calls, against {}", theirs.len(), targets[1]);
    // What is said to a line that is no command differs between versions; the server in memory says it
    // as 1.6.18 does.
    let same_version = targets[1].to_string().ends_with("1.6.18");
    let comparable = |line: &str| same_version || !line.starts_with(r#"["raw "#);
    let differences: Vec<_> = ours
        .iter()
        .zip(&theirs)
        .filter(|(ours, theirs)| ours != theirs && comparable(theirs))
        .collect();
    for (ours, theirs) in &differences {
        println!("in memory: {ours:.300}\nmemcached: {theirs:.300}\n");
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(theirs.len() > 100, "too few calls");
    assert!(differences.is_empty(), "{} calls differ", differences.len());
}

#[test]
fn python_memcached_behaves_as_against_memcached() {
    if Python::Current.has("memcache") {
        compare("python_memcached.py");
    }
}

#[test]
fn pymemcache_behaves_as_against_memcached() {
    if Python::Current.has("pymemcache") {
        compare("pymemcache_base.py");
    }
}

#[test]
fn what_python_memcached_stores_is_read_and_the_other_way() {
    if !Python::Current.has("memcache") {
        return;
    }
    for first in Target::both() {
        let second = first.another();
        let addresses = [first.address(), second.address()];
        let both = addresses.join(",");
        let client = Client::builder().servers(&addresses).min_compress_len(1_000).build();
        let client = client.expect("addresses");
        run("interop.py", &[&both, "write"], "");
        let long: Integer = "1606938044258990275541962092341162602522202993782792835301376"
            .parse()
            .expect("digits");
        let expected = [
            ("py:text", Value::from("caf\u{e9} \u{4f1a}")),
            ("py:empty", Value::from("")),
            ("py:bytes", Value::from(b"\x00\xff\r\n")),
            ("py:int", Value::from(42)),
            ("py:negative", Value::from(-7)),
            ("py:long", Value::from(long.clone())),
            ("py:compressed", Value::from("a".repeat(100_000))),
            ("py:compressed-bytes", Value::from(vec![b'b'; 100_000])),
        ];
        for (key, value) in &expected {
            let read = client.get::<Value>(*key).expect(key);
            assert!(read.as_ref() == Some(value), "{key}: {read:.100?}");
        }
        let pickle = client.get::<Value>("py:list").expect("read");
        assert!(matches!(pickle, Some(Value::Pickle(_))), "{pickle:?}");
        // Each key is where the other client looks for it.
        let keys: Vec<String> = (0..1_000).map(|number| format!("py:many:{number}")).collect();
        let found = client.get_many::<u64, _>(&keys).expect("asked").into_result();
        assert_eq!(found.expect("answered").len(), 1_000);

        for (key, value) in expected {
            client.set(key.replace("py:", "rs:"), value, Expiry::Never).expect(key);
        }
        client
            .set("rs:pickle", Value::Pickle(Bytes::from_static(b"(lp0\nI1\na.")), Expiry::Never)
            .expect("stored");
        let many = (0..1_000_u64).map(|number| (format!("rs:many:{number}"), number));
        assert_eq!(client.set_many(many, Expiry::Never).expect("asked").result, 1_000);
        let mut keys: Vec<String> = (0..1_000).map(|n| format!("rs:many:{n}")).collect();
        let single = [
            ("rs:text", r#""str 6 caf\u00e9 \u4f1a""#.to_owned()),
            ("rs:empty", r#""str 0 ""#.to_owned()),
            ("rs:bytes", r#""bytes 4 \u0000\u00ff\r\n""#.to_owned()),
            ("rs:int", r#""42""#.to_owned()),
            ("rs:negative", r#""-7""#.to_owned()),
            ("rs:long", format!(r#""{long}""#)),
            ("rs:compressed", format!(r#""str 100000 {}...{}""#, "a".repeat(80), "a".repeat(20))),
            (
                "rs:compressed-bytes",
                format!(r#""bytes 100000 {}...{}""#, "b".repeat(80), "b".repeat(20)),
            ),
            ("rs:pickle", r#"["1"]"#.to_owned()),
        ];
        keys.extend(single.iter().map(|(key, _)| key.to_string()));
        let answer = run("interop.py", &[&both, "read"], &keys.join("\n"));
        for (key, shown) in &single {
            let line = format!(r#""{key}": {shown}"#);
            assert!(answer.contains(&line), "no {line:.200} in {answer:.1000}");
        }
        let numbers: HashSet<&str> = answer.split(", ").collect();
        let many = numbers.iter().filter(|pair| pair.contains("rs:many:")).count();
        assert_eq!(many, 1_000);
    }
}

/// The tests that PARITY.md names: in the last cell of each row, files and functions in them.
fn named_in_parity(text: &str) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split(" | ").collect();
        let last = cells.last().and_then(|cell| cell.strip_suffix(" |")).unwrap_or_default();
        if line.starts_with("|---") || last == "test" {
            continue;
        }
        assert_eq!(cells.len(), 4, "{line}");
        let words = last.split('`').skip(1).step_by(2);
        let (mut file, before) = (None, named.len());
        for word in words {
            if word.ends_with(".rs") {
                let path = word.replace("proto/", "memcache-proto/");
                file = Some(match &*path {
                    "parity.rs" => "tests/tests/interop/parity.rs".to_owned(),
                    _ => path,
                });
            } else {
                let file = file.clone().unwrap_or_else(|| panic!("no file before {word}: {line}"));
                named.push((file, word.to_owned()));
            }
        }
        assert!(named.len() > before, "no test: {line}");
        rows += 1;
    }
    assert!(rows > 50, "{rows} rows");
    named
}

/// Whether the file has the function, as a test or as the body of one that something else names.
fn is_a_test(root: &Path, file: &str, function: &str) -> bool {
    let Ok(source) = fs::read_to_string(root.join(file)) else { return false };
    let head = format!("fn {function}");
    source.match_indices(&head).any(|(at, _)| {
        let (before, after) = (&source[..at], &source[at + head.len()..]);
        let is_function = after.starts_with(['(', '<']);
        let is_marked = before.trim_end_matches("pub(crate) ").trim_end().ends_with("#[test]");
        let module = Path::new(file).parent().expect("a folder").join("main.rs");
        // Bodies are listed where the tests are made of them.
        let made = [&*module.to_string_lossy(), file].iter().any(|list| {
            let list = fs::read_to_string(root.join(list)).unwrap_or_default();
            let calls = |end: &str| list.contains(&format!("{function}{end}"));
            calls(",") || calls(")") || calls("::<")
        });
        is_function && (is_marked || made)
    })
}

#[test]
fn the_tests_that_parity_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let text = fs::read_to_string(root.join("PARITY.md")).expect("PARITY.md");
    let missing: Vec<_> = named_in_parity(&text)
        .into_iter()
        .filter(|(file, function)| !is_a_test(root, file, function))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    // It can tell.
    let file = "tests/tests/interop/parity.rs";
    assert!(is_a_test(root, file, "a_failure_is_no_miss"));
    assert!(!is_a_test(root, file, "a_failure_is_no_mis"));
    assert!(!is_a_test(root, file, "silent_server"));
    assert!(!is_a_test(root, "tests/tests/nowhere.rs", "a_failure_is_no_miss"));
}
