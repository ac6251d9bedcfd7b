use alloc::vec::Vec;

use super::given::Given;
use crate::calls::sealed::Sealed;
use crate::calls::{Answer, Calls, Error, FailedKey, Many, Source};
use crate::client::{Operation, OperationId, Outcome, Reply};
use crate::routing::ServerIndex;

/// The answer to the calls on many keys that find nothing: those that store, delete and touch.
pub struct Counted<B: Batch> {
    batch: B,
    exptime: B::Exptime,
    given: Given,
    /// Those that could not be sent.
    refused: Vec<(usize, Error)>,
}

/// The keys of a call, and what is to be done with them.
pub trait Batch: Sealed {
    /// A key.
    type Key;
    /// The exptime of the items, if the call has one.
    type Exptime: Copy;

    /// Gives the next of the keys.
    fn give<R>(
        &self,
        calls: &Calls,
        exptime: Self::Exptime,
        given: &mut Given,
        refuse: impl FnMut(usize, Error),
        give: impl FnOnce(Operation<'_>) -> R,
    ) -> R;

    /// What a reply says that is no failure and yet not what was asked for; `None` if it says that the key was
    /// not there.
    fn declined(reply: &Reply) -> Option<Error>;

    /// The keys.
    fn into_keys(self) -> impl ExactSizeIterator<Item = Self::Key>;
}

impl<B: Batch> Counted<B> {
    /// Gives the first of the keys.
    pub(super) fn begin(
        batch: B,
        exptime: B::Exptime,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self), Error> {
        let mut counted = Counted { batch, exptime, given: Given::default(), refused: Vec::new() };
        Ok((counted.give(calls, submit)?, counted))
    }

    /// Gives the next keys.
    fn give<R>(&mut self, calls: &Calls, give: impl FnOnce(Operation<'_>) -> R) -> R {
        let Counted { batch, exptime, given, refused } = self;
        batch.give(calls, *exptime, given, |number, error| refused.push((number, error)), give)
    }
}

impl<B: Batch> Answer for Counted<B> {
    type Output = Many<usize, B::Key>;

    fn feed(&mut self, calls: &Calls, feed: impl FnOnce(Operation<'_>)) {
        self.give(calls, feed);
    }

    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let Counted { batch, given, refused, .. } = self;
        let outcome = outcome.many().map_err(|failure| calls.error(failure, &source))?;
        let result = given.sent() - outcome.replies.len() - outcome.failed.len();
        let of_call = |(number, failure)| (given.number(number), calls.error(failure, &source));
        let mut failed = refused;
        failed.extend(outcome.failed.into_iter().map(of_call));
        let mut missing = Vec::new();
        for (number, reply) in outcome.replies {
            match B::declined(&reply) {
                Some(error) => failed.push((given.number(number), error)),
                None => missing.push(given.number(number)),
            }
        }
        let keys = batch.into_keys();
        if let Some(rest) = outcome.rest {
            let error = calls.error(*rest, &source);
            failed.extend((given.next()..keys.len()).map(|number| (number, error.clone())));
        }
        let mut many = Many { result, missing: Vec::new(), failed: Vec::new() };
        if failed.is_empty() && missing.is_empty() {
            return Ok(many);
        }
        failed.sort_by_key(|&(number, _)| number);
        missing.sort_unstable();
        let (mut failed, mut missing) = (failed.into_iter().peekable(), missing.iter().peekable());
        for (number, key) in keys.enumerate() {
            if missing.next_if_eq(&&number).is_some() {
                many.missing.push(key);
            } else if let Some((_, error)) = failed.next_if(|&(failed, _)| failed == number) {
                many.failed.push(FailedKey { number, key, error });
            }
        }
        Ok(many)
    }
}
