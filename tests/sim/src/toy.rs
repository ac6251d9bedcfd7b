//! A run that stands for a simulator in the tests of what surrounds one: it breaks a check if, and only
//! if, certain choices are made.

use crate::{Broken, Check, Choose, Line, Options, Report, Source};

/// The check that breaks if a value of 300 bytes or more is stored under key 3, and a server fails later.
pub(crate) const LOST: &str = "lost";
/// The check that breaks at a list of more than 20 bytes, one of which is 200.
pub(crate) const LONG: &str = "long";

/// The shortest tape that breaks [`LOST`]: two steps, a store under key 3 with 300 bytes, a failure.
pub(crate) const SHORTEST_LOST: &[u8] = &[2, 1, 3, 0x2c, 0x01, 2, 4];

/// Its checks.
pub(crate) const CHECKS: &[Check] = &[
    Check { name: LOST, sentence: "A large value under key 3 outlives a failure." },
    Check { name: LONG, sentence: "No list is long." },
];

/// Up to 60 steps. Its hash is of what happened.
pub(crate) fn run(source: &mut dyn Source, options: &Options) -> Report {
    let mut report = Report::default();
    let mut is_stored = false;
    for step in 0..source.below(60) {
        report.operations += 1;
        let what = match source.below(8) {
            1 => {
                let (key, len) = (source.below(10), source.below(1000));
                is_stored |= key == 3 && len >= 300;
                format!("stores {len} bytes under key {key}")
            }
            2 => {
                let fault = *source.pick(&["", "slow", "split", "late", "fails"]);
                if is_stored && fault == "fails" {
                    report.broken = broken(LOST, "key 3 is gone");
                }
                format!("fault {fault:?}")
            }
            3 => {
                let list = source.bytes(40);
                if list.len() > 20 && list.contains(&200) {
                    report.broken = broken(LONG, "a list is long");
                }
                format!("lists {list:?}")
            }
            _ => "rests".to_string(),
        };
        for byte in what.bytes() {
            report.trace_hash = report.trace_hash.wrapping_mul(31).wrapping_add(u64::from(byte));
        }
        if options.transcript {
            let at_ms = u64::try_from(step).unwrap_or(u64::MAX);
            report.transcript.push(Line { at_ms, who: "toy".to_string(), what });
        }
        if report.broken.is_some() {
            break;
        }
    }
    report
}

fn broken(check: &str, message: &str) -> Option<Broken> {
    Some(Broken { check: check.to_string(), message: message.to_string() })
}
