//! What the system knows of this process.

use std::fs;

/// The memory that this process has now, in bytes.
///
/// # Panics
///
/// Where the system does not tell.
#[must_use]
pub fn resident() -> usize {
    memory("VmRSS:")
}

/// The most memory that this process has had so far, in bytes.
///
/// # Panics
///
/// Where the system does not tell.
#[must_use]
pub fn peak() -> usize {
    memory("VmHWM:")
}

fn memory(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this process's status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of status");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib << 10
}

/// How many descriptors this process has open.
///
/// # Panics
///
/// Where the system does not tell.
#[must_use]
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("this process's descriptors").count()
}
