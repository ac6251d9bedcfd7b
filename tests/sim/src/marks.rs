//! The simulator's own marks, and in how many runs each mark was lit.

use memcache_proto::marks::{self, Mark, Marks};

use crate::hostile::Lie;
use crate::settings::Fault;

/// Lights the mark of the simulator of this name; with a condition, where that holds. A name that is not
/// in [`LIST`](crate::marks::LIST) does not compile.
macro_rules! sometimes {
    ($name:literal) => {{
        const AT: usize = ::memcache_proto::marks::place($crate::marks::LIST, $name);
        $crate::marks::MARKS.light(AT);
    }};
    ($name:literal, $when:expr) => {{
        if $when {
            sometimes!($name);
        }
    }};
}

/// No function: in an optimized build the compiler would have to know the whole crate to know the length of the
/// list, and the length of the list to know the crate.
macro_rules! mark {
    ($name:literal, $sentence:literal $(,)?) => {
        Mark { name: $name, sentence: $sentence }
    };
}

/// The marks of the simulator.
pub static MARKS: Marks<{ LIST.len() }> = Marks::new(LIST);

/// The marks of the simulator, in the order of what they are about.
pub const LIST: &[Mark] = &[
    // What goes wrong.
    mark!("server killed", "A server was killed, and refused connections."),
    mark!("server emptied", "A server was restarted, empty."),
    mark!("server hung", "Connects to a server hung, or nothing came over them."),
    mark!("connections hung up", "A server closed its connections."),
    mark!("connections reset", "A server reset its connections."),
    mark!("peers vanished", "A server's end of its connections was gone, and nobody said so."),
    mark!("server crowded", "A server took only so many connections."),
    mark!("server slow", "A server took long to answer."),
    mark!("stream stalled", "Nothing went through a connection one way for a while."),
    mark!("stream cut off", "A connection was reset after some more bytes."),
    mark!("stream dripping", "A connection gave a byte a millisecond."),
    mark!("server out of memory", "A server could not store."),
    mark!("item evicted", "A server dropped an item."),
    mark!("server flushed", "A server was flushed by somebody else."),
    mark!("server lies", "A server began to break the protocol."),
    mark!("reset storm", "A server reset each connection soon after it was made."),
    mark!("clients out of descriptors", "The clients' machine had no descriptor left."),
    mark!("server died midway", "A server was gone after some more commands, or bytes of one."),
    mark!("muttered at rest", "Something came unasked on a connection, of its own accord."),
    mark!(
        "call ended before it was given whole",
        "A call on many keys ended before its client had been given all of them."
    ),
    mark!("clock jumped", "The clock went ahead by seconds."),
    // What hostile servers say.
    mark!("lie: twice", "A reply was said twice."),
    mark!("lie: dropped", "A reply was not said."),
    mark!("lie: swapped", "Two replies were said in the wrong order."),
    mark!("lie: another key", "A reply named another key."),
    mark!("lie: another opaque", "A reply gave another opaque back."),
    mark!("lie: length", "A value was longer or shorter than announced."),
    mark!("lie: no value", "`HD` was said where a value belongs."),
    mark!("lie: another kind", "A reply was of another kind of command."),
    mark!("lie: unasked", "Something was said that nobody had asked for."),
    mark!("lie: endless line", "A line had no end."),
    mark!("lie: garbage", "What was said was of no protocol."),
    mark!("lie: half", "Half a reply was said."),
    mark!("lie: error", "An error was said of what had been done."),
    mark!("lie: repeated", "A value was said once more within its reply."),
    mark!("lie: unended", "Another line was said where the reply to a get should end."),
    mark!("lie: flood", "Many more lines of statistics were said than there are."),
    // Calls of several steps.
    mark!(
        "value computed and shared",
        "Of those who looked a value up one made it, and stored it."
    ),
    mark!("value computed in vain", "A value was made, and could not be stored."),
    mark!("value not to be made", "Who was to make a value could not, and gave the lease back."),
    mark!("old value taken", "An old value was taken while another caller made a newer one."),
    mark!("waited for a value", "A caller waited for the value that another was making."),
    mark!(
        "update began again",
        "A caller changed an item again, as others had changed it meanwhile.",
    ),
    // How servers are, and what is no fault of anybody's.
    mark!(
        "values reordered",
        "A proxy gave the values of a get in another order than that asked for.",
    ),
    mark!(
        "read to spare room",
        "A large value was appended to the client's buffer as it was read."
    ),
    mark!("flush not allowed", "A server refused to be flushed, as memcached does with -F."),
];

