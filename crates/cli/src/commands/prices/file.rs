//! The file that `guardrails prices fetch` writes: whole, or not at all.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use guardrails_model::prices::{self, PriceList};
use serde_json::json;

use crate::prices::FETCH;

/// The source of a list that this program wrote.
pub(super) const SOURCE: &str = "AWS Price List API, on demand, by guardrails prices fetch";

/// The traps of a list price, for people.
pub(super) const TRAPS: [&str; 4] = [
    "These are list prices on demand. Reserved Instances, Savings Plans, credits, the free tier and private prices make a bill smaller.",
    "Spot instances, capacity blocks and Dedicated Hosts have other prices, and are not in the list.",
    "Volumes, addresses and transfer go on costing money while an instance is stopped.",
    "Not counted: CPU credits of T types, Marketplace software, unused reservations, and the fee of a Region with dedicated instances.",
];

/// Refuses to replace a file that this program did not write: a list by hand may hold prices of a contract.
pub(super) fn refuse_others(path: &Path) -> Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(anyhow!("cannot read {}: {error}\nhint: --out names another file", path.display())),
    };
    let ours = prices::parse(&path.display().to_string(), &text).is_ok_and(|list| list.source.as_deref() == Some(SOURCE));
    if ours {
        return Ok(());
    }
    Err(anyhow!(
        "{} was not written by `{FETCH}`, so it is not replaced\nhint: --out names another file; or move this one away",
        path.display()
    ))
}

/// The list as YAML, with the traps above it.
pub(super) fn text(list: &PriceList) -> String {
    let mut text = String::from("# US dollars an hour. `guardrails prices fetch` writes it anew.\n");
    for trap in TRAPS {
        let _ = writeln!(text, "# {trap}");
    }
    if let Some(date) = list.date {
        let _ = writeln!(text, "date: {date}");
    }
    if let Some(source) = &list.source {
        let _ = writeln!(text, "source: {}", json!(source));
    }
    for (region, of_kinds) in &list.regions {
        let _ = writeln!(text, "{region}:");
        for (kind, price) in of_kinds {
            let _ = writeln!(text, "  {}: {}", json!(kind), price.normalize());
        }
    }
    text
}

/// Writes `text` beside `path`, and then in its place: whoever reads it sees the old list or the new one, and no half.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_list_is_read_as_it_was() {
        let list = "date: 2026-11-30\nsource: x\nus-east-1: {m5.large: 0.0960000000, m5.large Windows dedicated: 0.2}\n";
        let list = prices::parse("prices", list).unwrap();
        let text = text(&list);
        assert!(text.contains("  \"m5.large\": 0.096\n") && text.contains("# Volumes"), "{text}");
        assert_eq!(prices::parse("prices", &text).unwrap(), list);
    }

    #[test]
    fn only_a_file_of_ours_is_replaced_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.yaml");
        refuse_others(&path).unwrap();
        let mut list = prices::parse("prices", "us-east-1: {m5.large: 0.096}\n").unwrap();
        replace(&path, &text(&list)).unwrap();
        let refused = refuse_others(&path).unwrap_err().to_string();
        assert!(refused.contains("not written by `guardrails prices fetch`"), "{refused}");
        list.source = Some(SOURCE.to_owned());
        replace(&path, &text(&list)).unwrap();
        refuse_others(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(replace(&folder.path().join("none/prices.yaml"), "x").is_err());
    }
}
