//! A call on a million keys ends, and takes memory in proportion to its answer; what a server sends takes
//! no more than the limits say, measured at the allocator.

use std::collections::HashMap;
use std::process::Command;

use memcache_proto::calls::{self, Answer, Call, Config, Error};
use memcache_proto::client::{Action, Client, FailureKind};
use memcache_proto::codec::StatsArgument;
use memcache_proto::value::{Transcoder, ValueError, ValueRef};
use memcache_proto::{Expiry, Limits, ProtocolError, Time, Violation};
use memcache_tests::Memcached;

const KEYS: usize = 1_000_000;
const SPARE: usize = 64 << 20;

fn run(address: &str, operation: &str) -> HashMap<String, usize> {
    let count = KEYS.to_string();
    let mut program = Command::new(env!("CARGO_BIN_EXE_memory"));
    let output = program.args([address, operation, &count]).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{operation}: {}", text.replace('\n', ", "));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers = text.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    });
    numbers.collect()
}

#[test]
fn a_million_keys_take_memory_in_proportion_to_the_answer() {
    let memcached = Memcached::start_with(&["-m", "1024"]);
    let set = run(&memcached.address(), "set");
    let get = run(&memcached.address(), "get");
    for (operation, numbers) in [("set", set), ("get", get)] {
        assert_eq!(numbers["found"], KEYS, "{operation}");
        let (bytes, before, peak) = (numbers["bytes"], numbers["before"], numbers["after"]);
        let percent = |part: usize| part * 100 / bytes;
        println!(
            "{operation}: {} MiB at most, {}% of {} MiB of keys and values; {} MiB of them before \
             the call, so that it took {}%",
            peak >> 20,
            percent(peak),
            bytes >> 20,
            before >> 20,
            percent(peak - before),
        );
        // A caller who sets has all the items before the call.
        let own = if operation == "set" { before } else { 0 };
        assert!(peak - own <= 3 * bytes + SPARE, "{operation}: {peak} for {bytes}");
    }
}

/// What a call on very many keys takes beside its items and its answer, and what its client keeps when it is
/// idle again: no more than that of a call on few.
#[test]
fn a_million_keys_take_little_memory_of_their_own() {
    const MOST: u64 = 2 * MIB;
    let memcached = Memcached::start_with(&["-m", "1024"]);
    let client = memcache_sync::Client::new([memcached.address()]).expect("a client");
    let keys: Vec<String> = (0..KEYS).map(|number| format!("own:{number:08}")).collect();
    let value = [b'x'; 100];
    type Call = fn(&memcache_sync::Client, &[String], &[u8]) -> Result<usize, Error>;
    let calls: [(&str, Call); 4] = [
        ("set_many", |client, keys, value| {
            client.set_many(keys.iter().map(|key| (key, value)), Expiry::Never)?.into_result()
        }),
        ("touch_many", |client, keys, _| client.touch_many(keys, Expiry::Never)?.into_result()),
        ("get_each", |client, keys, value| {
            let each = |_, found: Vec<u8>| assert_eq!(found, value);
            client.get_each(keys, each)?.into_result()
        }),
        ("delete_many", |client, keys, _| client.delete_many(keys)?.into_result()),
    ];
    for (name, call) in calls {
        let mut done = None;
        let info = allocation_counter::measure(|| done = Some(call(&client, &keys, &value)));
        assert_eq!(done.expect("it has been made").expect("answered"), KEYS, "{name}");
        // The call has a list of the keys, which are borrowed here, and a set their values.
        let list = if name == "set_many" { 3 * size_of::<usize>() } else { size_of::<usize>() };
        let own = info.bytes_max - (KEYS * list) as u64;
        println!("{name}: {} KiB at most, {} KiB kept", own >> 10, info.bytes_current >> 10);
        assert!(own <= MOST, "{name} takes {own}");
        assert!(info.bytes_current <= 1 << 20, "{name} keeps {}", info.bytes_current);
    }
}

