//! Keys go where the other clients send them: the golden vectors in `tests/golden`, that the real
//! libraries still make the same ones, and keys stored by them in real servers. Where Python or a
//! library is missing the tests say so and pass, unless they are required.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process;
use std::{env, fs};

use memcache_proto::routing::{
    Distribution, KeyHash, RendezvousKeys, Route, Selector, Server, ServerIndex,
};
use memcache_tests::Memcached;
use memcache_tests::python::{Python, skipped};

/// libmemcached's hashes by its names, in the order of the vectors.
const HASHES: [(&str, KeyHash); 10] = [
    ("default", KeyHash::OneAtATime),
    ("md5", KeyHash::Md5),
    ("crc", KeyHash::Crc32),
    ("fnv1_64", KeyHash::Fnv64),
    ("fnv1a_64", KeyHash::Fnv64a),
    ("fnv1_32", KeyHash::Fnv32),
    ("fnv1a_32", KeyHash::Fnv32a),
    ("murmur", KeyHash::Murmur),
    ("jenkins", KeyHash::Jenkins),
    ("murmur3", KeyHash::Murmur3),
];

/// What pylibmc's behaviors come to, beside the `hash` among them. Where the last is true, weights are
/// as if they were all 1; where there is a hash, that of the behaviors is overruled.
const BEHAVIORS: &[(&str, Distribution, Option<KeyHash>, bool)] = {
    use Distribution::{Ketama, KetamaWeighted, Modula};
    const MD5: Option<KeyHash> = Some(KeyHash::Md5);
    &[
        ("{}", Modula, None, false),
        (r#"{"distribution": "modula"}"#, Modula, None, false),
        (r#"{"ketama": false}"#, Modula, None, false),
        (r#"{"ketama": true, "distribution": "modula"}"#, Modula, None, false),
        (r#"{"ketama": true}"#, Ketama, None, false),
        (r#"{"ketama": true, "ketama_hash": "md5"}"#, Ketama, None, false),
        (r#"{"ketama_weighted": false}"#, Ketama, None, false),
        (r#"{"distribution": "consistent"}"#, Ketama, None, false),
        (r#"{"distribution": "consistent ketama"}"#, Ketama, None, false),
        (r#"{"late": {"ketama": true}}"#, Ketama, None, true),
        (r#"{"late": {"distribution": "consistent"}}"#, Ketama, None, true),
        (r#"{"distribution": "consistent weighted"}"#, KetamaWeighted, None, false),
        (r#"{"late": {"distribution": "consistent weighted"}}"#, KetamaWeighted, None, false),
        (r#"{"ketama_weighted": true}"#, KetamaWeighted, MD5, false),
        (r#"{"ketama": true, "ketama_weighted": true}"#, KetamaWeighted, MD5, false),
        (r#"{"late": {"ketama_weighted": true}}"#, KetamaWeighted, MD5, false),
        (r#"{"ketama_weighted": true, "distribution": "consistent"}"#, Ketama, MD5, false),
        (r#"{"ketama_weighted": true, "distribution": "modula"}"#, Modula, MD5, false),
    ]
};

#[test]
fn python_memcached_tries_the_same_servers() {
    let hashes = [KeyHash::Crc32, KeyHash::Crc32NonZero, KeyHash::Crc32Whole];
    let mut cases = 0;
    for section in sections("python_memcached") {
        if section.is("hashes", "Crc32 Crc32NonZero Crc32Whole") {
            cases += check_hashes(&section, &hashes);
            continue;
        }
        let weights: Vec<i32> = section.words().map(|word| word.parse().expect("weight")).collect();
        let servers = weighted(&weights);
        let selectors =
            hashes.map(|hash| Selector::new(&servers, Distribution::PythonMemcached, hash));
        for row in &section.rows {
            for (selector, expected) in selectors.iter().zip(row.answers(hashes.len())) {
                check_candidates(selector, row, expected, &section.heading);
                cases += 1;
            }
        }
    }
    assert!(cases > 3_000, "{cases} cases");
}

#[test]
fn pylibmc_sends_keys_to_the_same_servers() {
    let mut cases = 0;
    for section in sections("pylibmc") {
        if section.heading.starts_with("hashes") {
            assert!(section.words().eq(HASHES.map(|(name, _)| name)));
            cases += check_hashes(&section, &HASHES.map(|(_, hash)| hash));
            continue;
        }
        let servers: Vec<Server> = section.words().map(server_of_pylibmc).collect();
        let mut known = 0;
        for (number, column) in section.columns.iter().enumerate() {
            for behaviors in column.split(" | ") {
                known += 1;
                let selectors = HASHES[..9]
                    .iter()
                    .map(|&(_, hash)| selector_of_pylibmc(behaviors, &servers, hash));
                let selectors: Vec<Selector> = selectors.collect();
                for row in &section.rows {
                    let expected = row.answers(section.columns.len())[number].chars();
                    assert_eq!(expected.clone().count(), selectors.len());
                    for (selector, expected) in selectors.iter().zip(expected) {
                        let heading = format!("{}, {behaviors}", section.heading);
                        check_candidates(
                            selector,
                            row,
                            expected.encode_utf8(&mut [0; 4]),
                            &heading,
                        );
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(known, BEHAVIORS.len());
    }
    assert!(cases > 100_000, "{cases} cases");
}

#[test]
fn pymemcache_ranks_servers_in_the_same_order() {
    let mut cases = 0;
    for section in sections("pymemcache") {
        assert_eq!(section.columns, ["text", "bytes"]);
        let servers: Vec<Server> = section.words().map(server_of_pymemcache).collect();
        let [text, bytes] = [RendezvousKeys::Text, RendezvousKeys::Bytes].map(|keys| {
            Selector::new(&servers, Distribution::Rendezvous { keys }, KeyHash::default())
        });
        for row in &section.rows {
            let [as_text, as_bytes] = row.answers(2)[..] else { unreachable!() };
            // What is no text can only have been bytes.
            let as_text = if as_text == "-" { as_bytes } else { as_text };
            check_candidates(&text, row, as_text, &section.heading);
            check_candidates(&bytes, row, as_bytes, &section.heading);
            cases += 2;
        }
    }
    assert!(cases > 1_500, "{cases} cases");
}

#[test]
fn the_libraries_still_make_the_same_vectors() {
    let clients =
        [("python_memcached", "memcache"), ("pylibmc", "pylibmc"), ("pymemcache", "pymemcache")];
    for (client, module) in clients {
        if !has(module) {
            continue;
        }
        let directory = env::temp_dir().join(format!("golden-{client}-{}", process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        run("make.py", &[&directory.display().to_string(), client]);
        let made = fs::read_to_string(directory.join(format!("{client}.txt"))).expect("written");
        fs::remove_dir_all(&directory).expect("removed");
        let (ours, theirs) = (read(client), made);
        // The first line says what made them.
        let [ours, theirs] = [&ours, &theirs].map(|text| text.split_once('\n').expect("lines"));
        println!("{client}: in the tree {}, here {}", ours.0, theirs.0);
        assert!(theirs.0.starts_with("# made with "));
        let differing = ours.1.lines().zip(theirs.1.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(ours.1 == theirs.1, "{client}: first difference {differing:?}");
    }
}

#[test]
fn keys_are_in_the_servers_where_the_clients_put_them() {
    let memcacheds = [(); 4].map(|()| Memcached::start());
    let addresses = memcacheds.each_ref().map(Memcached::address);
    let mut live = Live {
        streams: memcacheds.iter().map(|memcached| BufReader::new(memcached.connect())).collect(),
        runs: 0,
    };

    if has("memcache") {
        let weights = [2, 0, 1, 3];
        let servers = addresses
            .iter()
            .zip(weights)
            .map(|(address, weight)| Server::from((address.parse().expect("an address"), weight)));
        let servers: Vec<Server> = servers.collect();
        let selector = Selector::new(&servers, Distribution::PythonMemcached, KeyHash::Crc32);
        let settings = format!(r#"{{"weights": {weights:?}}}"#);
        live.check("python_memcached", &settings, &addresses, &selector, |_| true);
    }
    if has("pylibmc") {
        for (weights, (name, hash)) in [([1, 1, 1, 1], HASHES[0]), ([3, 1, 2, 1], HASHES[7])] {
            let specs = addresses.iter().zip(weights);
            let specs: Vec<String> =
                specs.map(|(address, weight)| format!("{address}:{weight}")).collect();
            let servers: Vec<Server> = specs.iter().map(|spec| server_of_pylibmc(spec)).collect();
            for (behaviors, ..) in BEHAVIORS {
                let selector = selector_of_pylibmc(behaviors, &servers, hash);
                let settings = behaviors.replacen('{', &format!(r#"{{"hash": "{name}", "#), 1);
                let settings = settings.replace(", }", "}");
                live.check("pylibmc", &settings, &specs, &selector, |_| true);
            }
        }
    }
    if has("pymemcache") {
        let servers: Vec<Server> =
            addresses.iter().map(|address| server_of_pymemcache(address)).collect();
        for (keys, name) in [(RendezvousKeys::Text, "text"), (RendezvousKeys::Bytes, "bytes")] {
            let distribution = Distribution::Rendezvous { keys };
            let selector = Selector::new(&servers, distribution, KeyHash::default());
            let settings = format!(r#"{{"keys": "{name}"}}"#);
            let stored = |key: &[u8]| name == "bytes" || std::str::from_utf8(key).is_ok();
            live.check("pymemcache", &settings, &addresses, &selector, stored);
        }
    }
}

/// Real servers, asked one by one.
struct Live {
    streams: Vec<BufReader<TcpStream>>,
    runs: u32,
}

impl Live {
    /// Stores all keys through the client, and looks for each in all servers.
    fn check(
        &mut self,
        client: &str,
        settings: &str,
        servers: &[String],
        selector: &Selector,
        stored: impl Fn(&[u8]) -> bool,
    ) {
        // What an earlier run stored is known by its value.
        self.runs += 1;
        let value = format!("run-{}", self.runs);
        let mut arguments = vec![client, settings, &value];
        arguments.extend(servers.iter().map(String::as_str));
        run("store.py", &arguments);
        let mut seen = 0;
        for key in keys().iter().filter(|key| stored(key)) {
            let holders: Vec<usize> = (0..self.streams.len())
                .filter(|&server| self.get(server, key).as_deref() == Some(value.as_bytes()))
                .collect();
            let expected = selector.candidate(&key[..], 0).map(ServerIndex::index);
            let shown = key.escape_ascii();
            assert_eq!(
                holders,
                Vec::from_iter(expected),
                "{client} {settings} {servers:?}: {shown}"
            );
            seen += 1;
        }
        assert!(seen > 80, "{seen} keys");
    }

    fn get(&mut self, server: usize, key: &[u8]) -> Option<Vec<u8>> {
        let stream = &mut self.streams[server];
        stream.get_mut().write_all(&[b"get ", key, b"\r\n"].concat()).expect("sent");
        let mut line = || {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).expect("answered");
            line
        };
        let mut lines = Vec::new();
        loop {
            match line() {
                end if end == b"END\r\n" => break,
                other => lines.push(other),
            }
        }
        let value = lines.into_iter().nth(1)?;
        value.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }
}

fn check_hashes(section: &Section, hashes: &[KeyHash]) -> usize {
    for row in &section.rows {
        let Routed::Key(key) = &row.routed else { panic!("a hash of a number") };
        let hashed = hashes.iter().map(|hash| hash.hash(key).to_string());
        assert!(hashed.eq(row.answers(hashes.len())), "{}: {:?}", section.heading, row.routed);
    }
    section.rows.len() * hashes.len()
}

fn check_candidates(selector: &Selector, row: &Row, expected: &str, heading: &str) {
    let route = row.route();
    let about = || format!("{heading}, {:?}, {:?}", selector.key_hash(), row.routed);
    let candidates = selector.candidates(route);
    assert_eq!(candidates.len(), expected.len(), "{}", about());
    let mut tried = String::new();
    for server in candidates {
        write!(tried, "{}", digit(server)).expect("to a String");
    }
    assert_eq!(tried, expected, "{}", about());
    for (attempt, expected) in (0..).zip(expected.chars()) {
        assert_eq!(selector.candidate(route, attempt).map(digit), Some(expected), "{}", about());
    }
}

fn selector_of_pylibmc(behaviors: &str, servers: &[Server], hash: KeyHash) -> Selector {
    let (_, distribution, overruled, even) = BEHAVIORS
        .iter()
        .find(|(known, ..)| *known == behaviors)
        .unwrap_or_else(|| panic!("unknown behaviors {behaviors}"));
    let mut servers = servers.to_vec();
    if *even {
        servers.iter_mut().for_each(|server| server.weight = 1);
    }
    Selector::new(&servers, *distribution, overruled.unwrap_or(hash))
}

fn weighted(weights: &[i32]) -> Vec<Server> {
    let server = |weight: &i32| Server::from(("host".parse().expect("an address"), *weight));
    weights.iter().map(server).collect()
}

/// `HOST:PORT:WEIGHT`, `[HOST]:PORT` or a path.
fn server_of_pylibmc(text: &str) -> Server {
    let (address, weight) = match text.split(':').collect::<Vec<_>>()[..] {
        [host, port, weight] if !host.starts_with('[') => {
            (format!("{host}:{port}"), weight.parse().expect("a weight"))
        }
        _ if text.starts_with('/') => (format!("unix:{text}"), 1),
        _ if text.starts_with('[') => (format!("inet6:{text}"), 1),
        _ => (text.to_owned(), 1),
    };
    Server::from((address.parse().expect("an address"), weight))
}

fn server_of_pymemcache(text: &str) -> Server {
    let prefix = if text.starts_with('[') { "inet6:" } else { "" };
    Server::from((format!("{prefix}{text}").parse().expect("an address"), 1))
}

fn digit(server: ServerIndex) -> char {
    u32::try_from(server.index())
        .ok()
        .and_then(|at| char::from_digit(at, 36))
        .expect("a few servers")
}

/// The cases under one heading of a file.
struct Section {
    heading: String,
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    routed: Routed,
    answers: Vec<String>,
}

enum Routed {
    Key(Vec<u8>),
    Hash(i64),
}

impl std::fmt::Debug for Routed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Routed::Key(key) => write!(f, "key {}", key.escape_ascii()),
            Routed::Hash(hash) => write!(f, "hash {hash}"),
        }
    }
}

impl Section {
    fn is(&self, kind: &str, rest: &str) -> bool {
        self.heading == format!("{kind} {rest}")
    }

    /// What follows the heading's first word.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.heading.split(' ').skip(1)
    }
}

impl Row {
    fn route(&self) -> Route<'_> {
        match &self.routed {
            Routed::Key(key) => Route::Key(key),
            Routed::Hash(hash) => Route::Hash(*hash),
        }
    }

    fn answers(&self, count: usize) -> Vec<&str> {
        assert_eq!(self.answers.len(), count, "{:?}", self.routed);
        self.answers.iter().map(String::as_str).collect()
    }
}

fn sections(client: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in read(client).lines().filter(|line| !line.starts_with('#')) {
        let bare = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        let last = sections.last_mut();
        match (bare, last) {
            (Some(heading), Some(section)) if heading.starts_with("column ") => {
                section.columns.push(heading["column ".len()..].to_owned());
            }
            (Some(heading), _) => {
                let heading = heading.to_owned();
                sections.push(Section { heading, columns: Vec::new(), rows: Vec::new() });
            }
            (None, Some(section)) => section.rows.push(row(line)),
            (None, None) => panic!("no heading above {line}"),
        }
    }
    sections
}

fn row(line: &str) -> Row {
    let mut words = line.split(' ');
    let routed = match (words.next(), words.next()) {
        (Some("key"), Some(key)) => Routed::Key(unescape(key)),
        (Some("hash"), Some(number)) => Routed::Hash(number.parse().expect("a number")),
        _ => panic!("no case: {line}"),
    };
    Row { routed, answers: words.map(str::to_owned).collect() }
}

/// All keys that the vectors are of, but the empty one.
fn keys() -> Vec<Vec<u8>> {
    let hashes = sections("python_memcached").into_iter().next().expect("a section");
    let keys = hashes.rows.into_iter().filter_map(|row| match row.routed {
        Routed::Key(key) if !key.is_empty() => Some(key),
        _ => None,
    });
    keys.collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("hexadecimal digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn read(client: &str) -> String {
    fs::read_to_string(folder().join(format!("{client}.txt"))).expect("a file of vectors")
}

/// Whether the module is there, and routes as it does where the vectors were made. libmemcached's
/// hashes are others where `char` has no sign.
fn has(module: &str) -> bool {
    if module == "pylibmc" && !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        skipped("pylibmc hashes otherwise on this machine");
        return false;
    }
    Python::Current.has(module)
}

fn run(script: &str, arguments: &[&str]) {
    let path = folder().join(script);
    let output = Python::Current.script(&path).args(arguments).output().expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {errors}");
}
