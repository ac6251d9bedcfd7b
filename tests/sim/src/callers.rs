//! What callers ask for: drawn.

use std::time::Duration;

use memcache_proto::codec::StoreVerb;
use memcache_proto::{Expiry, Exptime};

use crate::computing::{Manner, Work};
use crate::requests::{Draft, Shape, What};
use crate::settings::{AskKind, Plan};
use crate::source::{Choose, Source};

/// The key of this number.
pub(crate) fn key(plan: &Plan, number: usize) -> Vec<u8> {
    let mut key = format!("k{number}").into_bytes();
    if plan.long_keys && number % 2 == 1 {
        key.resize(60 * (1 + number % 4), b'x');
    }
    key
}

/// The key of an item whose value is a byte or none.
fn tiny(number: usize) -> Vec<u8> {
    format!("e{number}").into_bytes()
}

/// The key of a counter.
pub(crate) fn counter(number: usize) -> Vec<u8> {
    format!("n{number}").into_bytes()
}

/// How many counters there are.
pub(crate) const COUNTERS: usize = 4;

/// What callers know of the items: the cas uniques that they were last told.
pub(crate) type Known = std::collections::BTreeMap<Vec<u8>, u64>;

/// Draws how a caller goes about a call of several steps, which has this number.
pub(crate) fn manner(kind: AskKind, number: u64, source: &mut dyn Source) -> Manner {
    let work = match kind {
        AskKind::Update => Work::Update,
        _ if source.one_in(4) => Work::Add,
        _ => Work::Share,
    };
    let takes = Duration::from_millis(*source.pick(&[0, 5, 200, 2500]));
    let expiry = Duration::from_secs(*source.pick(&[0, 100, 2]));
    let expiry = if expiry.is_zero() { Expiry::Never } else { expiry.into() };
    Manner { work, takes, fails: source.one_in(5), expiry, number }
}

/// Draws what one caller asks for.
pub(crate) fn draw(
    kind: AskKind,
    plan: &Plan,
    known: &Known,
    source: &mut dyn Source,
) -> (Shape, Vec<Draft>) {
    const MOST: [usize; 4] = [4, 20, 60, 300];
    let many = |source: &mut dyn Source| {
        let most = *source.pick(&MOST);
        1 + source.below(most)
    };
    match kind {
        AskKind::Get => one(plan, source, |source| What::Get { cas: source.one_in(3) }),
        AskKind::Gat => one(plan, source, |source| What::Gat { cas: source.one_in(3) }),
        AskKind::Set => one(plan, source, |_| What::Store(StoreVerb::Set)),
        AskKind::Delete => one(plan, source, |_| What::Delete),
        AskKind::Touch => one(plan, source, |_| What::Touch),
        AskKind::MetaDebug => one(plan, source, |_| What::MetaDebug),
        AskKind::Store => {
            let (shape, mut drafts) = one(plan, source, |source| What::Store(verb(source)));
            know(&mut drafts, known);
            (shape, drafts)
        }
        AskKind::Count => one(plan, source, |source| count(source)),
        AskKind::MetaGet | AskKind::MetaSet | AskKind::MetaDelete | AskKind::MetaCount => {
            let (shape, mut drafts) = one(plan, source, |source| meta(kind, source));
            drafts.iter_mut().for_each(|draft| draft.noreply = false);
            know(&mut drafts, known);
            (shape, drafts)
        }
        AskKind::GetMany => {
            let count = many(source);
            let (cas, kind) = source.below_both(3, 3);
            let cas = cas == 2;
            let what = if kind == 2 { What::Gat { cas } } else { What::Get { cas } };
            let drafts = (0..count).map(|_| draft(plan, count, source, what));
            (Shape::Many, drafts.collect())
        }
        AskKind::StoreMany => {
            let verb = *source.pick(&[
                StoreVerb::Set,
                StoreVerb::Set,
                StoreVerb::Add,
                StoreVerb::Replace,
                StoreVerb::Append,
            ]);
            let noreply = plan.noreply && source.one_in(3);
            let count = many(source);
            let drafts = (0..count).map(|_| draft(plan, count, source, What::Store(verb)));
            (Shape::Many, drafts.map(|draft| Draft { noreply, ..draft }).collect())
        }
        AskKind::DeleteMany => {
            let noreply = plan.noreply && source.one_in(3);
            let (most, kind) = source.below_both(MOST.len(), 3);
            let count = 1 + source.below(MOST[most]);
            let what = if kind == 2 { What::Touch } else { What::Delete };
            let drafts = (0..count).map(|_| draft(plan, count, source, what));
            (Shape::Many, drafts.map(|draft| Draft { noreply, ..draft }).collect())
        }
        AskKind::MetaMany | AskKind::QuietRun => {
            let count = many(source);
            let kinds =
                [AskKind::MetaGet, AskKind::MetaSet, AskKind::MetaDelete, AskKind::MetaCount];
            let quiet = kind == AskKind::QuietRun;
            let mut drafts: Vec<_> = (0..count)
                .map(|_| {
                    let what = meta(*source.pick(&kinds), source);
                    let mut draft = draft(plan, count, source, what);
                    draft.noreply = quiet && !source.one_in(4);
                    draft
                })
                .collect();
            know(&mut drafts, known);
            (Shape::Many, drafts)
        }
        AskKind::Share | AskKind::Update => one(plan, source, |_| What::Get { cas: true }),
        AskKind::Version => servers(What::Version),
        AskKind::Stats => servers(What::Stats(source.below(6))),
        AskKind::Flush => servers(if source.one_in(4) { What::Flush } else { What::FlushLater }),
    }
}

