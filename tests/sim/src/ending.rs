//! The end of a run: all is mended, everything comes to rest and is used again. And what is kept meanwhile.

use std::time::Duration;

use memcache_proto::Key;
use memcache_proto::client::{Outcome, Reply, Settings};
use memcache_proto::codec::StoreVerb;
use memcache_proto::routing::ServerIndex;

use crate::callers;
use crate::checks;
use crate::faults;
use crate::requests::{Draft, Shape, What};
use crate::world::{Ended, Goes, World};

/// What a value may share with others, in bytes: about one read.
const MOST_SHARED: usize = 17 << 10;

/// The most room for reading that a connection may keep at rest, in bytes.
const MOST_ROOM: usize = 96 << 10;

impl World<'_> {
    /// Has everything that is under way come to its end, passing time where nothing else can happen.
    fn finish(&mut self) -> Goes {
        let until = self.network.now + Duration::from_secs(600);
        loop {
            self.drive()?;
            if self.asked.is_empty() {
                return Ok(());
            }
            if !self.network.pass(self.judge) || self.network.now > until {
                let names: Vec<_> = self.asked.iter().map(|asked| asked.drafts[0].serial).collect();
                self.judge.breaks(checks::ENDS, format!("{names:?} never end"));
                return self.check();
            }
            self.collect()?;
        }
    }

    /// All is mended: what is under way ends, everything comes to rest, and every server is used again.
    pub(crate) fn calm_down(&mut self) -> Goes {
        faults::mend(self);
        self.callers.clear();
        self.network.alarm = None;
        self.collect()?;
        self.finish()?;
        self.wait(self.plan.settings.socket_timeout * 2)?;
        for (at, member) in self.network.members.iter().enumerate() {
            if !member.client.is_idle() {
                self.judge.breaks(checks::RESTS, format!("client {at} is not idle"));
            }
        }
        self.check_memory(0);
        self.check()?;
        self.wait(self.plan.settings.dead_retry_max)?;
        for client in self.first..self.network.members.len() {
            for number in 0..self.plan.keys.min(6) {
                self.use_again(client, number)?;
            }
        }
        Ok(())
    }

    /// A key is looked up, which revives its server; then it is stored and read, where it belongs.
    fn use_again(&mut self, client: usize, number: usize) -> Goes {
        let key = callers::key(&self.plan, number);
        let draft = |what| Draft {
            key: key.clone(),
            what,
            noreply: false,
            value: Vec::new(),
            exptime: memcache_proto::Exptime::NEVER,
            hash: None,
            serial: 0,
            stamp: 0,
            wide: false,
            made: None,
        };
        let cluster = self.network.members[client].client.cluster().clone();
        let prefixed = [&cluster.settings().key_prefix[..], &key].concat();
        if prefixed.len() > cluster.settings().limits.server_max_key_length {
            return Ok(());
        }
        let bare = if cluster.settings().hash_with_prefix_key { &prefixed } else { &key };
        let home =
            Key::new(bare).ok().and_then(|key| cluster.selector().candidate(key.as_bytes(), 0));
        // Each connection that was lost without a word costs one try.
        let mut seen = String::new();
        for _ in 0..3 + 2 * cluster.settings().connections_per_server {
            let looked = self.perform(client, draft(What::Get { cas: false }))?;
            let stored = self.perform(client, draft(What::Store(StoreVerb::Set)))?;
            let read = self.perform(client, draft(What::Get { cas: false }))?;
            let is_stored = matches!(stored, Some(Outcome::One(Ok(Reply::Stored))));
            let is_home = match &read {
                Some(Outcome::One(Ok(Reply::Item(item)))) => Some(item.server) == home,
                _ => false,
            };
            if is_stored && is_home {
                return Ok(());
            }
            seen = format!("{looked:?}, {stored:?}, {read:?}");
            // What a lost connection has not been told keeps room in the queue until its time is up.
            let Settings { dead_retry_max, socket_timeout, .. } = self.plan.settings;
            self.wait(dead_retry_max.max(socket_timeout))?;
        }
        let seen = format!("client {client}, key {number}, of server {home:?}: {seen}");
        self.judge.breaks(checks::REVIVED, seen);
        self.check()
    }

    /// Submits an operation, and waits for its end. `None` if it was not taken in.
    fn perform(&mut self, client: usize, draft: Draft) -> Result<Option<Outcome>, Ended> {
        let serial = self.judge.next_serial();
        if !self.submit(client, Shape::One, &mut [draft]) {
            return Ok(None);
        }
        self.last = None;
        self.finish()?;
        Ok(self.last.take().filter(|(number, _)| *number == serial).map(|(_, outcome)| outcome))
    }

    /// Whether no more request bytes than these wait at each connection, and nothing more is kept for reading.
    pub(crate) fn check_memory(&mut self, most: usize) {
        for (at, member) in self.network.members.iter_mut().enumerate() {
            for server in 0..member.servers.len() {
                let index = ServerIndex::new(u32::try_from(server).unwrap_or(u32::MAX));
                let queued = member.client.queued_bytes(index);
                if queued > most {
                    let seen = format!("client {at} keeps {queued} bytes for server {server}");
                    self.judge.breaks(checks::MEMORY, seen);
                }
                let Some(idle) = member.client.idle_connection(index) else { continue };
                let room = member.client.receive_buffer(idle).len();
                if most == 0 && room > MOST_ROOM {
                    let seen = format!("client {at} keeps room for {room} bytes to read");
                    self.judge.breaks(checks::MEMORY, seen);
                }
            }
        }
    }

    /// Whether values keep no more memory than they need.
    pub(crate) fn check_values(&mut self, outcome: &mut Outcome) {
        let mut values = Vec::new();
        match outcome {
            Outcome::One(Ok(Reply::Item(item))) => values.push(&mut item.value),
            Outcome::Many(many) => {
                values.extend(many.replies.iter_mut().filter_map(|(_, reply)| match reply {
                    Reply::Item(item) => Some(&mut item.value),
                    Reply::Meta(reply) => reply.value.as_mut(),
                    _ => None,
                }));
            }
            _ => {}
        }
        let inline = self.plan.settings.limits.inline_value_len;
        let mut wasted = None;
        for value in values.into_iter().filter(|value| value.len() > inline) {
            let len = value.len();
            *value = match core::mem::take(value).try_into_mut() {
                Ok(owned) => {
                    if owned.capacity() > len + MOST_SHARED {
                        wasted = Some((len, owned.capacity()));
                    }
                    owned.freeze()
                }
                // It shares its memory with others.
                Err(shared) => shared,
            };
        }
        if let Some((len, kept)) = wasted {
            self.judge.breaks(checks::MEMORY, format!("a value of {len} bytes keeps {kept}"));
        }
    }
}
