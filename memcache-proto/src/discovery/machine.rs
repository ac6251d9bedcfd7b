use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Discovered, DiscoveryError};
use crate::routing::{Server, ServerAddress};
use crate::value::Cause;
use crate::{Limits, Time};

/// Nobody is asked more often than this.
const LEAST: Duration = Duration::from_millis(10);

/// What is known of the servers, and when to ask again.
///
/// Lists are sorted by address before they are compared, so that a list in another order changes nothing, and
/// all clients of a cache have its servers in the same order. A server that is named twice counts once.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// In the order in which they are used.
    servers: Vec<Server>,
    version: Option<u64>,
    every: Duration,
    max_servers: usize,
    due: Time,
    /// Whether the last answer was refused.
    failing: bool,
}

/// What to do about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing: the servers are those that are known.
    Same,
    /// Go on with these servers.
    Changed(Change),
    /// Nothing: the servers that are known stay.
    Refused {
        /// What is wrong with the answer.
        error: DiscoveryError,
        /// Whether it is the first one in a row, which somebody should be told of.
        is_first: bool,
    },
}

/// Other servers than before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The servers there are now, sorted.
    pub servers: Vec<Server>,
    /// Those that were not there before.
    pub added: Vec<ServerAddress>,
    /// Those that are not there any more.
    pub removed: Vec<ServerAddress>,
}

impl Discovery {
    /// Nobody has been asked yet; it is time to. `current` has the servers that are in use meanwhile. After each
    /// answer it is time again in `every`, which counts as 10 ms if it is less.
    #[must_use]
    pub fn new(current: &[Server], every: Duration, limits: &Limits, now: Time) -> Self {
        Discovery {
            servers: current.to_vec(),
            version: None,
            every: every.max(LEAST),
            max_servers: limits.max_servers,
            due: now,
            failing: false,
        }
    }

    /// When to ask next. Then call [`answered`](Self::answered).
    #[must_use]
    pub fn due(&self) -> Time {
        self.due
    }

    /// The servers that are known.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Somebody was asked and gave this answer. `now` is the time at which it came.
    pub fn answered(&mut self, answer: Result<Discovered, Cause>, now: Time) -> Verdict {
        self.due = now + self.every;
        match self.check(answer) {
            Ok((servers, version)) => {
                self.failing = false;
                self.version = version.or(self.version);
                self.change_to(servers)
            }
            Err(error) => {
                let is_first = !core::mem::replace(&mut self.failing, true);
                Verdict::Refused { error, is_first }
            }
        }
    }

    fn check(
        &self,
        answer: Result<Discovered, Cause>,
    ) -> Result<(Vec<Server>, Option<u64>), DiscoveryError> {
        let Discovered { mut servers, version } = answer.map_err(DiscoveryError::Failed)?;
        if servers.len() > self.max_servers {
            return Err(DiscoveryError::TooMany { max: self.max_servers });
        }
        if !servers.iter().any(|server| server.weight > 0) {
            return Err(DiscoveryError::Empty);
        }
        if let (Some(version), Some(last)) = (version, self.version) {
            if version < last {
                return Err(DiscoveryError::Older { version, last });
            }
        }
        servers.sort_by_cached_key(|server| (server.address.to_string(), server.weight));
        servers.dedup_by(|later, first| later.address == first.address);
        Ok((servers, version))
    }

    fn change_to(&mut self, servers: Vec<Server>) -> Verdict {
        if servers == self.servers {
            return Verdict::Same;
        }
        let former = core::mem::replace(&mut self.servers, servers.clone());
        let added = missing(&servers, &former);
        let removed = missing(&former, &servers);
        Verdict::Changed(Change { servers, added, removed })
    }
}

