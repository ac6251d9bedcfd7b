use core::fmt;

/// A word that a meta command carries and its reply gives back: the opaque (`O`), and the tokens that
/// only proxies read (`P`, `L`). At most [`Token::MAX_LEN`] bytes, none of them a space or a control
/// character.
///
/// ```
/// use memcache_proto::codec::Token;
///
/// assert_eq!(Token::number(7).as_bytes(), b"7");
/// assert!(Token::new(b"a b").is_err());
/// # Ok::<(), memcache_proto::codec::TokenError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    bytes: [u8; Token::MAX_LEN],
    len: u8,
}

impl Token {
    /// How long one may be, in bytes: memcached's limit of 32 counts the letter before it.
    pub const MAX_LEN: usize = 31;

    /// These bytes.
    ///
    /// # Errors
    ///
    /// [`TokenError`] where they are none, too many, or hold what may not stand in a word.
    pub fn new<T: AsRef<[u8]> + ?Sized>(token: &T) -> Result<Self, TokenError> {
        let token = token.as_ref();
        let allowed = |&byte: &u8| byte > b' ' && byte != 0x7f;
        match token.len() {
            0 => return Err(TokenError::Empty),
            len if len > Self::MAX_LEN => return Err(TokenError::TooLong { len }),
            _ if !token.iter().all(allowed) => return Err(TokenError::Forbidden),
            _ => {}
        }
        Ok(Self::copied(token))
    }

    /// The decimal digits of a number.
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self::copied(itoa::Buffer::new().format(number).as_bytes())
    }

    /// A token as it stood on a line: it may be empty, or hold control characters. `None` where it is too
    /// long.
    pub(crate) fn from_wire(token: &[u8]) -> Option<Self> {
        (token.len() <= Self::MAX_LEN).then(|| Self::copied(token))
    }

    fn copied(token: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        let len = token.len().min(Self::MAX_LEN);
        bytes.iter_mut().zip(token).for_each(|(to, from)| *to = *from);
        Token { bytes, len: u8::try_from(len).unwrap_or(0) }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// Why bytes are no [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// There are none.
    Empty,
    /// There are more than [`Token::MAX_LEN`].
    TooLong {
        /// How many there are.
        len: usize,
    },
    /// There is a space or a control character among them.
    Forbidden,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Empty => write!(f, "the token is empty"),
            TokenError::TooLong { len } => {
                write!(f, "the token has {len} bytes, more than {}", Token::MAX_LEN)
            }
            TokenError::Forbidden => write!(f, "the token holds a space or a control character"),
        }
    }
}

impl core::error::Error for TokenError {}
