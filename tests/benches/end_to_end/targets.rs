use serde_json::Value as Json;

use crate::compare::rounded;
use crate::record::{number, text};

/// What a record has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// The number of the record that it is about.
    pub(crate) field: &'static str,
    bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// How far over TCP everybody lies below what they reach over a Unix socket.
const TCP: f64 = 0.15;

/// How far a number may miss its target for noise alone.
const ROOM: f64 = 0.05;

impl Target {
    /// The target of a record, if it has one.
    pub(crate) fn of(record: &Json) -> Option<Target> {
        let (section, row) = (text(record, "section"), text(record, "row"));
        let client = text(record, "client");
        let size = record["size"].as_u64().unwrap_or(0);
        let ours = ["sync", "smol", "tokio"].contains(&client);
        let at_least = |bound| Some(Target { field: "ratio", bound: Bound::AtLeast(bound) });
        let at_most = |field, bound| Some(Target { field, bound: Bound::AtMost(bound) });
        match (section, row, size) {
            _ if !ours => None,
            ("unix", row, _) => at_least(lone(row, client)?),
            ("tcp", row, _) => at_least(lone(row, client)? - TCP),
            ("bare", _, _) => at_least(0.95),
            ("crowd, tcp", "50 tasks, get", _) => at_least(6.0),
            ("crowd, unix", "50 tasks, get", _) => at_least(4.0),
            ("crowd, tcp", "50 tasks, get, beside async-memcached", _) => at_least(6.0),
            ("crowd, tcp", "50 tasks, set, beside async-memcached", _) => at_least(4.0),
            ("crowd, unix", "16 threads, get" | "16 threads, set", _) => at_least(0.92),
            ("crowd, tcp", "16 threads, get" | "16 threads, set", _) => at_least(0.92 - TCP),
            ("keys", _, 1_000_000) => at_most("growth", 2.0),
            ("servers", "get", 1_000) => at_most("growth", 1.3),
            ("servers", "get x 100", 1_000) => at_most("cost", 2.5),
            ("tasks", "set" | "get", 10_000) => at_most("cpu_us", 2.5),
            ("tasks", "get, merged", 10_000) => at_most("cpu_us", 1.4),
            _ => None,
        }
    }

    pub(crate) fn bound(self) -> f64 {
        match self.bound {
            Bound::AtLeast(bound) | Bound::AtMost(bound) => rounded(bound),
        }
    }

    /// Whether the record reaches it, or misses it by no more than the noise.
    pub(crate) fn is_met(self, record: &Json) -> bool {
        let Some(number) = number(record, self.field) else { return false };
        match self.bound {
            Bound::AtLeast(bound) => number >= bound * (1.0 - ROOM),
            Bound::AtMost(bound) => number <= bound * (1.0 + ROOM),
        }
    }
}

/// What one caller reaches of the raw loop's calls over a Unix socket.
fn lone(row: &str, client: &str) -> Option<f64> {
    let (sync, smol, tokio) = match row {
        "get" => (0.96, 0.87, 0.85),
        "set" => (0.96, 0.86, 0.85),
        "get x 100, map" => (0.70, 0.66, 0.66),
        "get x 100, Vec of Bytes" => (0.77, 0.72, 0.72),
        "set x 100" => (0.90, 0.82, 0.84),
        "get 1 MiB" => (0.97, 0.88, 0.85),
        _ => return None,
    };
    match client {
        "sync" => Some(sync),
        "smol" => Some(smol),
        "tokio" => Some(tokio),
        _ => None,
    }
}
