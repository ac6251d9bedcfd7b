//! A Python service and a Rust service that share a cache: each finds, reads and understands what the
//! other wrote, on the same servers, and goes on doing so when a server dies.
//!
//! The Python side is the module from PyPI in a process of its own, the servers are memcached, and where
//! a key is and what is stored for it is asked of each server directly. A [`Profile`](profile::Profile)
//! says how a client of the one side is made and how its equal of the other; the same bodies run for
//! each. Keys, values and weights are random: `INTEROP_SEED` chooses others, `INTEROP_KEYS` sets how many
//! keys there are. Where Python or a module is missing the tests say so and pass.

mod calls;
mod compression;
mod death;
mod generator;
mod options;
mod pair;
mod pairs;
mod parity;
mod placement;
mod prefixes;
mod profile;
mod values;

/// Makes a test of each body for each profile.
macro_rules! each_profile {
    ($($profile:ident { $($module:ident { $($body:ident,)+ })+ })+) => {$(
        mod $profile {$(
            mod $module {$(
                #[test]
                fn $body() {
                    crate::$module::$body(&crate::profile::$profile());
                }
            )+}
        )+}
    )+};
}

each_profile! {
    python_memcached {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        compression {
            both_compress_from_the_threshold_on_and_read_what_the_other_compressed,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_one_side_is_a_part_of_the_others_keys,
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
        }
        pairs {
            a_number_beside_a_key_chooses_its_server,
            pairs_and_keys_go_together_and_behind_a_prefix,
        }
        options {
            a_call_compresses_above_a_threshold_of_its_own,
            what_one_asked_no_reply_for_the_other_reads,
        }
        death {
            both_agree_on_where_keys_go_while_servers_die_and_return,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
            what_one_lets_expire_is_gone_for_the_other,
        }
    }
    python_memcached_with_the_old_hash {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        pairs {
            a_number_beside_a_key_chooses_its_server,
            pairs_and_keys_go_together_and_behind_a_prefix,
        }
        death {
            both_agree_on_where_keys_go_while_servers_die_and_return,
        }
    }
    python_memcached_1_58 {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        compression {
            both_compress_from_the_threshold_on_and_read_what_the_other_compressed,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_one_side_is_a_part_of_the_others_keys,
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
        }
        pairs {
            a_number_beside_a_key_chooses_its_server,
        }
        options {
            a_call_compresses_above_a_threshold_of_its_own,
            what_one_asked_no_reply_for_the_other_reads,
        }
        death {
            both_agree_on_where_keys_go_while_servers_die_and_return,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
            what_one_lets_expire_is_gone_for_the_other,
        }
    }
    pylibmc {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        compression {
            both_compress_from_the_threshold_on_and_read_what_the_other_compressed,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        options {
            a_call_compresses_above_a_threshold_of_its_own,
        }
        death {
            a_dead_server_takes_its_own_keys_along_and_no_others,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
            what_one_lets_expire_is_gone_for_the_other,
        }
    }
    pylibmc_with_crc {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        death {
            a_dead_server_takes_its_own_keys_along_and_no_others,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
        }
    }
    pylibmc_with_ketama {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        death {
            a_dead_server_takes_its_own_keys_along_and_no_others,
        }
    }
    pylibmc_with_ketama_weighted {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        death {
            a_dead_server_takes_its_own_keys_along_and_no_others,
        }
    }
    pymemcache_of_one_server {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        compression {
            both_compress_from_the_threshold_on_and_read_what_the_other_compressed,
        }
        prefixes {
            a_prefix_of_one_side_is_a_part_of_the_others_keys,
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
        }
        options {
            a_call_compresses_above_a_threshold_of_its_own,
            what_one_asked_no_reply_for_the_other_reads,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
        }
    }
    pymemcache {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        options {
            what_one_asked_no_reply_for_the_other_reads,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
            what_one_lets_expire_is_gone_for_the_other,
        }
    }
    pymemcache_with_bytes_keys {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        options {
            what_one_asked_no_reply_for_the_other_reads,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
        }
    }
    pymemcache_with_pickles {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
            pickles_stay_opaque,
            a_bool_is_the_number_that_it_is_equal_to,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
        options {
            a_call_compresses_above_a_threshold_of_its_own,
            what_one_asked_no_reply_for_the_other_reads,
        }
        calls {
            a_cas_unique_read_by_one_is_good_for_the_other,
            each_counts_on_with_the_others_counter,
            each_appends_to_what_the_other_wrote,
            each_deletes_what_the_other_wrote,
            expiries_are_the_same_seconds,
        }
    }
    pymemcache_with_pickles_and_bytes_keys {
        values {
            python_writes_and_rust_reads,
            rust_writes_and_python_reads,
            both_store_the_same_flags_and_bytes,
        }
        placement {
            each_key_is_on_the_server_that_both_name,
        }
        prefixes {
            a_prefix_of_a_call_is_a_part_of_the_others_keys,
            a_namespace_has_no_part_in_choosing_a_server,
        }
    }
    pymemcache_that_drops_dead_servers {
        death {
            both_agree_on_where_keys_go_once_a_server_is_dropped,
        }
    }
}
