//! Whether what callers were told of items is what servers did: a checker that knows no client.

use std::collections::BTreeMap;

use memcache_proto::codec::{Command, Response, StoreVerb};
use memcache_proto::{Exptime, Limits};

use crate::model::{Item, follow};
use crate::server::{Step, is_login};

/// What servers did to items, and what callers were told of it.
///
/// The servers say in which order they did it, so nothing has to be guessed: a history is linearizable if
/// what a server answered follows from what it had done before, and if each call that was answered can be
/// given an act of its own, of a server, with this answer, between its beginning and its end. What came of
/// a call that failed is not known: it may have an act, or none. Each act needs a call that asked for it.
///
/// Nothing here knows of any client. Fill it from your own: see the example `foreign`.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What the servers did, in order.
    pub happenings: Vec<Happening>,
    /// What the callers asked for and were told, in any order.
    pub calls: Vec<Call>,
}

/// Something that happened at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When: the number of an event, in the count that the calls have too.
    pub at: u64,
    /// Where.
    pub server: usize,
    /// What.
    pub what: What,
}

/// What happened at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It did what somebody asked for.
    Acted {
        /// The key.
        key: Vec<u8>,
        /// What it was asked.
        act: Act,
        /// What it answered; `None` if it was to be silent.
        answer: Option<Answer>,
    },
    /// Something was done to an item that this checker does not follow: by a meta command, for instance.
    Touched {
        /// The key.
        key: Vec<u8>,
    },
    /// It lost an item: evicted, deleted from outside.
    Lost {
        /// The key.
        key: Vec<u8>,
    },
    /// It lost everything: flushed, or started again.
    Emptied,
}

/// Something that is asked of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Look it up; with its cas unique, or without.
    Get {
        /// Whether the cas unique is asked for.
        cas: bool,
    },
    /// Look it up, and set when it expires.
    GetAndTouch(i32),
    /// One of the storage commands, with its value, and whether the item may expire.
    Store(Verb, Vec<u8>, bool),
    /// Delete it.
    Delete,
    /// Set when it expires.
    Touch(i32),
    /// Add to it.
    Incr(u64),
    /// Take from it.
    Decr(u64),
}

/// Which of the storage commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum Verb {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas(u64),
}

/// What the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The item.
    Value {
        /// Its value.
        value: Vec<u8>,
        /// Its cas unique, if that was asked for.
        cas: Option<u64>,
    },
    /// There is no such item.
    Miss,
    /// Stored.
    Stored,
    /// Not stored: the condition did not hold.
    NotStored,
    /// Not stored: it has changed.
    Exists,
    /// There is nothing to change.
    NotFound,
    /// Deleted, touched.
    Done,
    /// The counter.
    Number(u64),
    /// An error.
    Error,
}

/// What a caller asked for, and what he was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When he asked.
    pub from: u64,
    /// When he was told.
    pub to: u64,
    /// The key, as it stands on the wire.
    pub key: Vec<u8>,
    /// What he asked for.
    pub act: Act,
    /// What he was told; `None` if he does not know what came of it.
    pub answer: Option<Answer>,
    /// How often it may have been done: once, or more if it may be sent again.
    pub times: usize,
}

/// What is asked of which key.
type About<'a> = (&'a [u8], &'a Act);

/// When it was done, with which answer, and whether somebody was told that.
type Done<'a> = (u64, Option<&'a Answer>, bool);

impl History {
    /// Notes what a server did with a command.
    pub fn note(&mut self, at: u64, server: usize, step: &Step) {
        let limits = Limits { max_line_len: 1 << 20, ..Limits::default() };
        let Ok(Some((command, _))) = Command::parse(&step.command, &limits) else { return };
        if is_login(&step.command) {
            return;
        }
        let mut push = |key: &[u8], act, answer| {
            let what = What::Acted { key: key.to_vec(), act, answer };
            self.happenings.push(Happening { at, server, what });
        };
        let answer = || if step.refused { Some(Answer::Error) } else { answer_of(&step.reply) };
        match command {
            Command::Get { keys, cas } => {
                let mut values = values_of(&step.reply);
                for key in keys {
                    let answer = values.take(key.as_bytes());
                    push(key.as_bytes(), Act::Get { cas }, Some(answer));
                }
            }
            Command::Gat { exptime, keys, .. } => {
                let mut values = values_of(&step.reply);
                for key in keys {
                    let answer = values.take(key.as_bytes());
                    push(key.as_bytes(), Act::GetAndTouch(exptime.to_wire()), Some(answer));
                }
            }
            Command::Store { verb, key, exptime, value, .. } => {
                let act = Act::Store(verb.into(), value.to_vec(), exptime != Exptime::NEVER);
                push(key.as_bytes(), act, answer());
            }
            Command::Delete { key, .. } => push(key.as_bytes(), Act::Delete, answer()),
            Command::Touch { key, exptime, .. } => {
                push(key.as_bytes(), Act::Touch(exptime.to_wire()), answer());
            }
            Command::Incr { key, delta, .. } => push(key.as_bytes(), Act::Incr(delta), answer()),
            Command::Decr { key, delta, .. } => push(key.as_bytes(), Act::Decr(delta), answer()),
            Command::FlushAll { delay: None, .. } if !step.refused => {
                self.happenings.push(Happening { at, server, what: What::Emptied });
            }
            _ => {
                let Some(meta) = command.as_meta() else { return };
                let mut space = [0; memcache_proto::MAX_KEY_LEN];
                let key = meta.key().decode(&mut space).unwrap_or_default().to_vec();
                self.happenings.push(Happening { at, server, what: What::Touched { key } });
            }
        }
    }

