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
//! Every reply of the classic protocol can be told from its first word alone, so a decoder needs to
//! know nothing of what was asked; whether a reply answers its request is
//! the connection's to say. The meta protocol is not spoken yet, and `HD` is
//! malformed. Its place is here: its replies have first words of their own and `VA` frames its value as
//! `VALUE` does, so they will stand beside the classic ones in the same [`Response`], and meta commands
//! in the same [`Command`].

mod chunks;
mod command;
mod decoder;
mod encode;
pub(crate) mod grammar;
pub(crate) mod parse_command;
mod response;

pub use chunks::Chunks;
pub use command::{Command, Keys, MetadumpTarget, StatsArgument, StoreVerb};
pub use decoder::{Decoder, Item, LargeValue};
pub use parse_command::{CommandError, Refusal};
pub use response::Response;
