//! The checks that every run is judged by: a name and a sentence each.

use crate::Check;

pub(crate) const ANSWERED: &str = "answered";
pub(crate) const OWN_VALUE: &str = "own_value";
pub(crate) const HONEST: &str = "honest";
pub(crate) const NOT_SENT: &str = "not_sent";
pub(crate) const WITHDRAWN: &str = "withdrawn";
pub(crate) const ONCE: &str = "once";
pub(crate) const SUBMITTED: &str = "submitted";
pub(crate) const REFUSED: &str = "refused";
pub(crate) const DOUBT: &str = "doubt";
pub(crate) const LOGIN: &str = "login";
pub(crate) const SPINS: &str = "spins";
pub(crate) const ENDS: &str = "ends";
pub(crate) const DEADLINE: &str = "deadline";
pub(crate) const WAKES: &str = "wakes";
pub(crate) const RESTS: &str = "rests";
pub(crate) const CAUSE: &str = "cause";
pub(crate) const LEASE: &str = "lease";
pub(crate) const SWAP: &str = "swap";
pub(crate) const LINEAR: &str = "linear";
pub(crate) const COUNTERS: &str = "counters";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const EVIDENCE: &str = "evidence";
pub(crate) const PROBE: &str = "probe";
pub(crate) const REVIVED: &str = "revived";

/// The checks that every run is judged by. A panic of the client is reported as `panic`.
pub const CHECKS: &[Check] = &[
    Check {
        name: ANSWERED,
        sentence: "What a caller is told is what a server said to this very request, between its \
                   submission and its end, and no reply is told twice.",
    },
    Check {
        name: OWN_VALUE,
        sentence: "The value of a key is one that was stored under that key.",
    },
    Check {
        name: HONEST,
        sentence: "A server that keeps to the protocol is not accused of breaking it.",
    },
    Check {
        name: NOT_SENT,
        sentence: "Of what is said not to have been sent no server has heard, then or later.",
    },
    Check {
        name: WITHDRAWN,
        sentence: "What was cancelled, has timed out or has failed is not begun any more.",
    },
    Check {
        name: ONCE,
        sentence: "What changes an item is sent and applied once, or twice where stores may be sent \
                   again; a lookup twice at most.",
    },
    Check {
        name: SUBMITTED,
        sentence: "What a client writes on a connection parses as what was submitted to it, whole \
                   commands and nothing else but its own flushes and barriers.",
    },
    Check {
        name: REFUSED,
        sentence: "A request is refused if its key, its value or its flags are more than the settings or \
                   the protocol allow, and else only as too much waits.",
    },
    Check {
        name: DOUBT,
        sentence: "After bytes that break the protocol nothing is written on a connection, and it is \
                   closed.",
    },
    Check {
        name: LOGIN,
        sentence: "Where servers ask for a login each connection makes one first, once, and nothing is written \
                   on it before the server has let it in.",
    },
    Check {
        name: CAUSE,
        sentence: "A request fails at a server only if something was wrong with that server, or its client \
                   was told to close: a server that lies or is gone costs no other server's requests.",
    },
    Check {
        name: LINEAR,
        sentence: "For each key what callers were told is what the servers did, in the order in which they \
                   did it and between question and answer; what failed was done or not; and nothing was \
                   done that nobody asked for, or more often.",
    },
    Check { name: LEASE, sentence: "Of those who look a key up one wins its lease." },
    Check { name: SWAP, sentence: "A cas unique is swapped for another value once." },
    Check {
        name: COUNTERS,
        sentence: "A counter was counted up by what was acknowledged, and perhaps by what failed.",
    },
    Check {
        name: MEMORY,
        sentence: "No more requests wait than max_queued_bytes, and nothing is kept of them at rest; a \
                   value keeps no more memory than its own.",
    },
    Check {
        name: EVIDENCE,
        sentence: "A server is dead for the ends of connections only if two ended in a row without a reply.",
    },
    Check {
        name: PROBE,
        sentence: "Of the operations that were asked for after a server's death one at a time finds out whether \
                   it is back, for as long as its lease; all others pass it over.",
    },
    Check { name: SPINS, sentence: "No client acts without end at one moment." },
    Check { name: ENDS, sentence: "Every operation ends, and once." },
    Check {
        name: DEADLINE,
        sentence: "An operation with a deadline ends by then, and any other within sixty times \
                   socket_timeout and once more for each of its requests, whatever happens.",
    },
    Check {
        name: WAKES,
        sentence: "While an operation is under way the client has something to do, or a time at which \
                   it has.",
    },
    Check {
        name: RESTS,
        sentence: "When nothing is under way any more, and no fault is left, all clients come to rest.",
    },
    Check {
        name: REVIVED,
        sentence: "When no fault is left, every server is used again once dead_retry has passed.",
    },
];