/// The marks that the seeds of CI must light: what the promises of the client hang on, and what so many
/// seeds have always lit many times over.
pub const EXPECTED: &[&str] = &[
    "value in its own buffer",
    "queue full",
    "version sent as barrier",
    "mn sent",
    "window full",
    "mn beyond the window",
    "get held back",
    "key joined a get",
    "command joined a run",
    "withdrawn before the write",
    "half written and kept",
    "partial write",
    "noreply told sent",
    "reply swallowed",
    "unexpected response",
    "quiet ones passed over",
    "error in a quiet run",
    "refused, too many connections",
    "eof in mid-reply",
    "eof answers quit",
    "failed over",
    "all candidates dead",
    "get merged",
    "call cut into several gets",
    "second connection opened",
    "flush_on_reconnect sent",
    "flush given back",
    "look given",
    "look found nothing",
    "look found eof",
    "dead by connect",
    "connect failed, server alive",
    "await given",
    "spare asked for early",
    "waited in vain",
    "connection released",
    "connection taken over",
    "connect put off",
    "strike one",
    "strike two",
    "strike by operation timeout",
    "dead by operation timeouts",
    "dead by silence",
    "silent connection, server alive",
    "found dead by another",
    "probe given",
    "probe of many requests",
    "probe revived",
    "probe lost",
    "probe given back",
    "others closed with a stale one",
    "idle retry",
    "store sent again",
    "lookup behind another's command",
    "sent again once only",
    "closed at a command",
    "moved on",
    "moved too often",
    "moved to another server",
    "cancelled in mid-reply",
    "reply to nobody",
    "told not sent",
    "told unanswered",
    "not sent, but once before",
    "operation timeout in queue",
    "operation timeout in flight",
    "quiet miss inferred",
    "quiet success inferred",
    "quiet doubt told",
    "server killed",
    "server emptied",
    "server hung",
    "connections hung up",
    "connections reset",
    "peers vanished",
    "server crowded",
    "server slow",
    "stream stalled",
    "stream cut off",
    "stream dripping",
    "server out of memory",
    "item evicted",
    "server flushed",
    "server lies",
    "clock jumped",
    "server died midway",
    "muttered at rest",
    "rejected, key",
    "rejected, value",
    "rejected, flags",
    "flush refused",
    "taken over too late",
    "values out of order",
    "values reordered",
    "value computed and shared",
    "value not to be made",
    "waited for a value",
    "update began again",
    "read to spare room",
];

/// The marks of these names.
///
/// # Errors
///
/// The first name that no mark has.
pub fn named(names: &[String]) -> Result<Vec<&'static Mark>, String> {
    let all = || marks::MARKS.all().iter().chain(MARKS.all());
    let find = |name: &String| all().find(|mark| mark.name == *name).ok_or_else(|| name.clone());
    names.iter().map(find).collect()
}

/// In how many runs each mark was lit, those of the core and those of the simulator. Marks belong to the
/// process, so only one thread at a time may make runs that are counted.
#[derive(Debug)]
pub struct Tally {
    counts: Vec<(&'static Mark, u64)>,
}

impl Tally {
    /// Begins to count: all marks are dark from now on.
    #[must_use]
    pub fn begin() -> Self {
        let all = marks::MARKS.all().iter().chain(MARKS.all());
        let tally = Tally { counts: all.map(|mark| (mark, 0)).collect() };
        tally.darken();
        tally
    }

