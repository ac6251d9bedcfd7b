use alloc::string::String;
use core::time::Duration;

use super::keys::KeyFault;
use super::lookup::no_answer;
use super::meta_results::{Changed, ItemInfo, MetaItem};
use super::names::CallName;
use super::{Call, CallKey, Calls, Error, One, Trouble};
use crate::client::{MetaReply, MetaStatus, Operation, OperationId, Outcome, RoutedMeta, Stored};
use crate::codec::{MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest};
use crate::value::FromValue;
use crate::{Expiry, MAX_KEY_LEN, ToKey};

/// A meta call on one key that stores no value: made by [`meta_get`], [`item_info`], [`meta_delete`],
/// [`invalidate`], [`meta_incr`], [`meta_decr`] and [`meta_debug`]. It returns a `T`.
pub struct MetaCall<K, A, T> {
    key: K,
    name: CallName,
    ask: A,
    request: Request<A>,
    answer: One<T>,
}

/// How what is asked becomes a request.
type Request<A> = for<'k> fn(&A, MetaKey<'k>, &Calls) -> Result<MetaRequest<'k>, Error>;

impl<K, A, T> MetaCall<K, A, T> {
    fn new(key: K, name: CallName, ask: A, request: Request<A>, answer: One<T>) -> Self {
        MetaCall { key, name, ask, request, answer }
    }
}

/// What [`meta_get`] asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskItem {
    touch: Option<Expiry>,
    vivify: Option<Expiry>,
    recache: Option<Duration>,
    unaccessed: bool,
}

/// The value of a key of any bytes, with what the server knows of it; `None` where there is none.
pub fn meta_get<V: FromValue, K: ToKey>(key: K) -> MetaCall<K, AskItem, Option<MetaItem<V>>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        let Some(reply) = calls.meta_item(outcome)? else { return Ok(None) };
        let read = |server, flags, value| calls.read(server, flags, value);
        Ok(Some(MetaItem::of(reply, read)?))
    });
    MetaCall::new(key, CallName::MetaGet, AskItem::default(), AskItem::request, answer)
}

/// As [`meta_get`], where a value that cannot be read is no error of the call.
pub(super) fn meta_try_get<V: FromValue, K: ToKey>(
    key: K,
) -> MetaCall<K, AskItem, Option<MetaItem<Result<V, Error>>>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        let Some(reply) = calls.meta_item(outcome)? else { return Ok(None) };
        let read = |server, flags, value| Ok(calls.read(server, flags, value));
        Ok(Some(MetaItem::of(reply, read)?))
    });
    MetaCall::new(key, CallName::MetaGet, AskItem::default(), AskItem::request, answer)
}

impl<K, T> MetaCall<K, AskItem, T> {
    /// Gives the item a new expiry.
    #[must_use]
    pub fn touch(mut self, expiry: impl Into<Expiry>) -> Self {
        self.ask.touch = Some(expiry.into());
        self
    }

    /// Where the key is not there: makes an empty item that expires so, and has this call win. The
    /// winner is to store a value; for others it is [won by another](MetaItem::won_by_another). To
    /// classic calls it is an item as any.
    #[must_use]
    pub fn vivify(mut self, expiry: impl Into<Expiry>) -> Self {
        self.ask.vivify = Some(expiry.into());
        self
    }

    /// Where the item expires in less than this: has one call win, which is to store a new value.
    #[must_use]
    pub fn recache(mut self, before: Duration) -> Self {
        self.ask.recache = Some(before);
        self
    }

    /// Does not count as an access: neither the time of the last one nor the order of eviction changes.
    #[must_use]
    pub fn unaccessed(mut self) -> Self {
        self.ask.unaccessed = true;
        self
    }
}

impl AskItem {
    fn request<'k>(&self, key: MetaKey<'k>, calls: &Calls) -> Result<MetaRequest<'k>, Error> {
        let mut get = MetaGet::new(key).value().client_flags().cas().ttl();
        if let Some(expiry) = self.touch {
            get = get.touch(calls.exptime(expiry)?);
        }
        if let Some(expiry) = self.vivify {
            get = get.vivify(calls.exptime(expiry)?);
        }
        if let Some(before) = self.recache {
            get = get.recache(u32::try_from(before.as_secs()).unwrap_or(u32::MAX));
        }
        if self.unaccessed {
            get = get.unaccessed();
        }
        Ok(MetaRequest::Get(get))
    }
}

