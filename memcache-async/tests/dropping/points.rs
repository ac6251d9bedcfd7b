//! A call dropped at each of its await points: nobody else is affected.

use crate::*;

/// How well the client knows the server when the call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It has yet to connect.
    Cold,
    /// It is connected.
    Warm,
    /// The call does its own reading and writing.
    Lone,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    before: Before,
    pieces: Pieces,
    /// Whether the stream keeps what is written until it is flushed.
    buffering: bool,
    /// How many other calls are under way before, and how many come after the first poll.
    others: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Get,
    Large,
    GetMany,
    Set,
    Incr,
    Version,
}

const LARGE: usize = 300;

/// A call that finds what it should, if it comes to its end.
async fn victim(client: Client, what: What) {
    match what {
        What::Get => {
            let value = client.get::<String>("victim").await.expect("the server is there");
            assert_eq!(value, Some(value_of("victim")));
        }
        What::Large => {
            let value = client.get::<String>("large").await.expect("the server is there");
            assert_eq!(value.map(|value| value.len()), Some(LARGE));
        }
        What::GetMany => {
            let keys = ["victim", "other0", "nothing", "after1"];
            let many = client.get_many::<String, _>(keys).await.expect("the keys are in order");
            assert!(many.failed.is_empty(), "{:?}", many.failed);
            assert_eq!(many.result.len(), 3);
            assert!(many.result.iter().all(|(key, value)| *value == value_of(key)));
        }
        What::Set => {
            let stored = client.set("stored", value_of("stored"), Expiry::Never).await;
            stored.expect("the server is there");
        }
        What::Incr => {
            let number = client.incr("number", 1).await.expect("the server is there");
            assert_eq!(number, Some(1001));
        }
        What::Version => {
            let versions = client.version().await.expect("the server is there");
            assert_eq!(versions.0.len(), 1);
        }
    }
}

/// Drops the call after so many polls, with one thing happening between two of them. Whether it came to
/// its end before.
fn drop_after(polls: usize, case: Case, what: What) -> bool {
    let mut net = Net::new(1);
    let others = (0..8).map(|number| format!("other{number}"));
    let afters = (0..8).map(|number| format!("after{number}"));
    fill(&net, others.chain(afters).chain(["victim".to_owned(), "lone".to_owned()]));
    let large = format!("set large 16 0 {LARGE}\r\n{}\r\n", "x".repeat(LARGE));
    net.peer(0, |peer| peer.perform(large.as_bytes(), Duration::ZERO));
    net.peer(0, |peer| peer.perform(b"set number 2 0 4\r\n1000\r\n", Duration::ZERO));
    net.world.state().buffering = case.buffering;
    let client = net.client();
    match case.before {
        Before::Cold => {}
        Before::Warm => drop(net.block_on(get(&client, "lone"))),
        Before::Lone => grow_lone(&mut net, &client),
    }
    net.world.state().pieces = case.pieces;

    let mut gets = Vec::new();
    for number in 0..case.others.0 {
        let key = format!("other{number}");
        gets.push((start_get(&mut net, &client, &key), key));
        net.step();
    }
    let call = net.hold(victim(client.clone(), what));
    let mut done = false;
    for poll in 0..polls {
        done = net.poll(&call);
        if done {
            break;
        }
        if poll == 0 {
            for number in 0..case.others.1 {
                let key = format!("after{number}");
                gets.push((start_get(&mut net, &client, &key), key));
            }
        }
        net.step();
    }
    net.drop_task(&call);
    let key = "other7".to_owned();
    gets.push((start_get(&mut net, &client, &key), key));

    for (task, key) in gets {
        let value = net.finish(&task).expect("the server is there");
        assert_eq!(value, Some(value_of(&key)), "{polls} polls of {what:?}, {case:?}");
    }
    // What was dropped has been done or not, and the connection is as good as before.
    net.run();
    let stored = net.block_on(get(&client, "stored")).expect("the server is there");
    match stored {
        Some(stored) => assert!(what == What::Set && stored == value_of("stored")),
        None => assert!(what != What::Set || !done),
    }
    let number = client.clone();
    let number = net.block_on(async move { number.get::<u64>("number").await });
    let number = number.expect("the server is there").expect("it is there");
    assert!(
        number == 1000 && !(done && what == What::Incr) || number == 1001 && what == What::Incr
    );
    assert_eq!(net.accepted(0), 1, "{polls} polls of {what:?}, {case:?}");
    assert_eq!(net.now(), Duration::ZERO, "nothing has waited for time to pass");
    done
}

/// Drops the call at each point until it comes to its end. How many there were.
fn drop_at_each_point(case: Case, what: What) -> usize {
    (0..).find(|&polls| drop_after(polls, case, what)).expect("it ends")
}

