use core::time::Duration;

/// How long a server that failed is left alone: for longer each time that it fails again, if you like.
///
/// ```
/// use core::time::Duration;
/// use memcache_proto::routing::DeadRetry;
///
/// let seconds = Duration::from_secs;
/// let retry = DeadRetry { first: seconds(30), factor: 2, max: seconds(300) };
/// assert_eq!([0, 1, 2, 3, 4].map(|deaths| retry.after(deaths).as_secs()), [30, 60, 120, 240, 300]);
/// assert_eq!(DeadRetry::from(seconds(30)).after(9), seconds(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadRetry {
    /// How long at first.
    pub first: Duration,
    /// By how much longer each further time. 0 and 1 are for always as long.
    pub factor: u32,
    /// How long at most. If that is shorter than `first`, it is always `first`.
    pub max: Duration,
}

impl From<Duration> for DeadRetry {
    /// Always as long.
    fn from(first: Duration) -> Self {
        DeadRetry { first, factor: 1, max: first }
    }
}

impl DeadRetry {
    /// How long a server is left alone that has died so often before, without an answer in between.
    #[must_use]
    pub fn after(&self, deaths: u32) -> Duration {
        let longer = self.first.saturating_mul(self.factor.max(1).saturating_pow(deaths));
        longer.min(self.max.max(self.first))
    }
}
