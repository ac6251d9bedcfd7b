//! The in-memory server answers as memcached does, byte for byte.
//!
//! Random sequences of commands, valid and not, go to a real memcached over a socket and to a
//! [`Connection`] and [`Store`] in memory, and the answers are compared. The environment variable
//! `EQUIVALENCE_SEQUENCES` sets how many sequences there are, `EQUIVALENCE_SEED` the first seed. A
//! failure prints its seed and the shortest sequence that still fails.
//!
//! # What is not compared
//!
//! | masked | because |
//! |---|---|
//! | cas uniques, but for which of them are the same ([`mask::Masked`]) | each server counts its own; a command with one that is to match is sent to each side with the number that side gave |
//! | two seconds more or less in `t` and `l` of meta replies and in `exp` and `la` of `ME`, and all of them once they have passed ([`mask::Masked`]) | they depend on when a second begins, and on when a server began |
//! | the version ([`Settings::version`]) | the in-memory server is told to claim the one of its peer |
//!
//! and what is left out of the sequences altogether:
//!
//! | left out | because |
//! |---|---|
//! | `stats`, but for its errors, `reset` and `detail off` | uptime, memory, threads, connections; names and counters are compared by [`counters_are_memcacheds`] |
//! | `lru_crawler metadump`, `stats cachedump` and `stats detail dump` of items | in no order that is promised |
//! | `incr`, `decr` and `ma` while the answer to an `mg` is pending | memcached holds its item until then, and stores a counter anew rather than over it; the answer is awaited first |
//! | items before a key that is too long in a get | memcached marks them as fetched, which `mg` and `me` tell |
//! | commands that tune a server | the in-memory server does not know them |
//! | `flush_all` with a delay, but at the end of a sequence | memcached brings back items that an earlier flush made invalid, unless they were reclaimed meanwhile |
//! | exptimes and delays that pass during the test | they depend on when a second begins; [`time_passes_alike`] and [`time_passes_alike_for_meta_commands`] wait for them |
//! | counters of 2^63 and more | memcached looks for a `-` in them, and reads on behind them until a NUL: what an earlier item left there (so no value has a `-`), and pointers of the next one; [`large_counters_count_alike`] has them where nothing was before |
//! | values that are white space only | where one is counted, memcached reads on behind it in the same way |
//! | keys in base64 with an LF in them | some answers give them back as they are, and the mask goes by lines |
//! | memcached's own threads, which are switched off | while one of them holds a counter that becomes shorter, memcached stores it anew and it loses its width |
//! | a line of more than 2,048 bytes that does end | memcached closes or not, depending on how the bytes arrive |
//! | answers pending before a get with a key that is too long, or before a line that closes the connection | memcached throws them away, depending on how the bytes arrive; here they are awaited first |
//!
//! # Other versions
//!
//! The in-memory server answers as 1.6.18 does. Where its peer is another version, the sequences
//! keep to what that answers alike: valid commands in all their variety, and those invalid ones
//! that `generator::ALIKE` lists, not any that chance makes of a valid one. What versions up to
//! 1.6.45 answer differently is left out:
//!
//! | left out | because newer versions |
//! |---|---|
//! | meta commands | know more flags, and answer faults in other words |
//! | `delete noreply` | take the key for the option, too, and are silent; `delete noreply noreply` is sent instead |
//! | `incr` and `decr` while the answer to a get is pending | send that later, hold its items until then, and store a counter anew rather than over an item that is held; the answer is awaited first |
//! | exptimes of a `gat` or `touch` that are beyond 32 bits | refuse them; 1.6.18 cuts them |
//! | `gat` without a key | refuse it; 1.6.18 answers `END` |
//! | too few words, or a line of less than two bytes | answer `CLIENT_ERROR bad command line format`, not `ERROR` |
//! | too many words | do not count them, and look for `noreply` in the last |
//! | a `delete` with a word that is neither `0` nor `noreply` | do not look at it |
//! | a `delete` with a key that is too long | leave its usage out of the answer |
//! | a get with a key that is too long | end the refusal with two CR LF |
//! | deltas, casses and lengths with a sign, or with white space among the digits | refuse them |
//! | lengths that are valid once they are cut to 32 bits | refuse them |
//! | a storage command that is refused for another word than its length | throw its value away with it; 1.6.18 takes it for commands |
//! | `noreply` in a storage command whose length is refused | answer nevertheless |
//! | `noreply` at the end of an unknown command, where bytes of a value are too many or too few for instance | do not answer |
//! | spaces before a command | do not skip them |
//! | `bget` | do not know it |
//! | NUL bytes in a line | do not end it there |
//! | `shutdown` where it is disabled | answer `SERVER_ERROR` rather than `ERROR` |

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the test may")]

