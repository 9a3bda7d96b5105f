//! The controls: a product that is broken in one way each. An exploration that finds nothing wrong with these finds nothing.

use serde_json::{Value as Json, json};

use crate::line::Put;

/// The way in which the product is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Before and the intent are not written before the change.
    NoWriteAhead,
    /// Nobody writes down until when calls may land.
    NoLease,
    /// An invocation that got an answer ends its dead predecessors' leases with its own.
    ForgetsEarlierCalls,
    /// A second holder takes a snapshot of its own.
    SecondSnapshot,
    /// The hold is given up when putting back begins, not when it is done.
    LetsGoTooEarly,
    /// The hold is kept when all is put back.
    NeverLetsGo,
    /// A holder that leaves takes all others' holds along.
    LetsGoForAll,
    /// A failed or half-done step is taken for one that was never begun.
    TakesHalfDoneForUndone,
    /// An invocation that makes a change again takes a new snapshot of the value that somebody made meanwhile.
    LookTakesSnapshot,
    /// A facet that a look finds changed is planned anew, as if nothing of it was held.
    LookPlansAnew,
    /// A look makes a change again that people are only to be told of.
    LookTellsAndEnforces,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoWriteAhead,
        Self::NoLease,
        Self::ForgetsEarlierCalls,
        Self::SecondSnapshot,
        Self::LetsGoTooEarly,
        Self::NeverLetsGo,
        Self::LetsGoForAll,
        Self::TakesHalfDoneForUndone,
        Self::LookTakesSnapshot,
        Self::LookPlansAnew,
        Self::LookTellsAndEnforces,
    ];
}

/// The writes of a broken product while the lamp is `lamp`.
pub(crate) fn puts(how: Sabotage, puts: &[Put], lamp: &str) -> Vec<Put> {
    let mut docs: Vec<(Put, Json)> = puts.iter().map(|put| (put.clone(), parsed(put))).collect();
    let phase = docs.iter().find_map(|(_, doc)| doc["phase"].as_str().map(str::to_owned)).unwrap_or_default();
    let holder = docs.iter().find_map(|(_, doc)| Some(format!("{}#{}", doc["run"].as_str()?, doc["part"].as_u64()?)));
    match how {
        Sabotage::NoWriteAhead if phase == "Applying" => return Vec::new(),
        Sabotage::NeverLetsGo if phase == "RolledBack" => docs.retain(|(_, doc)| doc.get("holders").is_none()),
        _ => {}
    }
    for (_, doc) in &mut docs {
        if doc.get("holders").is_some() {
            break_facet(how, doc, &phase, holder.as_deref().unwrap_or_default(), lamp);
        } else if let Some(phase) = broken_phase(how, doc, &phase) {
            doc["phase"] = json!(phase);
        }
    }
    docs.into_iter().map(|(put, doc)| Put { doc: doc.to_string(), ..put }).collect()
}

fn broken_phase(how: Sabotage, step: &Json, phase: &str) -> Option<&'static str> {
    let reason = step["reason"].as_str().unwrap_or_default();
    let is_found_changed = reason.starts_with("somebody made it") && reason.contains("meanwhile");
    match how {
        Sabotage::TakesHalfDoneForUndone if phase == "RollingBack" => Some("RolledBack"),
        Sabotage::LookPlansAnew if phase == "Applying" && is_found_changed => Some("Planned"),
        Sabotage::LookTellsAndEnforces if phase == "Applied" && is_found_changed => Some("Applying"),
        _ => None,
    }
}

fn break_facet(how: Sabotage, facet: &mut Json, phase: &str, holder: &str, lamp: &str) {
    let holders = facet["holders"].as_object_mut().expect("holders");
    let others = holders.keys().filter(|other| *other != holder).count();
    match how {
        Sabotage::NoLease => facet["lease"] = Json::Null,
        Sabotage::ForgetsEarlierCalls if matches!(phase, "Applied" | "RolledBack") => facet["lease"] = Json::Null,
        Sabotage::SecondSnapshot if others > 0 && holders.contains_key(holder) => facet["before"] = facet["wanted"].clone(),
        Sabotage::LookTakesSnapshot if others == 0 && phase == "Applying" => facet["before"] = json!(lamp),
        Sabotage::LetsGoTooEarly if phase == "RollingBack" => {
            holders.remove(holder);
        }
        Sabotage::LetsGoForAll if phase == "RolledBack" => holders.clear(),
        _ => {}
    }
}

fn parsed(put: &Put) -> Json {
    serde_json::from_str(&put.doc).expect("it was written as JSON")
}
