//! What an item is after what was done to it.

use crate::history::{Act, Answer, Verb};

/// What is known of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Unknown,
    Known { value: Vec<u8>, cas: Option<u64>, expires: bool },
}

/// What an item is after an act, or what is wrong with the answer.
pub(crate) fn follow(
    item: Option<Item>,
    act: &Act,
    answer: Option<&Answer>,
) -> Result<Option<Item>, &'static str> {
    let said_gone = matches!(answer, Some(Answer::Miss | Answer::NotFound));
    let missed = matches!(
        (act, answer),
        (Act::Store(Verb::Replace | Verb::Append | Verb::Prepend, ..), Some(Answer::NotStored))
            | (Act::Store(Verb::Add, ..), Some(Answer::Stored))
    );
    // One that may have expired may be gone; one of which nothing is known is what the answer says.
    let item = match item {
        Some(Item::Known { expires: true, .. } | Item::Unknown) if said_gone || missed => None,
        item => item,
    };
    if answer == Some(&Answer::Error) {
        return Ok(item);
    }
    match (act, item) {
        (Act::Get { .. } | Act::GetAndTouch(_), None) => match answer {
            Some(Answer::Miss) | None => Ok(None),
            _ => Err("there is no such item"),
        },
        (Act::Get { .. } | Act::GetAndTouch(_), Some(item)) => {
            let Some(Answer::Value { value, cas }) = answer else {
                return if answer.is_none() { Ok(Some(item)) } else { Err("there is an item") };
            };
            let (known, expires) = match item {
                Item::Unknown => (None, true),
                Item::Known { value, cas, expires } => (Some((value, cas)), expires),
            };
            if let Some((known, known_cas)) = known {
                let is_cas = cas.is_none() || known_cas.is_none() || *cas == known_cas;
                if known != *value || !is_cas {
                    return Err("its value or its cas unique is another");
                }
            }
            let expires = expires && matches!(act, Act::Get { .. });
            Ok(Some(Item::Known { value: value.clone(), cas: *cas, expires }))
        }
        (Act::Store(verb, value, expires), item) => store(item, *verb, value, *expires, answer),
        (Act::Delete, None) => {
            if matches!(answer, Some(Answer::Done)) {
                Err("nothing to delete")
            } else {
                Ok(None)
            }
        }
        (Act::Delete, Some(_)) => {
            if said_gone {
                Err("there is an item")
            } else {
                Ok(None)
            }
        }
        (Act::Touch(_), None) => {
            if matches!(answer, Some(Answer::Done)) {
                Err("nothing to touch")
            } else {
                Ok(None)
            }
        }
        (Act::Touch(_), Some(_)) if said_gone => Err("there is an item"),
        (Act::Touch(_), Some(item)) => Ok(Some(item)),
        (Act::Incr(_) | Act::Decr(_), None) => {
            if matches!(answer, Some(Answer::Number(_))) {
                Err("no counter")
            } else {
                Ok(None)
            }
        }
        (Act::Incr(delta) | Act::Decr(delta), Some(item)) => {
            count(&item, matches!(act, Act::Incr(_)), *delta, answer)
        }
    }
}

fn store(
    item: Option<Item>,
    verb: Verb,
    value: &[u8],
    expires: bool,
    answer: Option<&Answer>,
) -> Result<Option<Item>, &'static str> {
    let new = Some(Item::Known { value: value.to_vec(), cas: None, expires });
    let Some(answer) = answer else {
        // Nobody said whether it was done.
        return Ok(match verb {
            Verb::Set => new,
            _ => Some(Item::Unknown),
        });
    };
    let stored = *answer == Answer::Stored;
    match (verb, item) {
        (Verb::Set, _) => {
            if stored {
                Ok(new)
            } else {
                Err("a set stores")
            }
        }
        (Verb::Add, None) => {
            if stored {
                Ok(new)
            } else {
                Err("there was nothing")
            }
        }
        (Verb::Add, Some(_)) if stored => Err("there was an item"),
        (_, None) => {
            if stored {
                Err("there was no item")
            } else {
                Ok(None)
            }
        }
        (Verb::Cas(asked), Some(Item::Known { cas: Some(cas), .. })) if stored && asked != cas => {
            Err("its cas unique is another")
        }
        (_, Some(item)) if !stored => match verb {
            Verb::Replace | Verb::Append | Verb::Prepend => Err("there was an item"),
            _ => Ok(Some(item)),
        },
        (Verb::Append | Verb::Prepend, Some(Item::Known { value: old, expires, .. })) => {
            let value = match verb {
                Verb::Append => [&old[..], value].concat(),
                _ => [value, &old[..]].concat(),
            };
            Ok(Some(Item::Known { value, cas: None, expires }))
        }
        (Verb::Append | Verb::Prepend, Some(Item::Unknown)) => Ok(Some(Item::Unknown)),
        (_, Some(_)) => Ok(new),
    }
}

fn count(
    item: &Item,
    up: bool,
    delta: u64,
    answer: Option<&Answer>,
) -> Result<Option<Item>, &'static str> {
    let (Item::Known { value, expires, .. }, Some(answer)) = (item, answer) else {
        return Ok(Some(Item::Unknown));
    };
    // What stands behind a space does not count, and nothing at all is 0.
    let text = value.split(|&byte| byte == b' ').next().unwrap_or_default();
    let text = if text.is_empty() { b"0" } else { text };
    let old = core::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    let new = old.map(|old| if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) });
    match (new, answer) {
        (Some(new), Answer::Number(told)) if new == *told => {
            // A shorter number is written over the old one.
            let mut digits = new.to_string().into_bytes();
            let len = digits.len().max(value.len());
            digits.resize(len, b' ');
            Ok(Some(Item::Known { value: digits, cas: None, expires: *expires }))
        }
        _ => Err("the counter has another value"),
    }
}
