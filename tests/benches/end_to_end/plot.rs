use std::fmt::Write;

use serde_json::Value as Json;

use crate::contender::Row;
use crate::record::{find, number};

/// The clients, and the colours of their bars.
const CLIENTS: [(&str, &str); 5] = [
    ("sync", "#1b6ca8"),
    ("smol", "#3d9970"),
    ("tokio", "#7fb069"),
    ("async-memcached", "#d1a054"),
    ("rust-memcache", "#b0574f"),
];

const WIDTH: f64 = 960.0;
const LEFT: f64 = 44.0;
/// Of one panel: from its title to its bottom line, and with the names of its rows.
const HEIGHT: f64 = 200.0;
const PANEL: f64 = 260.0;

/// The ratios of single callers, over Unix sockets and over TCP, as bars: the raw loop is the line at 1.
pub(crate) fn bars(records: &[Json]) -> String {
    let height = 2.0 * PANEL + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, (section, title)) in
        [("unix", "Unix socket"), ("tcp", "TCP")].into_iter().enumerate()
    {
        panel(&mut svg, records, section, title, number as f64 * PANEL);
    }
    let mut x = LEFT;
    for (client, colour) in CLIENTS {
        let y = 2.0 * PANEL + 10.0;
        rectangle(&mut svg, x, y, 12.0, 12.0, colour);
        words(&mut svg, x + 18.0, y + 11.0, "start", client);
        x += 150.0;
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, records: &[Json], section: &str, title: &str, top: f64) {
    let bottom = top + HEIGHT;
    let y = |ratio: f64| bottom - ratio.clamp(0.0, 1.1) * 150.0;
    words(svg, LEFT, top + 20.0, "start", &format!("{title}: calls, as a part of the raw loop's"));
    for line in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let colour = if line == 1.0 { "#444444" } else { "#dddddd" };
        rectangle(svg, LEFT, y(line), WIDTH - LEFT - 10.0, 1.0, colour);
        words(svg, LEFT - 6.0, y(line) + 4.0, "end", &line.to_string());
    }
    let room = (WIDTH - LEFT - 10.0) / Row::ALL.len() as f64;
    let bar = room / (CLIENTS.len() + 1) as f64;
    for (group, row) in Row::ALL.into_iter().enumerate() {
        let left = LEFT + group as f64 * room;
        for (number_of_bar, (client, colour)) in CLIENTS.into_iter().enumerate() {
            let record = find(records, section, row.name(), client);
            if let Some(ratio) = record.and_then(|record| number(record, "ratio")) {
                let x = left + (number_of_bar as f64 + 0.5) * bar;
                rectangle(svg, x, y(ratio), bar - 2.0, bottom - y(ratio), colour);
            }
        }
        // What follows a comma has a line of its own.
        for (number, part) in row.name().split(", ").enumerate() {
            words(svg, left + room / 2.0, bottom + 18.0 + 15.0 * number as f64, "middle", part);
        }
    }
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    );
}

fn words(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}
