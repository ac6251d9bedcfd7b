use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::record::text;
use crate::{plot, tables};

/// What stands around the part of a page that is written here.
const BEGIN: &str = "<!-- written by the bench: begin -->\n";
const END: &str = "<!-- written by the bench: end -->";

/// Writes the results to `docs`: as JSON, as a plot, and as tables in `benches.md`; and the main table to
/// `README.md`. A page gets what belongs between its marks; one without marks is left alone.
pub(crate) fn write(root: &Path, results: &Json, records: &[Json]) {
    let docs = root.join("docs");
    let json = serde_json::to_string_pretty(results).expect("JSON");
    fs::write(docs.join("end_to_end.json"), json + "\n").expect("docs are written");
    fs::write(docs.join("end_to_end.svg"), plot::bars(records)).expect("docs are written");
    let machine = machine(&results["machine"]);
    let page = format!(
        "{machine}\n\n![Calls, as a part of the raw loop's](end_to_end.svg)\n\n{}",
        tables::all(records)
    );
    between_marks(&docs.join("benches.md"), &page);
    let short = format!("{}\n{machine}\n", tables::lone(records, "unix"));
    between_marks(&root.join("README.md"), &short);
}

fn between_marks(path: &Path, part: &str) {
    let page = fs::read_to_string(path).expect("a page");
    let Some((before, rest)) = page.split_once(BEGIN) else { return };
    let Some((_, after)) = rest.split_once(END) else { return };
    fs::write(path, format!("{before}{BEGIN}{part}{END}{after}")).expect("docs are written");
}

/// The machine in a sentence.
fn machine(machine: &Json) -> String {
    format!(
        "Measured on {}, {} cores, {}, {}, {}; client and server share one core.",
        text(machine, "processor"),
        machine["cores"],
        text(machine, "system"),
        text(machine, "rustc"),
        text(machine, "memcached"),
    )
}