mod generator;
mod left_out;
mod mask;
mod meta;
mod pair;

use std::time::Duration;
use std::{env, fmt, thread};

use generator::{Generator, Step};
use pair::{Difference, Pair, Short};

/// As many servers of each kind are compared at the same time.
const WORKERS: usize = 8;
/// As many sequences are sent at once, where they need no answer first.
const BATCH: usize = 100;

#[test]
fn random_sequences_get_equal_answers() {
    let count: u64 = number_from("EQUIVALENCE_SEQUENCES", 100_000);
    let first: u64 = number_from("EQUIVALENCE_SEED", 1);
    // Most of the time goes by waiting for answers, so several pairs run at once.
    let commands: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let seeds = first..first + count;
                scope.spawn(move || run_seeds(seeds.skip(worker).step_by(WORKERS).collect()))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no difference")).sum()
    });
    println!("{count} sequences of {commands} commands got equal answers");
}

/// Runs the sequences of these seeds; returns how many commands they were of.
fn run_seeds(seeds: Vec<u64>) -> usize {
    let mut pair = Pair::new();
    let mut commands = 0;
    for batch in seeds.chunks(BATCH) {
        let sequences: Vec<_> =
            batch.iter().map(|&seed| Generator::sequence(seed, pair.portable())).collect();
        commands += sequences.iter().map(Vec::len).sum::<usize>();
        let Some(difference) = pair.run(&sequences) else {
            continue;
        };
        // One that fails only behind others is shortened together with them.
        let alone = sequences.iter().zip(batch).find_map(|(sequence, seed)| {
            let difference = pair.run(std::slice::from_ref(sequence))?;
            Some((*seed, vec![sequence.clone()], difference))
        });
        let (seed, sequences, difference) = alone.unwrap_or((batch[0], sequences, difference));
        let (shortest, difference) = shorten(&mut pair, sequences, difference);
        panic!("EQUIVALENCE_SEED={seed}\n{}{difference}", Listing(&shortest));
    }
    commands
}

#[test]
fn time_passes_alike() {
    // Requests before a wait, and after it. Seconds begin when they like, so whatever is to have
    // passed has passed for more than one, and whatever has not needs many more.
    let mut pair = Pair::new();
    let before: &[&[u8]] = &[
        b"set short 0 1 1\r\n1\r\nset long 0 1000 1\r\n2\r\nset touched 0 1000 1\r\n3\r\n",
        b"touch touched 1\r\nset gat 0 1000 1\r\n4\r\ngat 1 gat\r\n",
        b"set kept 0 1 1\r\n5\r\ntouch kept 1000\r\nset counter 0 1 1\r\n6\r\nincr counter 10\r\n",
        b"set appended 0 1 1\r\n7\r\nappend appended 0 1000 1\r\n8\r\n",
    ];
    let gets: &[u8] =
        b"get short long touched gat kept counter appended\r\nadd short 0 0 1\r\n9\r\n";
    for request in before {
        pair.compare(request).unwrap();
    }
    thread::sleep(Duration::from_millis(2_200));
    pair.compare(gets).unwrap();
    pair.compare(b"flush_all 3\r\nset late 0 0 1\r\n1\r\nget late long\r\n").unwrap();
    thread::sleep(Duration::from_millis(4_200));
    pair.compare(b"get late long kept\r\nset late 0 0 1\r\n1\r\nget late\r\n").unwrap();
    // Off by one, in both: at once, and all that is stored within the second with it.
    pair.compare(b"flush_all 1\r\nget late\r\n").unwrap();
    thread::sleep(Duration::from_millis(1_200));
    pair.compare(b"set late 0 0 1\r\n1\r\nget late\r\nflush_all 1000000000\r\nget late\r\n")
        .unwrap();
}

