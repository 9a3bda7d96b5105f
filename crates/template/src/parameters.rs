//! The template's parameters, as far as people may set them themselves.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use serde_json::Value as Json;

/// The parameters that `guardrails deploy` sets in another way.
const SET_OTHERWISE: [(&str, &str); 5] = [
    ("Architecture", "--architecture sets it"),
    ("ArtifactBucket", "--bucket sets it"),
    ("Deployer", "it is whose credentials these are"),
    ("LedgerTable", "--adopt-ledger sets it, and looks at the table first"),
    ("NotifyEmail", "--notify-email sets it"),
];

/// Holds the values of `--parameter` against the parameters of `template`.
///
/// # Errors
/// When it takes no such parameter or value, has it from elsewhere, or was given it twice.
pub fn check_parameters(template: &Json, given: &[(String, String)]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, value) in given {
        if let Some((_, how)) = SET_OTHERWISE.iter().find(|(other, _)| other == name) {
            bail!("--parameter {name}: {how}");
        }
        let Some(parameter) = template["Parameters"].get(name) else {
            let all = template["Parameters"].as_object().into_iter().flat_map(serde_json::Map::keys);
            let free: Vec<&str> =
                all.map(String::as_str).filter(|name| SET_OTHERWISE.iter().all(|(other, _)| other != name)).collect();
            bail!("--parameter {name}: the template has no such parameter; there are: {}", free.join(", "));
        };
        ensure!(seen.insert(name), "--parameter {name} is given twice");
        let allowed = parameter["AllowedValues"].as_array().into_iter().flatten();
        let allowed: Vec<String> = allowed.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
        ensure!(
            allowed.is_empty() || allowed.contains(value),
            "--parameter {name}={value}: expected one of {}",
            allowed.join(", ")
        );
    }
    Ok(())
}
