use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use crate::contender::{Contender, Row};
use crate::items::{Items, LARGE, LARGE_LEN};
use crate::watch::Watch;

/// The raw loop: a blocking socket, a request that is put together in a buffer, one write, and reads until
/// the reply is whole. It finds its way through a reply by the lengths in it and checks nothing else: no
/// key, no flags. Values are borrowed from its buffer. It never times out. No client can do less.
pub(crate) struct Raw {
    stream: Box<dyn Socket>,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
}

trait Socket: Read + Write + Send {}
impl<S: Read + Write + Send> Socket for S {}

impl Raw {
    /// Connects to `HOST:PORT` or `unix:PATH`.
    pub(crate) fn connect(address: &str) -> Self {
        let stream: Box<dyn Socket> = match address.strip_prefix("unix:") {
            Some(path) => Box::new(UnixStream::connect(path).expect("a connection")),
            None => {
                let stream = TcpStream::connect(address).expect("a connection");
                stream.set_nodelay(true).expect("no delay");
                Box::new(stream)
            }
        };
        Raw { stream, request: Vec::new(), buffer: vec![0; 64 << 10], filled: 0 }
    }

    /// The value of one key.
    pub(crate) fn get(&mut self, key: &str) -> &[u8] {
        self.ask([key]);
        assert_eq!(self.receive_values(), 1, "{key}");
        let start = line_end(&self.buffer).expect("a line");
        &self.buffer[start..self.filled - b"\r\nEND\r\n".len()]
    }

    /// How many of the keys have a value.
    pub(crate) fn get_many(&mut self, keys: &[impl AsRef<str>]) -> usize {
        self.ask(keys);
        self.receive_values()
    }

    /// Sends a get and reads nothing.
    pub(crate) fn ask(&mut self, keys: impl IntoIterator<Item = impl AsRef<str>>) {
        self.request.clear();
        self.request.extend_from_slice(b"get");
        for key in keys {
            self.request.push(b' ');
            self.request.extend_from_slice(key.as_ref().as_bytes());
        }
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request).expect("sent");
    }

    pub(crate) fn set(&mut self, key: &str, value: &[u8]) {
        self.send_set(key, value);
        self.receive_stored();
    }

    /// Sends a set and reads nothing.
    pub(crate) fn send_set(&mut self, key: &str, value: &[u8]) {
        self.request.clear();
        self.append_set(key, value);
        self.stream.write_all(&self.request).expect("sent");
    }

    /// Reads the answer to a set.
    pub(crate) fn receive_stored(&mut self) {
        assert_eq!(self.lines(1, b"STORED\r\n"), 1);
    }

    /// Stores all of them. How many were.
    pub(crate) fn set_many(&mut self, keys: &[String], values: &[Vec<u8>]) -> usize {
        self.request.clear();
        for (key, value) in keys.iter().zip(values) {
            self.append_set(key, value);
        }
        self.stream.write_all(&self.request).expect("sent");
        self.lines(keys.len(), b"STORED\r\n")
    }

    /// Deletes all of them. How many were there.
    fn delete_many(&mut self, keys: &[String]) -> usize {
        self.request.clear();
        for key in keys {
            self.request.extend_from_slice(b"delete ");
            self.request.extend_from_slice(key.as_bytes());
            self.request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&self.request).expect("sent");
        self.lines(keys.len(), b"DELETED\r\n")
    }

    fn append_set(&mut self, key: &str, value: &[u8]) {
        let mut digits = itoa::Buffer::new();
        self.request.extend_from_slice(b"set ");
        self.request.extend_from_slice(key.as_bytes());
        self.request.extend_from_slice(b" 0 0 ");
        self.request.extend_from_slice(digits.format(value.len()).as_bytes());
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(value);
        self.request.extend_from_slice(b"\r\n");
    }

    /// Reads so many lines, all of this length. How many of them are this one.
    fn lines(&mut self, count: usize, expected: &[u8]) -> usize {
        self.filled = 0;
        let len = count * expected.len();
        while self.filled < len {
            self.read(len);
        }
        let lines = self.buffer[..len].chunks(expected.len());
        lines.filter(|line| *line == expected).count()
    }

    /// Reads the answer to a get. How many values there are.
    pub(crate) fn receive_values(&mut self) -> usize {
        self.filled = 0;
        let (mut at, mut found) = (0, 0);
        loop {
            let Some(end) = line_end(&self.buffer[at..self.filled]) else {
                self.read(self.filled + 1);
                continue;
            };
            let line = &self.buffer[at..at + end];
            if line == b"END\r\n" {
                assert_eq!(at + end, self.filled, "nothing comes after the end");
                return found;
            }
            let after = at + end + value_len(line) + b"\r\n".len();
            while self.filled < after {
                self.read(after);
            }
            (at, found) = (after, found + 1);
        }
    }

    /// Reads once, whatever comes. There will be room for so many bytes in all, and some more.
    fn read(&mut self, wanted: usize) {
        if self.buffer.len() < wanted + 64 {
            self.buffer.resize(wanted + (64 << 10), 0);
        }
        let len = self.stream.read(&mut self.buffer[self.filled..]).expect("received");
        assert!(len > 0, "the server has closed the connection");
        self.filled += len;
    }
}

/// Where the first line ends.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1)
}

/// The length in a line `VALUE <key> <flags> <length>\r\n`.
fn value_len(line: &[u8]) -> usize {
    let words = line.strip_suffix(b"\r\n").filter(|line| line.starts_with(b"VALUE "));
    let digits = words.and_then(|words| words.rsplit(|&byte| byte == b' ').next());
    let digits = digits.expect("a value").iter();
    digits.fold(0, |len, digit| len * 10 + usize::from(digit - b'0'))
}

/// The raw loop as one of those that are measured.
pub(crate) struct RawLoop(pub(crate) Raw, pub(crate) Items);

impl Contender for RawLoop {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn can(&self, _: Row) -> bool {
        true
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        let RawLoop(raw, items) = self;
        watch.start();
        match row {
            Row::Get => {
                for (key, value) in items.random(1).take(count) {
                    assert_eq!(raw.get(key), value);
                }
            }
            Row::Set => items.random(1).take(count).for_each(|(key, value)| raw.set(key, value)),
            Row::GetMap | Row::GetVec => {
                for (keys, _) in items.batches(1).take(count) {
                    assert_eq!(raw.get_many(keys), keys.len());
                }
            }
            Row::SetMany => {
                for (keys, values) in items.batches(1).take(count) {
                    assert_eq!(raw.set_many(keys, values), keys.len());
                }
            }
            Row::DeleteMany => {
                for (keys, values) in items.batches(1).take(count) {
                    watch.stop();
                    raw.set_many(keys, values);
                    watch.start();
                    assert_eq!(raw.delete_many(keys), keys.len());
                }
            }
            Row::Mixed => {
                for (number, (key, value)) in items.random(1).take(count).enumerate() {
                    match Row::is_store(number) {
                        true => raw.set(key, value),
                        false => assert_eq!(raw.get(key), value),
                    }
                }
            }
            Row::GetLarge => (0..count).for_each(|_| assert_eq!(raw.get(LARGE).len(), LARGE_LEN)),
        }
        watch.stop();
    }
}
