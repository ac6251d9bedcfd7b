//! What a meta request says, field by field.

use alloc::vec::Vec;

use super::common::Returns;
use super::{MetaRequest, SetMode, Token};
use crate::Exptime;

/// What the request says, for proxies, servers and tests: a field is `None`, or `false`, if the request does
/// not have it, or if its command has no such flag.
///
/// ```
/// use memcache_proto::codec::Command;
/// use memcache_proto::{Exptime, Limits};
///
/// let line = b"mg foo  v T60 q O7 C5\r\n";
/// let (command, _) = Command::parse(line, &Limits::default())?.expect("a whole line");
/// let request = command.as_meta().expect("a meta command");
/// assert_eq!(request.exptime(), Some(Exptime::from_wire(60)));
/// assert_eq!(request.compare_cas(), Some(5));
/// assert!(request.is_quiet() && request.returns(b'v') && !request.returns(b'c'));
/// let mut flags = Vec::new();
/// request.encode_flags(&mut flags);
/// assert_eq!(flags, b" T60 C5 v q O7");
/// # Ok::<(), memcache_proto::codec::CommandError>(())
/// ```
impl<'a> MetaRequest<'a> {
    /// The value that `ms` stores.
    #[must_use]
    pub const fn value(&self) -> Option<&'a [u8]> {
        match self {
            MetaRequest::Set(set) => Some(set.value),
            _ => None,
        }
    }

    /// `M` of `ms`: what it does with what is there.
    #[must_use]
    pub const fn mode(&self) -> Option<SetMode> {
        match self {
            MetaRequest::Set(set) => Some(set.mode),
            _ => None,
        }
    }

    /// `M` of `ma`: whether it counts down.
    #[must_use]
    pub const fn is_decrement(&self) -> bool {
        match self {
            MetaRequest::Arithmetic(count) => count.decrement,
            _ => false,
        }
    }

    /// `D`: by how much `ma` counts.
    #[must_use]
    pub const fn delta(&self) -> Option<u64> {
        match self {
            MetaRequest::Arithmetic(count) => Some(count.delta),
            _ => None,
        }
    }

    /// `J`: the first value of a counter that `ma` makes; `None` if it makes none.
    #[must_use]
    pub const fn initial(&self) -> Option<u64> {
        match self {
            MetaRequest::Arithmetic(count) => match count.create {
                Some((initial, _)) => Some(initial),
                None => None,
            },
            _ => None,
        }
    }

    /// `T`: the exptime that the item gets, whether it is stored, touched or made stale.
    #[must_use]
    pub const fn exptime(&self) -> Option<Exptime> {
        match self {
            MetaRequest::Get(get) => get.ttl,
            MetaRequest::Set(set) => set.ttl,
            MetaRequest::Delete(delete) => delete.ttl,
            MetaRequest::Arithmetic(count) => count.ttl,
            MetaRequest::Debug(_) => None,
        }
    }

    /// `N`: the exptime that a missing item is created with.
    #[must_use]
    pub const fn vivify(&self) -> Option<Exptime> {
        match self {
            MetaRequest::Get(get) => get.vivify,
            MetaRequest::Set(set) => set.vivify,
            MetaRequest::Arithmetic(count) => match count.create {
                Some((_, exptime)) => Some(exptime),
                None => None,
            },
            MetaRequest::Delete(_) | MetaRequest::Debug(_) => None,
        }
    }

    /// `R`: the client wins if the item expires in less than this many seconds.
    #[must_use]
    pub const fn recache(&self) -> Option<u32> {
        match self {
            MetaRequest::Get(get) => get.recache,
            _ => None,
        }
    }

    /// `C`: the cas unique that the item's is compared with.
    #[must_use]
    pub const fn compare_cas(&self) -> Option<u64> {
        match self {
            MetaRequest::Get(get) => get.compare,
            MetaRequest::Set(set) => set.compare,
            MetaRequest::Delete(delete) => delete.compare,
            MetaRequest::Arithmetic(count) => count.compare,
            MetaRequest::Debug(_) => None,
        }
    }

    /// `E`: the cas unique that the item gets.
    #[must_use]
    pub const fn explicit_cas(&self) -> Option<u64> {
        match self {
            MetaRequest::Get(get) => get.new_cas,
            MetaRequest::Set(set) => set.new_cas,
            MetaRequest::Delete(delete) => delete.new_cas,
            MetaRequest::Arithmetic(count) => count.new_cas,
            MetaRequest::Debug(_) => None,
        }
    }

    /// `I`: whether the item becomes stale, of `ms` if its cas unique is above the one compared.
    #[must_use]
    pub const fn invalidates(&self) -> bool {
        match self {
            MetaRequest::Set(set) => set.invalidate,
            MetaRequest::Delete(delete) => delete.invalidate,
            _ => false,
        }
    }

    /// `x`: whether `md` leaves the item without its value.
    #[must_use]
    pub const fn removes_value(&self) -> bool {
        match self {
            MetaRequest::Delete(delete) => delete.remove_value,
            _ => false,
        }
    }

    /// `u`: whether `mg` does not count as an access.
    #[must_use]
    pub const fn is_unaccessed(&self) -> bool {
        match self {
            MetaRequest::Get(get) => get.unaccessed,
            _ => false,
        }
    }

    /// Whether the reply gives back what this letter asks for: one of `v f c s t h l k`.
    #[must_use]
    pub const fn returns(&self, letter: u8) -> bool {
        match self.common() {
            Some(common) => common.returns.has(letter),
            None => false,
        }
    }

    /// The letters of all that is given back, in the order in which they are encoded.
    pub fn returned(&self) -> impl Iterator<Item = u8> + use<> {
        let returns = self.common().map_or(Returns::default(), |common| common.returns);
        Returns::LETTERS.into_iter().filter(move |&letter| returns.has(letter))
    }

    /// `O`: the opaque.
    #[must_use]
    pub const fn opaque(&self) -> Option<Token> {
        match self.common() {
            Some(common) => common.opaque,
            None => None,
        }
    }

    /// `P`: a token for proxies. One of more than [`Token::MAX_LEN`] bytes, which memcached passes over as
    /// it does any other, is not kept by the parser, nor is such an `L`.
    #[must_use]
    pub const fn proxy_token(&self) -> Option<Token> {
        match self.common() {
            Some(common) => common.proxy,
            None => None,
        }
    }

    /// `L`: another token for proxies.
    #[must_use]
    pub const fn lane_token(&self) -> Option<Token> {
        match self.common() {
            Some(common) => common.lane,
            None => None,
        }
    }

    /// Appends the flags as [`Command::encode`](crate::codec::Command::encode) writes them and in its order,
    /// a space before each; `b` is not among them, as it belongs to the key.
    pub fn encode_flags(&self, out: &mut Vec<u8>) {
        match self {
            MetaRequest::Get(get) => get.encode_flags(out),
            MetaRequest::Set(set) => set.encode_flags(out),
            MetaRequest::Delete(delete) => delete.encode_flags(out),
            MetaRequest::Arithmetic(count) => count.encode_flags(out),
            MetaRequest::Debug(_) => {}
        }
    }
}
