use std::hash::Hash;
use std::ops::Deref;

use super::*;

/// The calls of [`memcache_sync::Client`], of any client. Asynchronous ones block until they have the
/// answer.
///
/// What is generic ends here: a client's own code is compiled once, and not for each test that makes
/// calls with it.
#[derive(Debug)]
pub struct Client(Box<dyn Face>);

/// What is not generic.
impl Deref for Client {
    type Target = dyn Face;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

#[expect(missing_docs, reason = "the client's own documentation says what its calls do")]
#[expect(clippy::missing_errors_doc, reason = "so it does with their errors")]
impl Client {
    pub(super) fn new(face: impl Face + 'static) -> Self {
        Client(Box::new(face))
    }

    pub fn get<V: FromValue + 'static>(&self, key: impl ToKey) -> Result<Option<V>, Error> {
        let found = reading::<V, _>(|| self.0.get(&key))?;
        Ok(found.map(Erased::into))
    }

    pub fn gets<V: FromValue + 'static>(&self, key: impl ToKey) -> Result<Option<(V, u64)>, Error> {
        let found = reading::<V, _>(|| self.0.gets(&key))?;
        Ok(found.map(|(value, unique)| (value.into(), unique)))
    }

    pub fn gat<V: FromValue + 'static>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
    ) -> Result<Option<V>, Error> {
        let found = reading::<V, _>(|| self.0.gat(&key, expiry.into()))?;
        Ok(found.map(Erased::into))
    }

    pub fn get_many<V: FromValue + 'static, K: ToKey + Eq + Hash>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Found<K, V>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let many = reading::<V, _>(|| self.0.get_many(Numbered::all(&keys)))?;
        let many = by_number(numbers(many));
        Ok(found(many, keys, Erased::into))
    }

    /// The keys are told by their numbers.
    pub fn get_each<V: FromValue + 'static, K: ToKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
        mut each: impl FnMut(usize, V),
    ) -> Result<Many<usize, usize>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let each = &mut |key: Numbered<'_>, value: Erased| each(key.number(), value.into());
        Ok(numbers(reading::<V, _>(|| self.0.get_each(Numbered::all(&keys), each))?))
    }

    pub fn gets_many<V: FromValue + 'static, K: ToKey + Eq + Hash>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Found<K, (V, u64)>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let many = reading::<V, _>(|| self.0.gets_many(Numbered::all(&keys)))?;
        let many = by_number(numbers(many));
        Ok(found(many, keys, |(value, unique)| (value.into(), unique)))
    }

    pub fn gat_many<V: FromValue + 'static, K: ToKey + Eq + Hash>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: impl Into<Expiry>,
    ) -> Result<Found<K, V>, Error> {
        let (keys, expiry): (Vec<K>, _) = (keys.into_iter().collect(), expiry.into());
        let many = reading::<V, _>(|| self.0.gat_many(Numbered::all(&keys), expiry))?;
        let many = by_number(numbers(many));
        Ok(found(many, keys, Erased::into))
    }

    pub fn set(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        self.0.set(&key, &value, expiry.into())
    }

    pub fn add(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        self.0.add(&key, &value, expiry.into())
    }

    pub fn replace(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        self.0.replace(&key, &value, expiry.into())
    }

    pub fn append(&self, key: impl ToKey, value: impl ToValue) -> Result<bool, Error> {
        self.0.append(&key, &value)
    }

    pub fn prepend(&self, key: impl ToKey, value: impl ToValue) -> Result<bool, Error> {
        self.0.prepend(&key, &value)
    }

    pub fn cas(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
        unique: u64,
    ) -> Result<Stored, Error> {
        self.0.cas(&key, &value, expiry.into(), unique)
    }

    pub fn set_many<K: ToKey, V: ToValue>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
        expiry: impl Into<Expiry>,
    ) -> Result<Many<usize, K>, Error> {
        let expiry = expiry.into();
        storing(items, |items| self.0.set_many(items, expiry))
    }

    pub fn add_many<K: ToKey, V: ToValue>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
        expiry: impl Into<Expiry>,
    ) -> Result<Many<usize, K>, Error> {
        let expiry = expiry.into();
        storing(items, |items| self.0.add_many(items, expiry))
    }

    pub fn replace_many<K: ToKey, V: ToValue>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
        expiry: impl Into<Expiry>,
    ) -> Result<Many<usize, K>, Error> {
        let expiry = expiry.into();
        storing(items, |items| self.0.replace_many(items, expiry))
    }

    pub fn delete(&self, key: impl ToKey) -> Result<bool, Error> {
        self.0.delete(&key)
    }

    pub fn delete_many<K: ToKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Many<usize, K>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let many = numbers(self.0.delete_many(Numbered::all(&keys))?);
        Ok(named(many, taken(keys)))
    }

    pub fn touch_many<K: ToKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: impl Into<Expiry>,
    ) -> Result<Many<usize, K>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let many = numbers(self.0.touch_many(Numbered::all(&keys), expiry.into())?);
        Ok(named(many, taken(keys)))
    }

    pub fn touch(&self, key: impl ToKey, expiry: impl Into<Expiry>) -> Result<bool, Error> {
        self.0.touch(&key, expiry.into())
    }

    pub fn incr(&self, key: impl ToKey, delta: u64) -> Result<Option<u64>, Error> {
        self.0.incr(&key, delta)
    }

    pub fn decr(&self, key: impl ToKey, delta: u64) -> Result<Option<u64>, Error> {
        self.0.decr(&key, delta)
    }

    pub fn get_or_set<V: FromValue + ToValue + 'static>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        computing(compute, |compute| self.0.get_or_set(&key, expiry.into(), compute))
    }

    pub fn get_or_set_with<V: FromValue + ToValue + 'static>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        computing(compute, |compute| self.0.get_or_set_with(&key, expiry.into(), compute))
    }

    pub fn get_or_add<V: FromValue + ToValue + 'static>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        computing(compute, |compute| self.0.get_or_add(&key, expiry.into(), compute))
    }

    pub fn update<V: FromValue + 'static, W: ToValue + 'static>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        mut change: impl FnMut(Option<V>) -> Option<W>,
    ) -> Result<Option<W>, Error> {
        let mut change = |found: Option<Erased>| change(found.map(Erased::into)).map(Erased::new);
        let stored = reading::<V, _>(|| self.0.update(&key, expiry.into(), &mut change))?;
        Ok(stored.map(Erased::into))
    }

    pub fn gets_into<V: FromValue + 'static>(
        &self,
        ids: &mut CasIds,
        key: impl ToKey,
    ) -> Result<Option<V>, Error> {
        let found = reading::<V, _>(|| self.0.gets_into(ids, &key))?;
        Ok(found.map(Erased::into))
    }

    pub fn cas_from(
        &self,
        ids: &CasIds,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<Stored, Error> {
        self.0.cas_from(ids, &key, &value, expiry.into())
    }

    /// Makes a call of a type that is listed at `RunAll`.
    pub fn run<C: Call>(&self, call: C) -> Result<C::Output, Error>
    where
        dyn Face: Run<C>,
    {
        Run::run(&*self.0, call)
    }

    pub fn meta_get<V: FromValue + 'static>(
        &self,
        key: impl ToKey,
    ) -> Result<Option<MetaItem<V>>, Error> {
        let found = reading::<V, _>(|| self.0.meta_get(&key))?;
        Ok(found.map(|item| MetaItem {
            value: item.value.map(Erased::into),
            cas: item.cas,
            expires_in: item.expires_in,
            won: item.won,
            stale: item.stale,
            won_by_another: item.won_by_another,
        }))
    }

    pub fn item_info(&self, key: impl ToKey) -> Result<Option<ItemInfo>, Error> {
        self.0.item_info(&key)
    }

    pub fn meta_set(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<Stored, Error> {
        self.0.meta_set(&key, &value, expiry.into())
    }

    pub fn meta_delete(&self, key: impl ToKey) -> Result<Changed, Error> {
        self.0.meta_delete(&key)
    }

    pub fn invalidate(&self, key: impl ToKey, expiry: Option<Expiry>) -> Result<Changed, Error> {
        self.0.invalidate(&key, expiry)
    }

    pub fn incr_or_create(
        &self,
        key: impl ToKey,
        delta: u64,
        initial: u64,
        expiry: impl Into<Expiry>,
    ) -> Result<u64, Error> {
        self.0.incr_or_create(&key, delta, initial, expiry.into())
    }

    pub fn decr_or_create(
        &self,
        key: impl ToKey,
        delta: u64,
        initial: u64,
        expiry: impl Into<Expiry>,
    ) -> Result<u64, Error> {
        self.0.decr_or_create(&key, delta, initial, expiry.into())
    }

    pub fn append_or_create(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        self.0.append_or_create(&key, &value, expiry.into())
    }

    pub fn meta_debug(&self, key: impl ToKey) -> Result<Option<String>, Error> {
        self.0.meta_debug(&key)
    }
}

