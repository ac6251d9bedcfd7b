use std::fmt;

use memcache_sync::proto::calls::{
    AskCount, AskDelete, AskItem, Change, ChangeMany, GetMany, MetaCall, MetaStore, Plain, SetMany,
    Store,
};

use super::*;

/// Every call of a client, once, with keys and values whose types it does not know: gives each to the
/// macro `$each`, behind `$context`.
macro_rules! calls {
    ($each:ident $context:tt) => {
        calls! { @ $each $context
            fn get[](key: &dyn ToKey) -> Option<Erased>;
            fn gets[](key: &dyn ToKey) -> Option<(Erased, u64)>;
            fn gat[](key: &dyn ToKey, expiry: Expiry) -> Option<Erased>;
            fn get_many['k](
                keys: Vec<Numbered<'k>>
            ) -> Many<HashMap<Numbered<'k>, Erased>, Numbered<'k>>;
            fn get_each['k](
                keys: Vec<Numbered<'k>>, each: &mut dyn FnMut(Numbered<'k>, Erased)
            ) -> Many<usize, Numbered<'k>>;
            fn gets_many['k](
                keys: Vec<Numbered<'k>>
            ) -> Many<HashMap<Numbered<'k>, (Erased, u64)>, Numbered<'k>>;
            fn gat_many['k](
                keys: Vec<Numbered<'k>>, expiry: Expiry
            ) -> Many<HashMap<Numbered<'k>, Erased>, Numbered<'k>>;
            fn set[](key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry) -> ();
            fn add[](key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry) -> bool;
            fn replace[](key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry) -> bool;
            fn append[](key: &dyn ToKey, value: &dyn ToValue) -> bool;
            fn prepend[](key: &dyn ToKey, value: &dyn ToValue) -> bool;
            fn cas[](
                key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry, unique: u64
            ) -> Stored;
            fn set_many['k](
                items: Vec<(Numbered<'k>, &'k dyn ToValue)>, expiry: Expiry
            ) -> Many<usize, Numbered<'k>>;
            fn add_many['k](
                items: Vec<(Numbered<'k>, &'k dyn ToValue)>, expiry: Expiry
            ) -> Many<usize, Numbered<'k>>;
            fn replace_many['k](
                items: Vec<(Numbered<'k>, &'k dyn ToValue)>, expiry: Expiry
            ) -> Many<usize, Numbered<'k>>;
            fn delete[](key: &dyn ToKey) -> bool;
            fn delete_many['k](keys: Vec<Numbered<'k>>) -> Many<usize, Numbered<'k>>;
            fn touch[](key: &dyn ToKey, expiry: Expiry) -> bool;
            fn touch_many['k](
                keys: Vec<Numbered<'k>>, expiry: Expiry
            ) -> Many<usize, Numbered<'k>>;
            fn incr[](key: &dyn ToKey, delta: u64) -> Option<u64>;
            fn decr[](key: &dyn ToKey, delta: u64) -> Option<u64>;
            fn flush_all[]() -> PerServer<()>;
            fn flush_all_after[](delay: Duration) -> PerServer<()>;
            fn version[]() -> PerServer<String>;
            fn stats[](argument: StatsArgument<'_>) -> PerServer<Vec<(String, String)>>;
            fn get_slabs[]() -> PerServer<Slabs>;
            fn get_slab_stats[]() -> PerServer<Slabs>;
            fn update[](
                key: &dyn ToKey,
                expiry: Expiry,
                change: &mut dyn FnMut(Option<Erased>) -> Option<Erased>
            ) -> Option<Erased>;
            fn gets_into[](ids: &mut CasIds, key: &dyn ToKey) -> Option<Erased>;
            fn cas_from[](
                ids: &CasIds, key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry
            ) -> Stored;
            fn meta_get[](key: &dyn ToKey) -> Option<MetaItem<Erased>>;
            fn item_info[](key: &dyn ToKey) -> Option<ItemInfo>;
            fn meta_set[](key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry) -> Stored;
            fn meta_delete[](key: &dyn ToKey) -> Changed;
            fn invalidate[](key: &dyn ToKey, expiry: Option<Expiry>) -> Changed;
            fn incr_or_create[](
                key: &dyn ToKey, delta: u64, initial: u64, expiry: Expiry
            ) -> u64;
            fn decr_or_create[](
                key: &dyn ToKey, delta: u64, initial: u64, expiry: Expiry
            ) -> u64;
            fn append_or_create[](
                key: &dyn ToKey, value: &dyn ToValue, expiry: Expiry
            ) -> ();
            fn meta_debug[](key: &dyn ToKey) -> Option<String>;
        }
    };
    (
        @ $each:ident $context:tt $(fn $name:ident[$($generics:tt)*](
            $($argument:ident: $type:ty),*
        ) -> $output:ty;)*
    ) => {
        $($each! { $context fn $name[$($generics)*]($($argument: $type),*) -> $output })*
    };
}

