//! Gathers the evidence for an alert, and weighs it.

use jiff::{SignedDuration, Timestamp};

use super::{Belief, Evidence, Shown, weigh};
use crate::alert::BudgetAlert;
use crate::config::Guardrail;
use crate::decide::Target;
use crate::ledger::{Ledger, LedgerError};
use crate::spend::Spending;

/// The decision on a real alert that asks for `target`. AWS Budgets is asked; when it does not answer, the alert is not lost: a
/// person is asked, and it may count alone later.
///
/// # Errors
/// When the ledger cannot be read: the alert is to be delivered again.
pub async fn believe(
    alert: &BudgetAlert,
    target: &Target,
    guardrail: &Guardrail,
    ledger: &Ledger,
    spending: &dyn Spending,
    now: Timestamp,
) -> Result<Belief, LedgerError> {
    let answer = spending.standing(guardrail).await;
    let last = ledger.spend(&target.guardrail).await?.map(|last| last.value);
    let points = ledger.points(&target.guardrail).await?;
    let shown = match &answer {
        Ok(Some(standing)) => Shown::Standing(standing),
        Ok(None) => Shown::NoBudget,
        Err(error) => {
            tracing::warn!(guardrail = %target.guardrail, %error, "AWS Budgets cannot be asked");
            Shown::Unreachable(waited(target, ledger, now).await?)
        }
    };
    let (stage, period) = (target.stage, target.period.as_str());
    let (alert, last) = (Some(alert), last.as_ref());
    // The rounds of the reconciler ask for the resources that run: a figure that waits for them goes on at the next one.
    Ok(weigh(&Evidence { guardrail, stage, period, alert, shown, last, points: &points, hourly: None, now }))
}

/// How long people have been asked about an alert of this target already.
async fn waited(target: &Target, ledger: &Ledger, now: Timestamp) -> Result<SignedDuration, LedgerError> {
    let Some(slot) = ledger.stage_state(target).await? else { return Ok(SignedDuration::ZERO) };
    let run = ledger.run(&slot.value.run).await?.map(|run| run.value);
    let asked = run.filter(crate::record::Run::is_doubted);
    Ok(asked.map_or(SignedDuration::ZERO, |run| now.duration_since(run.began)))
}
