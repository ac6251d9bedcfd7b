use alloc::vec::Vec;
use core::fmt;

use super::Response;
use super::frequent::{self, Deliver};
use super::grammar::{VALUE_KEY_AT, find};
use super::large::{Large, LargeValue, MIN_SPACE};
use super::meta::MetaFlags;
use super::parse_response::{
    Found, HEAD_LEN, Header, block, check_line, config_header, find_any, va_header,
};
use crate::value::Flags;
use crate::{Key, Limits, ProtocolError};

/// The shared buffer: one read of this many bytes at most.
const BUFFER_LEN: usize = 64 << 10;
/// The first shared buffer, until a read has filled it. A connection whose replies are short keeps it: a
/// client of many servers has one for each.
const FIRST_LEN: usize = 4 << 10;
/// With more than this handed out and less than this left, what is left goes to the front: reads that
/// come back to the same few KiB find them in the nearest cache, which is worth more than the move.
const NEAR: usize = 8 << 10;
/// Where the length stands in a `VA` line.
const VA_LEN_AT: usize = b"VA ".len();
/// Where the name stands in a `CONFIG` line.
const CONFIG_NAME_AT: usize = b"CONFIG ".len();

/// Responses from a stream of bytes that arrives in any pieces.
///
/// The decoder owns the buffer: read into [`space`](Decoder::space), say how much came with
/// [`filled`](Decoder::filled), then take items with [`next`](Decoder::next) until it says `None`.
/// Each byte is looked at once, whatever the pieces (of a line's first eight bytes each may be looked at
/// eight times), and memory grows with what has arrived, never with what a peer announced: at most twice
/// the bytes of an unfinished value, and 80 KiB. Whoever reads into [`spare`](Decoder::spare) room has up to
/// [`Limits::reserved_value_len`] bytes reserved, but not touched, before they have arrived.
///
/// ```
/// use memcache_proto::Limits;
/// use memcache_proto::codec::{Decoder, Item, Response};
///
/// let mut decoder = Decoder::new(Limits::default());
/// for piece in [&b"VALUE foo 0 3\r\nb"[..], b"ar\r\nEN", b"D\r\n"] {
///     decoder.space()[..piece.len()].copy_from_slice(piece); // a read from a socket
///     decoder.filled(piece.len());
///     while let Some(item) = decoder.next()? {
///         match item {
///             Item::Response(Response::Value { value, .. }) => assert_eq!(value, b"bar"),
///             Item::Response(response) => assert_eq!(response, Response::End),
///             Item::LargeValue { value, .. } | Item::LargeVa { value, .. } => {
///                 drop(value.take()); // a buffer of its own
///             }
///         }
///     }
/// }
/// assert!(decoder.is_empty());
/// # Ok::<(), memcache_proto::ProtocolError>(())
/// ```
pub struct Decoder {
    limits: Limits,
    /// All initialised; `start..end` has been received and not yet handed out.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
    /// The value being received where it has a buffer of its own.
    large: Large,
}

enum State {
    /// A line begins at `start`, and nothing is known of it.
    Ready,
    /// The line at `start` is not all there.
    Line {
        /// How many of its bytes are known to hold no LF.
        searched: usize,
    },
    /// The value that belongs to the line at `start` is not all there.
    Value(Pending),
    /// For good.
    Failed(ProtocolError),
}

/// A line that has been parsed, waiting for its value.
#[derive(Clone, Copy)]
struct Pending {
    line: Line,
    /// Where the value begins, counted from `start`.
    header_len: usize,
    value_len: usize,
    /// Whether it has begun to come in a buffer of its own, and not in the shared one.
    large: bool,
}

impl Pending {
    /// Whether the value is to have a buffer of its own. Configurations have none: they are few, and bounded.
    #[inline]
    fn is_large(&self, limits: &Limits) -> bool {
        self.value_len > limits.inline_value_len && !matches!(self.line, Line::Config)
    }
}

