//! What can be seen of calls, by the names of OpenTelemetry's conventions for database clients. The macros are put
//! into an adapter, which has the crates `tracing` and `metrics` if it has the features of these names.

/// An [`Observer`](crate::calls::Observer) that makes a span of each call.
#[doc(hidden)]
#[macro_export]
macro_rules! __call_spans {
    () => {{
        use tracing::field::Empty;
        std::sync::Arc::new(|call: $crate::calls::CallName| -> $crate::calls::OnEnd {
            let span = tracing::info_span!(
                target: "memcache",
                "memcached",
                otel.name = call.as_str(),
                otel.kind = "client",
                otel.status_code = Empty,
                db.system.name = "memcached",
                db.operation.name = call.as_str(),
                db.operation.batch.size = Empty,
                server.address = Empty,
                server.port = Empty,
                "error.type" = Empty,
                memcached.hits = Empty,
                memcached.misses = Empty,
                memcached.again = Empty,
            );
            Box::new(move |seen: &$crate::calls::Observation<'_>| {
                if seen.keys > 1 {
                    span.record("db.operation.batch.size", seen.keys);
                }
                if let Some((address, port)) = seen.place() {
                    span.record("server.address", address);
                    port.map(|port| span.record("server.port", port));
                }
                if let Some(error) = seen.error {
                    span.record("error.type", error).record("otel.status_code", "ERROR");
                }
                if seen.call.is_lookup() {
                    span.record("memcached.hits", seen.hits);
                    span.record("memcached.misses", seen.misses);
                }
                if seen.again > 0 {
                    span.record("memcached.again", seen.again);
                }
            })
        })
    }};
}

/// Describes the metrics that [`__record_call!`](crate::__record_call) records.
#[doc(hidden)]
#[macro_export]
macro_rules! __describe_metrics {
    () => {{
        use metrics::Unit::{Bytes, Count, Seconds};
        use metrics::{describe_counter, describe_histogram};
        describe_histogram!("db.client.operation.duration", Seconds, "How long a call takes");
        describe_histogram!(
            "db.client.connection.wait_time",
            Seconds,
            "How long a call waits for its turn",
        );
        describe_counter!("memcached.hits", Count, "Keys that were found");
        describe_counter!("memcached.misses", Count, "Keys that were looked up and not there");
        describe_counter!("memcached.failed", Count, "Keys whose server failed");
        describe_counter!(
            "memcached.again",
            Count,
            "Requests that were given to another connection"
        );
        describe_counter!("memcached.stored", Bytes, "Values that were sent, as they are stored");
        describe_counter!("memcached.found", Bytes, "Values that were found, as they are stored");
    }};
}

/// Records what came of a call.
#[doc(hidden)]
#[macro_export]
macro_rules! __record_call {
    ($seen:expr) => {{
        let seen: &$crate::calls::Observation<'_> = $seen;
        let system = metrics::Label::from_static_parts("db.system.name", "memcached");
        let call = metrics::Label::from_static_parts("db.operation.name", seen.call.as_str());
        let counted = vec![system, call];
        let mut labels = Vec::with_capacity(5);
        labels.extend_from_slice(&counted);
        if let Some((address, port)) = seen.place() {
            labels.push(metrics::Label::new("server.address", address.to_owned()));
            let port = port.map(|port| metrics::Label::new("server.port", port.to_string()));
            labels.extend(port);
        }
        if let Some(error) = seen.error {
            labels.push(metrics::Label::from_static_parts("error.type", error));
        }
        metrics::histogram!("db.client.operation.duration", labels).record(seen.total);
        metrics::histogram!("db.client.connection.wait_time", counted.clone()).record(seen.waited);
        let counts = [
            ("memcached.hits", seen.hits),
            ("memcached.misses", seen.misses),
            ("memcached.failed", seen.failed),
            ("memcached.again", seen.again as usize),
            ("memcached.stored", seen.stored_bytes),
            ("memcached.found", seen.found_bytes),
        ];
        for (name, count) in counts.into_iter().filter(|&(_, count)| count > 0) {
            metrics::counter!(name, counted.clone()).increment(count as u64);
        }
    }};
}
