//! Rehearsals: once a day every stage is planned without a run. People learn before a breach that a target would be refused or left
//! alone, or that a stage would do nothing.
//!
//! The plans are made by the actions' own functions, which have the rights to read that planning takes. So the caller needs no more than
//! the right to call them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::config::{Config, Guardrail};
use crate::ids::GuardrailName;
use crate::record::{FORMAT, Rehearsal, RehearsedStage, Run, Tally, Target};
use crate::runs::{RunError, Runs};

/// Parts that one round plans at most. A guardrail that was begun is finished.
const MOST_PARTS: usize = 40;

/// Plans parts of runs that there are not.
#[async_trait]
pub trait Planner: Send + Sync {
    /// The tally of a part of `draft`, in all places that its action works in. Nothing is written.
    async fn rehearse(&self, draft: &Run, part: usize) -> Tally;
}

/// Holds rehearsals.
pub struct Rehearsals<'a> {
    /// The ledger and the clock.
    pub runs: Runs<'a>,
    /// Makes the plans.
    pub planner: &'a dyn Planner,
    /// No guardrail is begun after that.
    pub until: Timestamp,
}

/// The outcome of a round of rehearsals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// Guardrails that were rehearsed.
    pub held: Vec<GuardrailName>,
    /// Stages, of all guardrails, of which something would be refused, or all be left alone.
    pub troubles: usize,
    /// Guardrails of which there is something that people do not know yet.
    pub news: Vec<GuardrailName>,
}

impl Rehearsals<'_> {
    /// Rehearses the guardrails that are due, or `all`: the one that waits longest first, as far as the round's bounds allow.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn round(&self, all: bool) -> Result<Rehearsed, RunError> {
        let (ledger, clock) = (self.runs.ledger, self.runs.clock);
        let config = ledger.config().await?;
        let kept = ledger.rehearsals().await?;
        let mut kept: BTreeMap<GuardrailName, Rehearsal> = kept.into_iter().map(|one| (one.guardrail.clone(), one)).collect();
        kept.retain(|name, _| config.guardrails.contains_key(name));
        let mut due: Vec<&Guardrail> = config.guardrails.values().collect();
        due.retain(|guardrail| all || kept.get(&guardrail.name).is_none_or(|last| last.is_due(clock.now())));
        due.sort_by_key(|guardrail| kept.get(&guardrail.name).map(|last| last.at));
        let (mut rehearsed, mut parts) = (Rehearsed::default(), 0);
        for guardrail in due {
            if parts >= MOST_PARTS || clock.now() >= self.until {
                break;
            }
            let told = kept.get(&guardrail.name).and_then(|last| last.told.clone());
            let rehearsal = self.rehearse(&config, guardrail, told, &mut parts).await?;
            ledger.save_rehearsal(&rehearsal).await?;
            rehearsed.held.push(guardrail.name.clone());
            kept.insert(guardrail.name.clone(), rehearsal);
        }
        rehearsed.troubles = kept.values().map(Rehearsal::troubles).sum();
        rehearsed.news = kept.values().filter(|one| one.is_news()).map(|one| one.guardrail.clone()).collect();
        Ok(rehearsed)
    }

    async fn rehearse(
        &self,
        config: &Config,
        guardrail: &Guardrail,
        told: Option<String>,
        parts: &mut usize,
    ) -> Result<Rehearsal, RunError> {
        let clock = self.runs.clock;
        let mut stages = Vec::new();
        for stage in guardrail.stages.iter().filter(|stage| !stage.waves.is_empty()).map(|stage| stage.at) {
            let period = guardrail.budget.period.present(clock.now());
            let target = Target { guardrail: guardrail.name.clone(), stage, period, simulated: false };
            let mut rehearsed = RehearsedStage { stage, is_open: self.is_open(&target).await?, tally: Tally::default() };
            let draft = self.runs.draft(&target, config, guardrail, "");
            for part in (0..draft.parts.len()).filter(|_| !rehearsed.is_open) {
                *parts += 1;
                rehearsed.tally.add(self.planner.rehearse(&draft, part).await);
            }
            stages.push(rehearsed);
        }
        let (guardrail, by) = (guardrail.name.clone(), self.runs.by.clone());
        Ok(Rehearsal { format: FORMAT, guardrail, at: clock.now(), by, told, stages })
    }

    /// Does a run of the stage do now what a rehearsal would only say?
    async fn is_open(&self, target: &Target) -> Result<bool, RunError> {
        let Some(slot) = self.runs.ledger.stage_state(target).await? else { return Ok(false) };
        let run = self.runs.ledger.run(&slot.value.run).await?;
        Ok(run.is_some_and(|run| run.value.state.is_open()))
    }

    /// Writes down that people know what was found of these guardrails.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn told(&self, guardrails: &[GuardrailName]) -> Result<(), RunError> {
        for mut rehearsal in self.runs.ledger.rehearsals().await? {
            if guardrails.contains(&rehearsal.guardrail) {
                rehearsal.told = rehearsal.digest();
                self.runs.ledger.save_rehearsal(&rehearsal).await?;
            }
        }
        Ok(())
    }
}

/// The message about rehearsals: a subject, and a text.
#[must_use]
pub fn message(rehearsals: &[Rehearsal]) -> (String, String) {
    let troubles: usize = rehearsals.iter().map(Rehearsal::troubles).sum();
    let subject = match troubles {
        0 => "rehearsal: nothing would be refused".to_owned(),
        1 => "rehearsal: 1 stage would NOT do all that it asks for".to_owned(),
        many => format!("rehearsal: {many} stages would NOT do all that they ask for"),
    };
    let mut text = format!(
        "{subject}\nEvery stage is planned once a day, without a run. You are told again when something else is found.\n\n"
    );
    text.extend(rehearsals.iter().map(Rehearsal::text));
    text += "\nEach step: guardrails plan GUARDRAIL --at STAGE --all. After a change: guardrails reconcile --rehearse\n";
    (subject, text)
}
