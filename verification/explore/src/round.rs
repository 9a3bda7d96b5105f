//! The reconciler, and the look that it asks for: the measures of its round for one run, and the new plan of the run's action.

use guardrails_model::action::Action;
use guardrails_model::engine::{Executor, ExecutorError};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Ledger;
use guardrails_model::reconcile::{Books, Measure, judge};
use guardrails_model::runs::{RunError, Runs};

use crate::known::KnownRun;

/// A round comes upon a run: it is judged as it is read, and the due measures are taken, which may be later. Budgets says
/// nothing: a run that a round begins goes as after an alert, and one that it releases as after a person's command.
pub(crate) async fn round(runs: &Runs<'_>, known: &KnownRun) -> Result<(), RunError> {
    let run = runs.ledger.run(&known.id).await?.map(|run| run.value);
    let open: Vec<_> = run.into_iter().filter(|run| run.state.is_open()).collect();
    let (guardrail, now) = (&known.guardrail, runs.clock.now());
    for measure in judge(&Books {
        guardrail,
        standing: None,
        last: None,
        points: &[],
        hourly: None,
        waiting: &[],
        stages: &[],
        open: &open,
        now,
    })
    .measures
    {
        match measure {
            Measure::TakeUp(run) => {
                runs.take_up(&run).await?;
            }
            Measure::LookAgain(run) => {
                runs.rescan(&run).await?;
            }
            Measure::Begin { .. } | Measure::Release { .. } | Measure::Say(_) | Measure::Trouble(_) => {}
        }
    }
    Ok(())
}

/// An execution asks an action's function to plan, as it does before it asks for the work. The plan counts already: it is made
/// again only when the run looks again.
pub(crate) async fn plan(executor: &Executor<'_>, ledger: &Ledger, id: &RunId, action: &dyn Action) -> Result<(), ExecutorError> {
    let run = ledger.run(id).await?.ok_or_else(|| ExecutorError::NoSuchPart(id.clone(), 0))?.value;
    if run.is_settled(0) && run.rescanning.is_some() {
        executor.rescan(id, 0, action).await?;
    }
    Ok(())
}