/// The addresses of those that are not in the other list.
fn missing(servers: &[Server], others: &[Server]) -> Vec<ServerAddress> {
    let is_missing = |server: &&Server| !others.iter().any(|it| it.address == server.address);
    servers.iter().filter(is_missing).map(|server| server.address.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const EVERY: Duration = Duration::from_secs(60);

    fn discovery(current: &[&str]) -> Discovery {
        let limits = Limits { max_servers: 3, ..Limits::default() };
        let current = Discovered::parse(current).unwrap().servers;
        Discovery::new(&current, EVERY, &limits, Time::ZERO)
    }

    /// The list of a text such as `7: a b*2`, or of `failed`.
    fn answer(text: &str) -> Result<Discovered, Cause> {
        if text == "failed" {
            return Err("it is down".into());
        }
        let (version, list) = text.split_once(':').unwrap_or(("", text));
        let servers = list.split_whitespace().map(|server| {
            let (address, weight) = server.split_once('*').unwrap_or((server, "1"));
            (ServerAddress::parse(address).unwrap(), weight.parse().unwrap())
        });
        let mut found = Discovered::new(servers);
        found.version = version.parse().ok();
        Ok(found)
    }

    fn told(verdict: Verdict) -> String {
        let shown = |addresses: Vec<ServerAddress>| {
            let hosts = addresses.iter().map(|address| address.to_string().replace(":11211", ""));
            hosts.collect::<Vec<_>>().join(" ")
        };
        match verdict {
            Verdict::Same => "same".into(),
            Verdict::Changed(Change { servers, added, removed }) => {
                let servers = servers.iter().map(|server| match server.weight {
                    1 => server.address.to_string(),
                    weight => format!("{}*{weight}", server.address),
                });
                let servers = servers.collect::<Vec<_>>().join(" ").replace(":11211", "");
                format!("{servers}; added {}; removed {}", shown(added), shown(removed))
            }
            Verdict::Refused { error, is_first } => {
                let word = if is_first { "told" } else { "again" };
                match error {
                    DiscoveryError::Failed(_) => format!("{word}: failed"),
                    error => format!("{word}: {error:?}"),
                }
            }
        }
    }

    #[test]
    fn a_list_is_compared_with_the_last_and_refused_where_it_must_be() {
        let script = [
            ("5: b a", "a b; added a b; removed "),
            // Another order, the same again, a higher version, none at all.
            ("5: a b", "same"),
            ("6: b a", "same"),
            ("a b", "same"),
            // A server named twice counts once, with its least weight.
            ("7: b a b*2", "same"),
            // What comes, what goes, both.
            ("8: c b a", "a b c; added c; removed "),
            ("9: b c", "b c; added ; removed a"),
            ("9: b d", "b d; added d; removed c"),
            ("10: b d*3", "b d*3; added ; removed "),
            // Refused: told once, until one is taken.
            ("9: a b", "told: Older { version: 9, last: 10 }"),
            ("0: a b", "again: Older { version: 0, last: 10 }"),
            ("failed", "again: failed"),
            ("11:", "again: Empty"),
            ("11: a b c d", "again: TooMany { max: 3 }"),
            ("10: b d*3", "same"),
            ("failed", "told: failed"),
            ("failed", "again: failed"),
            ("a", "a; added a; removed b d"),
            ("11: a*0 b*0", "told: Empty"),
            // The version of a list that was refused does not count, and one without keeps the last.
            ("9: a", "again: Older { version: 9, last: 10 }"),
            ("10: a*2 b*0", "a*2 b*0; added b; removed "),
        ];
        let mut discovery = discovery(&[]);
        for (number, (text, expected)) in (1..).zip(script) {
            let now = Time::from_millis(number * 1000);
            let before = discovery.servers().to_vec();
            let verdict = discovery.answered(answer(text), now);
            let stays = !matches!(verdict, Verdict::Changed(_));
            assert_eq!(told(verdict), expected, "{number}: {text}");
            assert_eq!(stays, discovery.servers() == before, "{number}: {text}");
            assert_eq!(discovery.due(), now + EVERY);
        }
    }

    /// All clients are to have the same order, also those that began with another.
    #[test]
    fn servers_to_begin_with_stay_only_in_the_order_of_the_list() {
        let cases = [
            (&["a", "b"][..], "b a", "same"),
            (&["b", "a"], "a b", "a b; added ; removed "),
            (&["c"], "a", "a; added a; removed c"),
            (&["a", "b"], "failed", "told: failed"),
        ];
        for (current, text, expected) in cases {
            let verdict = discovery(current).answered(answer(text), Time::ZERO);
            assert_eq!(told(verdict), expected, "{current:?} {text}");
        }
    }

    #[test]
    fn nobody_is_asked_all_the_time() {
        let limits = Limits::default();
        let mut discovery = Discovery::new(&[], Duration::ZERO, &limits, Time::from_millis(7));
        assert_eq!(discovery.due(), Time::from_millis(7));
        let _ = discovery.answered(answer("a"), Time::from_millis(8));
        assert_eq!(discovery.due(), Time::from_millis(18));
        let mut discovery = Discovery::new(&[], Duration::MAX, &limits, Time::ZERO);
        let _ = discovery.answered(answer("failed"), Time::from_millis(8));
        assert_eq!(discovery.due(), Time::ZERO + Duration::MAX);
    }
}
