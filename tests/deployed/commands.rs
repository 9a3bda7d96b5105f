//! The deployed stack as people see it through the command.

use guardrails_local_aws::walkthrough::Access;
use guardrails_model::record::RunState;
use serde_json::{Value as Json, json};

use super::lab::{EXAMPLE, Lab, real_alert, text};

fn read(output: &str) -> Json {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_says_what_a_run_then_does_and_writes_nothing() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let plan = read(&lab.say(&["plan", "project-beta", "--output", "json"]).await);
    assert!(lab.ledger.runs(None).await.unwrap().is_empty(), "a plan is no run");
    assert_eq!(lab.snapshot().await, before);

    let dry = read(&lab.say(&["simulate", "project-beta", "--dry-run", "--output", "json"]).await);
    assert_eq!(lab.snapshot().await, before, "nothing was sent");
    let reports = read(&lab.say(&["simulate", "project-beta", "--yes", "--output", "json"]).await);
    let facets = |steps: &Json| -> Vec<(String, String)> {
        let step = |step: &Json| (step["facet"].as_str().unwrap().to_owned(), step["wanted"].as_str().unwrap().to_owned());
        let mut all: Vec<_> = steps.as_array().unwrap().iter().map(step).collect();
        all.sort();
        all
    };
    assert_eq!(facets(&plan["steps"]), facets(&reports["steps"]));
    assert_eq!(facets(&plan["steps"]), facets(&dry["steps"]));
    assert_eq!(reports["run"]["simulated"], true);
    lab.run_when(RunState::Enforced).await;
    let enforced = lab.snapshot().await;
    let run = reports["run"]["id"].as_str().unwrap();
    let watched = lab.say(&["status", "--run", run, "--watch"]).await;
    assert_eq!(watched.matches("project-beta: enforced").count(), 1, "a run that is settled is shown once: {watched}");
    assert_eq!(read(&lab.say(&["status", "--run", run, "--watch", "--output", "json"]).await)[0]["run"]["id"], run);
    let dry = lab.say(&["rollback", "project-beta", "--dry-run"]).await;
    assert!(dry.contains("will put back:") && dry.contains("stopped -> running"), "{dry}");
    assert_eq!(lab.snapshot().await, enforced, "nothing was put back");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_who_did_what_and_what_was_there_before() {
    let lab = Lab::new().await;
    lab.say(&["simulate", "project-beta", "--at", "100% actual", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes", "--why", "the money is back"]).await;
    let history = read(&lab.say(&["history", "--output", "json"]).await);
    let entries = history.as_array().unwrap();
    let told = |what: &str| entries.iter().find(|entry| entry["what"].as_str().unwrap().contains(what)).unwrap();
    assert!(told("begun by a simulated alert")["by"].as_str().unwrap().starts_with("budget-guardrails-master"));
    assert!(told("the money is back")["by"].as_str().unwrap().starts_with("arn:aws:iam::123456789012:"));
    assert_eq!(told("AmazonEC2FullAccess of group ProjectBeta: applied")["before"], "attached");
    let applied = told("AmazonEC2FullAccess of group ProjectBeta: applied");
    assert_eq!(applied["after"], "detached");
    let times: Vec<&str> = entries.iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "they sort as text: {times:?}");
    // The alert, with the decision about it, comes first.
    assert_eq!((entries[0]["kind"].as_str(), &entries[0]["guardrail"]), (Some("alert"), &"project-beta".into()));
    assert!(entries[0]["what"].as_str().unwrap().contains("enforce project-beta at 100% actual"), "{}", entries[0]);
    // The requests to AWS, as CloudTrail knows them: instances that were stopped together have one id.
    let requests = |operation: &str| -> Vec<&str> {
        let all = entries.iter().flat_map(|entry| entry["requests"].as_array().unwrap());
        let ids = all.filter(|request| request["operation"] == operation).map(|request| request["request_id"].as_str());
        ids.map(|id| id.expect("an id")).collect()
    };
    let stops = requests("ec2:StopInstances");
    assert!(stops.len() > 1 && stops.iter().collect::<std::collections::BTreeSet<_>>().len() < stops.len(), "{stops:?}");
    assert_eq!(requests("iam:DetachGroupPolicy").len(), 2, "there and back");
    assert!(read(&lab.say(&["history", "--since", "2999-01-01", "--output", "json"]).await).as_array().unwrap().is_empty());
    let text = lab.say(&["history"]).await;
    assert!(text.contains("attached -> detached") && text.contains("iam:DetachGroupPolicy"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_is_narrowed_by_action_and_abandon_lets_go() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    lab.say(&["simulate", "project-beta", "--at", "100% actual", "--yes"]).await;
    let runs = lab.runs_when(|runs| runs.len() == 2).await;
    let simulated = &runs.iter().find(|run| run.simulated).unwrap().id;

    // Held by both: said of the run, and of the facet.
    let facet = "group-policy/ProjectBeta/arn:aws:iam::aws:policy/AmazonEC2FullAccess";
    let status = lab.say(&["status", "--run", run.id.as_str(), "--all"]).await;
    assert!(status.contains(&format!("also held by run {simulated} of project-beta at 100% actual [simulated]")), "{status}");
    for name in [facet, "AmazonEC2FullAccess"] {
        assert!(lab.say(&["status", "--facet", name]).await.contains("before: attached"), "{name}");
    }
    let of_group =
        lab.say(&["rollback", "project-beta", "--run", simulated.as_str(), "--only", "ProjectBeta", "--dry-run"]).await;
    assert!(of_group.contains("AmazonEC2FullAccess") && !of_group.contains("running"), "{of_group}");
    let hold = read(&lab.say(&["status", "--facet", facet, "--output", "json"]).await);
    assert_eq!((&hold["before"], hold["holders"].as_array().unwrap().len()), (&"attached".into(), 2), "{hold}");
    lab.say(&["rollback", "project-beta", "--run", simulated.as_str(), "--yes"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied, "the real one holds it still");

    let wrong = lab.run(&["rollback", "project-beta", "--action", "stop-time", "--yes"]).await;
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("there are: `stop-instances`"), "{}", text(&wrong.stderr));
    let mistyped = lab.run(&["rollback", "project-beta", "--only", "ProjctBeta", "--yes"]).await;
    assert!(
        !mistyped.status.success() && text(&mistyped.stderr).contains("did you mean `ProjectBeta`?"),
        "{}",
        text(&mistyped.stderr)
    );
    lab.say(&["rollback", "project-beta", "--action", "stop-instances", "--in", "us-east-1", "--yes"]).await;
    let partly = lab.snapshot().await;
    assert_eq!((&partly.instances, &partly.user["RunInstances"]), (&before.instances, &Access::Denied));

    // The policies a person puts back by hand, and the run lets go.
    let declined = lab.run(&["abandon", run.id.as_str(), "--reason", "done in the console"]).await;
    assert_eq!(
        (declined.status.code(), text(&declined.stderr).contains("it was attached, and is not put back")),
        (Some(5), true)
    );
    let said = lab.say(&["abandon", run.id.as_str(), "--reason", "done in the console", "--yes"]).await;
    assert!(said.contains("abandoned") && said.contains("done in the console"), "{said}");
    assert_eq!(lab.snapshot().await.groups, partly.groups, "nothing is changed");
    let slots = lab.run(&["status"]).await;
    assert!(text(&slots.stderr).contains("is released") && text(&slots.stdout).contains("No guardrail holds anything"));
    assert!(lab.say(&["status", "--facet", facet]).await.contains("Nobody holds"));
    let history = lab.say(&["history", "--run", run.id.as_str()]).await;
    assert!(history.contains("settled by hand and let go") && history.contains("arn:aws:iam::123456789012:"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn name_that_does_not_exist_is_said_with_those_that_do() {
    let lab = Lab::new().await;
    for (arguments, words) in [
        (&["plan", "project-gamma"][..], "there is no guardrail `project-gamma`"),
        (&["plan", "projet-beta"], "did you mean `project-beta`?"),
        (&["simulate", "project-gamma", "--yes"], "there are: `project-beta`"),
        (&["status", "project-gamma"], "no guardrail `project-gamma` is deployed"),
        (&["history", "projectbeta"], "did you mean `project-beta`?"),
        (&["simulate", "project-beta", "--at", "90% actual", "--yes"], "`80% forecasted`, `100% actual`"),
        (&["rollback", "project-gamma", "--yes"], "no guardrail `project-gamma` is deployed; there are: `project-beta`"),
        (&["status", "--run", "r-none"], "the ledger has no run `r-none`"),
        (&["status", "--facet", "i-none"], "no run has the facet `i-none`"),
        (&["status", "--stack-name", "elsewhere"], "there is no stack `elsewhere` in account 123456789012, Region "),
    ] {
        let output = lab.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(lab.say(&["rollback", "project-beta", "--yes"]).await.contains("holds nothing: "));
    let some = lab.say(&["rollback", "project-beta", "--action", "stop-instances", "--in", "eu-west-1", "--yes"]).await;
    assert!(some.contains("holds nothing of that: "), "{some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_shows_changes_of_the_file_before_the_resources() {
    let lab = Lab::new().await;
    let file = EXAMPLE.replace("2 USD", "3 USD").replace("at: 100% actual", "at: 130% actual");
    std::fs::write(lab.folder.path().join("guardrails.yaml"), file).unwrap();
    let asked = lab.run(&["deploy", "--output", "json"]).await;
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(5), "{said}");
    let changes = ["budget 2 USD -> 3 USD", "stage 100% actual -> 130% actual"];
    let (first, resources) = (said.find("  project-beta: budget 2 USD -> 3 USD"), said.find("Modify"));
    assert!(first.is_some() && first < resources && said.contains(&format!("  project-beta: {}", changes[1])), "{said}");
    let told: Vec<Json> = changes.iter().map(|change| json!({"guardrail": "project-beta", "change": change})).collect();
    assert_eq!(read(&text(&asked.stdout)), json!({ "file": told }));

    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE).unwrap();
    let same = lab.run(&["deploy", "--yes"]).await;
    assert!(same.status.success() && text(&same.stderr).contains("no change in the file"), "{}", text(&same.stderr));
}