/// Makes a call on a client whose server sends these bytes, and then the same over and over where there
/// are to be more. What it returns, and the most memory that was taken meanwhile, in bytes.
fn peak_of<C: Call>(call: C, reply: &[u8], rest: &[u8]) -> (Result<C::Output, Error>, u64) {
    let mut config = Config::default();
    config.add_server("10.0.0.1", 1);
    let calls = config.build(|| 0).expect("an address");
    let mut client = Client::new(calls.cluster().clone());
    let mut outcome = None;
    let info = allocation_counter::measure(|| {
        let submitted = call.submit(&calls, |operation| {
            Ok(client.submit(operation, Time::ZERO).expect("it is taken in"))
        });
        let (id, mut answer) = submitted.expect("it can be sent");
        let mut unread = reply.iter().chain(rest.iter().cycle());
        let finished = loop {
            answer.proceed(&mut client, id, &calls, Time::ZERO);
            if let Some(outcome) = client.take(id) {
                break outcome;
            }
            match client.poll_action(Time::ZERO).expect("it goes on") {
                Action::Connect { connection, .. } => client.connected(connection, Time::ZERO),
                Action::Transmit(connection) => {
                    let len = client.transmit(connection).len();
                    client.transmitted(connection, len, Time::ZERO);
                }
                Action::Receive(connection) => {
                    let space = client.receive_buffer(connection).iter_mut();
                    let len = space.zip(&mut unread).map(|(to, from)| *to = *from).count();
                    client.received(connection, len, Time::ZERO);
                }
                _ => {}
            }
        };
        outcome = Some(answer.finish(finished, &calls, |_| None));
    });
    (outcome.expect("it has ended"), info.bytes_max)
}

const MIB: u64 = 1 << 20;

#[test]
fn a_bomb_is_refused_before_it_takes_much_memory() {
    // About a MiB of zlib, and lengths about it: memory grows in steps that begin with the length.
    for period in [96, 128, 160, 256, 400, 512] {
        let bomb = bomb(period);
        let len = bomb.len();
        let mut reply = format!("VALUE k 8 {}\r\n", bomb.len()).into_bytes();
        reply.extend_from_slice(&bomb);
        reply.extend_from_slice(b"\r\nEND\r\n");
        let (found, peak) = peak_of(calls::get::<Vec<u8>, _>("k"), &reply, b"");
        let max = Limits::default().max_inflated_len;
        assert_eq!(max, 32 << 20);
        let refused = matches!(
            found,
            Err(Error::Value { error: ValueError::InflatedTooLong { max: limit, .. }, .. })
                if limit == max
        );
        assert!(refused, "{len}");
        assert!(peak < 64 * MIB, "a bomb of {len} bytes takes {} MiB", peak / MIB);
        println!("a bomb of {len} bytes takes {} MiB", peak / MIB);
    }
}

/// What inflates to 64 MiB of zeros, with something else each `period` bytes.
fn bomb(period: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = vec![0; 64 << 20];
    for byte in bytes.iter_mut().step_by(period) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    let transcoder = Transcoder { min_compress_len: 1, ..Transcoder::default() };
    let bomb = transcoder.encode(ValueRef::from(&bytes[..])).expect("bytes").bytes.into_owned();
    assert!((200_000..4_000_000).contains(&bomb.len()), "{} bytes", bomb.len());
    bomb
}

#[test]
fn endless_statistics_take_no_more_than_their_limit() {
    // The rest is what a connection and a call take whatever they do.
    let max = Limits::default().max_stats_bytes as u64 + MIB;
    let long = format!("STAT name {}\r\n", "v".repeat(2_000));
    let bytes = [b"STAT name ".to_vec(), vec![0xff; 700], b"\r\n".to_vec()].concat();
    for line in [&b"STAT a\r\n"[..], b"STAT pid 1\r\n", long.as_bytes(), &bytes] {
        let (answers, peak) = peak_of(calls::stats(StatsArgument::General), b"", line);
        let (_, answer) = answers.expect("all servers").0.pop().expect("one of them");
        let refused = match answer {
            Err(Error::Server { failure, .. }) => matches!(
                failure.kind,
                FailureKind::Protocol(Violation { error: ProtocolError::TooMuch, .. })
            ),
            _ => false,
        };
        assert!(refused);
        let shown = line[..line.len().min(20)].escape_ascii();
        assert!(peak <= max, "{shown} without end takes {} MiB", peak / MIB);
        assert!(peak >= max / 4, "{shown} is refused at {} MiB", peak / MIB);
        println!("{shown} without end takes {} MiB", peak / MIB);
    }
}
