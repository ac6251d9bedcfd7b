//! What is done in a run, and happens in it, one after the other.

use std::time::Duration;

use memcache_proto::client::Reply;

use crate::checks;
use crate::faults;
use crate::settings::Fault;
use crate::source::Choose;
use crate::world::{Asked, Goes, World};

impl World<'_> {
    /// One thing is done, or happens.
    pub(crate) fn moment(&mut self) -> Goes {
        match self.source.below(32) {
            0 => {
                self.ask()?;
                self.drive()
            }
            1..6 if self.plan.batches => self.interrupt(),
            1..18 => self.ask(),
            18 => self.drive(),
            19 | 20 if !self.plan.faults.is_empty() => {
                let fault = *self.source.pick(&self.plan.faults);
                if fault == Fault::Muttered {
                    // What comes while nothing rests is taken for an answer.
                    self.drive()?;
                }
                faults::strike(self, fault);
                self.collect()
            }
            21 if self.plan.cancels && !self.asked.is_empty() => {
                let at = self.source.below(self.asked.len());
                self.cancel(at);
                self.check()
            }
            22 if self.plan.cancels && !self.asked.is_empty() => {
                let at = self.source.below(self.asked.len());
                self.take_replies(at);
                self.check()
            }
            23 if self.plan.upheavals && self.source.one_in(6) => self.upheave(),
            24..27 if self.plan.waits => {
                let most = *self.source.pick(&[3, 300, 2000]);
                let millis = self.source.below(most);
                self.wait(Duration::from_millis(millis.try_into().unwrap_or_default()))
            }
            _ => {
                for _ in 0..self.source.below(12) {
                    self.step()?;
                }
                Ok(())
            }
        }
    }

    /// One caller asks for something, and something happens in the midst of it.
    fn interrupt(&mut self) -> Goes {
        self.ask()?;
        let asked = self.asked.last().map(|asked| (asked.client, asked.id));
        for _ in 0..self.source.below(12) {
            if !self.step()? {
                if !self.plan.waits || self.asked.is_empty() {
                    break;
                }
                self.network.pass(self.judge);
                self.collect()?;
            }
        }
        let is_it = |one: &Asked| Some((one.client, one.id)) == asked;
        let found = self.asked.iter().position(is_it);
        match (self.source.below(8), found) {
            (1, Some(at)) if self.plan.cancels => self.cancel(at),
            (2, Some(at)) => self.take_replies(at),
            (3, _) if self.plan.upheavals => self.upheave()?,
            (4, _) if self.plan.faults.contains(&Fault::Midway) => {
                faults::befall(self, Fault::Midway);
            }
            (5, _) if self.plan.faults.contains(&Fault::HungUp) => {
                faults::befall(self, Fault::HungUp);
            }
            (6, _) if self.plan.faults.contains(&Fault::Reset) => {
                faults::befall(self, Fault::Reset);
            }
            (7, _) if self.plan.waits => {
                let millis = self.source.below(40);
                self.wait(Duration::from_millis(millis.try_into().unwrap_or_default()))?;
            }
            _ => {}
        }
        self.collect()
    }

    fn cancel(&mut self, at: usize) {
        let asked = self.asked.swap_remove(at);
        self.network.members[asked.client].client.cancel(asked.id);
        self.forget(&asked);
    }

    /// Takes what has come so far of an operation on many keys.
    fn take_replies(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        let client = &mut self.network.members[asked.client].client;
        let count = client.items(asked.id);
        let items = client.take_items(asked.id);
        if items.len() != count {
            self.judge.breaks(checks::ENDS, format!("{count} items, and {}", items.len()));
        }
        let items = items.into_iter().map(|(number, item)| (number, Reply::Item(item)));
        for (number, reply) in items.chain(client.take_replies(asked.id)) {
            let told = asked.told.get_mut(number);
            if told.is_none_or(|told| core::mem::replace(told, true)) {
                return self.judge.breaks(checks::ENDS, format!("{number} was answered twice"));
            }
            self.judge.end(asked.drafts[number].serial, Ok(&reply));
        }
    }

    /// Something comes from above: connections are closed, or a client forgets all.
    fn upheave(&mut self) -> Goes {
        let at = self.source.below(self.network.members.len());
        self.judge.disturbed[at] = true;
        let now = self.network.now;
        if self.source.one_in(4) && self.first < 12 {
            let count = self.plan.servers;
            let (from, len) = (self.source.below(count), 1 + self.source.below(count));
            self.use_servers((0..len).map(|at| (from + at) % count).collect());
            return Ok(());
        }
        let client = &mut self.network.members[at].client;
        match self.source.below(3) {
            0 => client.disconnect_all(now),
            1 => client.quit_all(now),
            _ => {
                client.reset(now);
                if !client.is_idle() {
                    self.judge.breaks(checks::RESTS, "a client is reset and not idle".into());
                }
                let (gone, kept) =
                    self.asked.drain(..).partition(|asked: &Asked| asked.client == at);
                self.asked = kept;
                let gone: Vec<Asked> = gone;
                gone.iter().for_each(|asked| self.forget(asked));
            }
        }
        self.collect()
    }
}
