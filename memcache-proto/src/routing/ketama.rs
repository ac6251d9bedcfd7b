use super::address::{DEFAULT_PORT, Endpoint, Server};
use super::functions;
use super::hash::KeyHash;
use super::selector::{ServerIndex, low_32_bits};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Labels of a server where weights do not count, each of which makes one point.
const LABELS: u32 = 100;
/// Points of a server of average weight where weights count.
const POINTS: f32 = 160.0;
/// Points that one label makes where weights count.
const POINTS_PER_LABEL: f32 = 4.0;

/// libmemcached's ring of 32 bits: a key belongs to the first point at or behind its hash, and past
/// the last point to the first.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// In order; of points that coincide the server that comes first in the list has the key.
    points: Box<[(u32, ServerIndex)]>,
}

impl Ring {
    /// The ring where weights do not count, its points made with the hash that keys have too.
    pub(super) fn new(servers: &[Server], key_hash: KeyHash) -> Self {
        let labels = servers.iter().map(|server| (server, LABELS));
        Self::of(labels, |label| [low_32_bits(key_hash.hash(label))])
    }

    /// The ring where weights count.
    pub(super) fn weighted(servers: &[Server]) -> Self {
        let total: u64 = servers.iter().map(|server| u64::from(weight(server))).sum();
        let labels = servers
            .iter()
            .map(|server| (server, label_count(weight(server), total, servers.len())));
        Self::of(labels, functions::md5)
    }

    fn of<'a, const N: usize>(
        labels: impl Iterator<Item = (&'a Server, u32)>,
        points_of: impl Fn(&[u8]) -> [u32; N],
    ) -> Self {
        let mut points = Vec::new();
        let mut label = String::new();
        for (index, (server, count)) in (0..).zip(labels) {
            let name = name(server);
            for number in 0..count {
                label.clear();
                // To a String nothing is written in vain.
                let _ = write!(label, "{name}-{number}");
                let made = points_of(label.as_bytes());
                points.extend(made.map(|point| (point, ServerIndex::new(index))));
            }
        }
        points.sort_unstable();
        Ring { points: points.into() }
    }

    pub(super) fn at(&self, hash: u32) -> Option<ServerIndex> {
        let behind = self.points.partition_point(|&(point, _)| point < hash);
        let (_, server) = self.points.get(behind).or_else(|| self.points.first())?;
        Some(*server)
    }
}

/// Whether libmemcached lets the weights of these servers count without being told to.
pub(super) fn weights_count(servers: &[Server]) -> bool {
    servers.iter().any(|server| weight(server) > 1)
}

fn weight(server: &Server) -> u32 {
    u32::try_from(server.weight).unwrap_or(0).max(1)
}

/// In single precision, where libmemcached computes: a share that is just short of a label in one
/// precision is just enough for it in another.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "C's casts; the shares of all servers are 40 labels for each of them, none is negative"
)]
fn label_count(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    (share * POINTS / POINTS_PER_LABEL * servers as f32 + 1e-10) as u32
}

/// What the labels of a server begin with. A Unix socket has port 0.
fn name(server: &Server) -> String {
    match server.address.endpoint() {
        Endpoint::Tcp { host, port: DEFAULT_PORT, .. } => host.into(),
        Endpoint::Tcp { host, port, .. } => format!("{host}:{port}"),
        Endpoint::Unix { path } => format!("{path}:0"),
    }
}
