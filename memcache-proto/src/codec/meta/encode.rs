//! Meta commands to bytes.

use alloc::vec::Vec;

use super::common::{Common, Returns};
use super::order::Order;
use super::{MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaSet, Token};
use crate::MAX_KEY_LEN;
use crate::codec::command::put_word;

impl MetaGet<'_> {
    #[inline(always)]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        begin(out, b"mg ", self.key, None);
        self.encode_flags(out);
        out.extend_from_slice(b"\r\n");
    }

    #[inline(always)]
    pub(super) fn encode_flags(&self, out: &mut Vec<u8>) {
        let mut returns = self.common.returns;
        if self.order == Order::GET {
            number(out, b" R", self.recache);
            number(out, b" T", self.ttl.map(|exptime| exptime.to_wire()));
            number(out, b" N", self.vivify.map(|exptime| exptime.to_wire()));
        } else {
            returns = self.put_in_order(out);
        }
        number(out, b" C", self.compare);
        number(out, b" E", self.new_cas);
        flag(out, self.unaccessed, b" u");
        put_common(out, &self.common, returns);
    }
}

impl MetaGet<'_> {
    /// The flags that servers go by, as they were parsed. Returns what is still to be asked for.
    #[cold]
    fn put_in_order(&self, out: &mut Vec<u8>) -> Returns {
        let returns = self.common.returns;
        for letter in self.order.letters(Order::GET) {
            match letter {
                b'R' => number(out, b" R", self.recache),
                b'T' => number(out, b" T", self.ttl.map(|exptime| exptime.to_wire())),
                b'N' => number(out, b" N", self.vivify.map(|exptime| exptime.to_wire())),
                _ => flag(out, returns.has(b't'), b" t"),
            }
        }
        returns.without(b't')
    }
}

impl MetaSet<'_> {
    #[inline(always)]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        begin(out, b"ms ", self.key, Some(self.value.len()));
        self.encode_flags(out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.value);
        out.extend_from_slice(b"\r\n");
    }

    #[inline(always)]
    pub(super) fn encode_flags(&self, out: &mut Vec<u8>) {
        number(out, b" F", Some(self.client_flags.bits()).filter(|&bits| bits != 0));
        number(out, b" T", self.ttl.map(|exptime| exptime.to_wire()));
        number(out, b" C", self.compare);
        number(out, b" E", self.new_cas);
        flag(out, self.invalidate, b" I");
        if self.mode != super::SetMode::Set {
            out.extend_from_slice(b" M");
            out.push(self.mode.letter());
        }
        number(out, b" N", self.vivify.map(|exptime| exptime.to_wire()));
        put_common(out, &self.common, self.common.returns);
    }
}

impl MetaDelete<'_> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        begin(out, b"md ", self.key, None);
        self.encode_flags(out);
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn encode_flags(&self, out: &mut Vec<u8>) {
        number(out, b" C", self.compare);
        number(out, b" E", self.new_cas);
        flag(out, self.invalidate, b" I");
        number(out, b" T", self.ttl.map(|exptime| exptime.to_wire()));
        flag(out, self.remove_value, b" x");
        put_common(out, &self.common, self.common.returns);
    }
}

impl MetaArithmetic<'_> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        begin(out, b"ma ", self.key, None);
        self.encode_flags(out);
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn encode_flags(&self, out: &mut Vec<u8>) {
        flag(out, self.decrement, b" MD");
        if self.order != Order::COUNT {
            return self.encode_in_order(out);
        }
        number(out, b" N", self.create.map(|(_, exptime)| exptime.to_wire()));
        self.encode_count(out);
        number(out, b" T", self.ttl.map(|exptime| exptime.to_wire()));
        number(out, b" C", self.compare);
        number(out, b" E", self.new_cas);
        put_common(out, &self.common, self.common.returns);
    }

    fn encode_count(&self, out: &mut Vec<u8>) {
        number(out, b" J", self.create.map(|(initial, _)| initial));
        number(out, b" D", Some(self.delta));
    }

    /// The flags that servers go by as they were parsed, and then the others.
    #[cold]
    fn encode_in_order(&self, out: &mut Vec<u8>) {
        let returns = self.common.returns;
        for letter in self.order.letters(Order::COUNT) {
            match letter {
                b'N' => number(out, b" N", self.create.map(|(_, exptime)| exptime.to_wire())),
                b'T' => number(out, b" T", self.ttl.map(|exptime| exptime.to_wire())),
                b't' => flag(out, returns.has(b't'), b" t"),
                _ => {}
            }
        }
        self.encode_count(out);
        number(out, b" C", self.compare);
        number(out, b" E", self.new_cas);
        put_common(out, &self.common, returns.without(b't'));
    }
}

pub(crate) fn encode_debug(key: MetaKey<'_>, out: &mut Vec<u8>) {
    put_key(out, b"me ", key);
    // Twice, as memcached 1.6.45 overlooks one that stands last.
    flag(out, key.is_base64(), b" b b");
    out.extend_from_slice(b"\r\n");
}

/// The command and its key.
#[inline(always)]
fn begin(out: &mut Vec<u8>, word: &[u8; 3], key: MetaKey<'_>, len: Option<usize>) {
    put_key(out, word, key);
    number(out, b" ", len);
    flag(out, key.is_base64(), b" b");
}

/// What every command may carry: behind what it does to the item, so that it is told of that.
#[inline(always)]
fn put_common(out: &mut Vec<u8>, common: &Common, returns: Returns) {
    returns.encode(out);
    flag(out, common.quiet, b" q");
    token(out, common.opaque.as_ref(), b" O");
    token(out, common.proxy.as_ref(), b" P");
    token(out, common.lane.as_ref(), b" L");
}

#[inline(always)]
fn put_key(out: &mut Vec<u8>, word: &[u8; 3], key: MetaKey<'_>) {
    out.extend_from_slice(word);
    match key.as_wire() {
        Some(text) => put_word(out, text.as_bytes()),
        None => put_base64(out, key),
    }
}

#[cold]
fn put_base64(out: &mut Vec<u8>, key: MetaKey<'_>) {
    let mut space = [0; MAX_KEY_LEN];
    out.extend_from_slice(key.wire(&mut space));
}

#[inline(always)]
fn token(out: &mut Vec<u8>, token: Option<&Token>, text: &[u8; 2]) {
    if let Some(token) = token {
        out.extend_from_slice(text);
        put_word(out, token.as_bytes());
    }
}

#[inline(always)]
fn flag<const N: usize>(out: &mut Vec<u8>, set: bool, text: &[u8; N]) {
    if set {
        out.extend_from_slice(text);
    }
}

#[inline(always)]
fn number<const N: usize>(out: &mut Vec<u8>, text: &[u8; N], value: Option<impl itoa::Integer>) {
    if let Some(value) = value {
        out.extend_from_slice(text);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}
