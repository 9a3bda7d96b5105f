//! The text of guardrails.yaml.
#![no_main]

mod shape;

libfuzzer_sys::fuzz_target!(|input: &[u8]| shape::check("config", input));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    shape::mutate(data, size, most, seed, |text, seed| Some(guardrails_fuzz::mutate::lines(text, seed)))
});
