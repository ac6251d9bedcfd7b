use alloc::vec::Vec;
use core::fmt;

/// A user and a password for servers that ask for a login: a memcached with `-Y`, or
/// `--auth-file`.
///
/// They are sent as they are: over anything but TLS, a Unix socket or this machine's own network whoever
/// listens can read them. `Debug` and all errors and notices leave both out.
///
/// ```
/// use memcache_proto::{Credentials, CredentialsError};
///
/// let credentials = Credentials::new("shop", "correct-horse")?;
/// assert_eq!(format!("{credentials:?}"), "Credentials(***)");
/// assert_eq!(Credentials::new("two words", "secret"), Err(CredentialsError::User));
/// # Ok::<(), CredentialsError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

/// The longest user and password, together, that memcached reads in its file.
const MAX_LEN: usize = 254;

impl Credentials {
    /// The credentials of this user.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] where no line of memcached's file could have these: both have at least one byte and
    /// no space and no control characters, a user has no colon, and together they have at most 254 bytes.
    pub fn new(
        user: impl AsRef<[u8]>,
        password: impl AsRef<[u8]>,
    ) -> Result<Self, CredentialsError> {
        let (user, password) = (user.as_ref(), password.as_ref());
        let may_be = |byte: &u8| *byte != b' ' && !byte.is_ascii_control();
        let is_plain = |text: &[u8]| !text.is_empty() && text.iter().all(may_be);
        if !is_plain(user) || user.contains(&b':') {
            return Err(CredentialsError::User);
        }
        if !is_plain(password) {
            return Err(CredentialsError::Password);
        }
        if user.len() + password.len() > MAX_LEN {
            return Err(CredentialsError::TooLong);
        }
        Ok(Credentials { user: user.to_vec(), password: password.to_vec() })
    }

    /// Who logs in.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// Why no server can know a user and a password. It has neither in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user is empty, or has a space, a colon or a control character.
    User,
    /// The password is empty, or has a space or a control character.
    Password,
    /// Both together have more than 254 bytes.
    TooLong,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialsError::User => {
                "the user of the login is empty, or has a space, a colon or a control character"
            }
            CredentialsError::Password => {
                "the password of the login is empty, or has a space or a control character"
            }
            CredentialsError::TooLong => {
                "the user and the password of the login have more than 254 bytes together"
            }
        })
    }
}

impl core::error::Error for CredentialsError {}
