//! What people see of a deployed stack through the command.

use guardrails_model::record::RunState;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::lab::{Lab, text};

fn json(output: &str) -> Json {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_what_a_run_then_does_and_writes_nothing() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let plan = json(&lab.say(&["plan", "project-beta", "--output", "json"]).await);
    assert!(lab.ledger.runs(None).await.unwrap().is_empty(), "a plan is no run");
    assert_eq!(lab.snapshot().await, before);

    let reports = json(&lab.say(&["simulate", "project-beta", "--yes", "--output", "json"]).await);
    let facets = |steps: &Json| -> Vec<(String, String)> {
        let step = |step: &Json| (step["facet"].as_str().unwrap().to_owned(), step["wanted"].as_str().unwrap().to_owned());
        let mut all: Vec<_> = steps.as_array().unwrap().iter().map(step).collect();
        all.sort();
        all
    };
    assert_eq!(facets(&plan["steps"]), facets(&reports["steps"]));
    assert_eq!(reports["run"]["simulated"], true);
    lab.run_when(RunState::Enforced).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_who_did_what_and_what_was_there_before() {
    let lab = Lab::new().await;
    lab.say(&["simulate", "project-beta", "--at", "100% actual", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes", "--why", "the money is back"]).await;
    let history = json(&lab.say(&["history", "--output", "json"]).await);
    let entries = history.as_array().unwrap();
    let told = |what: &str| entries.iter().find(|entry| entry["what"].as_str().unwrap().contains(what)).unwrap();
    assert!(told("begun by a simulated alert")["by"].as_str().unwrap().starts_with("budget-guardrails-master"));
    assert!(told("the money is back")["by"].as_str().unwrap().starts_with("arn:aws:iam::123456789012:"));
    assert_eq!(told("AmazonEC2FullAccess of group ProjectBeta: applied")["before"], "attached");
    // As times, not as texts: trailing zeros of a second's fraction are not written.
    let times: Vec<Timestamp> = entries.iter().map(|entry| entry["at"].as_str().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_said_with_what_does() {
    let lab = Lab::new().await;
    for (arguments, words) in [
        (&["plan", "project-gamma"][..], "there is no guardrail `project-gamma`"),
        (&["simulate", "project-gamma", "--yes"], "there are: project-beta"),
        (&["simulate", "project-beta", "--at", "90% actual", "--yes"], "`80% forecasted`, `100% actual`"),
        (&["status", "--run", "r-none"], "the ledger has no run `r-none`"),
        (&["status", "--stack-name", "elsewhere"], "looking for the stack `elsewhere`"),
    ] {
        let output = lab.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(lab.say(&["rollback", "project-beta", "--yes"]).await.contains("holds nothing"));
}
