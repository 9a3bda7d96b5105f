//! The state machine as it really runs: how long its histories are, against the count that tests/actions/size.rs goes by.

use aws_sdk_sfn::types::HistoryEvent;
use guardrails_model::record::{Direction, RunState};
use guardrails_model::runs::WorkflowInput;

use super::lab::{EXAMPLE, Lab, real_alert};
use crate::actions::size::history::{self, Rounds};

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_as_long_as_they_are_counted_to_be() {
    let one_region = EXAMPLE.replace(
        "stop-instances: { tag: { Project: Beta }, watch-health: 1s }",
        "stop-instances: { tag: { Project: Alpha }, regions: [us-east-1] }",
    );
    assert_ne!(one_region, EXAMPLE);
    let lab = Lab::with(&one_region, 0.5).await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    let sfn = aws_sdk_sfn::Client::new(&lab.root);
    let machine = &lab.outputs["StateMachineArn"];
    let executions = sfn.list_executions().state_machine_arn(machine).send().await.unwrap().executions;
    assert_eq!(executions.len(), 2, "{executions:?}");
    for execution in executions {
        let arn = execution.execution_arn();
        let input = || sfn.describe_execution().execution_arn(arn).send();
        // The command waits for the ledger: the execution may still be telling people.
        lab.eventually("the execution's end", || async { input().await.unwrap().stop_date }).await;
        let input: WorkflowInput = serde_json::from_str(input().await.unwrap().input().unwrap()).unwrap();
        let mut pages = sfn.get_execution_history().execution_arn(arn).max_results(100).into_paginator().items().send();
        let mut events: Vec<HistoryEvent> = Vec::new();
        while let Some(event) = pages.next().await {
            events.push(event.unwrap());
        }
        let entered = events.iter().filter_map(HistoryEvent::state_entered_event_details);
        // The local AWS tells of a map's inner states only that their tasks were scheduled and succeeded, and nothing of an event
        // between the two. The number of those stands in Step Functions' documentation.
        assert_eq!(entered.map(|entered| entered.name().to_owned()).collect::<Vec<_>>(), history::path(input.direction));
        let count = |kind: &str| events.iter().filter(|event| event.r#type().as_str() == kind).count();
        let parts: usize = input.waves.iter().map(Vec::len).sum();
        let (others, outside) = if input.direction == Direction::Apply { (2 * parts + 5, 5) } else { (2, 2) };
        assert_eq!((count("TaskStateEntered"), count("TaskScheduled")), (outside, count("TaskSucceeded")));
        let rounds = count("TaskScheduled") - others;
        assert!((parts + 1..60).contains(&rounds), "{rounds} rounds for {parts} parts");
        let each = rounds.div_ceil(parts);
        let rounds = Rounds { waves: input.waves.iter().map(|wave| vec![each; wave.len()]).collect(), continued: false };
        assert!(history::events(input.direction, &input, &rounds) > events.len(), "what is counted is more than what is shown");
    }
}
