/// The calls that are not on keys, and those on keys that a client alone can make, as methods: a part of
/// [`__calls!`](crate::__calls).
#[doc(hidden)]
#[macro_export]
macro_rules! __client_calls {
    ([$($async:tt)?] [$($mut:tt)?] $self:ident) => {
        /// Invalidates every item on every server.
        ///
        /// # Errors
        ///
        /// The answer of each server says whether it did; see [`Error`](crate::Error).
        pub $($async)? fn flush_all(
            & $($mut)? $self,
        ) -> Result<$crate::calls::PerServer<()>, $crate::calls::Error> {
            let call = $crate::calls::flush_all();
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
        ) -> Result<$crate::calls::PerServer<()>, $crate::calls::Error> {
            let call = $crate::calls::flush_all_after(delay);
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// The version of every server.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn version(
            & $($mut)? $self,
        ) -> Result<$crate::calls::PerServer<String>, $crate::calls::Error> {
            let call = $crate::calls::version();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        /// Whether every server answers, and in time, each for itself: for health checks. A server that is dead
        /// fails at once.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error). What keeps one server from answering is beside its name.
        pub $($async)? fn ping(
            & $($mut)? $self,
        ) -> Result<$crate::calls::PerServer<()>, $crate::calls::Error> {
            let call = $crate::calls::ping();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }

        $crate::__cas_id_calls!([$($async)?] [$($mut)?] $self);

        /// Room for the cas uniques that [`gets_into`](Self::gets_into) remembers, as many as the setting
        /// `cache_cas` says. Each thread or task has one of its own.
        pub fn cas_ids(&self) -> $crate::calls::CasIds {
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
        ) -> Result<$crate::calls::PerServer<Vec<(String, String)>>, $crate::calls::Error> {
            let call = $crate::calls::stats(argument);
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
            $crate::calls::PerServer<$crate::calls::Slabs>,
            $crate::calls::Error,
        > {
            let call = $crate::calls::get_slabs();
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
            $crate::calls::PerServer<$crate::calls::Slabs>,
            $crate::calls::Error,
        > {
            let call = $crate::calls::get_slab_stats();
            $crate::__calls!(@run [$($async)?] $self.run(call))
        }
    };
}
