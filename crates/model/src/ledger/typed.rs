//! The program's reads and writes of the ledger, in its own words.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Item, Key, LedgerError, MOST_WRITES, Store, Write};
use crate::config::Guardrail;
use crate::ids::{FacetId, GuardrailName, Nonce, RunId, Value};
use crate::pace::Pace;
use crate::phase::Phase;
use crate::receipt::Call;
use crate::record::{AlertEntry, AlertRecord, FORMAT, Facet, Run, StageState, Step, StepEvent, Target, Written};

/// A record with the revision that it was read at.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// 0 when it is not there yet.
    pub rev: u64,
    /// The record.
    pub value: T,
}

/// A step's transition, with its facet where that changes too. Both are written, or neither is.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The step.
    pub step: Versioned<Step>,
    /// The facet.
    pub facet: Option<Versioned<Facet>>,
}

/// The news of a step's transition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// Why, where that needs saying.
    pub reason: Option<String>,
    /// The value that was seen, when the step is to be changed now.
    pub before: Option<Value>,
    /// The value that was seen, when nothing is to be changed any more.
    pub after: Option<Value>,
    /// The calls that decided it.
    pub calls: Vec<Call>,
}

impl From<Option<String>> for News {
    fn from(reason: Option<String>) -> Self {
        Self { reason, ..Self::default() }
    }
}

impl Move {
    /// The step goes to `phase`: the only way a phase changes.
    ///
    /// # Errors
    /// When that phase may not follow.
    pub fn advance(
        mut step: Versioned<Step>,
        facet: Option<Versioned<Facet>>,
        phase: Phase,
        news: impl Into<News>,
        at: Timestamp,
        by: &str,
    ) -> Result<Self, LedgerError> {
        let News { reason, before, after, calls } = news.into();
        let from = step.value.phase;
        if !from.may_become(phase) {
            return Err(LedgerError::IllegalMove { facet: step.value.facet.to_string(), from, to: phase });
        }
        if from != phase {
            step.value.since = at;
            (step.value.accepted, step.value.again_at, step.value.delays) = (None, None, 0);
        }
        // Taking up the same phase again is no news, and an item may not grow with every look.
        let is_new_reason = reason.is_some() && step.value.reason != reason;
        if from != phase || is_new_reason || !calls.is_empty() {
            // The outcome of a change is told together with the value before.
            let intended = || step.value.events.iter().rev().find(|event| event.phase == from && event.before.is_some());
            let before = before.or_else(|| after.as_ref().and_then(|_| intended()?.before.clone()));
            let event = StepEvent::new(at, by, phase, reason.clone());
            step.value.events.append(StepEvent { before, after, calls, ..event });
        }
        step.value.phase = phase;
        step.value.reason = reason;
        Ok(Self { step, facet })
    }
}

/// The deployed definition of one guardrail.
#[derive(Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) format: u32,
    pub(super) guardrail: Guardrail,
    pub(super) operators: Vec<String>,
    #[serde(default)]
    pub(super) pace: Pace,
    pub(super) removed: bool,
}

/// The ledger over any store.
#[derive(Clone)]
pub struct Ledger {
    pub(super) store: Arc<dyn Store>,
}

impl Ledger {
    /// A ledger that stands on `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Writes a run, and its slot too where given: both or neither.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when one of them was changed since it was read.
    pub async fn save_run(
        &self,
        run: Versioned<Run>,
        slot: Option<&Versioned<StageState>>,
    ) -> Result<Versioned<Run>, LedgerError> {
        let mut writes = vec![write(run_key(&run.value.id), run.rev, &run.value)?];
        if let Some(slot) = slot {
            writes.push(write(slot_key(&run.value.target()), slot.rev, &slot.value)?);
        }
        self.store.commit(&Nonce::fresh(), &writes).await?;
        Ok(Versioned { rev: run.rev + 1, value: run.value })
    }

    /// Writes a slot.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when it was changed since it was read.
    pub async fn save_slot(&self, target: &Target, slot: &Versioned<StageState>) -> Result<(), LedgerError> {
        self.store.commit(&Nonce::fresh(), &[write(slot_key(target), slot.rev, &slot.value)?]).await
    }

