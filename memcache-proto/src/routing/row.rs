use super::address::Server;
use super::selector::ServerIndex;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The servers in the order of the list, each as many times as its weight says. Memory is
/// proportional to the number of servers, whatever their weights.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// For each server that has a weight, where its part of the row ends, and which one it is.
    ends: Box<[(i64, ServerIndex)]>,
}

impl Row {
    pub(super) fn new(servers: &[Server]) -> Self {
        let mut end: i64 = 0;
        let mut ends = Vec::with_capacity(servers.len());
        for (index, server) in (0..).zip(servers) {
            if server.weight > 0 {
                end = end.saturating_add(i64::from(server.weight));
                ends.push((end, ServerIndex::new(index)));
            }
        }
        Row { ends: ends.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The server at a hash, modulo the length of the row; the modulo is floored.
    pub(super) fn at(&self, hash: i64) -> Option<ServerIndex> {
        let &(len, last) = self.ends.last()?;
        let slot = hash.rem_euclid(len);
        let part = self.ends.partition_point(|&(end, _)| end <= slot);
        Some(self.ends.get(part).map_or(last, |&(_, server)| server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ServerAddress;

    #[test]
    fn weights_repeat_servers_in_list_order() {
        let cases: &[(&[i32], &[u32])] = &[
            (&[3, 1, 0], &[0, 0, 0, 1, 0, 0, 0, 1]),
            (&[1, 1, 1], &[0, 1, 2, 0]),
            (&[0, -7, 2, 0, 1], &[2, 2, 4, 2]),
            (&[1], &[0, 0]),
        ];
        for (weights, expected) in cases {
            let row = row(weights);
            for (hash, expected) in (0..).zip(*expected) {
                let expected = Some(ServerIndex::new(*expected));
                assert_eq!(row.at(hash), expected, "{weights:?}, hash {hash}");
            }
        }
    }

    #[test]
    fn modulo_is_floored() {
        let row = row(&[1, 1, 1]);
        for (hash, expected) in [(-1, 2), (-2, 1), (-3, 0), (-4, 2), (i64::MIN, 1), (i64::MAX, 1)] {
            assert_eq!(row.at(hash), Some(ServerIndex::new(expected)), "{hash}");
        }
    }

    #[test]
    fn great_weights_take_no_memory() {
        let row = row(&[i32::MAX, i32::MAX, 1]);
        let part = i64::from(i32::MAX);
        let cases = [(0, 0), (part - 1, 0), (part, 1), (2 * part - 1, 1), (2 * part, 2), (-1, 2)];
        for (hash, expected) in cases {
            assert_eq!(row.at(hash), Some(ServerIndex::new(expected)), "{hash}");
        }
    }

    fn row(weights: &[i32]) -> Row {
        let address: ServerAddress = "h".parse().unwrap();
        let servers: Vec<Server> =
            weights.iter().map(|&weight| Server::from((address.clone(), weight))).collect();
        Row::new(&servers)
    }
}
