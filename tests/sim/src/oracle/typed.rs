//! Commands and responses that are made, not found, through the other role.
//!
//! They are drawn from a [`Source`](crate::Source), not made by `arbitrary`: what is drawn borrows from
//! what was drawn before it, as the codec's types do; 0 stays the calm choice, so that shorter inputs are
//! simpler cases; and seeds, fuzzers and kept inputs share one harness.

use memcache_proto::codec::{Command, CommandError};
use memcache_proto::{Limits, MAX_KEY_LEN};

use super::draw::{self, Kinds};
use super::naive::check_said;
use super::responses::survives_encoding;
use crate::{Choose, Tape};

/// Takes the bytes for choices: some commands and responses.
///
/// # Panics
///
/// Panics if the other role reads one of them as anything else.
pub fn typed(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    while !tape.has_ended() {
        match tape.one_in(2) {
            false => draw::command(&mut tape, Kinds::All, reads_as_itself),
            true => draw::response(&mut tape, |response| {
                let roomy = Limits { max_line_len: 4096, ..Limits::default() };
                survives_encoding(response, &roomy);
                check_said(response, &roomy);
            }),
        }
    }
}

/// The server role reads the command, and another behind it.
fn reads_as_itself(command: &Command<'_>) {
    let mut out = Vec::new();
    command.encode(&mut out);
    let len = out.len();
    Command::Version.encode(&mut out);
    let shown = out.escape_ascii();
    let line = out.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if line.len() > 2048 && !matches!(command, Command::Get { .. }) {
        let parsed = Command::parse(&out, &Limits::default());
        assert!(matches!(parsed, Err(CommandError::LineTooLong { .. })), "{parsed:?} of {shown}");
        return;
    }
    let parsed = Command::parse(&out, &Limits::default());
    let Ok(Some((read, read_len))) = parsed else { panic!("{parsed:?} of {shown}") };
    assert_eq!(read_len, len, "{shown}");
    let (Some(read_meta), Some(meta)) = (read.as_meta(), command.as_meta()) else {
        return assert_eq!(read, *command, "{shown}");
    };
    // A key in base64 is known by its bytes.
    let mut spaces = [[0; MAX_KEY_LEN]; 2];
    let [first, second] = &mut spaces;
    assert_eq!(read_meta.key().decode(first), meta.key().decode(second), "{shown}");
    assert_eq!(Command::from(read_meta.with_key(meta.key())), *command, "{shown}");
}