#[test]
fn time_passes_alike_for_meta_commands() {
    // Its threads have a say in when memcached notes the use of an item.
    let mut pair = Pair::with_threads();
    if pair.portable() {
        return;
    }
    let before: &[&[u8]] = &[
        // Items that expire: stored, made for a winner or as a counter, marked as stale, touched.
        b"ms s 1 T2\r\n1\r\nmg w N2 t v\r\nmg w N2 t v\r\nma n N2 J5 v t\r\nma m N2 T1000 v t\r\n",
        b"ms x 1 T1000\r\n1\r\nmd x I T2\r\nmg x t v\r\nmg x t v\r\nms y 1\r\n1\r\nmg y T2 t\r\n",
        b"ms z 1 T2\r\n1\r\nmd z I T1000\r\nms a 1 T2\r\n1\r\nma a T1000 t v\r\nmd y I T1000 q\r\n",
        // Items that are soon to expire, and are read or not.
        b"ms r 1 T12\r\n1\r\nmg r R9 t v\r\nms h 1\r\n1\r\nmg h h l\r\nms u 1\r\n1\r\nmg u u\r\n",
        b"ms p 1 T1000\r\n1\r\nms p 1 MA\r\n2\r\nme p\r\nms q 1 T1000\r\n1\r\n",
    ];
    for request in before {
        pair.compare(request).unwrap();
    }
    thread::sleep(Duration::from_millis(5_200));
    let after: &[&[u8]] = &[
        b"mg s v\r\nmg w N1000 v t\r\nmg w N1000 v t\r\nms w 1\r\n1\r\nmg w v t\r\nma n v\r\nma m v t\r\n",
        b"mg x v\r\nmd x I\r\nmg y v t\r\nmg y\r\nmg z v t\r\nmg a v t\r\nms a 1 MA C1\r\n1\r\n",
        b"mg r R9 t v\r\nmg r R9 t v\r\nms r 1 T100\r\n1\r\nmg r R9 v\r\n",
        b"mg h l h t\r\nmg u u l h\r\nmg u l h\r\nme u\r\nme p\r\nmg p l t h\r\nme p\r\nget q\r\nmg q u l h\r\n",
    ];
    for request in after {
        pair.compare(request).unwrap();
    }
    // One of those threads notes a use, within a second.
    thread::sleep(Duration::from_millis(1_500));
    pair.compare(b"mg h l u h\r\nmg u l u h\r\nme p\r\ntouch q 100\r\n").unwrap();
    thread::sleep(Duration::from_millis(1_500));
    pair.compare(b"mg h l h\r\nmg u l h\r\nmg q l t h\r\nme q\r\n").unwrap();
}

#[test]
fn large_counters_count_alike() {
    let mut pair = Pair::new();
    let classic: &[u8] =
        b"set a 0 0 20\r\n18446744073709551615\r\nincr a 0\r\ndecr a 1\r\nincr a 3\r\n\
        incr a 18446744073709551615\r\nincr a 1\r\ndecr a 18446744073709551615\r\ndecr a 1\r\n\
        set b 0 0 19\r\n9223372036854775807\r\nincr b 1\r\nincr b 1\r\ndecr b 2\r\n\
        set c 0 0 20\r\n18446744073709551616\r\nincr c 1\r\nincr a 18446744073709551616\r\n";
    pair.compare(classic).unwrap();
    let meta: &[u8] = b"ma d N0 J18446744073709551615 v\r\nma d v\r\nma d D18446744073709551615 v\r\n\
        ma d v\r\nma d MD D18446744073709551615 v\r\nma d MD v\r\nma e N0 J9223372036854775807 v\r\n\
        ma e v\r\nma e v\r\nma e MD D2 v\r\nma e D18446744073709551616 v\r\n\
        ma f N0 J18446744073709551616 v\r\n";
    if !pair.portable() {
        pair.compare(meta).unwrap();
    }
}

