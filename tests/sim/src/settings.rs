//! What a run is made of: drawn before it begins.

use std::time::Duration;

use memcache_proto::Limits;
use memcache_proto::calls::Recache;
use memcache_proto::client::{Credentials, Retry, Settings};
use memcache_proto::routing::{Distribution, KeyHash, RendezvousKeys};

use crate::conduct::Conduct;
use crate::hostile::Hostility;
use crate::server::SimServer;
use crate::source::{Choose, Source};

/// What a run is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) logins: Logins,
    pub(crate) servers: usize,
    pub(crate) members: Vec<Habits>,
    pub(crate) conduct: Conduct,
    /// Which kinds of operation are asked for, and which faults there are.
    pub(crate) asks: Vec<AskKind>,
    pub(crate) faults: Vec<Fault>,
    /// Whether those who ask say noreply, and give up, now and then.
    pub(crate) noreply: bool,
    pub(crate) cancels: bool,
    /// How many keys of a call on many a client is given at a time.
    pub(crate) part: usize,
    /// Whether connections are closed from above, clients reset, servers exchanged.
    pub(crate) upheavals: bool,
    /// Whether time passes while something is under way.
    pub(crate) waits: bool,
    /// How many keys there are, and how long they are.
    pub(crate) keys: usize,
    pub(crate) long_keys: bool,
    /// Whether there are keys with values of a byte or none.
    pub(crate) tiny_values: bool,
    /// Whether flags that no server takes are stored now and then.
    pub(crate) wide_flags: bool,
    /// Whether it is about calls on many keys, and what goes wrong in the midst of them.
    pub(crate) batches: bool,
    /// The times of those who make values.
    pub(crate) recache: Recache,
    /// The longest values.
    pub(crate) value_len: usize,
    /// How the first of the servers lies from the beginning, if it does.
    pub(crate) liar: Option<Hostility>,
    /// How many things are done.
    pub(crate) moments: usize,
}

/// Whether servers ask for a login, which clients then make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logins {
    None,
    Right,
    /// The first server refuses it until all is mended.
    Refused,
}

/// How a client is driven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) eager: bool,
    pub(crate) completes: bool,
    pub(crate) appends: bool,
}

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskKind {
    Get,
    Set,
    /// Now and then all get a new exptime.
    GetMany,
    Store,
    StoreMany,
    Gat,
    Delete,
    /// Now and then they are not deleted, but get a new exptime.
    DeleteMany,
    Touch,
    Count,
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaCount,
    MetaDebug,
    MetaMany,
    QuietRun,
    Version,
    Stats,
    Flush,
    /// A value that is made by one where it is not there.
    Share,
    /// A change of what others change too.
    Update,
}

const ASKS: [AskKind; 22] = [
    AskKind::Get,
    AskKind::Set,
    AskKind::GetMany,
    AskKind::Store,
    AskKind::StoreMany,
    AskKind::Gat,
    AskKind::Delete,
    AskKind::DeleteMany,
    AskKind::Touch,
    AskKind::Count,
    AskKind::MetaGet,
    AskKind::MetaSet,
    AskKind::MetaDelete,
    AskKind::MetaCount,
    AskKind::MetaDebug,
    AskKind::MetaMany,
    AskKind::QuietRun,
    AskKind::Version,
    AskKind::Stats,
    AskKind::Flush,
    AskKind::Share,
    AskKind::Update,
];

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A server is gone, and refuses connections.
    Killed,
    /// A server is restarted, empty.
    Emptied,
    /// Connects to a server hang, or are accepted and nothing comes.
    Hung,
    /// A server closes its connections and takes new ones.
    HungUp,
    /// A server resets its connections.
    Reset,
    /// A server's end of its connections is gone, and nobody says so.
    Vanished,
    /// A server takes so many connections and no more.
    Crowded,
    /// A server takes long.
    Slow,
    /// A connection is stalled one way.
    Stalled,
    /// A connection is reset after some more bytes.
    CutOff,
    /// A connection gives a byte a millisecond.
    Dripping,
    /// A server cannot store.
    OutOfMemory,
    /// An item is evicted.
    Evicted,
    /// A server is flushed from outside.
    Flushed,
    /// The clock jumps.
    Jump,
    /// A server, or one connection of it, lies.
    Lies,
    /// A server resets each connection soon after it was made.
    Storm,
    /// The machine of the clients has no descriptors for more connections.
    Shortage,
    /// A server is gone after some more commands, or some more bytes of one.
    Midway,
    /// Something comes on a connection that nobody has asked for.
    Muttered,
}

