//! The holders of a facet, and the reasons why it waits.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock;
use crate::config::StageAt;
use crate::ids::{FacetId, GuardrailName, RunId, Value};
use crate::ledger::{Ledger, LedgerError};
use crate::phase::Phase;
use crate::record::{Direction, Facet, Lease, Run, Step};

/// Facets that are asked for in one go.
const PAGE: usize = 500;

/// A facet that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hold {
    /// The facet.
    pub facet: FacetId,
    /// Its value before the first of them changed it: the last to let go puts that back.
    pub before: Value,
    /// The value that they want.
    pub wanted: Value,
    /// Its holders.
    pub holders: Vec<HeldBy>,
    /// Until when whose calls may land.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<HeldUntil>,
}

/// One who holds a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldBy {
    /// The run.
    pub run: RunId,
    /// The index of its part, as its steps name it.
    pub part: usize,
    /// Its guardrail.
    pub guardrail: GuardrailName,
    /// Its stage; nothing when the ledger has no such run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageAt>,
    /// Was it begun by a simulated alert?
    pub simulated: bool,
    /// Since when it holds it.
    pub since: Timestamp,
}

/// Calls that may still land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldUntil {
    /// The direction of the calls.
    pub direction: Direction,
    /// Until when.
    pub until: Timestamp,
}

impl From<&Lease> for HeldUntil {
    fn from(lease: &Lease) -> Self {
        Self { direction: lease.direction, until: lease.ends() }
    }
}

/// Those of `facets` that somebody holds.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn holds(ledger: &Ledger, facets: &[FacetId]) -> Result<BTreeMap<FacetId, Hold>, LedgerError> {
    let (mut runs, mut held) = (BTreeMap::new(), BTreeMap::new());
    for page in facets.chunks(PAGE) {
        for (id, facet) in ledger.facets(page).await? {
            if facet.value.holders.is_empty() {
                continue;
            }
            for holder in facet.value.holders.values() {
                if !runs.contains_key(&holder.run) {
                    let run = ledger.run(&holder.run).await?.map(|run| run.value);
                    runs.insert(holder.run.clone(), run);
                }
            }
            held.insert(id, hold(facet.value, &runs));
        }
    }
    Ok(held)
}

fn hold(facet: Facet, runs: &BTreeMap<RunId, Option<Run>>) -> Hold {
    let holders = facet.holders.iter().map(|(name, holder)| {
        let run = runs.get(&holder.run).and_then(Option::as_ref);
        HeldBy {
            run: holder.run.clone(),
            part: name.rsplit('#').next().and_then(|part| part.parse().ok()).unwrap_or_default(),
            guardrail: holder.guardrail.clone(),
            stage: run.map(|run| run.stage),
            simulated: run.is_some_and(|run| run.simulated),
            since: holder.since,
        }
    });
    let holders = holders.collect();
    let lease = facet.lease.as_ref().map(HeldUntil::from);
    Hold { facet: facet.facet, before: facet.before, wanted: facet.wanted, holders, lease }
}

impl HeldBy {
    /// In words, such as `run r-1 of project-beta at 100% actual [simulated]`.
    #[must_use]
    pub fn words(&self) -> String {
        let stage = self.stage.map(|stage| format!(" at {stage}")).unwrap_or_default();
        let simulated = if self.simulated { " [simulated]" } else { "" };
        format!("run {} of {}{stage}{simulated}", self.run, self.guardrail)
    }
}

impl Hold {
    /// The reasons why `step`, whose facet this is, waits: a line for each.
    #[must_use]
    pub fn waits(&self, run: &Run, step: &Step, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let mine = |holder: &&HeldBy| holder.run == step.run && holder.part == step.part;
        for other in self.holders.iter().filter(|holder| !mine(holder)) {
            let also = if step.phase.is_final() { "held" } else { "also held" };
            let by = if other.run == step.run { "another action of this run".to_owned() } else { other.words() };
            lines.push(format!("{also} by {by}: {} is put back when the last of them lets go", self.before));
        }
        let going = matches!(step.phase, Phase::Applying | Phase::RollingBack);
        if let Some(lease) = self.lease.as_ref().filter(|lease| lease.until > now && lease.direction != run.direction && !going) {
            lines.push(lease.words());
        }
        lines
    }

    /// All of it, for people.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{}\n  before: {}\n  wanted: {}\n", self.facet, self.before, self.wanted);
        for holder in &self.holders {
            let _ = writeln!(text, "  held by {}, since {}", holder.words(), clock::words(holder.since));
        }
        if self.holders.len() > 1 {
            let _ = writeln!(text, "  {} is put back when the last of them lets go", self.before);
        }
        if let Some(lease) = self.lease.as_ref().filter(|lease| lease.until > now) {
            let _ = writeln!(text, "  {}", lease.words());
        }
        text
    }
}

impl HeldUntil {
    fn words(&self) -> String {
        let way = match self.direction {
            Direction::Apply => "apply it",
            Direction::Rollback => "put it back",
        };
        format!("calls that {way} may land until {}: the other way waits for that", clock::words(self.until))
    }
}
