use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::calls::{Answer, Call, CallKey, CallName, Calls, Error, KeyRules, Source};
use crate::client::{Failure, Items, Many, Operation, OperationId, Outcome};
use crate::routing::ServerIndex;

/// A call on items of a [`Region`](super::Region), made by [`Region::call`](super::Region::call).
pub struct InRegion<C> {
    call: C,
    keys: Keys,
}

/// How the keys of the call become keys that can be sent.
enum Keys {
    /// As all keys of the client, behind this.
    Behind(Arc<[u8]>),
    /// By rules of their own.
    Own(KeyRules),
}

/// The answer to a call on items of a region.
pub struct AnswerInRegion<A> {
    answer: A,
    calls: Calls,
}

impl<C: Call> InRegion<C> {
    pub(super) fn new(call: C, prefix: Arc<[u8]>) -> Self {
        InRegion { call, keys: Keys::Behind(prefix) }
    }

    /// A call whose keys go by these rules and not by the client's.
    pub(super) fn of_rules(call: C, keys: KeyRules) -> Self {
        InRegion { call, keys: Keys::Own(keys) }
    }

    /// What the call returns if none of its keys can be asked for, because of this failure.
    pub(super) fn fail(
        self,
        calls: &Calls,
        failure: &Failure,
        source: Option<Source>,
    ) -> Result<C::Output, Error> {
        let mut outcome = None;
        let (_, answer) = self.submit(calls, |operation| {
            outcome = failed(&operation, failure);
            match outcome {
                Some(_) => Ok(OperationId::NONE),
                None => Err(calls.error(failure.clone(), |_| source.clone())),
            }
        })?;
        let outcome = outcome.unwrap_or_else(|| Outcome::One(Err(failure.clone())));
        answer.finish(outcome, calls, |_| source.clone())
    }
}

impl<C> InRegion<C> {
    fn calls(&self, calls: &Calls) -> Calls {
        let keys = match &self.keys {
            Keys::Behind(prefix) => calls.keys.clone().in_region(prefix.clone()),
            Keys::Own(keys) => keys.clone(),
        };
        Calls { keys, ..calls.clone() }
    }
}

/// The outcome of an operation that has failed on each of its keys; `None` if it has no keys.
fn failed(operation: &Operation<'_>, failure: &Failure) -> Option<Outcome> {
    let (operation, rest) = match *operation {
        Operation::Part(part) => (*part, Some(Box::new(failure.clone()))),
        whole => (whole, None),
    };
    let keys = match operation {
        Operation::GetMany { keys, .. }
        | Operation::GatMany { keys, .. }
        | Operation::DeleteMany { keys, .. }
        | Operation::TouchMany { keys, .. } => keys.len(),
        Operation::StoreMany { items, .. } => items.len(),
        Operation::MetaMany { requests } => requests.len(),
        Operation::FlushAll { .. } | Operation::Version | Operation::Stats(_) => return None,
        _ => return Some(Outcome::One(Err(failure.clone()))),
    };
    let failed = (0..keys).map(|number| (number, failure.clone())).collect();
    Some(Outcome::Many(Many { failed, rest, ..Many::default() }))
}

impl<C: Call> Call for InRegion<C> {
    type Output = C::Output;
    type Answer = AnswerInRegion<C::Answer>;

    fn name(&self) -> CallName {
        self.call.name()
    }

    fn key(&self, calls: &Calls) -> Option<CallKey<'_>> {
        self.call.key(&self.calls(calls))
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        let calls = self.calls(calls);
        let (id, answer) = self.call.submit(&calls, submit)?;
        Ok((id, AnswerInRegion { answer, calls }))
    }
}

impl<A: Answer> Answer for AnswerInRegion<A> {
    type Output = A::Output;

    const IN_PARTS: bool = A::IN_PARTS;

    fn take(&mut self, items: Items, _: &Calls) {
        self.answer.take(items, &self.calls);
    }

    fn feed(&mut self, _: &Calls, feed: impl FnOnce(Operation<'_>)) {
        self.answer.feed(&self.calls, feed);
    }

    fn finish(
        self,
        outcome: Outcome,
        _: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        self.answer.finish(outcome, &self.calls, source)
    }
}
