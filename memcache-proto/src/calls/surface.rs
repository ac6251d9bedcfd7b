mod meta;
mod recached;
mod region;
mod servers;
mod steps;

/// The calls of a client as methods, the same of every adapter: put it into the `impl` of a type that
/// has a method `run` for any [`Call`](crate::calls::Call), a method `calls` that gives its
/// [`Calls`](crate::calls::Calls) or what derefs to them, and a method `budget` that gives what the steps of one
/// call run on, of such a type; in a crate that names the types of the calls at its root.
///
/// `budget` takes a reference to what the steps of one call keep, of any type that has a default: `&()` if nothing.
///
/// `[async]` or `[]` says whether `run` is awaited, `[mut]` or `[]` whether it takes `&mut self`.
#[doc(hidden)]
#[macro_export]
macro_rules! __calls {
    (@run [async] $run:expr) => { $run.await };
    (@run [] $run:expr) => { $run };
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        $crate::__key_calls!([$($async)?] [$($mut)?] $self);
        $crate::__client_calls!([$($async)?] [$($mut)?] $self);
    };
}

/// The calls on keys as methods: a part of [`__calls!`](crate::__calls).
#[doc(hidden)]
#[macro_export]
macro_rules! __key_calls {
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
        ) -> Result<Option<V>, $crate::calls::Error> {
            let call = $crate::calls::get(key);
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
        ) -> Result<Option<(V, u64)>, $crate::calls::Error> {
            let call = $crate::calls::gets(key);
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
        ) -> Result<Option<V>, $crate::calls::Error> {
            let call = $crate::calls::gat(key, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The values of those of `keys` that are there, under the caller's own keys; those that are not
        /// are in [`Many::missing`](crate::Many::missing). All servers concerned are asked at once.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error). A key that cannot be sent, or whose server fails, or whose value
        /// cannot be read as a `V`, is in [`Many::failed`](crate::Many::failed); the others are looked up.
        pub $($async)? fn get_many<V, K>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
        ) -> Result<
            $crate::calls::Many<std::collections::HashMap<K, V>, K>,
            $crate::calls::Error,
        >
        where
            V: $crate::value::FromValue,
            K: $crate::ToKey + Eq + std::hash::Hash,
        {
            let call = $crate::calls::get_many(keys);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Calls `each` with the key and the value of each item that is there, when it has come, for answers
        /// that are larger than you want to keep. The result is how many there were. As many of the values wait
        /// in memory as come at a time.
        ///
        /// Values come in the order in which they arrive: those of one server in the order of their keys, those
        /// of different servers as it happens. Do not block in `each`: nothing is read meanwhile.
        ///
        /// # Errors
        ///
        /// As [`get_many`](Self::get_many).
        pub $($async)? fn get_each<V, K>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
            each: impl FnMut(K, V),
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error>
        where
            V: $crate::value::FromValue,
            K: $crate::ToKey,
        {
            let call = $crate::calls::get_each(keys, each);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// As [`get_many`](Self::get_many), with the cas unique of each item beside its value, for
        /// [`cas`](Self::cas).
        ///
        /// # Errors
        ///
        /// As [`get_many`](Self::get_many).
        pub $($async)? fn gets_many<V, K>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
        ) -> Result<
            $crate::calls::Many<std::collections::HashMap<K, (V, u64)>, K>,
            $crate::calls::Error,
        >
        where
            V: $crate::value::FromValue,
            K: $crate::ToKey + Eq + std::hash::Hash,
        {
            let call = $crate::calls::gets_many(keys);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// As [`get_many`](Self::get_many), and gives the items that are there a new expiry. memcached knows
        /// the command since 1.5.3.
        ///
        /// # Errors
        ///
        /// As [`get_many`](Self::get_many); [`Error::Expiry`](crate::Error::Expiry) if the expiry cannot be
        /// sent; then nothing is.
        pub $($async)? fn gat_many<V, K>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<
            $crate::calls::Many<std::collections::HashMap<K, V>, K>,
            $crate::calls::Error,
        >
        where
            V: $crate::value::FromValue,
            K: $crate::ToKey + Eq + std::hash::Hash,
        {
            let call = $crate::calls::gat_many(keys, expiry);
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
        ) -> Result<(), $crate::calls::Error> {
            let call = $crate::calls::set(key, value, expiry);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::add(key, value, expiry);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::replace(key, value, expiry);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::append(key, value);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::prepend(key, value);
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
        ) -> Result<$crate::client::Stored, $crate::calls::Error> {
            let call = $crate::calls::cas(key, value, expiry, unique);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores many items, whatever was there, on all servers concerned at once. The result is how many
        /// were stored.
        ///
        /// Items are encoded as their servers take them, so memory does not grow with their number. If the
        /// call ends before all have been, by `operation_timeout` for instance, the rest is in
        /// [`Many::failed`](crate::Many::failed) and was not sent.
        ///
        /// # Errors
        ///
        /// [`Error::Expiry`](crate::Error::Expiry) where the expiry cannot be sent; then nothing is. Else see
        /// [`Error`](crate::Error). An item whose key or value cannot be sent, or whose server fails or
        /// declines, is in [`Many::failed`](crate::Many::failed); the others are stored.
        pub $($async)? fn set_many<K: $crate::ToKey, V: $crate::value::ToValue>(
            & $($mut)? $self,
            items: impl IntoIterator<Item = (K, V)>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error> {
            let call = $crate::calls::set_many(items, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// As [`set_many`](Self::set_many), each item only if its key was not there. Items whose key was there
        /// are in [`Many::failed`](crate::Many::failed), with [`Error::NotStored`](crate::Error::NotStored).
        ///
        /// # Errors
        ///
        /// As [`set_many`](Self::set_many).
        pub $($async)? fn add_many<K: $crate::ToKey, V: $crate::value::ToValue>(
            & $($mut)? $self,
            items: impl IntoIterator<Item = (K, V)>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error> {
            let call = $crate::calls::add_many(items, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// As [`set_many`](Self::set_many), each item only if its key was there. Items whose key was not there
        /// are in [`Many::failed`](crate::Many::failed), with [`Error::NotStored`](crate::Error::NotStored).
        ///
        /// # Errors
        ///
        /// As [`set_many`](Self::set_many).
        pub $($async)? fn replace_many<K: $crate::ToKey, V: $crate::value::ToValue>(
            & $($mut)? $self,
            items: impl IntoIterator<Item = (K, V)>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error> {
            let call = $crate::calls::replace_many(items, expiry);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::delete(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Deletes many keys, on all servers concerned at once. The result is how many were there; those
        /// that were not are in [`Many::missing`](crate::Many::missing).
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error). A key that cannot be sent, or whose server fails, is in
        /// [`Many::failed`](crate::Many::failed); the others are deleted.
        pub $($async)? fn delete_many<K: $crate::ToKey>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error> {
            let call = $crate::calls::delete_many(keys);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Gives many items a new expiry, on all servers concerned at once. The result is how many were there;
        /// those that were not are in [`Many::missing`](crate::Many::missing).
        ///
        /// # Errors
        ///
        /// [`Error::Expiry`](crate::Error::Expiry) if the expiry cannot be sent; then nothing is. A key that
        /// cannot be sent, or whose server fails, is in [`Many::failed`](crate::Many::failed).
        pub $($async)? fn touch_many<K: $crate::ToKey>(
            & $($mut)? $self,
            keys: impl IntoIterator<Item = K>,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::calls::Many<usize, K>, $crate::calls::Error> {
            let call = $crate::calls::touch_many(keys, expiry);
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
        ) -> Result<bool, $crate::calls::Error> {
            let call = $crate::calls::touch(key, expiry);
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
        ) -> Result<Option<u64>, $crate::calls::Error> {
            let call = $crate::calls::incr(key, delta);
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
        ) -> Result<Option<u64>, $crate::calls::Error> {
            let call = $crate::calls::decr(key, delta);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        $crate::__steps!([$($async)?] [$($mut)?] $self);

        $crate::__meta_calls!([$($async)?] [$($mut)?] $self);
    };
}
