//! What kind of command it is, for what may be done about one that failed.

use crate::codec::Command;

/// Whether it is a lookup: sending it twice does no harm.
pub(super) fn is_read(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Get { .. }
            | Command::Gat { .. }
            | Command::Version
            | Command::ConfigGet(_)
            | Command::Stats(_)
            | Command::MetaGet(_)
            | Command::MetaDebug(_)
    )
}

/// Whether it changes anything on the server, so that it matters whether it was applied.
pub(super) fn changes(command: &Command<'_>) -> bool {
    match command {
        Command::Get { .. } | Command::Version | Command::ConfigGet(_) | Command::MetaDebug(_) => {
            false
        }
        Command::Stats(argument) => argument.changes(),
        Command::MetaGet(get) => get.changes(),
        _ => true,
    }
}
