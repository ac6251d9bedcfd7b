//! The meta commands and what answers them (protocol.txt, "Meta Commands").

mod change;
pub(crate) mod common;
mod encode;
mod flags;
mod get;
mod key;
mod order;
pub(crate) mod parse;
mod read;
mod request;
mod set;
mod token;

pub use change::{MetaArithmetic, MetaDelete};
pub(crate) use encode::encode_debug;
pub use flags::MetaFlags;
pub use get::MetaGet;
pub use key::MetaKey;
pub use request::MetaRequest;
pub use set::{MetaSet, SetMode};
pub use token::{Token, TokenError};
