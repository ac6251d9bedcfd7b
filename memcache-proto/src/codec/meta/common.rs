use alloc::vec::Vec;

use super::Token;

/// What a meta command is to give back, a flag each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Returns(u8);

impl Returns {
    /// The letters, in the order in which they are written.
    pub(crate) const LETTERS: [u8; 8] = *b"vfcsthlk";

    /// The place of a letter among them, as a bit; none of any other.
    const fn bit(letter: u8) -> u8 {
        let mut at = 0;
        while at < Self::LETTERS.len() {
            if Self::LETTERS[at] == letter {
                return 1 << at;
            }
            at += 1;
        }
        0
    }

    pub(crate) const fn with(self, letter: u8) -> Self {
        Returns(self.0 | Self::bit(letter))
    }

    pub(crate) const fn without(self, letter: u8) -> Self {
        Returns(self.0 & !Self::bit(letter))
    }

    pub(crate) const fn has(self, letter: u8) -> bool {
        self.0 & Self::bit(letter) != 0
    }

    /// Appends the letters of those that are set, a space before each.
    #[inline(always)]
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        for (at, letter) in Self::LETTERS.into_iter().enumerate() {
            if self.0 & 1 << at != 0 {
                out.extend_from_slice(&[b' ', letter]);
            }
        }
    }
}

/// What every meta command may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) returns: Returns,
    pub(crate) quiet: bool,
    pub(crate) opaque: Option<Token>,
    pub(crate) proxy: Option<Token>,
    pub(crate) lane: Option<Token>,
}

impl Common {
    /// Nothing of it.
    pub(crate) const NONE: Self =
        Common { returns: Returns(0), quiet: false, opaque: None, proxy: None, lane: None };
}

/// The methods that every builder has, and those for what it may have given back.
macro_rules! common {
    ($($(#[$doc:meta])* $name:ident $letter:literal,)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub const fn $name(mut self) -> Self {
                self.common.returns = self.common.returns.with($letter);
                self
            }
        )*

        /// `O`: a token of the caller's that comes back with the reply. A
        /// [`Connection`](crate::connection::Connection) has its own in place of it.
        #[must_use]
        pub const fn opaque(mut self, opaque: Token) -> Self {
            self.common.opaque = Some(opaque);
            self
        }

        /// `P`: a token that memcached passes over and proxies may read.
        #[must_use]
        pub const fn proxy_token(mut self, token: Token) -> Self {
            self.common.proxy = Some(token);
            self
        }

        /// `L`: another such token.
        #[must_use]
        pub const fn lane_token(mut self, token: Token) -> Self {
            self.common.lane = Some(token);
            self
        }

        /// The token of `O`, if there is one.
        #[must_use]
        pub const fn opaque_token(&self) -> Option<Token> {
            self.common.opaque
        }

        /// Whether the server is to say nothing where all went as expected.
        #[must_use]
        pub const fn is_quiet(&self) -> bool {
            self.common.quiet
        }
    };
}

pub(super) use common;
