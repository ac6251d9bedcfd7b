use super::Error;

/// What [`get_or_set`](super#calls-of-several-steps) and its like returned.
#[derive(Clone, Debug)]
#[must_use]
pub enum Fetched<V> {
    /// The value was there.
    Hit(V),
    /// The value was there, and somebody is making a newer one, or has tried in vain.
    Stale(V),
    /// The value was not there and has been computed.
    Computed {
        /// The value.
        value: V,
        /// Whether it is stored now; where it is not, the value is as good.
        stored: Result<(), Error>,
    },
}

impl<V> Fetched<V> {
    /// The value, wherever it came from.
    #[must_use]
    pub fn into_value(self) -> V {
        match self {
            Fetched::Hit(value) | Fetched::Stale(value) | Fetched::Computed { value, .. } => value,
        }
    }

    /// Whether the value was there, stale or not.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        !matches!(self, Fetched::Computed { .. })
    }
}
