//! Calls on many keys. Their keys and values are encoded and given to the client part by part, as it has room
//! for them: what a call takes beside its items and its answer does not grow with it.

mod change;
mod counted;
mod each;
mod found;
mod given;
mod set;

pub use change::{ChangeMany, delete_many, touch_many};
pub(super) use counted::Batch;
pub use counted::Counted;
pub use each::{EachFound, GetEach, get_each};
pub use found::{Found, GetMany, Plain, WithCas, gat_many, get_many, gets_many};
pub use set::{SetMany, add_many, replace_many, set_many};
