use core::fmt;
use core::time::Duration;

/// An exptime as it stands on the wire, a signed 32 bit number of seconds (protocol.txt,
/// "Expiration times").
///
/// 0 never expires, a negative number has expired already, 1 to 2,592,000 (30 days) counts from now,
/// anything larger is an absolute unix time. The server keeps it in 32 bits and wraps what does not
/// fit, so this type cannot hold more. Applications use [`Expiry`], which cannot be mistaken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exptime(i32);

impl Exptime {
    /// Never expires; it may still be evicted.
    pub const NEVER: Exptime = Exptime(0);
    /// Has expired already.
    pub const IMMEDIATELY: Exptime = Exptime(-1);

    /// The exptime that reads `seconds` on the wire.
    #[must_use]
    pub const fn from_wire(seconds: i32) -> Self {
        Exptime(seconds)
    }

    /// What stands on the wire.
    #[must_use]
    pub const fn to_wire(self) -> i32 {
        self.0
    }
}

/// When an item expires, said so that it cannot be read in two ways.
///
/// A bare number of seconds means something else once it is over 30 days; a `Duration` does not.
///
/// ```
/// use core::time::Duration;
/// use memcache_proto::{Expiry, Exptime};
///
/// let now = 1_700_000_000; // unix seconds
/// assert_eq!(Expiry::Never.resolve(now)?, Exptime::NEVER);
/// assert_eq!(Expiry::from(Duration::from_secs(60)).resolve(now)?.to_wire(), 60);
/// // 60 days is more than a server takes as relative, so an absolute time is sent.
/// let days = Duration::from_secs(60 * 24 * 3600);
/// assert_eq!(Expiry::After(days).resolve(now)?.to_wire(), 1_705_184_000);
/// # Ok::<(), memcache_proto::ExpiryError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// Not before the server needs its memory.
    #[default]
    Never,
    /// This long from now. Part of a second counts as a whole one, as a server counts in seconds;
    /// nothing at all means that the item has expired already.
    ///
    /// A server's clock ticks once a second, and an item of n seconds ends with the n-th tick: between n - 1
    /// and n seconds after it was stored. One of a second may be gone at once; ask for a second more where
    /// it must last.
    After(Duration),
    /// At this unix time, in seconds.
    At(u64),
}

impl Expiry {
    /// The longest time, in seconds, that a server takes as counted from now: 30 days.
    pub const MAX_RELATIVE: u64 = 60 * 60 * 24 * 30;

    /// The exptime to send.
    ///
    /// `unix_now` is the time now in unix seconds; it matters only for [`Expiry::After`] more than 30
    /// days.
    ///
    /// # Errors
    ///
    /// [`ExpiryError`] where the server's 32 bits could not hold the time and would wrap it into the
    /// past.
    pub fn resolve(self, unix_now: u64) -> Result<Exptime, ExpiryError> {
        let seconds = match self {
            Expiry::Never => return Ok(Exptime::NEVER),
            Expiry::After(after) => {
                let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
                match seconds {
                    0 => return Ok(Exptime::IMMEDIATELY),
                    1..=Self::MAX_RELATIVE => seconds,
                    _ => seconds.saturating_add(unix_now),
                }
            }
            // The server would take so early a time as relative.
            Expiry::At(0..=Self::MAX_RELATIVE) => return Ok(Exptime::IMMEDIATELY),
            Expiry::At(seconds) => seconds,
        };
        match i32::try_from(seconds) {
            Ok(seconds) => Ok(Exptime(seconds)),
            Err(_) => Err(ExpiryError { unix_seconds: seconds }),
        }
    }

    /// Whether [`Expiry::resolve`] looks at the time, so that a caller may spare itself the clock.
    #[must_use]
    pub fn needs_clock(self) -> bool {
        matches!(self, Expiry::After(after) if after.as_secs() >= Self::MAX_RELATIVE)
    }
}

impl From<Duration> for Expiry {
    fn from(after: Duration) -> Self {
        Expiry::After(after)
    }
}

/// An expiry later than a server can hold (2038-01-19), which it would wrap into the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryError {
    /// The moment asked for, in unix seconds.
    pub unix_seconds: u64,
}

impl fmt::Display for ExpiryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an expiry at unix time {} is later than memcached can hold ({}); use Expiry::Never",
            self.unix_seconds,
            i32::MAX,
        )
    }
}

impl core::error::Error for ExpiryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_never_read_as_another() {
        const NOW: u64 = 1_700_000_000;
        let after = |seconds| Expiry::After(Duration::from_secs(seconds));
        let cases = [
            (Expiry::Never, Ok(0)),
            (after(0), Ok(-1)),
            (Expiry::After(Duration::from_millis(1)), Ok(1)),
            (Expiry::After(Duration::from_millis(1_001)), Ok(2)),
            (after(Expiry::MAX_RELATIVE), Ok(2_592_000)),
            (after(Expiry::MAX_RELATIVE + 1), Ok(1_702_592_001)),
            (after(u64::MAX), Err(ExpiryError { unix_seconds: u64::MAX })),
            (Expiry::At(0), Ok(-1)),
            (Expiry::At(60), Ok(-1)),
            (Expiry::At(NOW + 60), Ok(1_700_000_060)),
            (Expiry::At(2_147_483_647), Ok(i32::MAX)),
            (Expiry::At(2_147_483_648), Err(ExpiryError { unix_seconds: 2_147_483_648 })),
            (Expiry::At(4_294_967_297), Err(ExpiryError { unix_seconds: 4_294_967_297 })),
        ];
        for (expiry, expected) in cases {
            assert_eq!(expiry.resolve(NOW).map(Exptime::to_wire), expected, "{expiry:?}");
            let blind = expiry.resolve(0).map(Exptime::to_wire);
            assert!(expiry.needs_clock() || blind == expected, "{expiry:?} looked at the clock");
        }
    }
}
