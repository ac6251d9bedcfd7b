use serde_json::Value as Json;

use crate::contender::Row;
use crate::record::{find, number, text};
use crate::targets::Target;

/// The order of the columns.
const CLIENTS: [&str; 8] = [
    "raw",
    "sync",
    "smol",
    "tokio",
    "async-memcached",
    "rust-memcache",
    "pylibmc",
    "python-memcached",
];

/// All tables there are records for, in Markdown.
pub(crate) fn all(records: &[Json]) -> String {
    let mut page = String::new();
    let mut add = |title: &str, table: String| {
        if !table.is_empty() {
            page.push_str(&format!("### {title}\n\n{table}\n"));
        }
    };
    add(
        "One caller, over a Unix socket: calls, as a part of the raw loop's",
        lone(records, "unix"),
    );
    add("One caller, over TCP: calls, as a part of the raw loop's", lone(records, "tcp"));
    let cpu = |record: &Json| decimals(number(record, "cpu_ratio"), 2);
    let rows = Row::ALL.map(Row::name);
    add(
        "Processor time of the client, in times the raw loop's (Unix)",
        by_client(records, "unix", &rows, &cpu),
    );
    let instructions = |record: &Json| {
        let keys = number(record, "keys").unwrap_or(1.0);
        decimals(number(record, "instructions").map(|all| all / keys), 0)
    };
    add("Instructions a key, in user code", by_client(records, "counts", &rows, &instructions));
    let allocations = |record: &Json| decimals(number(record, "allocations"), 1);
    add("Allocations a call", by_client(records, "counts", &rows, &allocations));
    let system_calls = |record: &Json| decimals(number(record, "system_calls"), 1);
    add("System calls a call", by_client(records, "counts", &rows, &system_calls));
    add("A lone task, as a part of a bare loop on the same sockets of smol", lone(records, "bare"));
    add("Many callers, over Unix sockets, in times the raw loops'", lone(records, "crowd, unix"));
    add("Many callers, over TCP, in times the raw loops'", lone(records, "crowd, tcp"));
    add(
        "Processor time of a key, in µs, by the keys of a call",
        by_size(records, "keys", "cpu_us"),
    );
    add("The same, in times that of a call on 100 keys", by_size(records, "keys", "growth"));
    add(
        "A get, in times the processor time with one server, by servers",
        by_size(records, "servers", "growth"),
    );
    add(
        "A get of 100 keys, in times the raw loop's with as many servers",
        by_size(records, "servers", "cost"),
    );
    add("Processor time of a call, in µs, by tasks", by_size(records, "tasks", "cpu_us"));
    page
}

/// Ratios of a section and, in parentheses, what they should be.
pub(crate) fn lone(records: &[Json], section: &str) -> String {
    let mut rows: Vec<&str> = Vec::new();
    for record in records.iter().filter(|record| text(record, "section") == section) {
        if !rows.contains(&text(record, "row")) {
            rows.push(text(record, "row"));
        }
    }
    by_client(records, section, &rows, &|record| {
        let ratio = decimals(number(record, "ratio"), 2);
        match Target::of(record) {
            Some(target) => format!("{ratio} ({})", decimals(Some(target.bound()), 2)),
            None => ratio,
        }
    })
}

/// A line for each row, a column for each client that has one.
fn by_client(
    records: &[Json],
    section: &str,
    rows: &[&str],
    cell: &dyn Fn(&Json) -> String,
) -> String {
    let has = |client: &&str| {
        records.iter().any(|it| text(it, "section") == section && text(it, "client") == *client)
    };
    let mut clients: Vec<&str> = CLIENTS.into_iter().filter(has).collect();
    if has(&"raw, one thread") {
        clients.push("raw, one thread");
    }
    let body = rows.iter().filter_map(|row| {
        let cells: Vec<_> = clients
            .iter()
            .map(|client| find(records, section, row, client).map(cell).unwrap_or_default())
            .collect();
        let is_empty = cells.iter().all(String::is_empty);
        (!is_empty).then(|| [vec![(*row).to_owned()], cells].concat())
    });
    table("", &clients, body.collect())
}

/// A line for each row and client, a column for each size.
fn by_size(records: &[Json], section: &str, field: &str) -> String {
    let records = records
        .iter()
        .filter(|record| text(record, "section") == section && !record[field].is_null());
    let records: Vec<_> = records.collect();
    let mut sizes: Vec<u64> = records.iter().filter_map(|record| record["size"].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut body: Vec<Vec<String>> = Vec::new();
    for record in records {
        let name = format!("{}, {}", text(record, "client"), text(record, "row"));
        if body.last().is_none_or(|line| line[0] != name) {
            body.push([vec![name], vec![String::new(); sizes.len()]].concat());
        }
        let at = sizes.iter().position(|size| record["size"].as_u64() == Some(*size));
        let (Some(at), Some(line)) = (at, body.last_mut()) else { continue };
        line[at + 1] = decimals(number(record, field), 2);
        if let Some(target) = Target::of(record).filter(|target| target.field == field) {
            line[at + 1].push_str(&format!(" ({})", decimals(Some(target.bound()), 2)));
        }
    }
    let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
    table("", &sizes.iter().map(String::as_str).collect::<Vec<_>>(), body)
}

/// A table of Markdown that can be read as it is; empty if it has no lines.
fn table(corner: &str, head: &[&str], body: Vec<Vec<String>>) -> String {
    if body.is_empty() {
        return String::new();
    }
    let head: Vec<String> = [corner].iter().chain(head).map(|&name| name.to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = body.iter().chain([&head]).map(|line| line[column].chars().count());
            cells.max().unwrap_or(0).max(3)
        })
        .collect();
    let line = |cells: &[String]| {
        let mut line = String::from("|");
        for (number, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            match number {
                0 => line.push_str(&format!(" {cell:<width$} |")),
                _ => line.push_str(&format!(" {cell:>width$} |")),
            }
        }
        line + "\n"
    };
    let rule = widths.iter().enumerate().map(|(number, &width)| match number {
        0 => "-".repeat(width),
        _ => "-".repeat(width - 1) + ":",
    });
    let mut table = line(&head);
    table.push_str(&line(&rule.collect::<Vec<_>>()));
    body.iter().for_each(|cells| table.push_str(&line(cells)));
    table
}

fn decimals(number: Option<f64>, decimals: usize) -> String {
    number.map(|number| format!("{number:.decimals$}")).unwrap_or_default()
}
