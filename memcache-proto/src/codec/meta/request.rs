use super::common::Common;
use super::{MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaSet, Token};
use crate::value::Flags;

/// Any of the meta commands that are about a key. Its methods say what is in it, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaRequest<'a> {
    /// `mg`
    Get(MetaGet<'a>),
    /// `ms`
    Set(MetaSet<'a>),
    /// `md`
    Delete(MetaDelete<'a>),
    /// `ma`
    Arithmetic(MetaArithmetic<'a>),
    /// `me`: what the server knows of an item, for people.
    Debug(MetaKey<'a>),
}

impl<'a> MetaRequest<'a> {
    /// The key it is about.
    #[must_use]
    pub const fn key(&self) -> MetaKey<'a> {
        match self {
            MetaRequest::Get(get) => get.key,
            MetaRequest::Set(set) => set.key,
            MetaRequest::Delete(delete) => delete.key,
            MetaRequest::Arithmetic(arithmetic) => arithmetic.key,
            MetaRequest::Debug(key) => *key,
        }
    }

    /// The same about another key.
    #[must_use]
    pub const fn with_key(mut self, key: MetaKey<'a>) -> Self {
        match &mut self {
            MetaRequest::Get(get) => get.key = key,
            MetaRequest::Set(set) => set.key = key,
            MetaRequest::Delete(delete) => delete.key = key,
            MetaRequest::Arithmetic(arithmetic) => arithmetic.key = key,
            MetaRequest::Debug(old) => *old = key,
        }
        self
    }

    /// The length of the value that is to be stored, in bytes; 0 where there is none.
    #[must_use]
    pub const fn value_len(&self) -> usize {
        match self {
            MetaRequest::Set(set) => set.value.len(),
            _ => 0,
        }
    }

    /// The flags that are to be stored with it; 0 where there is no value.
    #[must_use]
    pub const fn new_flags(&self) -> Flags {
        match self {
            MetaRequest::Set(set) => set.client_flags,
            _ => Flags::new(0),
        }
    }

    /// The same with this opaque. `me` takes none.
    #[must_use]
    pub const fn with_opaque(mut self, opaque: Token) -> Self {
        let opaque = Some(opaque);
        match &mut self {
            MetaRequest::Get(get) => get.common.opaque = opaque,
            MetaRequest::Set(set) => set.common.opaque = opaque,
            MetaRequest::Delete(delete) => delete.common.opaque = opaque,
            MetaRequest::Arithmetic(arithmetic) => arithmetic.common.opaque = opaque,
            MetaRequest::Debug(_) => {}
        }
        self
    }

    /// Whether the server is to say nothing where all went as expected.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        match self.common() {
            Some(common) => common.quiet,
            None => false,
        }
    }

    pub(super) const fn common(&self) -> Option<&Common> {
        match self {
            MetaRequest::Get(get) => Some(&get.common),
            MetaRequest::Set(set) => Some(&set.common),
            MetaRequest::Delete(delete) => Some(&delete.common),
            MetaRequest::Arithmetic(arithmetic) => Some(&arithmetic.common),
            MetaRequest::Debug(_) => None,
        }
    }
}
