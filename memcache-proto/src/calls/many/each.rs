use super::found::{Found, GetMany, Plain, Reading};
use crate::ToKey;
use crate::calls::names::CallName;
use crate::calls::{Answer, Call, Calls, Error, Many, Source};
use crate::client::{Items, Operation, OperationId, Outcome};
use crate::routing::ServerIndex;
use crate::value::FromValue;

/// Calls `each` with the key and the value of each item that is there, when it has come. The result is how many
/// there were. For answers that are larger than you want to keep.
///
/// Values come in the order in which they arrive: those of one server in the order of their keys, those of
/// different servers as it happens. [`Many::missing`] and [`Many::failed`] are as of
/// [`get_many`](super::get_many).
pub fn get_each<V: FromValue, K: ToKey, F: FnMut(K, V)>(
    keys: impl IntoIterator<Item = K>,
    each: F,
) -> GetEach<K, Plain<V>, F> {
    let into = Each { each, count: 0 };
    GetEach(GetMany::new(CallName::GetEach, keys, None, into))
}

/// A call made by [`get_each`].
pub struct GetEach<K, R, F>(GetMany<K, R, Each<F>>);

/// The answer to [`get_each`].
pub struct EachFound<K, R, F>(Found<K, R, Each<F>>);

/// What takes what is found.
pub(super) struct Each<F> {
    each: F,
    count: usize,
}

impl<K, V, F: FnMut(K, V)> Extend<(K, V)> for Each<F> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, found: I) {
        for (key, value) in found {
            self.count += 1;
            (self.each)(key, value);
        }
    }
}

impl<K, R, F> GetEach<K, R, F> {
    /// Puts `prefix` before every key of this call, as [`GetMany::key_prefix`] does.
    #[must_use]
    pub fn key_prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        GetEach(self.0.key_prefix(prefix))
    }
}

impl<K: ToKey, R: Reading, F: FnMut(K, R::Read)> Call for GetEach<K, R, F> {
    type Output = Many<usize, K>;
    type Answer = EachFound<K, R, F>;

    fn name(&self) -> CallName {
        self.0.name()
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        let (id, found) = self.0.submit(calls, submit)?;
        Ok((id, EachFound(found)))
    }
}

impl<K: ToKey, R: Reading, F: FnMut(K, R::Read)> Answer for EachFound<K, R, F> {
    type Output = Many<usize, K>;

    const IN_PARTS: bool = true;

    fn take(&mut self, items: Items, calls: &Calls) {
        self.0.take(items, calls);
    }

    fn feed(&mut self, calls: &Calls, feed: impl FnOnce(Operation<'_>)) {
        self.0.feed(calls, feed);
    }

    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let Many { result, missing, failed } = self.0.finish(outcome, calls, source)?;
        Ok(Many { result: result.count, missing, failed })
    }
}
