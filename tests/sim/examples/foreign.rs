//! Simulates a client that is not this project's: a toy with one connection, one request at a time and a
//! timeout, as many a client for a blocking socket is.
//!
//! `cargo run -p memcache-sim --example foreign` runs 300 seeds of it, all of which hold. With the word
//! `careless` behind it the toy keeps its connection after a timeout, so that the next request is answered
//! by the reply to the last one; the history says so within a few seeds.

use std::collections::VecDeque;
use std::time::Duration;

use memcache_proto::Time;
use memcache_proto::routing::ConnectFailure;
use memcache_sim::{
    Act, Answer, Call, Choose, End, History, Member, Network, Place, Seed, SimServer, Simulated,
    Source, Step, Verb, Want, Watch,
};

/// How long the toy waits for a connection, or for a reply.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The client.
#[derive(Default)]
struct Toy {
    careless: bool,
    /// The number of the connection, and whether it is open.
    socket: u32,
    open: bool,
    wants: VecDeque<Want<u32>>,
    /// What is being asked, and until when its reply is waited for.
    asking: Option<(Act, Vec<u8>, Time)>,
    output: Vec<u8>,
    input: Vec<u8>,
    space: Vec<u8>,
    /// What came of it.
    told: Option<Option<Answer>>,
}

impl Toy {
    /// Begins to ask for something about a key.
    fn ask(&mut self, act: Act, key: &str, now: Time) {
        self.output = match &act {
            Act::Store(_, value, _) => {
                let value = String::from_utf8_lossy(value);
                format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()).into_bytes()
            }
            _ => format!("get {key}\r\n").into_bytes(),
        };
        self.asking = Some((act, key.into(), now + TIMEOUT));
        if self.open {
            self.wants.push_back(Want::Write(self.socket));
        } else {
            self.socket += 1;
            self.wants.push_back(Want::Connect(self.socket, 0));
        }
    }

    /// It is over, with this answer or none.
    fn end(&mut self, answer: Option<Answer>) {
        self.asking = None;
        self.told = Some(answer);
    }

    /// The connection is given up, and what is asked with it.
    fn give_up(&mut self) {
        self.wants.push_back(Want::Close(self.socket));
        self.open = false;
        self.input.clear();
        if self.asking.is_some() {
            self.end(None);
        }
    }

    /// Takes what has been read for the answer, once it is whole.
    fn read_answer(&mut self) {
        let text = String::from_utf8_lossy(&self.input).into_owned();
        let whole = ["STORED\r\n", "END\r\n", "ERROR\r\n"].iter().any(|end| text.ends_with(end));
        if !whole {
            return self.wants.push_back(Want::Read(self.socket));
        }
        self.input.clear();
        let value = text.strip_prefix("VALUE ").and_then(|rest| rest.lines().nth(1));
        self.end(Some(match (text.as_str(), value) {
            ("STORED\r\n", _) => Answer::Stored,
            ("END\r\n", _) => Answer::Miss,
            (_, Some(value)) => Answer::Value { value: value.into(), cas: None },
            _ => Answer::Error,
        }));
    }
}

impl Simulated for Toy {
    type Socket = u32;
    type Spare = ();

    fn poll_want(&mut self, _: Time) -> Option<Want<u32>> {
        self.wants.pop_front()
    }

    fn connected(&mut self, socket: u32, _: Time) {
        if socket == self.socket && self.asking.is_some() {
            self.open = true;
            self.wants.push_back(Want::Write(socket));
        }
    }

    fn connect_failed(&mut self, _: u32, _: ConnectFailure, _: Time) {
        self.give_up();
    }

    fn disconnected(&mut self, _: u32, _: Time) {
        self.give_up();
    }

    fn to_write(&mut self, _: u32) -> &[u8] {
        &self.output
    }

    fn written(&mut self, socket: u32, len: usize, _: Time) {
        self.output.drain(..len);
        let next = if self.output.is_empty() { Want::Read } else { Want::Write };
        self.wants.push_back(next(socket));
    }

    fn to_read(&mut self, _: u32) -> &mut [u8] {
        self.space.resize(if self.open { 4096 } else { 0 }, 0);
        &mut self.space
    }

    fn read(&mut self, _: u32, len: usize, _: Time) {
        if len == 0 || self.asking.is_none() {
            return self.give_up();
        }
        self.input.extend_from_slice(&self.space[..len]);
        self.read_answer();
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.asking.as_ref().map(|(.., until)| *until)
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            match self.careless && self.open {
                true => self.end(None),
                false => self.give_up(),
            }
        }
    }
}

/// What the servers do, in the words of a history.
#[derive(Default)]
struct Chronicle {
    history: History,
    event: u64,
}

impl Watch for Chronicle {
    fn handled(&mut self, place: &Place, step: &Step) {
        self.event += 1;
        self.history.note(self.event, place.server, step);
    }
}

/// One run: three toys, a server, and what may go wrong.
fn run(source: &mut dyn Source, careless: bool) -> Result<usize, String> {
    let member = |group| Member {
        client: Toy { careless, ..Toy::default() },
        servers: vec![0],
        group,
        eager: false,
        completes: false,
        appends: false,
    };
    let members = (0..3).map(member).collect();
    let mut network = Network::new(Time::ZERO, members, vec![SimServer::default()]);
    network.conduct.latency_ms = *source.pick(&[0, 5, 400]);
    network.conduct.piece = *source.pick(&[usize::MAX, 3]);
    let mut watch = Chronicle::default();
    let mut asked: [Option<(u64, Act, String)>; 3] = Default::default();
    let mut calls = 0;
    for turn in 0..200 {
        let at = source.below(3);
        watch.event += 1;
        if asked[at].is_none() {
            let key = format!("k{}", source.below(4));
            let value = format!("value {turn} of {key}").into_bytes();
            let store = Act::Store(Verb::Set, value, false);
            let act = if source.one_in(2) { store } else { Act::Get { cas: false } };
            network.members[at].client.ask(act.clone(), &key, network.now);
            asked[at] = Some((watch.event, act, key));
            calls += 1;
        }
        match source.below(12) {
            0 => network.end(0, *source.pick(&[End::Eof, End::Reset, End::Vanished])),
            1 => network.servers[0].delay = Duration::from_millis(*source.pick(&[0, 1500])),
            _ => {}
        }
        network.drive(source, &mut watch);
        if source.one_in(2) {
            network.pass(&mut watch);
        }
        for (at, asked) in asked.iter_mut().enumerate() {
            let Some(answer) = network.members[at].client.told.take() else { continue };
            watch.event += 1;
            let Some((from, act, key)) = asked.take() else { continue };
            // What failed may still be done: it has no end.
            let to = if answer.is_some() { watch.event } else { u64::MAX };
            let key = key.into_bytes();
            watch.history.calls.push(Call { from, to, key, act, answer, times: 1 });
        }
    }
    for (from, act, key) in asked.into_iter().flatten() {
        let key = key.into_bytes();
        watch.history.calls.push(Call { from, to: u64::MAX, key, act, answer: None, times: 1 });
    }
    watch.history.check().map(|()| calls)
}

fn main() -> Result<(), String> {
    let careless = std::env::args().nth(1).is_some_and(|word| word == "careless");
    let mut calls = 0;
    for seed in 0..300 {
        calls +=
            run(&mut Seed::new(seed), careless).map_err(|error| format!("seed {seed}: {error}"))?;
    }
    println!("300 seeds, {calls} calls: all of them linearizable");
    Ok(())
}
