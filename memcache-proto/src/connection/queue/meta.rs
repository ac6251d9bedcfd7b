//! Which request a meta reply is for, and what the silence of quiet ones says.

use super::super::expect::{Expect, Fit, is_about_the_number};
use super::super::{CloseReason, Event, Reply, ValueBytes};
use super::{Queue, RequestId, is_refusal};
use crate::codec::{Item, MetaFlags, MetaKey, Response};
use crate::{ErrorLine, Key, MAX_KEY_LEN, ProtocolError};

impl Queue {
    /// What `item` means where a meta request is first: it may be the answer to a later one, where those
    /// before it are quiet.
    pub(super) fn pair_meta<'a>(
        &mut self,
        item: Item<'a>,
    ) -> Result<(Event<'a>, Option<CloseReason>), CloseReason> {
        let unexpected = CloseReason::Protocol(ProtocolError::UnexpectedResponse);
        let reply = match item {
            Item::LargeVa { flags, value } => {
                Reply::MetaValue { flags, value: ValueBytes::Large(value) }
            }
            Item::Response(Response::Va { flags, value }) => {
                Reply::MetaValue { flags, value: ValueBytes::Shared(value) }
            }
            Item::Response(response) if is_refusal(&response) => return Err(CloseReason::Refused),
            Item::Response(response) => Reply::Last(response),
            Item::LargeValue { .. } => return Err(unexpected),
        };
        let flags = flags_of(&reply);
        let opaque = flags.and_then(MetaFlags::opaque);
        let error = match &reply {
            Reply::Last(response) => response.as_error_line(),
            _ => None,
        };
        // Replies with an opaque say which of them they are for; others can only be for the first that is
        // not quiet.
        let at = match opaque {
            Some(opaque) => {
                let at = self.with_opaque(opaque);
                sometimes!("wrong opaque", at.is_none());
                at.ok_or(unexpected.clone())?
            }
            None if error.is_some() => 0,
            None => self.first_heard().ok_or(unexpected.clone())?,
        };
        let Some(request) = self.requests.get(at) else { return Err(unexpected) };
        if !request.may_be_answered(self.sent, error.is_some()) {
            sometimes!("reply before its request");
            return Err(CloseReason::Protocol(ProtocolError::Unsolicited));
        }
        let fits = match (&reply, request.expect) {
            (Reply::MetaValue { flags, .. }, Expect::Meta(meta)) => Some(meta.fit_value(flags)),
            (Reply::Last(response), expect) => Some(expect.fit(response)),
            _ => None,
        };
        // Every form that can carry an opaque is to carry the request's, so one without is another's. A
        // miss alone has been seen without.
        let carries = flags.is_some() && !matches!(reply, Reply::Last(Response::En(_)));
        if carries && opaque.is_none() {
            sometimes!("opaque missing");
            return Err(unexpected);
        }
        let names_a_key = matches!(reply, Reply::Last(Response::Me { .. }))
            || flags.is_some_and(|flags| flags.key().is_some());
        if fits == Some(Fit::Last) && names_a_key {
            let text = self.text_at(request.start, request.len);
            if !names_the_key_of(text, &reply) {
                sometimes!("wrong key in a meta reply");
                return Err(CloseReason::Protocol(ProtocolError::UnexpectedKey));
            }
        }
        match (fits, error) {
            (Some(Fit::Last | Fit::LastAndClose), Some(error)) if request.expect.is_quiet() => {
                // It may be about any of them that has not been answered.
                sometimes!("error in a quiet run");
                let request = RequestId(self.first);
                let then = match error {
                    ErrorLine::Server(_) => None,
                    ErrorLine::Client(ref text) if is_about_the_number(text.as_bytes()) => None,
                    // How many lines are still to come is not known.
                    _ => Some(CloseReason::Form),
                };
                Ok((Event { request, reply: Reply::Doubt(error) }, then))
            }
            (Some(Fit::Last), _) => Ok((self.answered_at(at, reply), None)),
            (Some(Fit::LastAndClose), _) => {
                sometimes!("closed for form");
                Ok((self.answered_at(at, reply), Some(CloseReason::Form)))
            }
            _ => {
                sometimes!("unexpected response");
                Err(unexpected)
            }
        }
    }

    /// Takes off the request at this place, and the quiet ones before it.
    fn answered_at<'a>(&mut self, at: usize, reply: Reply<'a>) -> Event<'a> {
        sometimes!("quiet ones passed over", at > 0);
        for _ in 0..at {
            self.pop_keeping_text();
        }
        let cancelled = self.requests.front().is_some_and(|request| request.cancelled);
        let request = self.pop_answered();
        let reply = if cancelled { Reply::Cancelled } else { reply };
        Event { request, reply }
    }

    /// The place of the first request in flight that has a reply for certain.
    fn first_heard(&self) -> Option<usize> {
        let mut in_flight = self.requests.iter().take(self.in_flight);
        in_flight.position(|request| request.expect.has_reply() && !request.expect.is_quiet())
    }

    /// The place of the request with this opaque, if none before it has a reply for certain.
    fn with_opaque(&self, opaque: &[u8]) -> Option<usize> {
        let last = self.first_heard().unwrap_or(self.in_flight.saturating_sub(1));
        let mut in_flight = self.requests.iter().take(last + 1);
        in_flight
            .position(|request| opaque_of(self.text_at(request.start, request.len)) == Some(opaque))
    }
}