/// What is kept of a line whose bytes stay in the shared buffer.
#[derive(Clone, Copy)]
enum Line {
    Value {
        key_len: usize,
        flags: Flags,
        cas: Option<u64>,
    },
    /// Its flags are read once more when its value is there: they are many, and they point into it.
    Va,
    /// Rare and short: it is read once more, too.
    Config,
}

impl Line {
    fn of(header: &Header<'_>) -> Self {
        match *header {
            Header::Value { key, flags, cas } => Line::Value { key_len: key.len(), flags, cas },
            Header::Va { .. } => Line::Va,
            Header::Config { .. } => Line::Config,
        }
    }

    /// The line again, from its bytes.
    #[inline]
    fn header(self, line: &[u8]) -> Option<Header<'_>> {
        match self {
            Line::Value { key_len, flags, cas } => {
                let key = Key::parsed(line.get(VALUE_KEY_AT..VALUE_KEY_AT + key_len)?);
                Some(Header::Value { key, flags, cas })
            }
            Line::Va => {
                let (_, (header, _)) = va_header(line.get(VA_LEN_AT..)?).ok()?;
                Some(header)
            }
            Line::Config => {
                let (_, (header, _)) = config_header(line.get(CONFIG_NAME_AT..)?).ok()?;
                Some(header)
            }
        }
    }
}

/// What a decoder that had to wait can go on with.
#[derive(Clone, Copy)]
enum Resumed {
    /// What stands at `start`.
    Ready,
    /// Nothing yet.
    Waiting,
    /// The pending value, in the shared buffer.
    Value,
    /// The pending value, in a buffer of its own.
    Large,
}

/// What [`Decoder::next`] found.
#[derive(Debug)]
pub enum Item<'a> {
    /// A response, whole and borrowed.
    Response(Response<'a>),
    /// A `VALUE` whose value was too large for the shared buffer
    /// ([`Limits::inline_value_len`]) and came in one of its own.
    LargeValue {
        /// The key it belongs to.
        key: Key<'a>,
        /// The flags stored with it.
        flags: Flags,
        /// The cas unique, which `gets` and `gats` ask for.
        cas: Option<u64>,
        /// The value, to be read or taken.
        value: LargeValue<'a>,
    },
    /// A `VA` with such a value.
    LargeVa {
        /// What came with it.
        flags: MetaFlags<'a>,
        /// The value, to be read or taken.
        value: LargeValue<'a>,
    },
}

/// What [`Decoder::next`] makes of what stands at `start`.
struct Next<'a, 'd> {
    input: &'a [u8],
    limits: &'d Limits,
    start: &'d mut usize,
    state: &'d mut State,
}

impl<'a> Deliver<'a> for Next<'a, '_> {
    type Made = Result<Option<Item<'a>>, ProtocolError>;

    #[inline(always)]
    fn whole(self, response: Response<'a>, len: usize) -> Self::Made {
        *self.start += len;
        Ok(Some(Item::Response(response)))
    }

    #[inline(always)]
    fn header(self, header: Header<'a>, header_len: usize, value_len: usize) -> Self::Made {
        let line = Line::of(&header);
        let pending = Pending { line, header_len, value_len, large: false };
        *self.state = State::Value(pending);
        Ok(None)
    }

    #[inline(always)]
    fn other(self) -> Self::Made {
        match find_any(self.input, self.limits) {
            Ok(Found::Whole(response, len)) => self.whole(response, len),
            Ok(Found::Header { header, header_len, value_len }) => {
                self.header(header, header_len, value_len)
            }
            Ok(Found::Nothing) => {
                *self.state = State::Line { searched: self.input.len() };
                Ok(None)
            }
            Err(error) => Err(fail(self.state, error)),
        }
    }
}

/// A `VALUE` with its value.
pub(crate) struct WholeValue<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) flags: Flags,
    pub(crate) cas: Option<u64>,
    pub(crate) value: &'a [u8],
}

