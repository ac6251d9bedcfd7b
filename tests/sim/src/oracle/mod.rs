//! What has to hold of the protocol, whatever the bytes: oracles for fuzzers, and for tests over kept inputs.
//!
//! Each takes any bytes and panics, with a message, if its property does not hold. Those about the bytes
//! of a peer take them as they are; the others make their choices of them, as a [`Tape`] does. A `fuzz`
//! target is one call:
//!
//! ```
//! memcache_sim::oracle::responses(b"\0VALUE foo 0 3\r\nbar\r\nEND\r\n");
//! ```
//!
//! That the in-memory server answers as memcached does is not here, as it needs a memcached:
//! `tests/tests/server_equivalence` sends random commands to both.

mod addresses;
mod commands;
mod delivery;
mod dictionary;
mod draw;
mod hostile;
mod input;
mod joined;
mod keys;
mod meaning;
mod naive;
mod operations;
mod responses;
mod said;
mod typed;
mod values;

pub use addresses::addresses;
pub use commands::commands;
pub use dictionary::dictionary;
pub use hostile::hostile;
pub use joined::joined;
pub use keys::keys;
pub use naive::naive_responses;
pub use operations::operations;
pub use responses::responses;
pub use typed::typed;
pub use values::values;

use crate::{Options, Source, Tape, run};

/// An oracle: its name, which is that of its fuzz target, and what it asks.
#[derive(Clone, Copy, Debug)]
pub struct Oracle {
    /// Its name.
    pub name: &'static str,
    /// What has to hold.
    pub sentence: &'static str,
    /// Makes an input that is worth looking at.
    pub input: fn(&mut dyn Source) -> Vec<u8>,
    /// Looks at one input. Panics if the property does not hold.
    pub check: fn(&[u8]),
}

/// Every oracle.
pub const ORACLES: &[Oracle] = &[
    Oracle {
        name: "responses",
        sentence: "Responses are the same whole, in any pieces and byte by byte; what was parsed encodes \
                   and parses to the same; memory stays within bounds.",
        input: input::replies,
        check: responses,
    },
    Oracle {
        name: "naive_responses",
        sentence: "Responses are what a simple parser, written from protocol.txt, makes of them.",
        input: input::replies_alone,
        check: naive_responses,
    },
    Oracle {
        name: "commands",
        sentence: "The server answers any bytes the same in any pieces; a refusal takes the bytes that it \
                   says; what was parsed encodes to one command of the same meaning, flag by flag.",
        input: input::requests,
        check: commands,
    },
    Oracle {
        name: "typed",
        sentence: "Every command that a client can make is read by the server role as itself, and every \
                   response that a server can make by the client role.",
        input: input::choices,
        check: typed,
    },
    Oracle {
        name: "joined",
        sentence: "A client's connection joined to a server's has each request answered as the store \
                   answers it, however the bytes are cut.",
        input: input::choices,
        check: joined,
    },
    Oracle {
        name: "operations",
        sentence: "Whatever is done to a connection and whatever its peer sends, each request ends once, \
                   under its own id, and what is sent are whole requests within the window.",
        input: input::choices,
        check: operations,
    },
    Oracle {
        name: "hostile",
        sentence: "Whatever servers send, each operation of a client ends once, and no value is of another \
                   key.",
        input: input::choices,
        check: hostile,
    },
    Oracle {
        name: "simulated",
        sentence: "A whole client passes the simulator's checks, whatever choices make the run.",
        input: input::choices,
        check: simulated,
    },
    Oracle {
        name: "values",
        sentence: "Any bytes decode to a value or an error, within the limit; what was encoded decodes to \
                   the same.",
        input: input::value,
        check: values,
    },
    Oracle {
        name: "keys",
        sentence: "A key is what may stand on a line, and a key of any bytes survives base64.",
        input: input::key,
        check: keys,
    },
    Oracle {
        name: "addresses",
        sentence: "An address that can be read reads as itself when it is displayed.",
        input: input::address,
        check: addresses,
    },
];

/// Makes a run of the simulator of these choices, and panics if it breaks one of [`CHECKS`](crate::CHECKS).
pub fn simulated(bytes: &[u8]) {
    if let Some(broken) = run(&mut Tape::new(bytes), &Options::default()).broken {
        panic!("{broken}");
    }
}
