//! Calls on many keys.

mod counted;
mod found;

use alloc::vec::Vec;

use super::{CallKey, Error};
use crate::client::RoutedKey;

pub use counted::{
    ChangeMany, Counted, SetMany, add_many, delete_many, replace_many, set_many, touch_many,
};
pub use found::{Found, GetMany, Plain, WithCas, gat_many, get_many, gets_many};

/// What can be sent, and by its number what cannot.
fn separated<T>(checked: impl Iterator<Item = Result<T, Error>>) -> (Vec<T>, Vec<(usize, Error)>) {
    let (mut good, mut refused) = (Vec::with_capacity(checked.size_hint().0), Vec::new());
    for (number, checked) in checked.enumerate() {
        match checked {
            Ok(checked) => good.push(checked),
            Err(error) => refused.push((number, error)),
        }
    }
    (good, refused)
}

/// Which of a call's keys were sent: an operation counts these alone.
struct Sent {
    /// Of each key that was not, how many were before it.
    gaps: Vec<usize>,
}

impl Sent {
    /// All but those that were refused, which are in order.
    fn without(refused: &[(usize, Error)]) -> Self {
        let gaps = refused.iter().zip(0..).map(|(&(number, _), before)| number - before);
        Sent { gaps: gaps.collect() }
    }

    /// The number in the call of the key with this number in the operation.
    fn number(&self, sent: usize) -> usize {
        sent + self.gaps.partition_point(|&gap| gap <= sent)
    }
}

fn routed<'a>(keys: &'a [CallKey<'_>]) -> Vec<RoutedKey<'a>> {
    keys.iter().map(CallKey::as_routed).collect()
}
