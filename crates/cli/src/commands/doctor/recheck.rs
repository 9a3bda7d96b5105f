//! A thing that seems wrong is read afresh before it is judged: between two reads a run goes on, ends, or lets go.

use std::collections::BTreeMap;

use guardrails_aws::error::chain;
use guardrails_aws::holds::Held;
use guardrails_model::ids::RunId;
use guardrails_model::ledger::{Ledger, LedgerError};
use guardrails_model::record::{Run, RunState};
use guardrails_model::runs::{Workflow, execution_name};

use super::finding::{Read, Unread};

/// How many times a run that goes on between the reads is looked at.
const LOOKS: usize = 3;

/// Does an execution work on such a run, or wait with it, or should?
fn is_at_work(state: RunState) -> bool {
    matches!(state, RunState::Opening | RunState::Waiting | RunState::Applying | RunState::RollingBack)
}

/// Is the execution running? Of those runs that should have one; each run as it was when that was asked.
pub(super) async fn running(
    ledger: &Ledger,
    workflow: &dyn Workflow,
    open: Vec<Run>,
) -> (Result<Vec<Run>, LedgerError>, BTreeMap<RunId, Read<bool>>) {
    let (mut present, mut running) = (Vec::new(), BTreeMap::new());
    for run in open {
        match look(ledger, workflow, run).await {
            Ok((run, answer)) => {
                running.extend(answer.map(|answer| (run.id.clone(), answer)));
                present.push(run);
            }
            Err(error) => return (Err(error), running),
        }
    }
    present.retain(|run| run.state.is_open());
    (Ok(present), running)
}

/// An execution that is not there any more wrote down first how the run stands.
async fn look(ledger: &Ledger, workflow: &dyn Workflow, mut run: Run) -> Result<(Run, Option<Read<bool>>), LedgerError> {
    for look in 1.. {
        if !is_at_work(run.state) {
            break;
        }
        let name = execution_name(&run);
        match workflow.is_running(&name).await {
            Err(error) => return Ok((run, Some(Err(Unread::new("states:DescribeExecution", chain(&error)))))),
            Ok(true) => return Ok((run, Some(Ok(true)))),
            Ok(false) => {}
        }
        let now = ledger.run(&run.id).await?.map(|run| run.value);
        let Some(now) = now.filter(|now| (now.state, execution_name(now)) != (run.state, name) && look < LOOKS) else {
            return Ok((run, Some(Ok(false))));
        };
        run = now;
    }
    Ok((run, None))
}

/// The facets that are held, less those that were let go since they were read: a run lets go before it is over.
pub(super) async fn still_held(
    ledger: &Ledger,
    held: Vec<Held>,
    holders: &BTreeMap<RunId, Option<RunState>>,
) -> Result<Vec<Held>, LedgerError> {
    let is_open = |held: &Held| holders.get(&held.run).is_some_and(|state| state.is_some_and(RunState::is_open));
    let suspects: Vec<_> = held.iter().filter(|held| !is_open(held)).map(|held| held.facet.clone()).collect();
    if suspects.is_empty() {
        return Ok(held);
    }
    let now = ledger.facets(&suspects).await?;
    let holds =
        |held: &Held| now.get(&held.facet).is_some_and(|facet| facet.value.holders.values().any(|holder| holder.run == held.run));
    Ok(held.into_iter().filter(|held| is_open(held) || holds(held)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use futures::executor::block_on;
    use guardrails_model::ids::{FacetId, Nonce};
    use guardrails_model::ledger::memory::MemoryStore;
    use guardrails_model::ledger::{Key, Store, Write};
    use guardrails_model::runs::{Started, Woken, WorkflowError, WorkflowInput};
    use serde_json::{Value as Json, json};

    use super::*;

    const ID: &str = "r-20261123-014653-7f3k9q";

    fn run(state: RunState) -> Run {
        serde_json::from_value(json!({
            "format": 1, "id": ID, "guardrail": "beta", "stage": "100% actual", "period": "2026-11", "simulated": false,
            "budget": {"amount": "2 USD", "period": "monthly"}, "operators": [], "began": "2026-11-23T00:00:00Z", "alert": "a",
            "state": state, "direction": "apply", "attempts": {"apply": 1, "rollback": 0}, "tries": {"apply": 1, "rollback": 0},
            "parts": [], "events": [],
        }))
        .unwrap()
    }

    fn ledger(pk: &str, sk: &str, doc: Json) -> Ledger {
        let store = Arc::new(MemoryStore::default());
        let write = Write { key: Key { pk: pk.to_owned(), sk: sk.to_owned() }, expect: 0, doc };
        block_on(store.commit(&Nonce::fresh(), &[write])).unwrap();
        Ledger::new(store)
    }

    /// A state machine in which nothing runs.
    struct Nothing;

    #[async_trait]
    impl Workflow for Nothing {
        async fn start(&self, _: &str, _: &WorkflowInput) -> Result<Started, WorkflowError> {
            panic!("doctor changes nothing")
        }

        async fn is_running(&self, _: &str) -> Result<bool, WorkflowError> {
            Ok(false)
        }

        async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
            panic!("doctor changes nothing")
        }
    }

    #[test]
    fn a_run_that_ended_between_the_reads_does_not_stand_still() {
        for (now, expected) in [
            (RunState::Applying, (vec![RunState::Applying], vec![false])),
            (RunState::Enforced, (vec![RunState::Enforced], vec![])),
            (RunState::RolledBack, (vec![], vec![])),
        ] {
            let ledger = ledger("RUN", ID, json!(run(now)));
            let (open, running) = block_on(running(&ledger, &Nothing, vec![run(RunState::Applying)]));
            let states: Vec<RunState> = open.unwrap().into_iter().map(|run| run.state).collect();
            let running: Vec<bool> = running.into_values().map(Result::unwrap).collect();
            assert_eq!((states, running), expected, "it is {} by now", now.words());
        }
    }

    #[test]
    fn hold_let_go_between_the_reads_is_no_orphan() {
        let facet: FacetId = "instance-power/us-east-1/i-1".parse().unwrap();
        let held = || Held { facet: facet.clone(), run: ID.parse().unwrap(), guardrail: "beta".parse().unwrap() };
        let holder = json!({"run": ID, "guardrail": "beta", "since": "2026-11-23T00:00:00Z"});
        for (holders, left) in [(json!({}), 0), (json!({format!("{ID}#0"): holder}), 1)] {
            let doc = json!({"format": 1, "facet": facet, "before": "running", "wanted": "stopped", "holders": holders});
            let ledger = ledger(&format!("FACET#{facet}"), "FACET", doc);
            for state in [Some(RunState::RolledBack), None] {
                let known = BTreeMap::from([(ID.parse().unwrap(), state)]);
                assert_eq!(block_on(still_held(&ledger, vec![held()], &known)).unwrap().len(), left);
            }
            let open = BTreeMap::from([(ID.parse().unwrap(), Some(RunState::Enforced))]);
            assert_eq!(block_on(still_held(&ledger, vec![held()], &open)).unwrap().len(), 1, "an open run's is not asked for");
        }
    }
}
