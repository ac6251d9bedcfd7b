//! `portable_atomic`, with `loom`'s atomics: each access is a place to switch at, and a load may find
//! whatever the memory model of the language lets it find.

pub use loom::sync::atomic::*;
