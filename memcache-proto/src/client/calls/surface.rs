/// The calls of a client as methods, the same of every adapter: put it into the `impl` of a type that
/// has a method `run` for any [`Call`](crate::client::calls::Call) and a method `calls` that gives its
/// [`Calls`](crate::client::calls::Calls) or what derefs to them, in a crate that names the types of the
/// calls at its root.
///
/// `[async]` or `[]` says whether `run` is awaited, `[mut]` or `[]` whether it takes `&mut self`.
#[doc(hidden)]
#[macro_export]
macro_rules! __calls {
    (@run [async] $run:expr) => { $run.await };
    (@run [] $run:expr) => { $run };
    (@computed [async] $compute:expr) => { $compute().await };
    (@computed [] $compute:expr) => { $compute() };
    // The same but for what `compute` returns, which is a future or is not.
    (@computing [async] [$($mut:tt)?] $self:ident) => {
        $crate::__calls!(@get_or_set_of [async] [$($mut)?] $self
            [V, E, F] [F] [F: std::future::Future<Output = Result<V, E>>]);
        $crate::__calls!(@get_or_add_of [async] [$($mut)?] $self
            [V, E, F] [F] [F: std::future::Future<Output = Result<V, E>>]);
    };
    (@computing [] [$($mut:tt)?] $self:ident) => {
        $crate::__calls!(@get_or_set_of [] [$($mut)?] $self [V, E] [Result<V, E>] []);
        $crate::__calls!(@get_or_add_of [] [$($mut)?] $self [V, E] [Result<V, E>] []);
    };
    (
        @get_or_set_of [$($async:tt)?] [$($mut:tt)?] $self:ident
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
        ) -> Result<$crate::client::calls::Fetched<V>, E>
        where
            V: $crate::value::FromValue + $crate::value::ToValue,
            E: From<$crate::client::calls::Error>,
            $($bound)*
        {
            let call = $crate::client::calls::get(&key);
            if let Some(value) = $crate::__calls!(@run [$($async)?] $self.run(call))? {
                return Ok($crate::client::calls::Fetched::Hit(value));
            }
            let value = $crate::__calls!(@computed [$($async)?] compute)?;
            let call = $crate::client::calls::set(&key, &value, expiry);
            let stored = $crate::__calls!(@run [$($async)?] $self.run(call));
            Ok($crate::client::calls::Fetched::Computed { value, stored })
        }
    };
    (
        @get_or_add_of [$($async:tt)?] [$($mut:tt)?] $self:ident
        [$($generic:ident),*] [$computed:ty] [$($bound:tt)*]
    ) => {
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
        ) -> Result<$crate::client::calls::Fetched<V>, E>
        where
            V: $crate::value::FromValue + $crate::value::ToValue,
            E: From<$crate::client::calls::Error>,
            $($bound)*
        {
            let call = $crate::client::calls::get(&key);
            if let Some(value) = $crate::__calls!(@run [$($async)?] $self.run(call))? {
                return Ok($crate::client::calls::Fetched::Hit(value));
            }
            let value = $crate::__calls!(@computed [$($async)?] compute)?;
            let call = $crate::client::calls::add(&key, &value, expiry);
            let stored = match $crate::__calls!(@run [$($async)?] $self.run(call)) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let call = $crate::client::calls::get(&key);
                    if let Some(value) = $crate::__calls!(@run [$($async)?] $self.run(call))? {
                        return Ok($crate::client::calls::Fetched::Hit(value));
                    }
                    let declined = $crate::client::Stored::NotStored;
                    Err($crate::client::calls::Error::NotStored(declined))
                }
                Err(error) => Err(error),
            };
            Ok($crate::client::calls::Fetched::Computed { value, stored })
        }
    };
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        /// The value of `key`; `None` where there is none.
        ///
        /// # Errors
        ///
        /// [`Error::Value`](crate::Error::Value) where the value cannot be read as a `V`; else see
        /// [`Error`](crate::Error).
        pub $($async)? fn get<V: $crate::value::FromValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<V>, $crate::client::calls::Error> {
            let call = $crate::client::calls::get(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The value of `key` and its cas unique, for [`cas`](Self::cas).
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get).
        pub $($async)? fn gets<V: $crate::value::FromValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<(V, u64)>, $crate::client::calls::Error> {
            let call = $crate::client::calls::gets(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The value of `key`, and a new expiry for it.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get).
        pub $($async)? fn gat<V: $crate::value::FromValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<Option<V>, $crate::client::calls::Error> {
            let call = $crate::client::calls::gat(key, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The values of those of `keys` that are there, under the caller's own keys. All servers
        /// concerned are asked at once.
        ///
        /// # Errors
        ///
        /// [`Error::Key`](crate::Error::Key) where one cannot be sent; then nothing is. Keys whose server
        /// fails, and values that cannot be read as a `V`, are in [`Many::failed`](crate::Many::failed).
        pub $($async)? fn get_many<V, K>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
        ) -> Result<
            $crate::client::calls::Many<std::collections::HashMap<K, V>, K>,
            $crate::client::calls::Error,
        >
        where
            V: $crate::value::FromValue,
            K: $crate::ToKey + Eq + std::hash::Hash,
        {
            let call = $crate::client::calls::get_many(keys);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores `value` under `key`, whatever was there.
        ///
        /// # Errors
        ///
        /// [`Error::Rejected`](crate::Error::Rejected) where the value is too long,
        /// [`Error::NotStored`](crate::Error::NotStored) where the server, or a proxy before it, declined;
        /// else see [`Error`](crate::Error).
        pub $($async)? fn set(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<(), $crate::client::calls::Error> {
            let call = $crate::client::calls::set(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores `value` if the key is not there. Returns whether it was stored.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn add(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::add(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores `value` if the key is there. Returns whether it was stored.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn replace(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::replace(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Puts `value` behind the one that is there, whose flags and expiry stay. Returns whether there
        /// was one. What is compressed cannot be appended to.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn append(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::append(key, value);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Puts `value` before the one that is there, whose flags and expiry stay. Returns whether there
        /// was one. What is compressed cannot be prepended to.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn prepend(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::prepend(key, value);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores `value` if the item has not changed since [`gets`](Self::gets) returned `unique`.
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn cas(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
            unique: u64,
        ) -> Result<$crate::client::Stored, $crate::client::calls::Error> {
            let call = $crate::client::calls::cas(key, value, expiry, unique);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores many items, whatever was there, on all servers concerned at once. The result is how many
        /// were stored.
        ///
        /// # Errors
        ///
        /// [`Error::Key`](crate::Error::Key) or [`Error::Expiry`](crate::Error::Expiry) where one cannot be
        /// sent; then nothing is. Items that are too long, or whose server fails or declines, are in
        /// [`Many::failed`](crate::Many::failed).
        pub $($async)? fn set_many<K: $crate::ToKey, V: $crate::value::ToValue>(
            & $($mut)? $self,
            items: impl IntoIterator<Item = (K, V)>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::client::calls::Many<usize, K>, $crate::client::calls::Error> {
            let call = $crate::client::calls::set_many(items, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Deletes `key`. Returns whether it was there.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn delete(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::delete(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Deletes many keys, on all servers concerned at once. The result is how many were there.
        ///
        /// # Errors
        ///
        /// [`Error::Key`](crate::Error::Key) where one cannot be sent; then nothing is. Keys whose server
        /// fails are in [`Many::failed`](crate::Many::failed).
        pub $($async)? fn delete_many<K: $crate::ToKey>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
        ) -> Result<$crate::client::calls::Many<usize, K>, $crate::client::calls::Error> {
            let call = $crate::client::calls::delete_many(keys);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Gives an item a new expiry. Returns whether it was there.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn touch(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<bool, $crate::client::calls::Error> {
            let call = $crate::client::calls::touch(key, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Adds to a counter and returns its new value; `None` where there is no counter. It wraps at 2^64.
        ///
        /// # Errors
        ///
        /// A failure of kind [`FailureKind::Server`](crate::FailureKind::Server) where the value is not a
        /// number; else see [`Error`](crate::Error).
        pub $($async)? fn incr(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            delta: u64,
        ) -> Result<Option<u64>, $crate::client::calls::Error> {
            let call = $crate::client::calls::incr(key, delta);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Takes away from a counter and returns its new value; `None` where there is no counter. It stops
        /// at 0.
        ///
        /// # Errors
        ///
        /// As [`incr`](Self::incr).
        pub $($async)? fn decr(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            delta: u64,
        ) -> Result<Option<u64>, $crate::client::calls::Error> {
            let call = $crate::client::calls::decr(key, delta);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Invalidates every item on every server.
        ///
        /// # Errors
        ///
        /// The answer of each server says whether it did; see [`Error`](crate::Error).
        pub $($async)? fn flush_all(
            & $($mut)? $self,
        ) -> Result<$crate::client::calls::PerServer<()>, $crate::client::calls::Error> {
            let call = $crate::client::calls::flush_all();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Invalidates, after `delay`, every item that is on a server by then.
        ///
        /// # Errors
        ///
        /// As [`flush_all`](Self::flush_all), or [`Error::Expiry`](crate::Error::Expiry).
        pub $($async)? fn flush_all_after(
            & $($mut)? $self,
            delay: std::time::Duration,
        ) -> Result<$crate::client::calls::PerServer<()>, $crate::client::calls::Error> {
            let call = $crate::client::calls::flush_all_after(delay);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The version of every server.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn version(
            & $($mut)? $self,
        ) -> Result<$crate::client::calls::PerServer<String>, $crate::client::calls::Error> {
            let call = $crate::client::calls::version();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        $crate::__calls!(@computing [$($async)?] [$($mut)?] $self);

        /// The value of a key of any bytes, with what the server knows of it; `None` where there is
        /// none. What else it can do is said at [`calls::meta_get`]: `client.run(calls::meta_get(key)
        /// .touch(expiry))`.
        ///
        /// [`calls::meta_get`]: crate::proto::client::calls::meta_get
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get); from a server without the meta commands a failure of kind
        /// [`FailureKind::Server`](crate::FailureKind::Server).
        pub $($async)? fn meta_get<V: $crate::value::FromValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<$crate::client::calls::MetaItem<V>>, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_get(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// What the server knows of an item (when it expires, was last used, how long it is), without
        /// its value and without counting as an access; `None` where there is none.
        ///
        /// # Errors
        ///
        /// As [`meta_get`](Self::meta_get).
        pub $($async)? fn item_info(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<$crate::client::calls::ItemInfo>, $crate::client::calls::Error> {
            let call = $crate::client::calls::item_info(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores a value under a key of any bytes. Conditions are said at [`calls::meta_set`].
        ///
        /// [`calls::meta_set`]: crate::proto::client::calls::meta_set
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set) and [`meta_get`](Self::meta_get).
        pub $($async)? fn meta_set(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::client::Stored, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_set(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Deletes a key of any bytes. Conditions are said at [`calls::meta_delete`].
        ///
        /// [`calls::meta_delete`]: crate::proto::client::calls::meta_delete
        ///
        /// # Errors
        ///
        /// As [`meta_get`](Self::meta_get).
        pub $($async)? fn meta_delete(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<$crate::client::calls::Changed, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_delete(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Marks an item as stale in place of deleting it: those who look it up go on with the stale
        /// value while one of them makes a new one. With an expiry it is gone then, if nobody has.
        ///
        /// # Errors
        ///
        /// As [`meta_get`](Self::meta_get).
        pub $($async)? fn invalidate(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            expiry: Option<$crate::Expiry>,
        ) -> Result<$crate::client::calls::Changed, $crate::client::calls::Error> {
            let call = $crate::client::calls::invalidate(key, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Adds to a counter and returns its new value; where there is none, one of `initial` is made,
        /// which expires so, and returned.
        ///
        /// # Errors
        ///
        /// As [`incr`](Self::incr) and [`meta_get`](Self::meta_get).
        pub $($async)? fn incr_or_create(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            delta: u64,
            initial: u64,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<u64, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_incr(key, delta).create(initial, expiry);
            let count = $crate::__calls!(@run [$($async)?] $self.run(call))?;
            count.ok_or($crate::client::calls::Error::Unsupported)
        }

        /// Takes away from a counter and returns its new value; where there is none, one of `initial` is
        /// made, which expires so, and returned.
        ///
        /// # Errors
        ///
        /// As [`incr_or_create`](Self::incr_or_create).
        pub $($async)? fn decr_or_create(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            delta: u64,
            initial: u64,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<u64, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_decr(key, delta).create(initial, expiry);
            let count = $crate::__calls!(@run [$($async)?] $self.run(call))?;
            count.ok_or($crate::client::calls::Error::Unsupported)
        }

        /// Puts `value` behind the one that is there, or stores it where there is none.
        ///
        /// # Errors
        ///
        /// [`Error::Unsupported`](crate::Error::Unsupported) where there is none and the server cannot
        /// make it, as memcached 1.6.18 cannot; else as [`set`](Self::set).
        pub $($async)? fn append_or_create(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<(), $crate::client::calls::Error> {
            let call = $crate::client::calls::append_or_create(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// What the server knows of an item, in its own words, for people; `None` where there is none.
        ///
        /// # Errors
        ///
        /// As [`meta_get`](Self::meta_get).
        pub $($async)? fn meta_debug(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<String>, $crate::client::calls::Error> {
            let call = $crate::client::calls::meta_debug(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

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
        ) -> Result<Option<W>, $crate::client::calls::Error> {
            let expiry = expiry.into();
            let attempts = $self.calls().limits().max_cas_attempts;
            for _ in 0..attempts {
                let call = $crate::client::calls::gets(&key);
                let found = $crate::__calls!(@run [$($async)?] $self.run(call))?;
                let (value, unique) = found.unzip();
                let Some(value) = change(value) else { return Ok(None) };
                let stored = match unique {
                    Some(unique) => {
                        let call = $crate::client::calls::cas(&key, &value, expiry, unique);
                        $crate::__calls!(@run [$($async)?] $self.run(call))?.is_stored()
                    }
                    None => {
                        let call = $crate::client::calls::add(&key, &value, expiry);
                        $crate::__calls!(@run [$($async)?] $self.run(call))?
                    }
                };
                if stored {
                    return Ok(Some(value));
                }
            }
            Err($crate::client::calls::Error::Contended { attempts })
        }

        /// As [`gets`](Self::gets), and `ids` remembers the cas unique for
        /// [`cas_from`](Self::cas_from): what python-memcached does with `cache_cas`.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get).
        pub $($async)? fn gets_into<V: $crate::value::FromValue>(
            & $($mut)? $self,
            ids: &mut $crate::client::calls::CasIds,
            key: impl $crate::ToKey,
        ) -> Result<Option<V>, $crate::client::calls::Error> {
            let call = $crate::client::calls::gets(&key);
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
        /// # Errors
        ///
        /// As [`set`](Self::set).
        pub $($async)? fn cas_from(
            & $($mut)? $self,
            ids: &$crate::client::calls::CasIds,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::client::Stored, $crate::client::calls::Error> {
            let unique = ids.get(&$self.calls().key(&key)?.as_routed().key.into());
            let Some(unique) = unique else {
                let call = $crate::client::calls::set(key, value, expiry);
                $crate::__calls!(@run [$($async)?] $self.run(call))?;
                return Ok($crate::client::Stored::Stored);
            };
            let call = $crate::client::calls::cas(key, value, expiry, unique);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Room for the cas uniques that [`gets_into`](Self::gets_into) remembers, as many as the setting
        /// `cache_cas` says. Each thread or task has one of its own.
        pub fn cas_ids(&self) -> $crate::client::calls::CasIds {
            self.calls().cas_ids()
        }

        /// How often each call has been made, by its name; those that never were are left out.
        pub fn call_counts(&self) -> Vec<(&'static str, u64)> {
            self.calls().counts()
        }

        /// The statistics of every server, names and values, in its order. With
        /// [`StatsArgument::Reset`](crate::StatsArgument::Reset) and its like there are none.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn stats(
            & $($mut)? $self,
            argument: $crate::codec::StatsArgument<'_>,
        ) -> Result<$crate::client::calls::PerServer<Vec<(String, String)>>, $crate::client::calls::Error> {
            let call = $crate::client::calls::stats(argument);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The statistics of every server's items, by slab class.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn get_slabs(
            & $($mut)? $self,
        ) -> Result<
            $crate::client::calls::PerServer<$crate::client::calls::Slabs>,
            $crate::client::calls::Error,
        > {
            let call = $crate::client::calls::get_slabs();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The statistics of every server's slabs, by slab class.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn get_slab_stats(
            & $($mut)? $self,
        ) -> Result<
            $crate::client::calls::PerServer<$crate::client::calls::Slabs>,
            $crate::client::calls::Error,
        > {
            let call = $crate::client::calls::get_slab_stats();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }
    };
}