    /// Counts what the run has lit that has just ended. Call it after each.
    pub fn count(&mut self) {
        // What is lit comes in the order of the list.
        let mut lit = marks::MARKS.lit().chain(MARKS.lit()).peekable();
        for (mark, count) in &mut self.counts {
            *count += u64::from(lit.next_if_eq(mark).is_some());
        }
        drop(lit);
        self.darken();
    }

    fn darken(&self) {
        marks::MARKS.reset();
        MARKS.reset();
    }

    /// Each mark, and in how many runs it was lit.
    pub fn counts(&self) -> impl Iterator<Item = (&'static Mark, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// The marks that no run has lit.
    pub fn dark(&self) -> impl Iterator<Item = &'static Mark> + '_ {
        self.counts().filter(|&(_, count)| count == 0).map(|(mark, _)| mark)
    }
}

/// Lights the mark of a fault.
pub(crate) fn struck(fault: Fault) {
    match fault {
        Fault::Killed => sometimes!("server killed"),
        Fault::Emptied => sometimes!("server emptied"),
        Fault::Hung => sometimes!("server hung"),
        Fault::HungUp => sometimes!("connections hung up"),
        Fault::Reset => sometimes!("connections reset"),
        Fault::Vanished => sometimes!("peers vanished"),
        Fault::Crowded => sometimes!("server crowded"),
        Fault::Slow => sometimes!("server slow"),
        Fault::Stalled => sometimes!("stream stalled"),
        Fault::CutOff => sometimes!("stream cut off"),
        Fault::Dripping => sometimes!("stream dripping"),
        Fault::OutOfMemory => sometimes!("server out of memory"),
        Fault::Evicted => sometimes!("item evicted"),
        Fault::Flushed => sometimes!("server flushed"),
        Fault::Lies => sometimes!("server lies"),
        Fault::Storm => sometimes!("reset storm"),
        Fault::Shortage => sometimes!("clients out of descriptors"),
        Fault::Midway => sometimes!("server died midway"),
        Fault::Muttered => sometimes!("muttered at rest"),
        Fault::Jump => sometimes!("clock jumped"),
    }
}

/// Lights the mark of what a hostile server says.
pub(crate) fn lied(lie: Lie) {
    match lie {
        Lie::Twice => sometimes!("lie: twice"),
        Lie::Dropped => sometimes!("lie: dropped"),
        Lie::Swapped => sometimes!("lie: swapped"),
        Lie::AnotherKey => sometimes!("lie: another key"),
        Lie::AnotherOpaque => sometimes!("lie: another opaque"),
        Lie::Length => sometimes!("lie: length"),
        Lie::Headless => sometimes!("lie: no value"),
        Lie::AnotherKind => sometimes!("lie: another kind"),
        Lie::Unasked => sometimes!("lie: unasked"),
        Lie::Endless => sometimes!("lie: endless line"),
        Lie::Garbage => sometimes!("lie: garbage"),
        Lie::Half => sometimes!("lie: half"),
        Lie::Error => sometimes!("lie: error"),
        Lie::Repeated => sometimes!("lie: repeated"),
        Lie::Unended => sometimes!("lie: unended"),
        Lie::Flood => sometimes!("lie: flood"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_marks_and_each_mark_has_its_own() {
        let all: Vec<_> = marks::LIST.iter().chain(LIST).collect();
        for mark in LIST {
            let same = all.iter().filter(|other| other.name == mark.name);
            assert_eq!(same.count(), 1, "{}", mark.name);
            assert!(mark.sentence.ends_with('.'), "{}", mark.name);
        }
        for name in EXPECTED {
            assert!(all.iter().any(|mark| mark.name == *name), "{name} is no mark");
        }
    }
}