/// What [`Decoder::next_value`] makes of what stands at `start`: the value and how many bytes it takes with its line.
struct OnlyValue;

impl<'a> Deliver<'a> for OnlyValue {
    type Made = Option<(WholeValue<'a>, usize)>;

    #[inline(always)]
    fn whole(self, response: Response<'a>, len: usize) -> Self::Made {
        match response {
            Response::Value { key, flags, cas, value } => {
                Some((WholeValue { key, flags, cas, value }, len))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn header(self, _: Header<'a>, _: usize, _: usize) -> Self::Made {
        None
    }

    #[inline(always)]
    fn other(self) -> Self::Made {
        None
    }
}

impl Decoder {
    /// A decoder that has seen nothing yet. It allocates at the first call of
    /// [`space`](Decoder::space).
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Decoder {
            limits,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            state: State::Ready,
            large: Large::new(),
        }
    }

    /// Where to read to; never empty. Call [`next`](Decoder::next) until it says `None` first, or the
    /// buffer must grow. Next call [`filled`](Decoder::filled).
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end || matches!(self.state, State::Failed(_)) {
            (self.start, self.end) = (0, 0);
        }
        if self.wants_room() {
            self.make_room();
        }
        match &self.state {
            State::Value(Pending { large: true, .. }) => self.large.space(),
            _ => self.buffer.get_mut(self.end..).unwrap_or_default(),
        }
    }

    /// As [`space`](Decoder::space), for those who can read into the spare room of a `Vec`, which need not
    /// be zeroed first and can be lent in one piece. Append to it what a read gives, at most as much as its
    /// capacity holds, and change nothing else. Next call [`filled`](Decoder::filled) with the number of
    /// bytes appended; or call [`space`](Decoder::space), if you have appended none.
    ///
    /// `None` if no [large value](Item::LargeValue) is being received, and sometimes for one that is: then
    /// use [`space`](Decoder::space).
    ///
    /// ```
    /// use memcache_proto::Limits;
    /// use memcache_proto::codec::{Decoder, Item};
    ///
    /// let mut decoder = Decoder::new(Limits::default());
    /// let line = b"VALUE foo 0 100000\r\n";
    /// decoder.space()[..line.len()].copy_from_slice(line);
    /// decoder.filled(line.len());
    /// assert!(decoder.next()?.is_none());
    ///
    /// let value = [&[b'v'; 100_000][..], b"\r\n"].concat();
    /// let spare = decoder.spare().expect("a large value is on its way");
    /// spare.extend_from_slice(&value); // `rustix::io::read(fd, spare_capacity(spare))`, say
    /// decoder.filled(value.len());
    /// assert!(matches!(decoder.next()?, Some(Item::LargeValue { .. })));
    /// # Ok::<(), memcache_proto::ProtocolError>(())
    /// ```
    #[inline]
    pub fn spare(&mut self) -> Option<&mut Vec<u8>> {
        let State::Value(pending) = &self.state else { return None };
        if !pending.is_large(&self.limits) {
            return None;
        }
        let reserved = self.limits.reserved_value_len;
        if !pending.large {
            self.begin_large(reserved);
        }
        self.large.spare(reserved)
    }

    /// The first `len` bytes of what [`space`](Decoder::space) lent have been read to, or `len` bytes have
    /// been appended to what [`spare`](Decoder::spare) lent. A `len` beyond that counts as all of it. Next
    /// call [`next`](Decoder::next).
    #[inline]
    pub fn filled(&mut self, len: usize) {
        match &self.state {
            State::Value(Pending { large: true, .. }) => self.large.fill(len),
            _ => {
                self.end = self.end.saturating_add(len).min(self.buffer.len());
                if self.end == FIRST_LEN && self.buffer.len() == FIRST_LEN {
                    self.grow();
                }
            }
        }
    }

    /// The next response that is all there; `None` where more bytes are needed.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] where the bytes are no responses or pass one of the limits, at the same byte
    /// at which [`Response::parse`] gives it, whatever the pieces. The decoder stays failed: every later
    /// call gives the same error.
    #[expect(clippy::should_implement_trait, reason = "the item borrows from the decoder")]
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ProtocolError> {
        if !matches!(self.state, State::Ready) {
            match self.resume()? {
                Resumed::Ready => {}
                Resumed::Waiting => return Ok(None),
                Resumed::Value => return Ok(self.finish_value().map(Item::Response)),
                Resumed::Large => return Ok(self.finish_large()),
            }
        }
        let Decoder { limits, buffer, start, end, state, .. } = self;
        let input = match buffer.get(*start..*end) {
            None | Some([]) => return Ok(None),
            Some(input) => input,
        };
        frequent::deliver(input, limits, Next { input, limits, start, state })
    }

    /// Takes lines in that are exactly this, one after the other and `most` of them at most, line ends included.
    /// Returns how many there were; others are left to [`next`](Self::next).
    #[inline]
    pub(crate) fn take_lines(&mut self, line: &[u8], most: usize) -> usize {
        if !matches!(self.state, State::Ready) {
            return 0;
        }
        let input = self.buffer.get(self.start..self.end).unwrap_or_default();
        let lines = input.chunks_exact(line.len()).take(most);
        let count = lines.take_while(|chunk| *chunk == line).count();
        self.start += count * line.len();
        count
    }

    /// The value that comes next, with what `accept` makes of it; `None` if it is not all there, if its line is
    /// not of the plainest form, or if `accept` says so: then [`next`](Self::next) has what comes next.
    #[inline(always)]
    pub(crate) fn next_value<T>(
        &mut self,
        accept: impl FnOnce(&WholeValue<'_>) -> Option<T>,
    ) -> Option<(WholeValue<'_>, T)> {
        if !matches!(self.state, State::Ready) {
            return None;
        }
        let Decoder { limits, buffer, start, end, .. } = self;
        let (value, len) = frequent::deliver(buffer.get(*start..*end)?, limits, OnlyValue)?;
        let accepted = accept(&value)?;
        *start += len;
        Some((value, accepted))
    }

    /// Whether nothing has been received but whole responses that were handed out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end && matches!(self.state, State::Ready)
    }

    /// How many received bytes wait in the shared buffer; a hint of how much more is to come.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Where the line stands that the next call of [`next`](Decoder::next) looks at.
    #[inline]
    pub(crate) fn line_at(&self) -> usize {
        self.start
    }

    /// What has been received from a line on that stood there, for as long as nothing more is read.
    pub(crate) fn received_from(&self, line_at: usize) -> &[u8] {
        self.buffer.get(line_at..self.end).unwrap_or_default()
    }

    /// Whether there is now what the last call found missing.
    #[inline(never)]
    fn resume(&mut self) -> Result<Resumed, ProtocolError> {
        let (received, value_len, resumed) = match &mut self.state {
            State::Ready => return Ok(Resumed::Ready),
            State::Failed(error) => return Err(*error),
            State::Line { searched } => {
                let input = self.buffer.get(self.start..self.end).unwrap_or_default();
                let unseen = input.get(*searched..).unwrap_or_default();
                // The LF that is still to come counts too.
                let waits = check_line(input.len() + 1, &self.limits).is_ok();
                if waits && *searched >= HEAD_LEN && find(b'\n', unseen).is_none() {
                    *searched = input.len();
                    return Ok(Resumed::Waiting);
                }
                self.state = State::Ready;
                return Ok(Resumed::Ready);
            }
            State::Value(Pending { value_len, large: true, .. }) => {
                (self.large.received(), *value_len, Resumed::Large)
            }
            State::Value(Pending { header_len, value_len, .. }) => {
                let value = self.buffer.get(self.start + *header_len..self.end);
                (value.unwrap_or_default(), *value_len, Resumed::Value)
            }
        };
        match block(received, value_len) {
            Ok(Some(_)) => Ok(resumed),
            Ok(None) => Ok(Resumed::Waiting),
            Err(error) => Err(fail(&mut self.state, error)),
        }
    }

    /// The pending value, which is all there, from the shared buffer.
    #[inline]
    fn finish_value(&mut self) -> Option<Response<'_>> {
        let State::Value(Pending { line, header_len, value_len, .. }) = self.state else {
            return None;
        };
        sometimes!("value in pieces");
        self.state = State::Ready;
        let response = self.buffer.get(self.start..self.end)?;
        self.start += header_len + value_len + 2;
        let (header, value) = response.split_at_checked(header_len)?;
        Some(line.header(header)?.with(value.get(..value_len)?))
    }

    /// The pending value, which is all there, in its own buffer. The few bytes behind it go back to
    /// the shared buffer, behind the line that announced it.
    #[inline(never)]
    fn finish_large(&mut self) -> Option<Item<'_>> {
        let State::Value(Pending { line, header_len, value_len, .. }) = self.state else {
            return None;
        };
        self.state = State::Ready;
        let behind = self.large.received().get(value_len + 2..)?;
        sometimes!("value in its own buffer");
        let line_at = self.start;
        self.start += header_len;
        self.end = self.start + behind.len();
        if self.buffer.len() < self.end {
            self.buffer.resize(self.end, 0);
        }
        self.buffer.get_mut(self.start..self.end)?.copy_from_slice(behind);
        let header = line.header(self.buffer.get(line_at..self.start)?)?;
        let value = self.large.finished();
        Some(match header {
            Header::Value { key, flags, cas } => Item::LargeValue { key, flags, cas, value },
            Header::Va { flags } => Item::LargeVa { flags, value },
            // It has never had a buffer of its own.
            Header::Config { .. } => return None,
        })
    }

