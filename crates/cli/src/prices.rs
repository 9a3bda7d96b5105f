//! The price list that a command goes by: the one it is given, that of guardrails.yaml, or the deployed one.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::day;
use guardrails_model::prices::{self, PriceList};

use crate::output;

/// The command that writes a new list.
pub(crate) const FETCH: &str = "guardrails prices fetch";

/// Reads a price list. An error in it is shown with its place; `None` then.
pub(crate) fn read(path: &Path) -> Result<Option<PriceList>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        anyhow!(
            "cannot read the price list {}: {error}\nhint: {FETCH} writes one; it has lines such as `t3.micro: 0.0104`",
            path.display()
        )
    })?;
    match prices::parse(&path.display().to_string(), &text) {
        Ok(prices) => Ok(Some(prices)),
        Err(words) => {
            output::tell(&words);
            output::tell("nothing was done");
            Ok(None)
        }
    }
}

/// The path of the list that a guardrails.yaml at `file` names `named`.
pub(crate) fn beside(file: &Path, named: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(named)
}

/// Tells people of a list that is old, or has no date.
pub(crate) fn tell_age(list: &PriceList) {
    if list.date.is_none() {
        output::tell(
            "hint: the price list has no date, so its age is not known: `date: 2026-11-30` in it says the day of its prices",
        );
    }
    if let Some(old) = list.age(day(SystemClock.now())) {
        output::tell(&format!("WARNING: {old}\nhint: {FETCH} writes a new one"));
    }
}