fn verb(source: &mut dyn Source) -> StoreVerb {
    *source.pick(&[
        StoreVerb::Set,
        StoreVerb::Add,
        StoreVerb::Replace,
        StoreVerb::Append,
        StoreVerb::Prepend,
        StoreVerb::Cas(0),
        StoreVerb::Cas(0),
    ])
}

fn count(source: &mut dyn Source) -> What {
    if source.one_in(4) { What::Decr } else { What::Incr }
}

fn meta(kind: AskKind, source: &mut dyn Source) -> What {
    match kind {
        AskKind::MetaSet => What::MetaSet(source.below(64), None),
        AskKind::MetaDelete => What::MetaDelete(source.below(8), None),
        AskKind::MetaCount => What::MetaCount(source.below(64)),
        _ => {
            let bits = source.below(512);
            let changes = if source.one_in(3) { source.below(8) << 9 } else { 0 };
            What::MetaGet(bits | changes)
        }
    }
}

/// Gives those who compare a cas unique one that was seen.
fn know(drafts: &mut [Draft], known: &Known) {
    for draft in drafts {
        let seen = known.get(&draft.key).copied().unwrap_or(1_000_000);
        match &mut draft.what {
            What::Store(StoreVerb::Cas(unique)) => *unique = seen,
            What::MetaSet(_, cas) | What::MetaDelete(_, cas) => *cas = Some(seen),
            _ => {}
        }
    }
}

fn servers(what: What) -> (Shape, Vec<Draft>) {
    let (key, value) = (Vec::new(), Vec::new());
    let (noreply, exptime, hash) = (false, Exptime::NEVER, None);
    let draft = Draft {
        key,
        what,
        noreply,
        value,
        exptime,
        hash,
        serial: 0,
        stamp: 0,
        wide: false,
        made: None,
    };
    (Shape::Servers, vec![draft])
}

fn one(
    plan: &Plan,
    source: &mut dyn Source,
    what: impl FnOnce(&mut dyn Source) -> What,
) -> (Shape, Vec<Draft>) {
    let what = what(source);
    (Shape::One, vec![draft(plan, 1, source, what)])
}

/// What the values of one call take at most, about, in bytes.
const MOST_IN_ALL: usize = 64 << 10;

/// One of so many requests of a call.
fn draft(plan: &Plan, count: usize, source: &mut dyn Source, what: What) -> Draft {
    let number = source.below(plan.keys);
    let counts = matches!(what, What::Incr | What::Decr | What::MetaCount(_));
    // Now and then what is no number is counted up, and a number is read.
    let counted = if source.one_in(8) { !counts } else { counts };
    let mut key = match counted {
        true => counter(number % COUNTERS),
        false => key(plan, number),
    };
    let meta = matches!(
        what,
        What::MetaGet(_) | What::MetaSet(..) | What::MetaDelete(..) | What::MetaDebug
    );
    if meta && source.one_in(6) {
        key = format!("b u{number}").into_bytes();
    }
    if plan.tiny_values && !counts && !counted && source.one_in(4) {
        key = tiny(number);
    }
    // Only what is a counter by its name is made by counting.
    let what = match what {
        What::MetaCount(bits) if !key.starts_with(b"n") => What::MetaCount(bits & !32),
        what => what,
    };
    let stores = matches!(what, What::Store(_) | What::MetaSet(..));
    let value = if stores { vec![b'.'; value_len(plan, count, source)] } else { Vec::new() };
    let exptime = *source.pick(&[0, 0, 0, 2, 100, -1]);
    let exptime = Exptime::from_wire(if stores { exptime } else { 0 });
    let can_be_silent =
        matches!(what, What::Store(_) | What::Delete | What::Touch | What::Incr | What::Decr);
    let noreply = plan.noreply && can_be_silent && source.one_in(4);
    let hash = source.one_in(12).then(|| i64::try_from(number % 5).unwrap_or(0) - 2);
    let wide = stores && plan.wide_flags && source.one_in(16);
    Draft { key, what, noreply, value, exptime, hash, serial: 0, stamp: 0, wide, made: None }
}

/// How long a value is. Of many most are short, and a few are among them that are not.
fn value_len(plan: &Plan, count: usize, source: &mut dyn Source) -> usize {
    let short = plan.value_len.min(MOST_IN_ALL / count);
    let most = if short < plan.value_len && source.one_in(32) { plan.value_len } else { short };
    source.below(most)
}
