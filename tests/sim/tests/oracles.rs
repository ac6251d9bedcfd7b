//! Every oracle over the inputs that are kept in `fuzz/corpus`, and over inputs made of seeds.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::{env, fs};

use memcache_sim::Seed;
use memcache_sim::oracle::{ORACLES, Oracle, dictionary};

/// How many inputs are made for each oracle; `MEMCACHE_SIM_INPUTS` says otherwise.
const SEEDS: u64 = 3000;
/// How many files may be kept for each oracle.
const MAX_KEPT: usize = 512;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Whether the oracle holds of an input, which is kept for another look where it does not.
fn holds(oracle: &Oracle, input: &[u8], name: &str) -> bool {
    let holds = catch_unwind(|| (oracle.check)(input)).is_ok();
    if !holds {
        let path = env::temp_dir().join(format!("{}-{name}", oracle.name));
        fs::write(&path, input).expect("a folder for what fails");
        eprintln!("{}: {}", path.display(), input.escape_ascii());
    }
    holds
}

#[test]
fn kept_inputs_hold() {
    for oracle in ORACLES {
        let folder = fuzz().join("corpus").join(oracle.name);
        let files = fs::read_dir(&folder);
        let files = files.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut kept = 0;
        for file in files {
            let path = file.expect("an entry").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let input = fs::read(&path).expect("a file that can be read");
            assert!(holds(oracle, &input, &name), "{} of {name}", oracle.name);
            kept += 1;
        }
        assert!((1..=MAX_KEPT).contains(&kept), "{kept} inputs are kept for {}", oracle.name);
    }
}

#[test]
fn inputs_made_of_seeds_hold() {
    let broken: Vec<_> = ORACLES.iter().filter(|oracle| !holds_of_seeds(oracle)).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

fn holds_of_seeds(oracle: &Oracle) -> bool {
    let asked = env::var("MEMCACHE_SIM_INPUTS").ok();
    let seeds = asked.map_or(SEEDS, |asked| asked.parse().expect("a number of inputs"));
    (0..seeds).all(|seed| {
        let input = (oracle.input)(&mut Seed::new(seed));
        holds(oracle, &input, &format!("seed-{seed}"))
    })
}

/// A fuzzer knows the words of the protocol. If this fails, run it once with `MEMCACHE_SIM_WRITE=1`.
#[test]
fn the_dictionary_is_current() {
    let mut expected = String::from(
        "# The words of the protocol, as memcache_sim::oracle::dictionary has them from the codec.\n",
    );
    for word in dictionary() {
        expected.push('"');
        for byte in word {
            match byte {
                b'"' | b'\\' => expected.extend(['\\', char::from(byte)]),
                b' '..=b'~' => expected.push(char::from(byte)),
                _ => expected.push_str(&format!("\\x{byte:02x}")),
            }
        }
        expected.push_str("\"\n");
    }
    let path = fuzz().join("memcached.dict");
    if env::var_os("MEMCACHE_SIM_WRITE").is_some() {
        fs::write(&path, &expected).expect("a file that can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == expected, "{} is not current", path.display());
}

/// Each oracle has its fuzz target, and no target is without one.
#[test]
fn every_oracle_is_a_fuzz_target() {
    let folder = fuzz().join("fuzz_targets");
    let mut targets: Vec<_> = fs::read_dir(folder)
        .expect("the folder of the targets")
        .map(|file| file.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut oracles: Vec<_> = ORACLES.iter().map(|oracle| oracle.name.to_owned()).collect();
    oracles.sort();
    assert_eq!(targets, oracles);
}
