//! `std` as the adapters see it while their schedules are explored: all of the real one, but the locks,
//! the threads, the clock and the sockets.
//!
//! * Each access to a lock, a channel or an atomic is a place where `shuttle` may go on with another
//!   thread.
//! * Time is a number ([`time`]). It passes when nobody can do anything but wait, or, where a model wants
//!   it so, now and then before that.
//! * A socket is one end of a pipe in memory ([`pipe`]), which `rustix::event::poll` can wait for.
//!
//! Everything that waits is a future that [`shuttle::future::block_on`] waits for.

pub use ::std::*;

pub mod pipe;
pub mod sync;
pub mod thread;
pub mod time;

/// `std::os`, with descriptors that are ends of pipes.
pub mod os {
    pub use ::std::os::*;

    /// `std::os::fd`.
    pub mod fd {
        pub use crate::pipe::{AsFd, BorrowedFd};
    }

    /// `std::os::unix`.
    pub mod unix {
        pub use ::std::os::unix::*;

        /// `std::os::unix::net`.
        pub mod net {
            pub use crate::pipe::UnixStream;
        }
    }
}

/// `std::net`, without TCP.
pub mod net {
    pub use crate::pipe::TcpStream;
    pub use ::std::net::*;
}
