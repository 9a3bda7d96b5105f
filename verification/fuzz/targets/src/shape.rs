//! The common part of the targets: an input is text, and most of its changes keep its shape.

/// Checks an input, if it is text.
///
/// # Panics
/// When something does not hold that must.
pub fn check(target: &str, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (_, check) = guardrails_fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    check(text);
}

/// Changes `data` by `shaped`, and now and then by the fuzzer's own mutations.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32, shaped: impl Fn(&str, u64) -> Option<String>) -> usize {
    let changed = match seed % 4 {
        0 => None,
        _ => std::str::from_utf8(&data[..size]).ok().and_then(|text| shaped(text, u64::from(seed))),
    };
    match changed.filter(|changed| changed.len() <= most && !changed.is_empty()) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(changed.as_bytes());
            changed.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, most),
    }
}
