//! `portable_atomic`, with `shuttle`'s atomics: each access is a place to switch at.

pub use shuttle::sync::atomic::*;
