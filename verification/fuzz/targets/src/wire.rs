//! The messages between the state machine, CloudFormation and the functions.
#![no_main]

mod shape;

libfuzzer_sys::fuzz_target!(|input: &[u8]| shape::check("wire", input));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    shape::mutate(data, size, most, seed, guardrails_fuzz::mutate::json)
});
