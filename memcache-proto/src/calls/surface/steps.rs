/// The calls of several steps as methods: a part of [`__calls!`](crate::__calls).
#[doc(hidden)]
#[macro_export]
macro_rules! __steps {
    (@computed [async] $compute:expr) => { $compute().await };
    (@computed [] $compute:expr) => { $compute() };
    // The same but for what `compute` returns, which is a future or is not.
    (@computing [async] [$($mut:tt)?] $self:ident) => {
        $crate::__steps!(@computing_of [async] [$($mut)?] $self
            [V, E, F] [F] [F: std::future::Future<Output = Result<V, E>>]);
    };
    (@computing [] [$($mut:tt)?] $self:ident) => {
        $crate::__steps!(@computing_of [] [$($mut)?] $self [V, E] [Result<V, E>] []);
    };
    (
        @computing_of [$($async:tt)?] [$($mut:tt)?] $self:ident
        [$($generic:ident),*] [$computed:ty] [$($bound:tt)*]
    ) => {
        /// The value of `key`; where there is none it is computed and stored, as every tutorial does by
        /// hand: get, else compute, then set. Where several miss at the same time, each computes.
        ///
        /// What `compute` fails with is returned, and nothing is stored. A value that could not be
        /// stored is returned all the same; [`Fetched`](crate::Fetched) says so.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get), or what `compute` fails with.
        pub $($async)? fn get_or_set<$($generic),*>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
            compute: impl FnOnce() -> $computed,
        ) -> Result<$crate::calls::Fetched<V>, E>
        where
            V: $crate::value::FromValue + $crate::value::ToValue,
            E: From<$crate::calls::Error>,
            $($bound)*
        {
            let kept = Default::default();
            let budget = $self.budget(&kept);
            let call = $crate::calls::get(&key);
            if let Some(value) = $crate::__calls!(@run [$($async)?] budget.run(call))? {
                return Ok($crate::calls::Fetched::Hit(value));
            }
            let value = $crate::__steps!(@computed [$($async)?] compute)?;
            let budget = $self.budget(&kept);
            let call = $crate::calls::set(&key, &value, expiry);
            let stored = $crate::__calls!(@run [$($async)?] budget.run(call));
            Ok($crate::calls::Fetched::Computed { value, stored })
        }

        /// The value of `key`; where there is none it is computed and added: get, else compute, then
        /// add. Of those who miss at the same time each computes, and all but one return what that one
        /// has stored.
        ///
        /// # Errors
        ///
        /// As [`get_or_set`](Self::get_or_set).
        pub $($async)? fn get_or_add<$($generic),*>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
            compute: impl FnOnce() -> $computed,
        ) -> Result<$crate::calls::Fetched<V>, E>
        where
            V: $crate::value::FromValue + $crate::value::ToValue,
            E: From<$crate::calls::Error>,
            $($bound)*
        {
            let kept = Default::default();
            let budget = $self.budget(&kept);
            let call = $crate::calls::get(&key);
            if let Some(value) = $crate::__calls!(@run [$($async)?] budget.run(call))? {
                return Ok($crate::calls::Fetched::Hit(value));
            }
            let value = $crate::__steps!(@computed [$($async)?] compute)?;
            let budget = $self.budget(&kept);
            let call = $crate::calls::add(&key, &value, expiry);
            let stored = match $crate::__calls!(@run [$($async)?] budget.run(call)) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let call = $crate::calls::get(&key);
                    if let Some(value) = $crate::__calls!(@run [$($async)?] budget.run(call))? {
                        return Ok($crate::calls::Fetched::Hit(value));
                    }
                    let declined = $crate::client::Stored::NotStored;
                    Err($crate::calls::Error::NotStored(declined))
                }
                Err(error) => Err(error),
            };
            Ok($crate::calls::Fetched::Computed { value, stored })
        }
    };
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        $crate::__steps!(@computing [$($async)?] [$($mut)?] $self);

        /// Changes an item that others may change too: reads it, has `change` make a new value of it
        /// (or of `None` where it is not there), and stores that if the item is still the same; else
        /// begins again. Returns the value stored, or `None` where `change` returned that: then
        /// nothing is stored.
        ///
        /// `change` is called once for each attempt.
        ///
        /// # Errors
        ///
        /// [`Error::Contended`](crate::Error::Contended) where others were quicker each time; else as
        /// [`gets`](Self::gets) and [`cas`](Self::cas).
        pub $($async)? fn update<V: $crate::value::FromValue, W: $crate::value::ToValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
            mut change: impl FnMut(Option<V>) -> Option<W>,
        ) -> Result<Option<W>, $crate::calls::Error> {
            let expiry = expiry.into();
            let kept = Default::default();
            let budget = $self.budget(&kept);
            let attempts = budget.calls().limits().max_cas_attempts.max(1);
            for _ in 0..attempts {
                let call = $crate::calls::gets(&key);
                let found = $crate::__calls!(@run [$($async)?] budget.run(call))?;
                let (value, unique) = found.unzip();
                let Some(value) = change(value) else { return Ok(None) };
                let stored = match unique {
                    Some(unique) => {
                        let call = $crate::calls::cas(&key, &value, expiry, unique);
                        $crate::__calls!(@run [$($async)?] budget.run(call))?.is_stored()
                    }
                    None => {
                        let call = $crate::calls::add(&key, &value, expiry);
                        $crate::__calls!(@run [$($async)?] budget.run(call))?
                    }
                };
                if stored {
                    return Ok(Some(value));
                }
            }
            Err($crate::calls::Error::Contended { attempts })
        }
    };
}

/// The calls that remember cas uniques as methods: a part of [`__calls!`](crate::__calls).
#[doc(hidden)]
#[macro_export]
macro_rules! __cas_id_calls {
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        /// As [`gets`](Self::gets), and `ids` remembers the cas unique for
        /// [`cas_from`](Self::cas_from): what python-memcached does with `cache_cas`.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get).
        pub $($async)? fn gets_into<V: $crate::value::FromValue>(
            & $($mut)? $self,
            ids: &mut $crate::calls::CasIds,
            key: impl $crate::ToKey,
        ) -> Result<Option<V>, $crate::calls::Error> {
            let call = $crate::calls::gets(&key);
            let found = $crate::__calls!(@run [$($async)?] $self.run(call))?;
            let name = $self.calls().key(&key)?.as_routed().key.into();
            Ok(found.map(|(value, unique)| {
                ids.remember(name, unique);
                value
            }))
        }

        /// Stores `value` if the item has not changed since [`gets_into`](Self::gets_into) had `ids`
        /// remember it. Of a key that is not remembered it is stored whatever is there, as
        /// python-memcached does.
        ///
        /// Its options are those of [`set`](Self::set): `client.run(calls::cas_from(&ids, key, value,
        /// expiry).noreply())`, with the [`calls`](crate::proto::calls) of the core.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn cas_from(
            & $($mut)? $self,
            ids: &$crate::calls::CasIds,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::client::Stored, $crate::calls::Error> {
            let call = $crate::calls::cas_from(ids, key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }
    };
}