    /// Whether it is linearizable.
    ///
    /// # Errors
    ///
    /// What does not fit, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_servers()?;
        self.check_calls()
    }

    /// Whether what the servers answered follows from what they did.
    fn check_servers(&self) -> Result<(), String> {
        let mut items: BTreeMap<(usize, &[u8]), Item> = BTreeMap::new();
        for Happening { at, server, what } in &self.happenings {
            match what {
                What::Emptied => items.retain(|(of, _), _| of != server),
                What::Lost { key } => drop(items.remove(&(*server, key))),
                What::Touched { key } => drop(items.insert((*server, key), Item::Unknown)),
                What::Acted { key, act, answer } => {
                    let item = items.remove(&(*server, key));
                    let next = follow(item, act, answer.as_ref()).map_err(|expected| {
                        let key = key.escape_ascii();
                        format!("server {server}, {at}: {act:?} of {key} => {answer:?}: {expected}")
                    })?;
                    if let Some(next) = next {
                        items.insert((*server, key), next);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether each answer has an act, and each act a call.
    fn check_calls(&self) -> Result<(), String> {
        let mut acts: BTreeMap<About<'_>, Vec<Done<'_>>> = BTreeMap::new();
        for happening in &self.happenings {
            if let What::Acted { key, act, answer } = &happening.what {
                acts.entry((key, act)).or_default().push((happening.at, answer.as_ref(), false));
            }
        }
        // Each takes the earliest that fits, those that ended first before the others: if there is any way
        // to give each its own, this is one.
        let mut calls: Vec<_> = self.calls.iter().collect();
        calls.sort_by_key(|call| call.to);
        let mut asked: BTreeMap<About<'_>, Vec<(u64, usize)>> = BTreeMap::new();
        for call in calls {
            let about = (&call.key[..], &call.act);
            asked.entry(about).or_default().push((call.from, call.times));
            let Some(answer) = &call.answer else { continue };
            let acts = acts.get_mut(&about);
            let fits = |(at, said, taken): &&mut Done<'_>| {
                let in_time = (call.from..=call.to).contains(at);
                in_time && !*taken && said.is_none_or(|said| said == answer)
            };
            match acts.and_then(|acts| acts.iter_mut().find(fits)) {
                Some(act) => act.2 = true,
                None => return Err(format!("no server did this: {call:?}")),
            }
        }
        for ((key, act), done) in &acts {
            let asked = asked.get(&(*key, act)).map(Vec::as_slice).unwrap_or_default();
            for (at, ..) in done {
                let before = done.iter().filter(|(other, ..)| other <= at).count();
                let allowed: usize =
                    asked.iter().filter(|(from, _)| from < at).map(|(_, times)| times).sum();
                if before > allowed {
                    let key = key.escape_ascii();
                    return Err(format!(
                        "{act:?} of {key} was done {before} times by {at}, and asked for {allowed}"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl From<StoreVerb> for Verb {
    fn from(verb: StoreVerb) -> Self {
        match verb {
            StoreVerb::Set => Verb::Set,
            StoreVerb::Add => Verb::Add,
            StoreVerb::Replace => Verb::Replace,
            StoreVerb::Append => Verb::Append,
            StoreVerb::Prepend => Verb::Prepend,
            StoreVerb::Cas(unique) => Verb::Cas(unique),
        }
    }
}

/// The answer that a line is; `None` if there is none.
fn answer_of(reply: &[u8]) -> Option<Answer> {
    let (response, _) = Response::parse(reply, &Limits::default()).ok()??;
    Some(match response {
        Response::Stored => Answer::Stored,
        Response::NotStored => Answer::NotStored,
        Response::Exists => Answer::Exists,
        Response::NotFound => Answer::NotFound,
        Response::Deleted | Response::Touched => Answer::Done,
        Response::Number(number) => Answer::Number(number),
        _ => Answer::Error,
    })
}

/// The values of a reply, in order.
struct Values(Vec<(Vec<u8>, Answer)>);

impl Values {
    /// The first value of a key that is left, or a miss.
    fn take(&mut self, key: &[u8]) -> Answer {
        let at = self.0.iter().position(|(named, _)| named == key);
        at.map_or(Answer::Miss, |at| self.0.remove(at).1)
    }
}

fn values_of(reply: &[u8]) -> Values {
    let (mut values, mut rest) = (Vec::new(), reply);
    while let Ok(Some((response, len))) = Response::parse(rest, &Limits::default()) {
        if let Response::Value { key, cas, value, .. } = response {
            let value = Answer::Value { value: value.to_vec(), cas };
            values.push((key.as_bytes().to_vec(), value));
        }
        rest = &rest[len..];
    }
    Values(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> Act {
        Act::Store(Verb::Set, value.into(), false)
    }

    fn value(value: &str) -> Option<Answer> {
        Some(Answer::Value { value: value.into(), cas: None })
    }

    fn acted(at: u64, act: Act, answer: Option<Answer>) -> Happening {
        Happening { at, server: 0, what: What::Acted { key: b"k".to_vec(), act, answer } }
    }

    fn called(from: u64, to: u64, act: Act, answer: Option<Answer>) -> Call {
        Call { from, to, key: b"k".to_vec(), act, answer, times: 1 }
    }

    #[test]
    fn a_history_has_to_be_that_of_the_servers() {
        let stored = || Some(Answer::Stored);
        let lost = |at| Happening { at, server: 0, what: What::Lost { key: b"k".to_vec() } };
        let emptied = |at| Happening { at, server: 0, what: What::Emptied };
        let one = || acted(2, set("1"), stored());
        let two = || acted(5, set("2"), stored());
        let ask_one = || called(1, 3, set("1"), stored());
        let ask_two = || called(4, 6, set("2"), stored());
        let get = |at, answer| acted(at, Act::Get { cas: false }, answer);
        let read = |from, to, answer| called(from, to, Act::Get { cas: false }, answer);
        let miss = || Some(Answer::Miss);
        let unknown = || called(1, 3, set("1"), None);
        let cases: Vec<(&str, bool, Vec<Happening>, Vec<Call>)> = vec![
            ("nothing", true, vec![], vec![]),
            (
                "a store and a read",
                true,
                vec![one(), get(3, value("1"))],
                vec![ask_one(), read(2, 4, value("1"))],
            ),
            (
                "a read of what was not there yet",
                false,
                vec![get(1, value("1"))],
                vec![read(0, 2, value("1"))],
            ),
            ("a store that nobody did", false, vec![], vec![ask_one()]),
            ("a store that nobody knows of, done", true, vec![one()], vec![unknown()]),
            ("a store that nobody knows of, not done", true, vec![], vec![unknown()]),
            (
                "a store done twice",
                false,
                vec![one(), acted(3, set("1"), stored())],
                vec![ask_one()],
            ),
            ("a store that nobody asked for", false, vec![one()], vec![]),
            (
                "an old value after a new one",
                false,
                vec![one(), two(), get(7, value("1"))],
                vec![ask_one(), ask_two(), read(6, 8, value("1"))],
            ),
            (
                "a read told before it was done",
                false,
                vec![one(), get(9, value("1"))],
                vec![ask_one(), read(4, 8, value("1"))],
            ),
            (
                "one read told to two",
                false,
                vec![one(), get(5, value("1"))],
                vec![ask_one(), read(4, 8, value("1")), read(4, 8, value("1"))],
            ),
            (
                "a miss after a store",
                false,
                vec![one(), get(5, miss())],
                vec![ask_one(), read(4, 8, miss())],
            ),
            (
                "a miss after an eviction",
                true,
                vec![one(), lost(3), get(5, miss())],
                vec![ask_one(), read(4, 8, miss())],
            ),
            (
                "a miss after a restart",
                true,
                vec![one(), emptied(3), get(5, miss())],
                vec![ask_one(), read(4, 8, miss())],
            ),
            (
                "another answer than the server's",
                false,
                vec![one(), get(5, value("1"))],
                vec![ask_one(), read(4, 8, miss())],
            ),
        ];
        for (name, holds, happenings, calls) in cases {
            let history = History { happenings, calls };
            let checked = history.check();
            assert_eq!(checked.is_ok(), holds, "{name}: {checked:?}");
        }
    }
}