/// What [`item_info`] asks.
#[derive(Clone, Copy, Debug)]
pub struct AskInfo;

/// What the server knows of an item, without its value and without counting as an access; `None` where
/// there is none. The first to ask for a stale one [wins](ItemInfo::won), as by any `mg`.
pub fn item_info<K: ToKey>(key: K) -> MetaCall<K, AskInfo, Option<ItemInfo>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        Ok(calls.meta_item(outcome)?.map(|reply| ItemInfo::of(&reply)))
    });
    MetaCall::new(key, CallName::ItemInfo, AskInfo, AskInfo::request, answer)
}

impl AskInfo {
    fn request<'k>(&self, key: MetaKey<'k>, _: &Calls) -> Result<MetaRequest<'k>, Error> {
        let get = MetaGet::new(key).client_flags().cas().size().ttl().hit().last_access();
        Ok(MetaRequest::Get(get.unaccessed()))
    }
}

/// What [`meta_delete`] and [`invalidate`] ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskDelete {
    /// Whether it is to be stale, and until when.
    invalidate: Option<Option<Expiry>>,
    compare_cas: Option<u64>,
    remove_value: bool,
}

/// Deletes a key of any bytes.
pub fn meta_delete<K: ToKey>(key: K) -> MetaCall<K, AskDelete, Changed> {
    let ask = AskDelete::default();
    MetaCall::new(key, CallName::MetaDelete, ask, AskDelete::request, One(changed))
}

/// Marks an item as stale in place of deleting it: those who look it up get the stale value, and the
/// first of them wins and is to store a new one. With an expiry it is gone then, if nobody has.
pub fn invalidate<K: ToKey>(key: K, expiry: Option<Expiry>) -> MetaCall<K, AskDelete, Changed> {
    let ask = AskDelete { invalidate: Some(expiry), ..AskDelete::default() };
    MetaCall::new(key, CallName::Invalidate, ask, AskDelete::request, One(changed))
}

impl<K, T> MetaCall<K, AskDelete, T> {
    /// Only if the item has not changed since it had this cas unique.
    #[must_use]
    pub fn compare_cas(mut self, unique: u64) -> Self {
        self.ask.compare_cas = Some(unique);
        self
    }

    /// The item stays, without its value. Servers that do not know how, memcached 1.6.18 for instance,
    /// answer an error.
    #[must_use]
    pub fn remove_value(mut self) -> Self {
        self.ask.remove_value = true;
        self
    }
}

impl AskDelete {
    fn request<'k>(&self, key: MetaKey<'k>, calls: &Calls) -> Result<MetaRequest<'k>, Error> {
        let mut delete = match self.invalidate {
            None => MetaDelete::new(key),
            Some(expiry) => {
                let exptime = expiry.map(|expiry| calls.exptime(expiry)).transpose()?;
                MetaDelete::invalidate(key, exptime)
            }
        };
        if let Some(unique) = self.compare_cas {
            delete = delete.compare_cas(unique);
        }
        if self.remove_value {
            delete = delete.remove_value();
        }
        Ok(MetaRequest::Delete(delete))
    }
}

/// What [`meta_incr`] and [`meta_decr`] ask.
#[derive(Clone, Copy, Debug)]
pub struct AskCount {
    delta: u64,
    decrement: bool,
    create: Option<(u64, Expiry)>,
    touch: Option<Expiry>,
}

/// Adds to a counter and returns its new value; `None` where there is no counter and none is to be
/// made. It wraps at 2^64.
pub fn meta_incr<K: ToKey>(key: K, delta: u64) -> MetaCall<K, AskCount, Option<u64>> {
    let ask = AskCount { delta, decrement: false, create: None, touch: None };
    MetaCall::new(key, CallName::MetaIncr, ask, AskCount::request, One(counted))
}

/// Takes away from a counter and returns its new value; `None` where there is no counter and none is to
/// be made. It stops at 0.
pub fn meta_decr<K: ToKey>(key: K, delta: u64) -> MetaCall<K, AskCount, Option<u64>> {
    let ask = AskCount { delta, decrement: true, create: None, touch: None };
    MetaCall::new(key, CallName::MetaDecr, ask, AskCount::request, One(counted))
}

