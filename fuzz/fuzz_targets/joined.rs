#![no_main]

use memcache_sim::oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::joined(bytes));