/// The flags that came with a reply, where it is of a form that has any.
fn flags_of<'r, 'a>(reply: &'r Reply<'a>) -> Option<&'r MetaFlags<'a>> {
    match reply {
        Reply::MetaValue { flags, .. }
        | Reply::Last(
            Response::Hd(flags)
            | Response::Nf(flags)
            | Response::Ns(flags)
            | Response::En(flags)
            | Response::Ex(flags),
        ) => Some(flags),
        _ => None,
    }
}

/// The words of a meta request but for the command, the key first.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = memchr::memchr(b'\r', text).and_then(|end| text.get(..end)).unwrap_or_default();
    line.split(|&byte| byte == b' ').skip(1)
}

/// The token of `O` in a meta request.
fn opaque_of(text: &[u8]) -> Option<&[u8]> {
    words(text).skip(1).find_map(|word| word.strip_prefix(b"O"))
}

/// The key of a meta request.
fn key_of(text: &[u8]) -> Option<MetaKey<'_>> {
    let mut words = words(text);
    let key = Key::parsed(words.next()?);
    Some(MetaKey::from_wire(key, words.any(|word| word == b"b")))
}

/// Whether the key that a reply carries is that of the request of this text.
///
/// Servers write it as whoever stored the item did, in base64 or not, whichever way it was asked for. Of an
/// item that `mg`, `ma` or an append has made memcached writes it as it is, whatever bytes those are: what
/// is behind a space then looks like flags, or like the items of `ME`.
#[cold]
fn names_the_key_of(text: &[u8], reply: &Reply<'_>) -> bool {
    let mut space = [0; MAX_KEY_LEN];
    let Some(asked) = key_of(text).and_then(|key| key.decode(&mut space)) else { return false };
    let is_asked = |told: &[u8], base64| {
        let mut space = [0; MAX_KEY_LEN];
        MetaKey::from_wire(Key::parsed(told), base64).decode(&mut space) == Some(asked)
    };
    if let Reply::Last(Response::Me { key, items }) = reply {
        // It does not say whether the key is in base64.
        let rest = asked.strip_prefix(*key).and_then(|rest| rest.strip_prefix(b" "));
        let items = rest.and_then(|rest| items.strip_prefix(rest));
        let is_raw = items.is_some_and(|items| items.starts_with(b" "));
        return is_asked(key, false) || is_asked(key, true) || is_raw;
    }
    flags_of(reply).is_some_and(|flags| {
        let is_asked = |key| is_asked(key, flags.is_base64());
        let is_raw = || asked.contains(&b' ') && flags.has_raw_key(asked);
        flags.key().is_some_and(is_asked) || is_raw()
    })
}