fn cases(before: Before) -> impl Iterator<Item = Case> {
    let pieces = [
        Pieces::WHOLE,
        Pieces::of(1),
        Pieces { read: 7, write: 3, answer: 5 },
        // More to read at once than is read before others have their turn.
        Pieces { read: 1, ..Pieces::WHOLE },
    ];
    let others = [(0, 0), (2, 0), (0, 2), (3, 3)];
    pieces.into_iter().flat_map(move |pieces| {
        others.into_iter().flat_map(move |others| {
            [false, true].map(|buffering| Case { before, pieces, buffering, others })
        })
    })
}

const ALL: [What; 6] =
    [What::Get, What::Large, What::GetMany, What::Set, What::Incr, What::Version];

fn every_point(before: Before) {
    let mut points = 0;
    for case in cases(before) {
        for what in ALL {
            let some = drop_at_each_point(case, what);
            // The shortest answer has six bytes.
            assert!(case.pieces.answer > 1 || some > 6, "{some} points of {what:?}, {case:?}");
            points += some;
        }
    }
    println!("{points} points");
}

#[test]
fn a_call_that_has_to_connect_is_dropped_at_each_point() {
    every_point(Before::Cold);
}

#[test]
fn a_call_among_others_is_dropped_at_each_point() {
    every_point(Before::Warm);
}

#[test]
fn a_call_that_reads_for_itself_is_dropped_at_each_point() {
    every_point(Before::Lone);
}

/// A large answer is taken in parts as it comes; dropping the call between two of them drops the rest.
#[test]
fn a_call_on_very_many_keys_is_dropped_at_some_points() {
    let keys: Vec<_> = (0..5000).map(|number| format!("key{number}")).collect();
    for before in [Before::Warm, Before::Lone] {
        let polls = (0..).step_by(3).find(|&polls| {
            let mut net = Net::new(1);
            fill(&net, &keys);
            fill(&net, ["lone", "other"]);
            let client = net.client();
            match before {
                Before::Lone => grow_lone(&mut net, &client),
                _ => drop(net.block_on(get(&client, "lone"))),
            }
            net.world.state().pieces = Pieces::of(5000);
            let asked = keys.clone();
            let many = {
                let client = client.clone();
                net.hold(async move { client.get_many::<String, _>(asked).await })
            };
            for _ in 0..polls {
                if net.poll(&many) {
                    break;
                }
                net.step();
            }
            let other = start_get(&mut net, &client, "other");
            let result = many.take();
            net.drop_task(&many);
            let value = net.finish(&other).expect("the server is there");
            assert_eq!(value, Some(value_of("other")), "{polls} polls, {before:?}");
            assert_eq!((net.accepted(0), net.now()), (1, Duration::ZERO));
            if let Some(result) = &result {
                let many = result.as_ref().expect("the keys are in order");
                assert!(many.failed.is_empty() && many.result.len() == keys.len());
                assert!(many.result.iter().all(|(key, value)| *value == value_of(key)));
            }
            result.is_some()
        });
        assert!(polls > Some(20), "{polls:?}");
    }
}

/// It is not left until all of it is there.
#[test]
fn an_answer_of_very_many_keys_is_taken_as_it_comes() {
    let mut net = Net::new(1);
    let keys: Vec<_> = (0..5000).map(|number| format!("key{number}")).collect();
    fill(&net, &keys);
    let client = net.client();
    drop(net.block_on(get(&client, "key0")));
    net.world.state().pieces = Pieces::of(5000);
    let many = net.hold(async move { client.get_many::<String, _>(keys).await });
    let mut polls = 1;
    while !net.poll(&many) {
        polls += 1;
        while !net.is_woken(&many) {
            assert!(net.step(), "nothing will ever wake it");
        }
    }
    let many = many.take().expect("it is done").expect("the keys are in order");
    assert_eq!((many.result.len(), many.failed.len()), (5000, 0));
    assert!((5..10).contains(&polls), "{polls}");
}

/// What had not been sent when its call was dropped is not sent later.
#[test]
fn what_was_not_sent_is_not_sent() {
    for before in [Before::Cold, Before::Warm] {
        let mut net = Net::new(1);
        fill(&net, ["a", "lone"]);
        let client = net.client();
        if before == Before::Warm {
            drop(net.block_on(get(&client, "lone")));
        }
        let set = client.clone();
        let set = net.hold(async move { set.set("dropped", "it", Expiry::Never).await });
        let kept = start_get(&mut net, &client, "a");
        assert!(!net.poll(&set));
        net.drop_task(&set);
        assert_eq!(net.finish(&kept).expect("the server is there"), Some(value_of("a")));
        net.run();
        let lines = net.peer(0, harness::Peer::lines);
        assert!(lines.contains(&"get a".to_owned()), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("dropped")), "{lines:?}");
    }
}
