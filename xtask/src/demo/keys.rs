//! Whether a key that the demo made stands in a log: the functions', or the local AWS's own.

use anyhow::{Context, Result};
use guardrails_local_aws::LocalAws;
use guardrails_local_aws::walkthrough::Walkthrough;

/// The keys that were looked for, and where they were found.
pub struct Found {
    /// So many keys were looked for.
    pub keys: usize,
    /// In so many lines.
    pub lines: usize,
    /// The log of each line that holds one; never the key itself.
    pub places: Vec<String>,
}

/// The secrets of the user, of their session, and of the functions that run.
pub async fn in_use(local: &LocalAws, world: &Walkthrough) -> Result<Vec<String>> {
    let mut keys = world.secrets().await?;
    keys.extend(local.keys_of_functions()?);
    Ok(keys)
}

/// Looks for `keys` in everything that was logged.
pub async fn find(local: &LocalAws, keys: &[String]) -> Result<Found> {
    let functions = local.logged().await?;
    let own = std::fs::read(local.log()).context("reading the local AWS's log")?;
    let own = String::from_utf8_lossy(&own).into_owned();
    let own = own.lines().map(|line| ("the local AWS", line));
    let lines: Vec<(&str, &str)> = functions.lines().map(|line| line.split_once(": ").unwrap_or(("", line))).chain(own).collect();
    let holds = |line: &str| keys.iter().any(|key| line.contains(key.as_str()));
    let places = lines.iter().filter(|(_, line)| holds(line)).map(|(log, _)| (*log).to_owned()).collect();
    Ok(Found { keys: keys.len(), lines: lines.len(), places })
}
