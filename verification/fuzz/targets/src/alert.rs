//! The messages on the topic.
#![no_main]

mod shape;

libfuzzer_sys::fuzz_target!(|input: &[u8]| shape::check("alert", input));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    shape::mutate(data, size, most, seed, |text, seed| Some(guardrails_fuzz::mutate::either(text, seed)))
});
