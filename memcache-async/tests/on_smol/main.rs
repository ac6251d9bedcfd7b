//! The client on the sockets and the timers of smol, in cases that once went wrong.
#![cfg(feature = "smol")]

mod early_timers;
mod extremes;
mod fairness;
mod last_errors;
mod lone_calls;
mod moved_while_lent;
mod turns;
