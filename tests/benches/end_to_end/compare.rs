use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::watch::Watch;

/// How long a side has the processor in one turn, about; the server needs as much again. Both sides take
/// turns, so that a busy machine slows both alike.
const TURN: Duration = Duration::from_millis(4);

/// How much longer than both ends have the processor the raw loop may take. Beyond that the machine does
/// other things at the same time, and the clock on the wall measures these.
const DISTURBED: f64 = 1.1;

/// How often two sides take turns.
#[derive(Clone, Copy)]
pub(crate) struct Rounds(pub(crate) usize);

/// What one call takes, in seconds.
#[derive(Clone, Copy)]
struct Spent {
    wall: f64,
    cpu: f64,
    /// Processor time of the client and the server.
    both: f64,
}

/// Two sides that did the same work in turns.
pub(crate) struct Compared {
    /// What one call took: of the raw loop first, then of the client.
    samples: Vec<(Spent, Spent)>,
}

impl Compared {
    /// Has both sides take turns. On each side so many callers make as many calls as they are told, and it
    /// says what they took.
    pub(crate) fn measure(
        rounds: Rounds,
        callers: usize,
        mut raw: impl FnMut(usize) -> Watch,
        mut client: impl FnMut(usize) -> Watch,
    ) -> Self {
        let mut counts = (1, 1);
        if rounds.0 > 1 {
            counts = (calls_of_a_turn(&mut raw), calls_of_a_turn(&mut client));
        }
        let spent = |count: usize, side: &mut dyn FnMut(usize) -> Watch| {
            let watch = side(count);
            let each = |time: Duration| time.as_secs_f64() / (count * callers) as f64;
            // Where the system does not tell, there is only the clock.
            let is_known = !watch.server.is_zero();
            let both = each(if is_known { watch.cpu + watch.server } else { watch.wall });
            Spent { wall: each(watch.wall), cpu: each(watch.cpu), both }
        };
        let samples = (0..rounds.0).map(|round| {
            // Who goes first changes, so that neither always follows the other.
            if round % 2 == 0 {
                let raw = spent(counts.0, &mut raw);
                (raw, spent(counts.1, &mut client))
            } else {
                let client = spent(counts.1, &mut client);
                (spent(counts.0, &mut raw), client)
            }
        });
        Compared { samples: samples.collect() }
    }

    /// Whether something else had the core, too.
    fn is_disturbed(&self) -> bool {
        median(self.samples.iter().map(|(raw, _)| raw.wall / raw.both)) > DISTURBED
    }

    /// How many times as long as the raw loop's a call of the client takes.
    pub(crate) fn cost(&self) -> f64 {
        rounded(1.0 / self.ratio())
    }

    /// How many calls the client makes while the raw loop makes one: the median of the ratios of neighbours.
    /// By the clock, or if something else had the core, too, by the processor time of both ends: where
    /// nothing has, they are the same, because one of the two ends always runs.
    fn ratio(&self) -> f64 {
        let ratios =
            self.ratios(if self.is_disturbed() { |spent| spent.both } else { |spent| spent.wall });
        ratios[ratios.len() / 2]
    }

    fn ratios(&self, of: fn(&Spent) -> f64) -> Vec<f64> {
        let mut ratios: Vec<f64> =
            self.samples.iter().map(|(raw, client)| of(raw) / of(client)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    /// What is worth keeping. `keys` is how many keys a call has. Times are medians, of one call. The ratio
    /// of processor time is the client's to the raw loop's, without the server's.
    pub(crate) fn record(&self, keys: usize) -> Json {
        let micros =
            |of: fn(&(Spent, Spent)) -> f64| rounded(median(self.samples.iter().map(of)) * 1e6);
        let by_clock = self.ratios(|spent| spent.wall);
        let by_processor = self.ratios(|spent| spent.both);
        let quartiles = |ratios: &[f64]| {
            let at = |quarter: usize| rounded(ratios[ratios.len() * quarter / 4]);
            json!([at(1), at(2), at(3)])
        };
        json!({
            "keys": keys,
            "ratio": rounded(self.ratio()),
            "disturbed": self.is_disturbed(),
            "by_clock": quartiles(&by_clock),
            "by_processor": quartiles(&by_processor),
            "raw_us": micros(|sample| sample.0.wall),
            "us": micros(|sample| sample.1.wall),
            "raw_cpu_us": micros(|sample| sample.0.cpu),
            "cpu_us": micros(|sample| sample.1.cpu),
            "cpu_ratio": rounded(median(
                self.samples.iter().map(|(raw, client)| client.cpu / raw.cpu),
            )),
        })
    }
}

/// How many calls of each caller make a turn. What only the first calls take (connections are made, memory
/// grows) is not counted: a number is taken only if as many calls take as long once more.
fn calls_of_a_turn(side: &mut impl FnMut(usize) -> Watch) -> usize {
    let mut count = 1;
    loop {
        if side(count).cpu >= TURN / 2 {
            let cpu = side(count).cpu;
            if cpu >= TURN / 2 {
                let scaled = count as u128 * TURN.as_nanos() / cpu.as_nanos();
                return usize::try_from(scaled).unwrap_or(1).max(1);
            }
        }
        count *= 2;
    }
}

pub(crate) fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// To three decimals, which is more than is known.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
