//! How clients look at connections that rest, and lend them to others of their group.

use std::time::Duration;

use memcache_proto::Time;

use crate::network::{Network, Watch};
use crate::simulated::Simulated;
use crate::source::Source;

/// A client that is to be offered another's connection.
pub(crate) struct LateShare<S> {
    pub(crate) due: Time,
    pub(crate) client: usize,
    pub(crate) socket: S,
    pub(crate) listed: usize,
}

impl<C: Simulated> Network<C> {
    /// Lets the client of a connection read what it has not asked for. A read that it had asked for before is
    /// still to be done.
    pub(crate) fn look(
        &mut self,
        at: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) -> bool {
        let was_reading = core::mem::replace(&mut self.links[at].reading, true);
        let read = self.read(at, source, watch);
        self.links[at].reading &= was_reading;
        read
    }

    /// Has the clients of the group that are idle look at their connections to a server.
    pub(crate) fn look_at_others(
        &mut self,
        at: usize,
        listed: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) {
        for other in 0..self.members.len() {
            if other == at || self.members[other].group != self.members[at].group {
                continue;
            }
            let Some(idle) = self.members[other].client.idle(listed) else { continue };
            let Some(link) = self.link_of(other, idle) else { continue };
            self.look(link, source, watch);
        }
    }

    /// Has a client be offered the idle connection of another, at once or as soon as that comes about.
    pub(crate) fn share_soon(
        &mut self,
        at: usize,
        socket: C::Socket,
        listed: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) {
        let late = source.below(self.conduct.sharing_ms + 1);
        let late = Duration::from_millis(late.try_into().unwrap_or_default());
        if late.is_zero() {
            return self.share(at, socket, listed, source, watch);
        }
        let due = self.now + late;
        self.late_shares.push(LateShare { due, client: at, socket, listed });
    }

    /// Offers connections to those who have waited for as long as it takes. Whether there was anybody.
    pub(crate) fn share_late(&mut self, source: &mut dyn Source, watch: &mut dyn Watch) -> bool {
        let now = self.now;
        let (due, later) =
            core::mem::take(&mut self.late_shares).into_iter().partition(|share| share.due <= now);
        self.late_shares = later;
        let due: Vec<LateShare<C::Socket>> = due;
        for LateShare { client, socket, listed, .. } in &due {
            self.share(*client, *socket, *listed, source, watch);
        }
        !due.is_empty()
    }

    /// Gives a client the idle connection of another.
    fn share(
        &mut self,
        at: usize,
        socket: C::Socket,
        listed: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) {
        self.look_at_others(at, listed, source, watch);
        for other in 0..self.members.len() {
            if self.members[other].group != self.members[at].group {
                continue;
            }
            let Some(idle) = self.members[other].client.idle(listed) else { continue };
            let Some(link) = self.link_of(other, idle) else { continue };
            let Some(spare) = self.members[other].client.release(idle) else { continue };
            let connecting = self.link_of(at, socket);
            if self.members[at].client.take_over(socket, spare, self.now) {
                // The connect that is under way, if any, is given up for it.
                if let Some(connecting) = connecting {
                    self.links[connecting].leave();
                }
                let link = &mut self.links[link];
                (link.client, link.socket) = (at, socket);
                (link.reading, link.writing) = (false, false);
                let place = self.place(self.link_of(at, socket).unwrap_or_default());
                watch.moved(&place);
            } else {
                watch.closed(&self.place(link));
                self.links[link].leave();
            }
            return;
        }
    }
}
