use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::Memcached;

/// As many keys are asked for at once. A line of 64 keys is what memcached takes without growth.
const BATCH: usize = 50;

/// What a server keeps for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The flags.
    pub flags: u32,
    /// The bytes, as they were sent.
    pub bytes: Vec<u8>,
}

/// What is there, asked over a socket of its own and read by nothing that is tested.
impl Memcached {
    /// What it keeps for those of the keys that it has. Counts as a get of each.
    ///
    /// # Panics
    ///
    /// Where it does not answer.
    #[must_use]
    pub fn holdings<K: AsRef<[u8]>>(&self, keys: &[K]) -> HashMap<Vec<u8>, Holding> {
        let mut stream = BufReader::new(self.connect());
        let mut holdings = HashMap::new();
        for batch in keys.chunks(BATCH) {
            let mut request = b"get".to_vec();
            for key in batch {
                request.push(b' ');
                request.extend_from_slice(key.as_ref());
            }
            request.extend_from_slice(b"\r\n");
            stream.get_mut().write_all(&request).expect("sent");
            while let Some((key, holding)) = read_item(&mut stream) {
                holdings.insert(key, holding);
            }
        }
        holdings
    }

    /// How many seconds an item has left: -1 for ever; `None` where there is none.
    ///
    /// # Panics
    ///
    /// Where it does not answer.
    #[must_use]
    pub fn seconds_left(&self, key: &str) -> Option<i64> {
        let mut stream = BufReader::new(self.connect());
        stream.get_mut().write_all(format!("mg {key} t\r\n").as_bytes()).expect("sent");
        let line = read_line(&mut stream);
        let left = line.strip_prefix(b"HD t")?;
        Some(String::from_utf8_lossy(left).parse().expect("a number"))
    }
}

/// The next item of the answer to a get; `None` at its end.
fn read_item(stream: &mut BufReader<TcpStream>) -> Option<(Vec<u8>, Holding)> {
    let line = read_line(stream);
    if line == b"END" {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [b"VALUE", key, flags, len] = words[..] else {
        panic!("no item: {}", line.escape_ascii());
    };
    let number = |word| std::str::from_utf8(word).expect("ASCII").parse::<u32>().expect("a number");
    let len = usize::try_from(number(len)).expect("a length");
    let mut bytes = vec![0; len + 2];
    stream.read_exact(&mut bytes).expect("the value");
    assert!(bytes.ends_with(b"\r\n"), "a value of another length");
    bytes.truncate(len);
    Some((key.to_vec(), Holding { flags: number(flags), bytes }))
}

/// A line without its end.
fn read_line(stream: &mut impl BufRead) -> Vec<u8> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).expect("answered");
    assert!(line.ends_with(b"\r\n"), "no line: {}", line.escape_ascii());
    line.truncate(line.len() - 2);
    line
}
