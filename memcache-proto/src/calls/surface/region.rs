/// The methods of a region's handle that are its own, the same of every adapter: put it, beside
/// [`__key_calls!`](crate::__key_calls), into the `impl` of a type whose `budget` gives what has
/// [`__region_steps!`](crate::__region_steps).
#[doc(hidden)]
#[macro_export]
macro_rules! __region_calls {
    ([$($async:tt)?] $self:ident) => {
        /// Invalidates all items of the region, by one command, however many they are. What is stored from now on
        /// is found again.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error). If [`Error::may_have_been_applied`](crate::Error::may_have_been_applied) says
        /// so, the region may have been invalidated. To invalidate it again does no harm.
        pub $($async)? fn invalidate_all(&$self) -> Result<(), $crate::calls::Error> {
            let kept = Default::default();
            let steps = $self.budget(&kept);
            let asked = steps.known().ask(steps.now());
            let call = steps.region().advance();
            let advanced = $crate::__calls!(@run [$($async)?] steps.within().run(call))?;
            steps.known().invalidated(advanced, asked);
            Ok(())
        }

        /// Makes a call of [`proto::calls`](crate::proto::calls) on items of the region. The methods above are this
        /// with each of them. A call that is not on keys, `flush_all` for instance, is that of the client.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub $($async)? fn run<C: $crate::calls::Call>(
            &$self,
            call: C,
        ) -> Result<C::Output, $crate::calls::Error> {
            let kept = Default::default();
            let steps = $self.budget(&kept);
            $crate::__calls!(@run [$($async)?] steps.run(call))
        }
    };
}

/// What the steps of a call in a region run on, the same of every adapter: put it into the `impl` of a type that has
/// the methods `within` (a client that the steps share the time of, with `run` and `calls`), `region`, `known` (a
/// lock on a [`Known`](crate::calls::Known)), `kept` (a `OnceLock`), and `now`.
#[doc(hidden)]
#[macro_export]
macro_rules! __region_steps {
    ([$($async:tt)?] $self:ident) => {
        $($async)? fn run<C: $crate::calls::Call>(
            &$self,
            call: C,
        ) -> Result<C::Output, $crate::calls::Error> {
            let found = match $self.kept().get() {
                Some(generation) => Ok(*generation),
                None => $crate::__calls!(@run [$($async)?] $self.find()),
            };
            match found {
                Ok(generation) => {
                    let generation = *$self.kept().get_or_init(|| generation);
                    let call = $self.region().call(generation, call);
                    $crate::__calls!(@run [$($async)?] $self.within().run(call))
                }
                Err(error) => $self.region().without_generation(&$self.within().calls(), call, error),
            }
        }

        /// The generation of the region. If there is none, it is made.
        $($async)? fn find(&$self) -> Result<$crate::calls::Generation, $crate::calls::Error> {
            use std::hash::BuildHasher;

            let remembered = $self.region().remembered(&$self.known(), $self.now());
            if let Some(generation) = remembered {
                return Ok(generation);
            }
            let calls = $self.within().calls();
            let attempts = calls.limits().max_cas_attempts.max(1);
            for _ in 0..attempts {
                let asked = $self.known().ask($self.now());
                let call = $self.region().look();
                let found = $crate::__calls!(@run [$($async)?] $self.within().run(call))?;
                if let Some(found) = found {
                    if $self.known().accept(found, asked) {
                        return Ok(found);
                    }
                    let call = $self.region().discard();
                    $crate::__calls!(@run [$($async)?] $self.within().run(call))?;
                }
                let asked = $self.known().ask($self.now());
                // Also of a fork these are others.
                let seed = (std::time::SystemTime::now(), std::process::id());
                let random = std::hash::RandomState::new().hash_one(seed);
                let fresh = asked.fresh(&calls, random);
                let call = $self.region().make(fresh);
                let made = $crate::__calls!(@run [$($async)?] $self.within().run(call))?;
                if made && $self.known().accept(fresh, asked) {
                    return Ok(fresh);
                }
            }
            Err($crate::calls::Error::Contended { attempts })
        }
    };
}