/// Makes a call with what computes its value, and reads as the same type what is there.
fn computing<V: FromValue + ToValue + 'static>(
    compute: impl FnOnce() -> Result<V, Error>,
    call: impl FnOnce(Compute<'_>) -> Result<Fetched<Erased>, Error>,
) -> Result<Fetched<V>, Error> {
    let mut compute = Some(compute);
    let mut compute = || {
        let compute = compute.take().expect("it is computed once");
        compute().map(Erased::new)
    };
    Ok(match reading::<V, _>(|| call(&mut compute))? {
        Fetched::Hit(value) => Fetched::Hit(value.into()),
        Fetched::Stale(value) => Fetched::Stale(value.into()),
        Fetched::Computed { value, stored } => Fetched::Computed { value: value.into(), stored },
    })
}

/// The same with the numbers of the keys, which borrow nothing.
fn numbers<T>(many: Many<T, Numbered<'_>>) -> Many<T, usize> {
    named(many, Numbered::number)
}

/// The same with keys of another type.
fn named<T, A, B>(many: Many<T, A>, mut key: impl FnMut(A) -> B) -> Many<T, B> {
    let Many { result, missing, failed } = many;
    let missing = missing.into_iter().map(&mut key).collect();
    let failed = failed.into_iter().map(|failed| FailedKey {
        number: failed.number,
        key: key(failed.key),
        error: failed.error,
    });
    Many { result, missing, failed: failed.collect() }
}

