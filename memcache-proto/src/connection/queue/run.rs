//! Requests of several commands, or of several keys, that travel as one.

use alloc::vec::Vec;

use super::Request;
use crate::Exptime;
use crate::codec::{Command, Keys};

/// The commands that a text consists of, one after the other, each with its length.
pub(crate) struct Commands<'a> {
    rest: &'a [u8],
}

impl<'a> Commands<'a> {
    /// The commands of `text`, which this crate has written.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        Commands { rest: text }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = (Command<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (command, len) = Command::parse_own(self.rest)?;
        self.rest = self.rest.get(len..)?;
        Some((command, len))
    }
}

/// Whether the command of a run whose turn it is has been sent whole, where the run itself has not been.
#[cold]
pub(super) fn may_be_answered(request: &Request, text: &[u8], base: u64, sent: u64) -> bool {
    if request.commands_left() < 2 {
        return false;
    }
    let at = usize::try_from(request.start - base).unwrap_or(usize::MAX);
    let text = text.get(at..).and_then(|text| text.get(..request.len)).unwrap_or_default();
    let commands = Commands::of(text).take(request.parts + 1);
    let len: usize = commands.map(|(_, len)| len).sum();
    request.start + len as u64 <= sent
}

/// Adds the one key of a get to the line that `text` ends with. Returns how much longer the line is; `None` if
/// that is more than `room`.
#[inline(always)]
pub(super) fn append_key(text: &mut Vec<u8>, mut keys: Keys<'_>, room: usize) -> Option<usize> {
    let key = keys.next()?;
    let len = key.len() + 1;
    if len > room || keys.next().is_some() {
        return None;
    }
    text.reserve(len);
    if let Some(space) = text.len().checked_sub(2).and_then(|at| text.get_mut(at)) {
        *space = b' ';
    }
    text.truncate(text.len() - 1);
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"\r\n");
    Some(len)
}

/// Adds a command behind `text`. Returns its length; `None` if that is more than `room`.
#[inline(always)]
pub(super) fn append_command(
    text: &mut Vec<u8>,
    command: &Command<'_>,
    room: usize,
) -> Option<usize> {
    if matches!(command, Command::Store { value, .. } if value.len() >= room) {
        return None;
    }
    let before = text.len();
    command.encode(text);
    let len = text.len() - before;
    if len > room {
        text.truncate(before);
        return None;
    }
    Some(len)
}

/// Whether a gat, or gats, gives its items this exptime.
pub(super) fn is_gat_of(line: &[u8], exptime: Exptime) -> bool {
    let mut words = line.split(|&byte| byte == b' ').skip(1);
    let mut digits = itoa::Buffer::new();
    words.next() == Some(digits.format(exptime.to_wire()).as_bytes())
}