#[test]
fn counters_are_memcacheds() {
    let mut pair = Pair::new();
    // In two parts: while the answer to a get is pending, newer versions store a counter anew.
    let gets: &[u8] = b"set a 0 0 1\r\n1\r\nset b 5 0 10\r\n0123456789\r\nget a b c\r\ngets a\r\n\
        gat 0 a\r\ngat 0 z\r\ntouch a 0\r\ntouch z 0\r\n";
    let rest: &[u8] = b"incr a 1\r\nincr z 1\r\ndecr a 1\r\ndecr z 1\r\n\
        delete b\r\ndelete b\r\nadd a 0 0 1\r\n1\r\nappend a 0 0 1\r\n1\r\ncas a 0 0 1 9999\r\n1\r\n\
        cas z 0 0 1 1\r\n1\r\nset big 0 0 2\r\nab\r\nset x 0 -1 1\r\n1\r\nget x\r\n";
    pair.compare(gets).unwrap();
    pair.compare(rest).unwrap();
    // In parts again: while the answer to an mg is pending, 1.6.18 too stores a counter anew.
    let meta: &[&[u8]] = &[
        b"mg a\r\nmg a v T0\r\nmg a q\r\nmg n\r\nmg n q\r\nmg n T0\r\nmg v N0\r\nmg v N0 T0\r\nmg a z\r\n",
        b"mg a O12345678901234567890123456789012 T0\r\nmg n O12345678901234567890123456789012\r\n",
        b"mg a O12345678901234567890123456789012\r\nmg a O12345678901234567890123456789012 v s q\r\n",
        b"ms a 1\r\n1\r\nms a 1 q\r\n1\r\nms a 1 C1\r\n1\r\nms a 1 C1 I\r\n1\r\nms n 1 C1\r\n1\r\n",
        b"ms n 1 MR\r\n1\r\nms a 1 ME\r\n1\r\nms a 1 MA\r\n1\r\nms n 1 MP\r\n1\r\nms a 1 MA C1\r\n1\r\n",
        b"ms a 1 z\r\n1\r\nms a 3\r\n1\r\n  ms a 1 T-1\r\n1\r\nms a 1\r\n1\r\nms b 1\r\n1\r\n",
        b"md a I\r\nmd a I q\r\nmd a C1\r\nmd n\r\nmd n q\r\nmd n I\r\nmd a z\r\nmd b T1\r\n",
        b"md a O12345678901234567890123456789012\r\n",
        b"ma a\r\nma a MD\r\nma a C1\r\nma n\r\nma n MD q\r\nma m N0\r\nma m N0 MD\r\nma l N0 MD q\r\n",
        b"ma m z\r\nms t 1\r\nt\r\nma t\r\nma a O12345678901234567890123456789012\r\n",
        b"md t\r\nmd m q\r\nme a\r\nme n\r\nme\r\nmn\r\nmn x\r\n",
    ];
    let large = [b"ms a 1048576\r\n", &vec![b'1'; 1 << 20][..], b"\r\n"].concat();
    if !pair.portable() {
        meta.iter().for_each(|request| pair.compare(request).unwrap());
        pair.compare(&large).unwrap();
    }
    let names_and_values = |reply: Vec<u8>| -> Vec<(String, String)> {
        let text = String::from_utf8(reply).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("STAT "));
        lines.map(|line| line.split_once(' ').unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
    };
    let (real, ours) = pair.ask(b"stats\r\n");
    let (real, ours) = (names_and_values(real.bytes), names_and_values(ours.bytes));
    // Not comparable: of the process and its clock, and bytes that the harness itself adds.
    let masked = [
        "pid",
        "uptime",
        "time",
        "curr_connections",
        "total_connections",
        "bytes_read",
        "bytes_written",
        "reclaimed",
    ];
    for (name, value) in &ours {
        let found = real.iter().find(|(real_name, _)| real_name == name);
        let (_, real_value) = found.unwrap_or_else(|| panic!("{name} is not there"));
        assert!(
            masked.contains(&name.as_str()) || value == real_value,
            "{name}: {value} {real_value}"
        );
    }
    for request in [&b"stats items\r\n"[..], b"stats slabs\r\n", b"stats settings\r\n"] {
        let (real, ours) = pair.ask(request);
        let real = names_and_values(real.bytes);
        for (name, value) in names_and_values(ours.bytes) {
            let found = real.iter().find(|(real_name, _)| *real_name == name);
            let (_, real_value) = found.unwrap_or_else(|| panic!("{name} is not there"));
            let masked = name.ends_with(":age") || name == "total_malloced";
            assert!(masked || value == *real_value, "{name}: {value} {real_value}");
        }
    }
}

fn number_from(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// Leaves out sequences, then steps, for as long as what is left still fails.
fn shorten(
    pair: &mut Pair,
    mut sequences: Vec<Vec<Step>>,
    mut difference: Difference,
) -> (Vec<Vec<Step>>, Difference) {
    let mut at = 0;
    while at < sequences.len() && sequences.len() > 1 {
        let mut shorter = sequences.clone();
        shorter.remove(at);
        match pair.run(&shorter) {
            Some(still) => (sequences, difference) = (shorter, still),
            None => at += 1,
        }
    }
    for sequence in 0..sequences.len() {
        let mut at = 0;
        while at < sequences[sequence].len() {
            let mut shorter = sequences.clone();
            shorter[sequence].remove(at);
            match pair.run(&shorter) {
                Some(still) => (sequences, difference) = (shorter, still),
                None => at += 1,
            }
        }
    }
    (sequences, difference)
}

/// Sequences, a line for each step.
struct Listing<'a>(&'a [Vec<Step>]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, sequence) in self.0.iter().enumerate() {
            writeln!(f, "sequence {}", number + 1)?;
            for step in sequence {
                match step {
                    Step::Send(bytes) => writeln!(f, "  send  {}", Short(bytes))?,
                    Step::Alone(bytes) => writeln!(f, "  alone {}", Short(bytes))?,
                    Step::Close(bytes) => writeln!(f, "  close {}", Short(bytes))?,
                    Step::Cas { key, value, .. } => {
                        writeln!(f, "  cas   {} {}", Short(key), Short(value))?;
                    }
                    Step::Unique { asking, command } => {
                        writeln!(f, "  ask   {} {}", Short(asking), Short(command))?;
                    }
                }
            }
        }
        Ok(())
    }
}
