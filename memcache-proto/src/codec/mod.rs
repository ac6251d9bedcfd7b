//! Commands and responses to and from bytes, for both ends of a connection.
//!
//! | from bytes | to bytes |
//! |---|---|
//! | [`Response::parse`], [`Decoder`] | [`Response::encode`] |
//! | [`Command::parse`] | [`Command::encode`] |
//!
//! Parsing borrows from the input and allocates nothing. The input may end anywhere: that is
//! `Ok(None)`, not an error. [`Response::parse`] begins again from the start of its input each time;
//! [`Decoder`] owns a buffer, keeps its place, and looks at each byte once, however the bytes arrive.
//! What is to outlive the next read is copied out with [`Chunks`].
//!
//! Every reply can be told from its first word alone, so a decoder needs to know nothing of what was
//! asked; whether a reply answers its request is the connection's to say. That holds for the meta
//! protocol too, whose words are its own: its replies stand beside the classic ones in the same
//! [`Response`], its commands in the same [`Command`], and the two may be mixed on one connection. `VA`
//! frames its value as `VALUE` does. The flags of meta replies come in whatever order, as
//! [`MetaFlags`]; those of commands are built as [`MetaGet`], [`MetaSet`], [`MetaDelete`] and
//! [`MetaArithmetic`].

pub(crate) mod chunks;
mod command;
mod debug;
mod decoder;
mod encode;
mod frequent;
pub(crate) mod grammar;
mod large;
pub(crate) mod meta;
pub(crate) mod parse_command;
mod parse_response;
mod response;

pub use chunks::Chunks;
pub use command::{Command, Keys, MetadumpTarget, StatsArgument, StoreVerb};
pub(crate) use decoder::WholeValue;
pub use decoder::{Decoder, Item};
pub use large::LargeValue;
pub use meta::{
    MetaArithmetic, MetaDelete, MetaFlags, MetaGet, MetaKey, MetaRequest, MetaSet, SetMode, Token,
    TokenError,
};
pub use parse_command::{CommandError, Refusal};
pub use response::Response;