/// Gives each key once, by its number.
fn taken<K>(keys: Vec<K>) -> impl FnMut(usize) -> K {
    let mut keys: Vec<_> = keys.into_iter().map(Some).collect();
    move |number| keys[number].take().expect("a key has one answer")
}

/// What a call on many keys found.
type Found<K, V> = Many<HashMap<K, V>, K>;

/// What a call on many keys found, by the numbers of the keys.
fn by_number<T>(many: Many<HashMap<Numbered<'_>, T>, usize>) -> Many<Vec<(usize, T)>, usize> {
    let Many { result, missing, failed } = many;
    let result = result.into_iter().map(|(key, value)| (key.number(), value)).collect();
    Many { result, missing, failed }
}

/// The same under the caller's own keys.
fn found<K: Eq + Hash, T, V>(
    many: Many<Vec<(usize, T)>, usize>,
    keys: Vec<K>,
    read: impl Fn(T) -> V,
) -> Found<K, V> {
    let Many { result, missing, failed } = many;
    let mut keys = taken(keys);
    let values = result.into_iter().map(|(number, value)| (keys(number), read(value)));
    let result = values.collect();
    named(Many { result, missing, failed }, keys)
}

/// Makes a call that stores many items.
fn storing<K: ToKey, V: ToValue>(
    items: impl IntoIterator<Item = (K, V)>,
    call: impl for<'k> FnOnce(
        Vec<(Numbered<'k>, &'k dyn ToValue)>,
    ) -> Result<Many<usize, Numbered<'k>>, Error>,
) -> Result<Many<usize, K>, Error> {
    let (keys, values): (Vec<K>, Vec<V>) = items.into_iter().unzip();
    let values = values.iter().map(|value| value as &dyn ToValue);
    let items = Numbered::all(&keys).into_iter().zip(values).collect();
    let many = numbers(call(items)?);
    Ok(named(many, taken(keys)))
}
