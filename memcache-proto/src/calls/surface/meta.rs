/// The meta calls as methods: a part of [`__calls!`](crate::__calls).
#[doc(hidden)]
#[macro_export]
macro_rules! __meta_calls {
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        /// The value of a key of any bytes, with what the server knows of it; `None` where there is
        /// none. What else it can do is said at [`calls::meta_get`]: `client.run(calls::meta_get(key)
        /// .touch(expiry))`.
        ///
        /// [`calls::meta_get`]: crate::proto::calls::meta_get
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get); from a server without the meta commands a failure of kind
        /// [`FailureKind::Server`](crate::FailureKind::Server).
        pub $($async)? fn meta_get<V: $crate::value::FromValue>(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<Option<$crate::calls::MetaItem<V>>, $crate::calls::Error> {
            let call = $crate::calls::meta_get(key);
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
        ) -> Result<Option<$crate::calls::ItemInfo>, $crate::calls::Error> {
            let call = $crate::calls::item_info(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Stores a value under a key of any bytes. Conditions are said at [`calls::meta_set`].
        ///
        /// [`calls::meta_set`]: crate::proto::calls::meta_set
        ///
        /// # Errors
        ///
        /// As [`set`](Self::set) and [`meta_get`](Self::meta_get).
        pub $($async)? fn meta_set(
            & $($mut)? $self,
            key: impl $crate::ToKey,
            value: impl $crate::value::ToValue,
            expiry: impl Into<$crate::Expiry>,
        ) -> Result<$crate::client::Stored, $crate::calls::Error> {
            let call = $crate::calls::meta_set(key, value, expiry);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Deletes a key of any bytes. Conditions are said at [`calls::meta_delete`].
        ///
        /// [`calls::meta_delete`]: crate::proto::calls::meta_delete
        ///
        /// # Errors
        ///
        /// As [`meta_get`](Self::meta_get).
        pub $($async)? fn meta_delete(
            & $($mut)? $self,
            key: impl $crate::ToKey,
        ) -> Result<$crate::calls::Changed, $crate::calls::Error> {
            let call = $crate::calls::meta_delete(key);
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
        ) -> Result<$crate::calls::Changed, $crate::calls::Error> {
            let call = $crate::calls::invalidate(key, expiry);
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
        ) -> Result<u64, $crate::calls::Error> {
            let call = $crate::calls::meta_incr(key, delta).create(initial, expiry);
            let count = $crate::__calls!(@run [$($async)?] $self.run(call))?;
            count.ok_or($crate::calls::Error::Unsupported)
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
        ) -> Result<u64, $crate::calls::Error> {
            let call = $crate::calls::meta_decr(key, delta).create(initial, expiry);
            let count = $crate::__calls!(@run [$($async)?] $self.run(call))?;
            count.ok_or($crate::calls::Error::Unsupported)
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
        ) -> Result<(), $crate::calls::Error> {
            let call = $crate::calls::append_or_create(key, value, expiry);
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
        ) -> Result<Option<String>, $crate::calls::Error> {
            let call = $crate::calls::meta_debug(key);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }
    };
}
