use serde_json::{Value as Json, json};

/// A record with what it is of. Says it at once, for those who wait.
pub(crate) fn tagged(section: &str, row: &str, client: &str, mut record: Json) -> Json {
    record["section"] = json!(section);
    record["row"] = json!(row);
    record["client"] = json!(client);
    eprintln!("{}", line(&record));
    record
}

fn line(record: &Json) -> String {
    let mut line = format!(
        "{:<8} {:<24} {:<18}",
        text(record, "section"),
        text(record, "row"),
        text(record, "client")
    );
    for (name, value) in record.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "section" | "row" | "client") && !value.is_null() {
            line.push_str(&format!(" {name} {value}"));
        }
    }
    line
}

/// A text of a record; empty if it has none.
pub(crate) fn text<'r>(record: &'r Json, name: &str) -> &'r str {
    record[name].as_str().unwrap_or_default()
}

/// A number of a record.
pub(crate) fn number(record: &Json, name: &str) -> Option<f64> {
    record[name].as_f64()
}

/// The record of this section, row and client.
pub(crate) fn find<'r>(
    records: &'r [Json],
    section: &str,
    row: &str,
    client: &str,
) -> Option<&'r Json> {
    records.iter().find(|record| {
        text(record, "section") == section
            && text(record, "row") == row
            && text(record, "client") == client
    })
}