impl<K, T> MetaCall<K, AskCount, T> {
    /// Where there is no counter, makes one of this value, which expires so. The delta is not applied to
    /// it.
    #[must_use]
    pub fn create(mut self, initial: u64, expiry: impl Into<Expiry>) -> Self {
        self.ask.create = Some((initial, expiry.into()));
        self
    }

    /// Gives the counter a new expiry.
    #[must_use]
    pub fn touch(mut self, expiry: impl Into<Expiry>) -> Self {
        self.ask.touch = Some(expiry.into());
        self
    }
}

impl AskCount {
    fn request<'k>(&self, key: MetaKey<'k>, calls: &Calls) -> Result<MetaRequest<'k>, Error> {
        let mut count = match self.decrement {
            false => MetaArithmetic::incr(key, self.delta),
            true => MetaArithmetic::decr(key, self.delta),
        };
        if let Some((initial, expiry)) = self.create {
            count = count.create(initial, calls.exptime(expiry)?);
        }
        if let Some(expiry) = self.touch {
            count = count.touch(calls.exptime(expiry)?);
        }
        Ok(MetaRequest::Arithmetic(count.value()))
    }
}

/// What [`meta_debug`] asks.
#[derive(Clone, Copy, Debug)]
pub struct AskDebug;

/// What the server knows of an item, in its own words; `None` where there is none. For people:
/// [`item_info`] is for programs.
pub fn meta_debug<K: ToKey>(key: K) -> MetaCall<K, AskDebug, Option<String>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        Ok(calls.meta_item(outcome)?.and_then(|reply| reply.debug))
    });
    MetaCall::new(key, CallName::MetaDebug, AskDebug, AskDebug::request, answer)
}

impl AskDebug {
    fn request<'k>(&self, key: MetaKey<'k>, _: &Calls) -> Result<MetaRequest<'k>, Error> {
        Ok(MetaRequest::Debug(key))
    }
}

impl<K: ToKey, A, T> Call for MetaCall<K, A, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        self.name
    }

    fn key(&self, calls: &Calls) -> Option<CallKey<'_>> {
        calls.key(&self.key).ok()
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, One<T>), Error> {
        calls.count(self.name);
        let MetaCall { key, ask, request, answer, .. } = self;
        let mut space = [0; MAX_KEY_LEN];
        let request = request(&ask, calls.meta_key(&key, &mut space)?, calls)?;
        let meta = RoutedMeta { request, hash: key.route() };
        Ok((submit(Operation::Meta(&meta))?, answer))
    }
}

impl Calls {
    /// The key of a meta call, which may be of any bytes.
    pub(super) fn meta_key<'a, K: ToKey + ?Sized>(
        &self,
        key: &K,
        space: &'a mut [u8; MAX_KEY_LEN],
    ) -> Result<MetaKey<'a>, KeyFault> {
        Ok(MetaKey::new(self.keys.copy(key, space)?)?)
    }

    /// What a lookup found.
    fn meta_item(&self, outcome: Outcome) -> Result<Option<MetaReply>, Trouble> {
        match outcome.meta() {
            Ok(MetaReply { status: MetaStatus::Miss | MetaStatus::NotFound, .. }) => Ok(None),
            Ok(reply) => Ok(Some(reply)),
            Err(failure) if self.is_miss(&failure) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn changed(outcome: Outcome, _: &Calls) -> Result<Changed, Trouble> {
    Ok(match outcome.meta()?.status {
        MetaStatus::Done | MetaStatus::Unchanged => Changed::Done,
        MetaStatus::Exists => Changed::Exists,
        MetaStatus::Miss | MetaStatus::NotFound | MetaStatus::NotStored => Changed::NotFound,
    })
}

fn counted(outcome: Outcome, _: &Calls) -> Result<Option<u64>, Trouble> {
    let reply = outcome.meta()?;
    match (reply.status, reply.value) {
        (MetaStatus::Done | MetaStatus::Unchanged, Some(value)) => {
            let digits = value.trim_ascii_end();
            let number = core::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            number.map(Some).ok_or_else(|| no_answer(reply.server).into())
        }
        (MetaStatus::Miss | MetaStatus::NotFound, _) => Ok(None),
        (MetaStatus::NotStored, _) => Err(Error::NotStored(Stored::NotStored).into()),
        (MetaStatus::Exists, _) => Err(Error::NotStored(Stored::Exists).into()),
        (MetaStatus::Done | MetaStatus::Unchanged, None) => Err(no_answer(reply.server).into()),
    }
}