/// A call as [`Face`] has it.
macro_rules! declare {
    (
        [] fn $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*) -> $output:ty
    ) => {
        fn $name<$($generics)*>(&self, $($argument: $type),*) -> Result<$output, Error>;
    };
}

/// A call made by the function of its name that stands behind `$to`; `$answer` is how the result is had
/// of what that returns, which is `$call`.
macro_rules! forward {
    (
        [$self:ident, [$($to:tt)*], $call:ident => $answer:expr]
        fn $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*) -> $output:ty
    ) => {
        fn $name<$($generics)*>(&$self, $($argument: $type),*) -> Result<$output, Error> {
            let $call = $($to)* $name($($argument),*);
            $answer
        }
    };
}

pub(super) use {calls, forward};

/// What computes a value that is not there.
pub(super) type Compute<'a> = &'a mut dyn FnMut() -> Result<Erased, Error>;

/// A client behind a pointer, which each client is. Those who make calls have a [`Client`].
#[expect(missing_docs, reason = "the client's own documentation says what its calls do")]
#[expect(clippy::missing_errors_doc, reason = "so it does with their errors")]
pub trait Face: RunAll + fmt::Debug + Send + Sync {
    /// Lets time pass, for the client and its servers.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    /// The time of the client and its servers, in seconds since 1970.
    fn unix_now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
    }

    /// Makes every server that is dead worth a try again.
    fn forget_dead_hosts(&self);

    /// Goes on with other servers, where the client can.
    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error>;

    /// Closes every connection with `quit`.
    fn quit_all(&self);

    /// Room for cas uniques.
    fn cas_ids(&self) -> CasIds;

    /// How often each call has been made.
    fn call_counts(&self) -> Vec<(&'static str, u64)>;

    /// The value of a key, computed where it is not there.
    fn get_or_set(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error>;

    /// The same, computed by one of all that share the cache.
    fn get_or_set_with(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error>;

    /// The same without the meta commands.
    fn get_or_add(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error>;

    calls! { declare [] }
}

/// Makes calls of one type.
pub trait Run<C: Call> {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// As the call.
    fn run(&self, call: C) -> Result<C::Output, Error>;
}

/// Says which types of calls [`Client::run`] takes.
macro_rules! run_all {
    ($([$($for:tt)*] $call:ty;)*) => {
        /// Makes calls of every type that the tests have.
        pub trait RunAll: $($($for)* Run<$call> +)* {}

        impl<T> RunAll for T where T: $($($for)* Run<$call> +)* {}
    };
}

run_all! {
    [] Change<&'static str, ()>;
    [] Store<&'static str, i32, ()>;
    [for<'v>] Store<&'static str, &'v str, ()>;
    [for<'v>] Store<&'static str, &'v String, ()>;
    [] SetMany<&'static str, u8>;
    [for<'v>] SetMany<&'static str, &'v str>;
    [] ChangeMany<&'static str>;
    [] GetMany<&'static str, Plain<String>, HashMap<&'static str, String>>;
    [for<'v>] MetaStore<&'static str, &'v str, Stored>;
    [] MetaCall<&'static str, AskDelete, Changed>;
    [] MetaCall<&'static str, AskCount, Option<u64>>;
    [] MetaCall<&'static str, AskItem, Option<MetaItem<u8>>>;
    [] MetaCall<&'static str, AskItem, Option<MetaItem<usize>>>;
    [] MetaCall<&'static str, AskItem, Option<MetaItem<String>>>;
}
