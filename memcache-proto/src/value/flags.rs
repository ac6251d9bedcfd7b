use core::fmt;

/// The number a client stores beside a value and gets back with it (protocol.txt, "flags").
///
/// 32 bits are sent; a server built for large client flags may answer with 64, which are kept. The
/// constants are the bits that python-memcached gives a meaning, and pylibmc and pymemcache after
/// it.
///
/// ```
/// use memcache_proto::value::Flags;
///
/// let flags = Flags::TEXT.with(Flags::COMPRESSED);
/// assert_eq!(flags.bits(), 24);
/// assert!(flags.contains(Flags::TEXT));
/// assert_eq!(flags.without(Flags::COMPRESSED), Flags::TEXT);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(u64);

impl Flags {
    /// The value is a Python object, serialised.
    pub const PICKLE: Flags = Flags(1);
    /// The value is an integer in decimal digits.
    pub const INTEGER: Flags = Flags(2);
    /// The same, as Python 2 and pylibmc write it; read, never written.
    pub const LONG: Flags = Flags(4);
    /// The value is compressed in zlib format; the other bits say what it inflates to.
    pub const COMPRESSED: Flags = Flags(8);
    /// The value is UTF-8 text: python-memcached since 1.59. Older ones store text without flags.
    pub const TEXT: Flags = Flags(16);

    /// Flags to be sent.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Flags(bits as u64)
    }

    /// Flags as a server answered them.
    #[must_use]
    pub const fn from_wire(bits: u64) -> Self {
        Flags(bits)
    }

    /// All the bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Flags) -> Self {
        Flags(self.0 | other.0)
    }

    /// These flags, none of those of `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Self {
        Flags(self.0 & !other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_python_memcached() {
        let bits = [Flags::PICKLE, Flags::INTEGER, Flags::LONG, Flags::COMPRESSED, Flags::TEXT];
        assert_eq!(bits.map(Flags::bits), [1, 2, 4, 8, 16]);
    }

    #[test]
    fn all_of_64_bits_take_part() {
        let all = Flags::from_wire(u64::MAX);
        let high = Flags::from_wire(1 << 63);
        assert!(all.contains(high) && all.contains(Flags::TEXT) && !high.contains(Flags::TEXT));
        assert_eq!(all.without(high).with(high), all);
        assert_eq!(high.with(Flags::TEXT).without(high), Flags::TEXT);
        assert!(!Flags::TEXT.contains(Flags::TEXT.with(Flags::COMPRESSED)));
        assert!(Flags::TEXT.contains(Flags::default()));
    }
}
