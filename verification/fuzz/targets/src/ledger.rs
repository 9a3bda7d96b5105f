//! The records of the ledger.
#![no_main]

mod shape;

libfuzzer_sys::fuzz_target!(|input: &[u8]| shape::check("ledger", input));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    shape::mutate(data, size, most, seed, guardrails_fuzz::mutate::json)
});