const FAULTS: [Fault; 20] = [
    Fault::Killed,
    Fault::Emptied,
    Fault::Hung,
    Fault::HungUp,
    Fault::Reset,
    Fault::Vanished,
    Fault::Crowded,
    Fault::Slow,
    Fault::Stalled,
    Fault::CutOff,
    Fault::Dripping,
    Fault::OutOfMemory,
    Fault::Evicted,
    Fault::Flushed,
    Fault::Jump,
    Fault::Lies,
    Fault::Storm,
    Fault::Shortage,
    Fault::Midway,
    Fault::Muttered,
];

const SECOND: Duration = Duration::from_secs(1);

impl Plan {
    /// Draws one. Of the kinds of operation, the settings and the faults about half are there each time,
    /// so that no two of them are always met together.
    pub(crate) fn draw(source: &mut dyn Source) -> Self {
        let batches = source.one_in(4);
        let moments = 1 + source.below(if batches { 100 } else { 600 });
        let servers = 1 + source.below(5);
        let members = 1 + source.below(4);
        let members = (0..members)
            .map(|_| {
                let eager = source.one_in(2);
                let (completes, appends) = source.below_both(4, 2);
                Habits { eager, completes: completes == 3, appends: appends == 1 }
            })
            .collect();
        let (settings, logins) = settings(source);
        let asks = asks(batches, source);
        let faulty = source.one_in(2) || source.one_in(2);
        let faults = FAULTS.into_iter().filter(|_| faulty && source.one_in(2)).collect();
        let latency_ms = *source.pick(&[0, 0, 1, 20, 300]);
        let conduct = Conduct {
            latency_ms,
            piece: *source.pick(&[usize::MAX, 100_000, 5000, 50, 7, 1]),
            jams: source.one_in(2),
            // Little room and a long way let large values pass their time for no fault of a server's.
            buffer: if latency_ms > 1 { 256 << 10 } else { *source.pick(&[256 << 10, 1000, 50]) },
            sharing_ms: *source.pick(&[0, 0, 30, 3000]),
        };
        let noreply = source.one_in(2);
        let (cancels, part) = source.below_both(2, 6);
        Plan {
            settings,
            logins,
            servers,
            members,
            conduct,
            asks,
            faults,
            noreply,
            cancels: cancels == 1,
            part: [usize::MAX, usize::MAX, usize::MAX, 20, 3, 1][part],
            upheavals: source.one_in(2),
            waits: source.one_in(2),
            keys: *source.pick(&[12, 3, 40, 400]),
            long_keys: source.one_in(4),
            tiny_values: source.one_in(3),
            wide_flags: source.one_in(4),
            batches,
            recache: Recache {
                lease: SECOND * *source.pick(&[1, 3]),
                early: SECOND * *source.pick(&[0, 0, 60]),
                wait: *source.pick(&[SECOND * 2, SECOND / 10]),
                pause: Duration::from_millis(10),
            },
            // Byte by byte much takes long.
            value_len: (*source.pick(&[20, 300, 3000, 20_000]))
                .min(conduct.piece.saturating_mul(40)),
            liar: source.one_in(6).then(|| Hostility::draw(source)),
            moments,
        }
    }
}

impl Plan {
    /// A server of this run.
    pub(crate) fn server(&self) -> SimServer {
        match self.logins {
            Logins::None => SimServer::default(),
            Logins::Right | Logins::Refused => SimServer::guarded(credentials()),
        }
    }
}

/// The kinds of calls on many keys.
const MANY: [AskKind; 5] = [
    AskKind::GetMany,
    AskKind::StoreMany,
    AskKind::DeleteMany,
    AskKind::MetaMany,
    AskKind::QuietRun,
];

