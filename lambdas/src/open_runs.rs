//! The custom resources that protect open runs. A deployment must not take the way back from one, and no stack goes while one is open.

use std::collections::BTreeSet;

use guardrails_aws::actions::CATALOG;
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{Part, Run, Step};
use guardrails_model::wire::OpenRunsProperties as Scope;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::runtime::Invocation;

/// Guardrails that are named at once: a stack shows only so much of a reason.
const NAMED: usize = 10;
/// The property of `Custom::OpenRuns` that came with the rights on an Auto Scaling group's own tags.
const RIGHTS: &str = "Rights";

/// The functions' rights follow guardrails.yaml. As long as a run is open, all of its actions and parameters must stay in it.
/// `before` are the properties until now. A deployment that is refused asks again, for the former properties: these must be let
/// through, or the stack would stand half-way.
///
/// # Errors
/// When an open run would lose its way back, or the ledger cannot be read.
pub async fn keep_the_way_back(properties: Json, before: Option<&Json>, invocation: &Invocation) -> Result<(), Fault> {
    // Runs may have been begun by a version that was granted every Auto Scaling group.
    let any_group_before = before.is_none_or(|before| before.get(RIGHTS).is_none());
    let scope: Scope = serde_json::from_value(properties)
        .map_err(|error| Fault::failed(format!("the properties are not those of Custom::OpenRuns: {error}")))?;
    let ledger = invocation.ledger()?;
    for run in ledger.open_runs(None).await? {
        let stays = |part: &Part| scope.has(part.action.as_str(), &part.params);
        if !scope.guardrails.contains(&run.guardrail.to_string()) || !run.parts.iter().all(stays) {
            return Err(Fault::failed(format!(
                "run {} of `{}` still holds what it changed, and without this in guardrails.yaml it could not be put back: put \
                 it back first, with `guardrails rollback {}`",
                run.id, run.guardrail, run.guardrail
            )));
        }
        if any_group_before && scope.rights.is_some() {
            refuse_out_of_reach(&run, &ledger, invocation).await?;
        }
    }
    Ok(())
}

/// An earlier version may have been granted more, and have changed some that this one may not put back.
async fn refuse_out_of_reach(run: &Run, ledger: &Ledger, invocation: &Invocation) -> Result<(), Fault> {
    let mut held = vec![Vec::new(); run.parts.len()];
    let keep = |step: Step| {
        if !step.phase.is_final() {
            held[step.part].push(step.facet);
        }
    };
    ledger.visit(run, keep).await?;
    for (part, facets) in run.parts.iter().zip(held) {
        let action = CATALOG.find(part.action.as_str())?.read(&part.params)?;
        let found = action.out_of_reach(&facets, &invocation.sdk).await;
        let found = found.map_err(|error| Fault::failed(format!("looking at what run {} holds: {error}", run.id)))?;
        if !found.is_empty() {
            return Err(Fault::failed(format!(
                "run {} of `{}` holds what could not be put back by what is deployed here: {}. Tag it so, or put the run back \
                 first, with `guardrails rollback {}`",
                run.id,
                run.guardrail,
                found.join("; "),
                run.guardrail
            )));
        }
    }
    Ok(())
}

/// A guardrail that holds something cannot go: the functions that put it back would go with it.
///
/// # Errors
/// When a run of the guardrail is open, or the ledger cannot be read.
pub async fn refuse_those_of(guardrail: &GuardrailName, ledger: &Ledger) -> Result<(), Fault> {
    let open = ledger.open_runs(Some(guardrail)).await?;
    open.first().map_or(Ok(()), |run| {
        Err(Fault::failed(format!(
            "run {} of `{guardrail}` still holds what it changed: put it back first, with `guardrails rollback {guardrail}`",
            run.id
        )))
    })
}

/// A stack goes whole or not at all. Its deletion begins here: a refusal at a later resource finds its neighbours gone.
///
/// # Errors
/// When any run is open, or the ledger cannot be read.
pub async fn refuse_all(ledger: &Ledger) -> Result<(), Fault> {
    let open = ledger.open_runs(None).await?;
    let holding: BTreeSet<&GuardrailName> = open.iter().map(|run| &run.guardrail).collect();
    let commands: Vec<String> = holding.iter().take(NAMED).map(|name| format!("`guardrails rollback {name}`")).collect();
    let more = holding.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(", and {more} more"));
    if open.is_empty() {
        return Ok(());
    }
    Err(Fault::failed(format!(
        "{} open runs still hold what they changed, so nothing was deleted: put it back first, with {}{}; then delete the stack again",
        open.len(),
        commands.join(", "),
        more.unwrap_or_default()
    )))
}
