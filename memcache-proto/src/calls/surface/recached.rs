/// `get_or_set_with` as a method, the same of every adapter that can wait: put it into the `impl` of a
/// type that has what [`__calls!`](crate::__calls) asks for and a method `pause`, which takes a
/// `Duration`.
#[doc(hidden)]
#[macro_export]
macro_rules! __recached {
    ([async] $self:ident) => {
        $crate::__recached!(@of [async] $self
            [V, E, F] [F] [F: std::future::Future<Output = Result<V, E>>]);
    };
    ([] $self:ident) => {
        $crate::__recached!(@of [] $self [V, E] [Result<V, E>] []);
    };
    (
        @of [$($async:tt)?] $self:ident
        [$($generic:ident),*] [$computed:ty] [$($bound:tt)*]
    ) => {
        /// The value of `key`; where there is none, or it is stale or soon to expire, it is computed and
        /// stored by one caller of all that share the cache. The others get the old value, or wait for
        /// the first. [`Recache`](crate::Recache) has the times, which the builder sets.
        ///
        /// Where the one that computes fails, another may at once, and what `compute` fails with is
        /// returned; but where it was to replace a value before that expires, the value is returned as
        /// [`Stale`](crate::Fetched::Stale), and nobody tries again before. Where it dies, panics or is
        /// dropped, another may when the [lease](crate::Recache::lease) has run out, or when a value that
        /// it was to replace early has expired.
        ///
        /// A value that could not be stored is returned all the same. One that is there and cannot be
        /// read as a `V` is as none where it is stale or soon to expire, and an error where it is not.
        ///
        /// While the first value is made there is an empty item under the key: to [`get`](Self::get) it
        /// is a hit, and for [`add`](Self::add) it is there. Keep to this call for such keys.
        ///
        /// It takes the meta commands, which memcached has had since 1.6;
        /// [`get_or_add`](Self::get_or_add) does without.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get), or what `compute` fails with.
        pub $($async)? fn get_or_set_with<$($generic),*>(
            &$self,
            key: impl $crate::ToKey,
            expiry: impl Into<$crate::Expiry>,
            compute: impl FnOnce() -> $computed,
        ) -> Result<$crate::calls::Fetched<V>, E>
        where
            V: $crate::value::FromValue + $crate::value::ToValue,
            E: From<$crate::calls::Error>,
            $($bound)*
        {
            use $crate::calls::{self, Fetched, Otherwise, Turn};

            let kept = Default::default();
            let budget = $self.budget(&kept);
            let mut part = calls::Recaching::new(budget.calls().recache());
            let lease = loop {
                let call = part.look::<V, _>(&key);
                let item = $crate::__calls!(@run [$($async)?] budget.run(call))?;
                match part.turn(item)? {
                    Turn::Have(found) => return Ok(found.into()),
                    Turn::Compute(lease) => break lease,
                    Turn::Bound(cas) => {
                        let call = part.bound(&key, cas);
                        let _ = $crate::__calls!(@run [$($async)?] budget.run(call))?;
                    }
                    Turn::Wait(pause) => {
                        $crate::__calls!(@run [$($async)?] budget.pause(pause));
                    }
                }
            };
            let cas = lease.as_ref().map(|lease| lease.cas);
            let computed = $crate::__steps!(@computed [$($async)?] compute);
            let budget = $self.budget(&kept);
            let value = match computed {
                Ok(value) => value,
                Err(error) => {
                    let Some(lease) = lease else { return Err(error) };
                    let call = match lease.otherwise {
                        Otherwise::Keep(value) => return Ok(Fetched::Stale(value)),
                        Otherwise::Delete => calls::meta_delete(&key),
                        Otherwise::Invalidate => calls::invalidate(&key, None),
                    };
                    // Where this fails too, the lease runs out in its time.
                    let call = call.compare_cas(lease.cas);
                    let _ = $crate::__calls!(@run [$($async)?] budget.run(call));
                    return Err(error);
                }
            };
            let call = calls::meta_set(&key, &value, expiry);
            let call = match cas {
                Some(cas) => call.compare_cas(cas),
                None => call,
            };
            let stored = match $crate::__calls!(@run [$($async)?] budget.run(call)) {
                Ok($crate::client::Stored::Stored) => Ok(()),
                Ok(declined) => Err(calls::Error::NotStored(declined)),
                Err(error) => Err(error),
            };
            Ok(Fetched::Computed { value, stored })
        }
    };
}
