//! One connection between a client and a server, and what is wrong with it.

use std::collections::VecDeque;

use memcache_proto::Time;

use crate::hostile::Liar;
use crate::server::Serving;

/// How a server's end of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It says what it had to say, and closes.
    Eof,
    /// It resets the connection: what the client has not read is lost.
    Reset,
    /// It is gone, and nobody says so.
    Vanished,
}

/// One connection.
pub(crate) struct Link<S> {
    pub(crate) number: u64,
    pub(crate) client: usize,
    pub(crate) server: usize,
    pub(crate) socket: S,
    /// When the client hears that it is open; `None` if it has.
    pub(crate) opens_at: Option<Time>,
    /// What makes other replies of the server's, if anything does.
    pub(crate) liar: Option<Liar>,
    /// What came is thrown away: it was one connection too many.
    pub(crate) deaf: bool,
    /// It says so.
    pub(crate) refused: bool,
    /// The client has something to write, or waits for something to read.
    pub(crate) writing: bool,
    pub(crate) reading: bool,
    /// The client has closed it.
    pub(crate) left: bool,
    /// The peer has reset it, and the client has not been told.
    pub(crate) reset: bool,
    /// The client has been told of the end.
    pub(crate) told_end: bool,
    /// Nothing arrives in this direction before then.
    pub(crate) up_stalled: Time,
    pub(crate) down_stalled: Time,
    /// After so many more bytes to the client it is reset.
    pub(crate) reset_after: Option<usize>,
    /// After so many more bytes to the server it ends like this, once what came before is answered.
    pub(crate) ends_after: Option<(usize, End)>,
    /// It ends like this as soon as the server has answered what it has.
    pub(crate) ends_when_served: Option<End>,
    /// Whether the server's bytes come one each millisecond.
    pub(crate) slow: bool,
    pub(crate) serving: Serving,
    /// What the client has handed over and the kernel has not written.
    pub(crate) handed: Vec<u8>,
    /// What the server will say once it has read the value that is coming.
    pub(crate) held: Vec<u8>,
    up: VecDeque<(Time, Vec<u8>)>,
    up_len: usize,
    down: VecDeque<(Time, VecDeque<u8>)>,
    ended: Option<End>,
}

/// Of a slow answer, so many bytes come one by one.
const SLOW: usize = 100;

impl<S> Link<S> {
    pub(crate) fn new(number: u64, client: usize, server: usize, socket: S, opens: Time) -> Self {
        Link {
            number,
            client,
            server,
            socket,
            opens_at: Some(opens),
            liar: None,
            deaf: false,
            refused: false,
            writing: false,
            reading: false,
            left: false,
            reset: false,
            told_end: false,
            up_stalled: Time::ZERO,
            down_stalled: Time::ZERO,
            reset_after: None,
            ends_after: None,
            ends_when_served: None,
            slow: false,
            serving: Serving::new(),
            handed: Vec::new(),
            held: Vec::new(),
            up: VecDeque::new(),
            up_len: 0,
            down: VecDeque::new(),
            ended: None,
        }
    }

    /// Whether it takes up room at the server.
    pub(crate) fn is_held(&self) -> bool {
        !self.left && !matches!(self.ended, Some(End::Eof | End::Reset))
    }

    /// Whether nothing will happen on it any more.
    pub(crate) fn is_over(&self) -> bool {
        let nothing_sent = self.up.is_empty() && self.handed.is_empty();
        self.left && (nothing_sent || self.ended.is_some() || self.deaf)
    }

    /// The client has closed it. What it has sent still arrives.
    pub(crate) fn leave(&mut self) {
        self.left = true;
        self.down.clear();
    }