/// Which kinds of operation are asked for: where it is about calls on many keys those, and what is met by them.
fn asks(batches: bool, source: &mut dyn Source) -> Vec<AskKind> {
    let asks: Vec<_> = ASKS
        .into_iter()
        .filter(|kind| !source.one_in(2) && (!batches || MANY.contains(kind) || source.one_in(4)))
        .collect();
    if asks.is_empty() { vec![AskKind::Get] } else { asks }
}

fn settings(source: &mut dyn Source) -> (Settings, Logins) {
    let (logins, retry);
    let (dead_retry, kind) = source.below_both(3, 4);
    let dead_retry = [SECOND * 5, SECOND, Duration::ZERO][dead_retry];
    let settings = Settings {
        dead_retry,
        dead_retry_factor: [1, 1, 2, 3][kind],
        dead_retry_max: dead_retry * [1, 1, 4, 4][kind],
        socket_timeout: *source.pick(&[SECOND, SECOND * 3]),
        operation_timeout: *source.pick(&[
            None,
            Some(SECOND * 4),
            Some(SECOND / 2),
            Some(SECOND / 50),
        ]),
        key_prefix: if source.one_in(3) { b"p:".to_vec() } else { Vec::new() },
        distribution: *source.pick(&[
            Distribution::PythonMemcached,
            Distribution::Modula,
            Distribution::Ketama,
            Distribution::KetamaWeighted,
            Distribution::Rendezvous { keys: RendezvousKeys::Text },
        ]),
        key_hash: KeyHash::default(),
        hash_with_prefix_key: !source.one_in(2),
        connections_per_server: 1 + source.below(3),
        merge_gets: source.one_in(2),
        resend_stores: {
            let (resend, kind) = source.below_both(2, 4);
            retry = Retry::times([0, 0, 1, 4][kind]).backoff(SECOND / 50).max_backoff(SECOND / 5);
            resend == 1
        },
        retry,
        flush_on_reconnect: {
            let (flush, kind) = source.below_both(3, 4);
            logins = [Logins::None, Logins::None, Logins::Right, Logins::Refused][kind];
            flush == 2
        },
        connect_timeout: None,
        credentials: (logins != Logins::None).then(credentials),
        failover: !source.one_in(3),
        max_rest: *source.pick(&[Duration::from_millis(1), Duration::ZERO, SECOND * 3600]),
        debug: true,
        observe: true,
        limits: limits(source),
    };
    (settings, logins)
}

/// Who logs in, where that is asked for.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("shop", "secret").expect("they are plain")
}

fn limits(source: &mut dyn Source) -> Limits {
    // What bounds statistics: nothing, the lines of them, or their memory. An honest server's own pass.
    let (max_lines, max_stats_bytes) =
        *source.pick(&[(10_000_000, 64 << 20), (100, 64 << 20), (10_000_000, 20_000)]);
    let (inline, reserved) = source.below_both(4, 3);
    let window = *source.pick(&[64 << 10, 1000, 100, 10]);
    let max_get_len = *source.pick(&[16_000, 300, 40]);
    let max_queued_bytes = *source.pick(&[256 << 20, 20_000, 500]);
    let (max_moves, backlog) = source.below_both(3, 3);
    Limits {
        max_lines,
        max_stats_bytes,
        window,
        max_get_len,
        inline_value_len: [16 << 10, 2000, 16, 0][inline],
        reserved_value_len: [1 << 20, 1000, 0][reserved],
        max_queued_bytes,
        max_moves: [100, 1, 0][max_moves],
        backlog: [128 << 10, 1000, 0][backlog],
        max_line_len: *source.pick(&[2048, 400]),
        max_value_len: *source.pick(&[1 << 30, 100 << 10]),
        // Not so short that what the end of a run stores is refused.
        server_max_value_length: *source.pick(&[1 << 20, 1 << 20, 400]),
        server_max_key_length: *source.pick(&[250, 250, 100]),
        ..Limits::default()
    }
}