    /// Writes a part's steps, in batches, under a token of their own. They are inert until the run opens with this plan.
    ///
    /// # Errors
    /// When a batch could not be written: the whole is to be written again, under a new token.
    pub async fn write_plan(&self, token: Nonce, steps: &[Step]) -> Result<Written, LedgerError> {
        let writes: Vec<Write> = steps.iter().map(|step| write(step_key(step), 0, step)).collect::<Result<_, _>>()?;
        for batch in writes.chunks(MOST_WRITES) {
            self.store.commit(&Nonce::fresh(), batch).await?;
        }
        Ok(Written { token, steps: steps.len(), digest: step_digest(steps), asks: None })
    }

    /// Writes steps that came to their unit after the plan. One that is there already stays as it is.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn add_steps(&self, steps: &[Step]) -> Result<(), LedgerError> {
        let writes: Vec<Write> = steps.iter().map(|step| write(step_key(step), 0, step)).collect::<Result<_, _>>()?;
        for batch in writes.chunks(MOST_WRITES) {
            match self.store.commit(&Nonce::fresh(), batch).await {
                Err(LedgerError::Conflict) => {}
                other => {
                    other?;
                    continue;
                }
            }
            for write in batch {
                match self.store.commit(&Nonce::fresh(), std::slice::from_ref(write)).await {
                    Err(LedgerError::Conflict) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Writes moves, many at a time. A move that somebody else's write got in the way of says so alone.
    ///
    /// # Errors
    /// When the ledger cannot be written at all. Moves that were written stay written.
    pub async fn save_moves(&self, moves: Vec<Move>) -> Result<Vec<Result<Move, LedgerError>>, LedgerError> {
        let mut done = Vec::with_capacity(moves.len());
        for batch in moves.chunks(MOST_WRITES / 2) {
            let writes = batch.iter().map(writes_of).collect::<Result<Vec<_>, _>>()?;
            match self.store.commit(&Nonce::fresh(), &writes.concat()).await {
                Ok(()) => done.extend(batch.iter().cloned().map(|m| Ok(written(m)))),
                Err(LedgerError::Conflict) if batch.len() > 1 => {
                    for (one, writes) in batch.iter().zip(writes) {
                        match self.store.commit(&Nonce::fresh(), &writes).await {
                            Ok(()) => done.push(Ok(written(one.clone()))),
                            Err(LedgerError::Conflict) => done.push(Err(LedgerError::Conflict)),
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(LedgerError::Conflict) => done.push(Err(LedgerError::Conflict)),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Keeps an alert by its digest, and in the order in which they came; one that was kept before stays as it was.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn record_alert(&self, digest: &str, alert: &AlertRecord) -> Result<(), LedgerError> {
        let entry = AlertEntry { format: FORMAT, digest: digest.to_owned() };
        let writes = [write(alert_key(digest), 0, alert)?, write(alert_entry_key(alert.at, digest), 0, &entry)?];
        match self.store.commit(&Nonce::fresh(), &writes).await {
            Err(LedgerError::Conflict) => Ok(()),
            other => other,
        }
    }

    /// Takes a guardrail's definition out of use, if there is one. Runs keep their own copy.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn undefine(&self, name: &GuardrailName) -> Result<(), LedgerError> {
        let key = guardrail_key(name);
        loop {
            let Some(mut present) = self.one::<Definition>(&key).await? else { return Ok(()) };
            present.value.removed = true;
            match self.store.commit(&Nonce::fresh(), &[write(key.clone(), present.rev, &present.value)?]).await {
                Err(LedgerError::Conflict) => {}
                other => return other,
            }
        }
    }

    /// Deploys a guardrail's definition.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn define(&self, guardrail: Guardrail, operators: Vec<String>, pace: Pace) -> Result<(), LedgerError> {
        let key = guardrail_key(&guardrail.name);
        let definition = Definition { format: FORMAT, guardrail, operators, pace, removed: false };
        loop {
            let rev = self.one::<Definition>(&key).await?.map_or(0, |present| present.rev);
            match self.store.commit(&Nonce::fresh(), &[write(key.clone(), rev, &definition)?]).await {
                Err(LedgerError::Conflict) => {}
                other => return other,
            }
        }
    }
}

/// SHA-256 of the plan in `steps`: their facets, their present values and their wanted values.
#[must_use]
pub fn step_digest(steps: &[Step]) -> String {
    let mut lines: Vec<String> =
        steps.iter().map(|step| format!("{}\t{}\t{}\n", step.facet, step.present, step.wanted)).collect();
    lines.sort();
    format!("{:x}", Sha256::digest(lines.concat()))
}

fn writes_of(step: &Move) -> Result<Vec<Write>, LedgerError> {
    let mut writes = vec![write(step_key(&step.step.value), step.step.rev, &step.step.value)?];
    if let Some(facet) = &step.facet {
        writes.push(write(facet_key(&facet.value.facet), facet.rev, &facet.value)?);
    }
    Ok(writes)
}

fn written(mut step: Move) -> Move {
    step.step.rev += 1;
    if let Some(facet) = &mut step.facet {
        facet.rev += 1;
    }
    step
}

pub(super) fn write<T: Serialize>(key: Key, expect: u64, value: &T) -> Result<Write, LedgerError> {
    let doc = serde_json::to_value(value).map_err(|error| unreadable(&key, error.to_string()))?;
    Ok(Write { key, expect, doc })
}

/// A record of a format that this program knows. The number is looked at first, so that a newer record says so.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<Versioned<T>, LedgerError> {
    match item.doc.get("format").and_then(Json::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            let why = format!("its format is {format}, and this program knows format {FORMAT}: use the version that wrote it");
            return Err(unreadable(&item.key, why));
        }
        None => return Err(unreadable(&item.key, "it has no format number".to_owned())),
    }
    let value = serde_json::from_value(item.doc).map_err(|error| unreadable(&item.key, error.to_string()))?;
    Ok(Versioned { rev: item.rev, value })
}

/// A record that says of itself that it stands where it was read. One that does not would be written to the other's place.
pub(super) fn read_own<T: DeserializeOwned>(item: Item, own: impl FnOnce(&T) -> Key) -> Result<Versioned<T>, LedgerError> {
    let key = item.key.clone();
    let found = read(item)?;
    let says = own(&found.value);
    if says == key {
        return Ok(found);
    }
    Err(unreadable(&key, format!("it says that it is {} {}: somebody wrote it there by hand", says.pk, says.sk)))
}

pub(super) fn unreadable(key: &Key, why: String) -> LedgerError {
    LedgerError::Unreadable { key: format!("{} {}", key.pk, key.sk), why }
}

pub(super) fn run_key(id: &RunId) -> Key {
    Key { pk: "RUN".to_owned(), sk: id.to_string() }
}

pub(super) fn step_key(step: &Step) -> Key {
    Key { pk: step_partition(&step.run), sk: format!("{}{}", step_prefix(step.part, &step.token), step_place(step)) }
}

pub(super) fn step_partition(run: &RunId) -> String {
    format!("STEP#{run}")
}

pub(super) fn step_prefix(part: usize, token: &Nonce) -> String {
    format!("{part:03}#{}#", token.as_str())
}

/// Where a step stands among those of its plan: those of a unit together.
pub(crate) fn step_place(step: &Step) -> String {
    match &step.unit {
        None => step.facet.to_string(),
        Some(unit) => {
            let hash = format!("{:x}", Sha256::digest(&unit.name));
            format!("@{}@{}", &hash[..16], step.facet)
        }
    }
}

pub(super) fn facet_key(facet: &FacetId) -> Key {
    Key { pk: format!("FACET#{facet}"), sk: "FACET".to_owned() }
}

pub(super) fn alert_key(digest: &str) -> Key {
    Key { pk: format!("ALERT#{digest}"), sk: "ALERT".to_owned() }
}

/// The partition in which alerts stand in the order in which they came.
pub(super) const ALERTS: &str = "ALERTS";

fn alert_entry_key(at: Timestamp, digest: &str) -> Key {
    Key { pk: ALERTS.to_owned(), sk: format!("{}#{digest}", sortable(at)) }
}

/// A time in words that sort as the times do: always as long.
#[must_use]
pub fn sortable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

pub(super) fn guardrail_key(name: &GuardrailName) -> Key {
    Key { pk: "GUARDRAIL".to_owned(), sk: name.to_string() }
}

pub(super) fn slot_key(target: &Target) -> Key {
    let kind = if target.simulated { "simulated" } else { "real" };
    Key { pk: slot_partition(&target.guardrail), sk: format!("{}#{}#{kind}", target.period, target.stage) }
}

pub(super) fn slot_partition(guardrail: &GuardrailName) -> String {
    format!("STAGE#{guardrail}")
}