    /// The server's end goes.
    pub(crate) fn end(&mut self, end: End) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(end);
        match end {
            End::Eof => {}
            End::Reset => {
                self.down.clear();
                self.reset = true;
            }
            End::Vanished => self.down.clear(),
        }
    }

    /// How many bytes the server has not read.
    pub(crate) fn under_way(&self) -> usize {
        self.up_len
    }

    /// The client has sent something, which arrives then.
    pub(crate) fn send(&mut self, arrives: Time, bytes: &[u8]) {
        match self.ended {
            None => {
                let last = self.up.back().map_or(arrives, |(last, _)| arrives.max(*last));
                self.up.push_back((last, bytes.to_vec()));
                self.up_len += bytes.len();
            }
            // Who writes to a socket that the peer has closed is told so by a reset.
            Some(End::Eof) if self.told_end => self.reset = true,
            Some(_) => {}
        }
    }

    /// Sends some of what was handed over. Whether it did.
    pub(crate) fn send_handed(&mut self, arrives: Time, most: usize) -> bool {
        let len = self.handed.len().min(most);
        if len == 0 {
            return false;
        }
        let bytes: Vec<u8> = self.handed.drain(..len).collect();
        self.send(arrives, &bytes);
        true
    }

    /// When the server reads next; `None` once it is to end when it has answered what it has read.
    fn next_arrival(&self) -> Option<Time> {
        let next = self.up.front().filter(|_| self.ends_when_served.is_none());
        next.map(|(at, _)| (*at).max(self.up_stalled))
    }

    /// Gives the server what has arrived. Whether there was anything.
    pub(crate) fn arrive(&mut self, now: Time) -> bool {
        if self.ended.is_some() {
            self.up.clear();
            self.up_len = 0;
            return false;
        }
        let mut arrived = false;
        while self.next_arrival().is_some_and(|at| at <= now) {
            let Some((at, mut bytes)) = self.up.pop_front() else { break };
            let len = self.ends_after.map_or(bytes.len(), |(left, _)| left.min(bytes.len()));
            let rest = bytes.split_off(len);
            self.up_len -= len;
            if !self.deaf {
                self.serving.receive(&bytes);
            }
            if !rest.is_empty() {
                // It is not read if the connection ends, and still is if that is mended before.
                self.up.push_front((at, rest));
            }
            arrived = true;
            if let Some((left, how)) = &mut self.ends_after {
                *left -= len;
                if *left == 0 {
                    self.ends_when_served = Some(*how);
                    break;
                }
            }
        }
        arrived
    }

    /// The server says something, which arrives then.
    pub(crate) fn say(&mut self, arrives: Time, bytes: &[u8]) {
        if self.left || self.ended.is_some() || bytes.is_empty() {
            return;
        }
        let mut at = self.down.back().map_or(arrives, |(last, _)| arrives.max(*last));
        let one_by_one = if self.slow { bytes.len().min(SLOW) } else { 0 };
        let (slow, rest) = bytes.split_at(one_by_one);
        for &byte in slow {
            self.down.push_back((at, VecDeque::from([byte])));
            at = at + core::time::Duration::from_millis(1);
        }
        if !rest.is_empty() {
            self.down.push_back((at, rest.iter().copied().collect()));
        }
    }

    /// What has arrived at the client, so many bytes at most.
    pub(crate) fn take(&mut self, now: Time, most: usize) -> Option<Vec<u8>> {
        let stalled = self.down_stalled;
        let (_, bytes) = self.down.front_mut().filter(|(at, _)| (*at).max(stalled) <= now)?;
        let len = bytes.len().min(most).min(self.reset_after.unwrap_or(usize::MAX));
        let taken: Vec<u8> = bytes.drain(..len).collect();
        if bytes.is_empty() {
            self.down.pop_front();
        }
        if let Some(left) = &mut self.reset_after {
            *left -= len;
            if *left == 0 {
                self.end_at_once();
            }
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Resets it, whatever the server has done.
    fn end_at_once(&mut self) {
        self.ended = Some(End::Reset);
        self.down.clear();
        self.reset = true;
    }

    /// Whether the client has read all and the end comes next.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended == Some(End::Eof) && self.down.is_empty() && !self.told_end
    }

    /// Nothing is wrong with it any more, and what is under way arrives now.
    pub(crate) fn mend(&mut self, now: Time) {
        (self.slow, self.reset_after) = (false, None);
        (self.ends_after, self.ends_when_served) = (None, None);
        (self.up_stalled, self.down_stalled) = (now, now);
        self.up.iter_mut().for_each(|(at, _)| *at = now.min(*at));
        self.down.iter_mut().for_each(|(at, _)| *at = now.min(*at));
    }

    /// When something happens on it, if nothing is done before.
    pub(crate) fn next(&self, eager: bool) -> Option<Time> {
        let opens = self.opens_at.filter(|_| !self.left);
        let up = self.next_arrival().filter(|_| self.ended.is_none());
        let reads = (self.reading || eager) && !self.left && self.opens_at.is_none();
        let down = self.down.front().map(|(at, _)| (*at).max(self.down_stalled));
        let down = down.filter(|_| reads);
        opens.into_iter().chain(up).chain(down).min()
    }
}