    /// Whether there is too little room to lend in the shared buffer, or too much is kept.
    #[inline]
    fn wants_room(&self) -> bool {
        match &self.state {
            State::Value(Pending { large: true, .. }) => false,
            State::Value(pending) if pending.is_large(&self.limits) => true,
            _ => {
                self.buffer.len() - self.end < MIN_SPACE
                    || self.large.is_oversized()
                    || (self.start > NEAR && self.end - self.start < NEAR)
            }
        }
    }

    #[cold]
    fn make_room(&mut self) {
        if let State::Value(pending) = &self.state {
            if pending.is_large(&self.limits) {
                return self.begin_large(0);
            }
        }
        if self.large.is_oversized() {
            self.large.free();
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() - self.end < MIN_SPACE {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let len = match self.buffer.len() {
            0 => FIRST_LEN,
            len => BUFFER_LEN.max(2 * len),
        };
        self.buffer.resize(len, 0);
    }

    /// Moves what has come of the pending value to a buffer of its own, with room for `reserved` bytes.
    #[cold]
    fn begin_large(&mut self, reserved: usize) {
        let State::Value(pending) = &mut self.state else { return };
        let value_at = self.start + pending.header_len;
        let head = self.buffer.get(value_at..self.end).unwrap_or_default();
        self.end = value_at;
        self.large.begin(pending.value_len, head, reserved);
        pending.large = true;
    }
}

/// Keeps the error for every later call.
#[cold]
fn fail(state: &mut State, error: ProtocolError) -> ProtocolError {
    sometimes!("line malformed", error == ProtocolError::Malformed);
    sometimes!("line too long", matches!(error, ProtocolError::LineTooLong { .. }));
    sometimes!("value too long", matches!(error, ProtocolError::ValueTooLong { .. }));
    sometimes!("value unterminated", error == ProtocolError::UnterminatedValue);
    *state = State::Failed(error);
    error
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("buffered", &self.buffered())
            .field("failed", &matches!(self.state, State::Failed(_)))
            .finish_non_exhaustive()
    }
}
