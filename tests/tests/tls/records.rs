//! What a session makes records of.

use std::io::{self, Read, Write};

use memcache_sync::{ServerAddress, Tls};
use memcache_tls::{Session, Sessions};
use rustls::ServerConnection;

use crate::certificates::Certificates;
use crate::in_memory;

/// The header of a record, the type of what is in it, and the tag of TLS 1.3.
const AROUND: usize = 5 + 1 + 16;

#[test]
fn the_last_byte_travels_alone_behind_what_is_not_short() {
    // What is written between two flushes, and the lengths of the records that are sent then.
    let cases: &[(&[usize], &[usize], &[usize])] = &[
        (&[1], &[1], &[1]),
        (&[100, 200, 2], &[302], &[302]),
        (&[2048], &[2048], &[2048]),
        (&[2049], &[2048, 1], &[2049]),
        (&[16_384], &[16_383, 1], &[16_384]),
        (&[16_385], &[16_384, 1], &[16_384, 1]),
        (&[16_386], &[16_384, 1, 1], &[16_384, 2]),
        (&[16_000, 1000, 1], &[16_384, 616, 1], &[16_384, 617]),
        (&[40_000], &[16_384, 16_384, 7231, 1], &[16_384, 16_384, 7232]),
    ];
    for is_alone in [true, false] {
        let mut pair = Pair::new(is_alone);
        for (writes, alone, joined) in cases {
            let records = if is_alone { alone } else { joined };
            assert_eq!(pair.send(writes), *records, "{writes:?}");
        }
    }
}

#[test]
fn what_is_written_arrives_whatever_the_stream_takes() {
    for most in [1, 7, 1000, usize::MAX] {
        let mut pair = Pair::new(true);
        pair.wire.most = most;
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut rest = &bytes[..];
        let mut received = Vec::new();
        loop {
            // The wire takes some, and then would block.
            pair.wire.left = 3 * most.min(50_000);
            match pair.session.write(rest, &mut pair.wire) {
                Ok(len) => rest = &rest[len..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let flushed = rest.is_empty() && pair.session.flush(&mut pair.wire).is_ok();
            received.extend(pair.take());
            if flushed {
                break;
            }
        }
        assert!(received == bytes, "{most}");
    }
}

/// A session, and a server that it has agreed with.
struct Pair {
    session: Session,
    wire: Wire,
    server: ServerConnection,
    _certificates: Certificates,
}

impl Pair {
    fn new(is_alone: bool) -> Self {
        let certificates = Certificates::new();
        let (pem, key) = (certificates.pem("server"), certificates.key("server"));
        let tls = Tls::new().ca_file(certificates.pem("ca")).expect("an authority");
        let sessions = Sessions::new(&tls.last_byte_alone(is_alone));
        let address = ServerAddress::parse("localhost").expect("an address");
        let mut session = sessions.begin(&address).expect("a name");
        let config = in_memory::config(&pem, &key, None);
        let mut server = ServerConnection::new(config).expect("a connection");
        let mut wire = Wire { left: usize::MAX, most: usize::MAX, ..Wire::default() };
        while session.handshake(&mut wire).is_err() {
            serve(&mut server, &mut wire);
        }
        serve(&mut server, &mut wire);
        wire.to_client.clear();
        Pair { session, wire, server, _certificates: certificates }
    }

    /// Writes so much each time, and then flushes. Returns how much is in each record.
    fn send(&mut self, writes: &[usize]) -> Vec<usize> {
        for &len in writes {
            let taken = self.session.write(&vec![b'x'; len], &mut self.wire).expect("taken");
            assert_eq!(taken, len);
        }
        self.session.flush(&mut self.wire).expect("sent");
        let mut rest = &self.wire.to_server[..];
        let mut lens = Vec::new();
        while let [_, _, _, high, low, ..] = *rest {
            let len = 5 + usize::from(u16::from_be_bytes([high, low]));
            lens.push(len - AROUND);
            rest = &rest[len..];
        }
        assert_eq!(self.take().len(), writes.iter().sum::<usize>());
        lens
    }

    /// What the server has received.
    fn take(&mut self) -> Vec<u8> {
        serve(&mut self.server, &mut self.wire)
    }
}

/// Gives the server what was sent to it, and the wire what it answers.
fn serve(server: &mut ServerConnection, wire: &mut Wire) -> Vec<u8> {
    let mut received = Vec::new();
    let mut sent = &wire.to_server[..];
    while !sent.is_empty() {
        server.read_tls(&mut sent).expect("memory");
        let state = server.process_new_packets().expect("good records");
        let mut bytes = vec![0; state.plaintext_bytes_to_read()];
        server.reader().read_exact(&mut bytes).expect("it is there");
        received.extend(bytes);
    }
    wire.to_server.clear();
    while server.wants_write() {
        server.write_tls(&mut wire.to_client).expect("memory");
    }
    received
}

/// What is on its way.
#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// How much it takes until it would block, and how much at once.
    left: usize,
    most: usize,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_client.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.to_client.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.to_client[..len]);
        self.to_client.drain(..len);
        Ok(len)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.most).min(self.left);
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_server.extend_from_slice(&bytes[..len]);
        self.left = self.left.saturating_sub(len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
