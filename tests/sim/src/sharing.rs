//! How clients look at connections that rest, and lend them to others of their group.

use crate::network::{Network, Watch};
use crate::simulated::Simulated;
use crate::source::Source;

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

    /// Gives a client the idle connection of another.
    pub(crate) fn share(
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
            // The connect that is under way, if any, is given up for it.
            if let Some(connecting) = self.link_of(at, socket) {
                self.links[connecting].leave();
            }
            if self.members[at].client.take_over(socket, spare, self.now) {
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
