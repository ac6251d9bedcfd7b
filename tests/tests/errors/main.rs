//! What goes wrong is a typed error whose message a person can act on, in time; the connection is gone
//! and the client as good as before.

mod absence;
mod misbehaviour;
mod refusals;
mod tasks;
mod timeouts;

use std::time::Duration;

use memcache_sync::{Delivery, Error, FailureKind, Value};
use memcache_tests::Scripted;
use memcache_tests::api::{Api, Config};

const TIMEOUT: Duration = Duration::from_millis(300);
/// How much later than the timeout an error may come on a busy machine.
const SLACK: Duration = Duration::from_millis(700);

memcache_tests::each_client! {
    refusals {
        what_cannot_be_sent_is_refused_and_nothing_else_is_harmed,
        a_value_that_the_server_refuses_is_its_words_and_keeps_the_connection,
        a_set_that_was_declined_is_no_success,
        an_address_that_is_none_or_a_cluster_of_nobody_is_refused,
    }
    misbehaviour {
        a_server_that_misbehaves_is_an_error_in_time_and_its_connection_is_closed,
        a_client_goes_on_with_a_server_that_misbehaved,
        the_end_of_an_answer_that_comes_late_costs_no_connection,
        bytes_that_nothing_asked_for_are_never_an_answer,
        an_item_without_its_cas_unique_is_no_answer_to_gets,
    }
    absence {
        a_server_that_is_not_there_is_named_with_the_systems_words,
        a_server_that_does_not_accept_is_given_up_in_time,
        a_connection_that_was_closed_while_idle_is_made_anew,
        a_connection_that_has_rested_is_looked_at_before_it_is_used,
        one_servers_failure_is_only_its_own_keys,
        an_error_is_told_once_along_its_chain,
    }
    timeouts {
        a_late_answer_is_nobody_elses,
        an_operation_timeout_bounds_a_server_that_trickles,
        an_operation_timeout_bounds_the_connect_too,
        the_time_that_a_long_call_itself_takes_is_not_held_against_the_servers,
        timeouts_that_never_end_are_as_good_as_any,
    }
}

fn client<A: Api>(address: &str) -> A {
    let config = Config::default().server(address).socket_timeout(TIMEOUT);
    config.dead_retry(Duration::ZERO).build().expect("an address")
}

fn client_at<A: Api>(server: &Scripted) -> A {
    client(&server.address())
}

fn get(client: &impl Api) -> Result<Option<Value>, Error> {
    client.get::<Value>("key")
}

fn failure(error: &Error) -> (&FailureKind, Delivery) {
    match error {
        Error::Server { failure, .. } => (&failure.kind, failure.delivery),
        Error::OfKey { error, .. } => failure(error),
        error => panic!("not a server's: {error:?}"),
    }
}

/// The error's message has each of these words in it.
fn assert_says(error: &Error, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}
