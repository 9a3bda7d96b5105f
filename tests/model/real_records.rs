//! A whole ledger of version 5e03290, which its own functions wrote: it is read, goes on by the present rules, and is put back.
//! tests/fixtures/stack-of-5e03290 says how it was made.

use std::collections::BTreeMap;

use async_trait::async_trait;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::context::Home;
use guardrails_aws::iam::own_policy::OwnPolicy;
use guardrails_model::belief::{Running, Sight};
use guardrails_model::clock::Clock;
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::ids::{Nonce, RunId};
use guardrails_model::ledger::{Key, Store, Write};
use guardrails_model::reconcile::{Reconciler, Round};
use guardrails_model::record::{Run, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Answer, Answered, Outcome, Workflow, execution_name, input};
use guardrails_model::spend::{SpendError, Spending, Standing};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::story::{ANN, Story};
use crate::world::{Account, Group, Instance, Power, STACK};

const LEDGER: &str = include_str!("../fixtures/stack-of-5e03290/ledger.json");
const FILE: &str = include_str!("../fixtures/stack-of-5e03290/guardrails.yaml");
/// Where the stack of the actions here is.
const HOME: Home<'_> = Home { partition: "aws", account: "123456789012", stack: STACK, region: "us-east-1" };
/// The operators that the runs have.
const OPERATORS: [&str; 2] = ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/finops"];

#[derive(Deserialize)]
struct Old {
    at: Timestamp,
    before: Picture,
    now: Picture,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    pk: String,
    sk: String,
    rev: u64,
    nonce: Nonce,
    doc: Json,
}

#[derive(Deserialize)]
struct Picture {
    instances: Vec<OldInstance>,
    groups: BTreeMap<String, Vec<String>>,
    roles: BTreeMap<String, Vec<String>>,
    fleet: Fleet,
}

#[derive(Deserialize)]
struct OldInstance {
    id: String,
    power: String,
    tags: String,
}

#[derive(Deserialize)]
struct Fleet {
    name: String,
    sizes: [usize; 3],
    suspended: Vec<String>,
    members: Vec<String>,
}

impl Picture {
    fn fill(&self, account: &mut Account, policies: &[&String]) {
        // The stack's functions were granted instances by the tag of each guardrail.
        account.granted = None;
        for OldInstance { id, power, tags } in &self.instances {
            let power = if power == "running" { Power::Running } else { Power::Stopped };
            let instance = Instance::new(id, power, tags);
            account.instance(if self.fleet.members.contains(id) { instance.in_group(&self.fleet.name) } else { instance });
        }
        let [min, desired, max] = self.fleet.sizes;
        let suspended: Vec<&str> = self.fleet.suspended.iter().map(String::as_str).collect();
        account.fleet(Group::new(&self.fleet.name, min, desired, max).tag("Project=Beta").suspended(&suspended));
        for (name, policies) in &self.groups {
            account.group(name, &policies.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for (name, policies) in &self.roles {
            account.role(name, &policies.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for policy in policies {
            account.policy(policy);
        }
    }

    fn policies(&self) -> impl Iterator<Item = &String> {
        self.groups.values().chain(self.roles.values()).flatten()
    }
}

/// The ledger and its account, and the account as it was before the first alert.
async fn left() -> (Story, Vec<String>) {
    let old: Old = serde_json::from_str(LEDGER).unwrap();
    let policies: Vec<&String> = old.before.policies().chain(old.now.policies()).collect();
    let story = |picture: &Picture| Story::operated_by(&OPERATORS, |account| picture.fill(account, &policies));
    let (before, story) = (story(&old.before).picture(), story(&old.now));
    // An upgrade brings the policies of this version, beside the one that the run holds.
    for policy in OwnPolicy::denying(&denied(&old)).unwrap() {
        story.world.account().policy(&policy.arn(&HOME));
    }
    story.world.clock.advance((old.at - story.world.clock.now()).get_seconds());
    for Item { pk, sk, rev, nonce, doc } in &old.items {
        let key = Key { pk: pk.clone(), sk: sk.clone() };
        for expect in 0..*rev {
            let write = Write { key: key.clone(), expect, doc: doc.clone() };
            story.harness.memory.commit(nonce, &[write]).await.unwrap();
        }
    }
    // The executions of the runs are over, but for those that wait.
    for run in runs(&story).await {
        story.harness.workflow.start(&execution_name(&run), &input(&run)).await.unwrap();
        match run.state {
            RunState::Waiting => story.harness.workflow.waits(&format!("task-token-of-{}", run.guardrail)),
            _ => story.harness.workflow.end(&execution_name(&run)),
        }
    }
    (story, before)
}

/// The calls that the deployed Deny denies.
fn denied(old: &Old) -> Vec<String> {
    let params =
        old.items.iter().find_map(|item| Some(&item.doc["parts"].get(0)?["params"]).filter(|params| !params["role"].is_null()));
    serde_json::from_value(params.unwrap()["actions"].clone()).unwrap()
}

async fn runs(story: &Story) -> Vec<Run> {
    story.harness.truth.runs(None).await.unwrap().into_iter().map(|run| run.value).collect()
}

/// The only run of a guardrail at a stage.
async fn run(story: &Story, guardrail: &str, stage: &str) -> Run {
    let is_it = |run: &Run| run.guardrail.as_str() == guardrail && run.stage.to_string() == stage;
    let mut found: Vec<Run> = runs(story).await.into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{guardrail} at {stage}");
    found.remove(0)
}

/// AWS Budgets shows these dollars of these budgets, and nothing of the others.
struct Shows<'a>(&'a [(&'a str, &'a str)]);

#[async_trait]
impl Spending for Shows<'_> {
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError> {
        let known = self.0.iter().find(|(name, _)| *name == guardrail.name.as_str());
        let actual: Decimal = known.map_or("0", |(_, actual)| *actual).parse().unwrap();
        let limit = guardrail.budget.amount.dollars();
        let alarms = guardrail.stages.iter().map(|stage| stage.at).filter(|at| actual > at.threshold(limit)).collect();
        Ok(Some(Standing {
            limit,
            actual,
            forecast: None,
            updated: Some(Timestamp::UNIX_EPOCH),
            alarms,
            differences: Vec::new(),
        }))
    }
}

/// That version knew no prices.
struct NoPrices;

#[async_trait]
impl Running for NoPrices {
    async fn hourly(&self, _: &Config, _: &Guardrail) -> Sight {
        Sight::default()
    }
}

async fn round(story: &Story, shows: &[(&str, &str)]) -> Round {
    Reconciler { runs: story.harness.runs(), spending: &Shows(shows), running: &NoPrices }.round().await.unwrap()
}

/// Carries out a run that goes on.
async fn carry_out(story: &Story, run: &RunId) {
    let opened = story.harness.open(&story.load(run).await).await.unwrap();
    assert_eq!(opened.state, RunState::Applying);
    story.apply(run).await;
    assert_eq!(story.state(run).await, "enforced");
}

/// The lines that are not as before, such as `i-1 Stopped`.
fn changed(story: &Story, before: &[String]) -> Vec<String> {
    story.picture().into_iter().filter(|line| !before.contains(line)).collect()
}

#[tokio::test]
async fn each_record_is_read_and_each_run_is_shown() {
    let (story, _) = left().await;
    let ledger = &story.harness.truth;
    let (deployed, written) = (ledger.config().await.unwrap(), CATALOG.parse("guardrails.yaml", FILE).unwrap());
    assert!(deployed.guardrails.keys().eq(written.guardrails.keys()), "{:?}", deployed.guardrails.keys());
    for (name, guardrail) in &deployed.guardrails {
        let file = &written.guardrails[name];
        assert_eq!(
            (&guardrail.budget, guardrail.plausibility, guardrail.release),
            (&file.budget, file.plausibility, file.release)
        );
        let stages = |of: &Guardrail| of.stages.iter().map(|stage| (stage.at, stage.approval)).collect::<Vec<_>>();
        assert_eq!(stages(guardrail), stages(file), "{name}");
    }
    let all = runs(&story).await;
    for run in &all {
        let report = Report::of(ledger, run.clone(), Keep::ALL).await.unwrap();
        let shown = report.text();
        assert!(shown.starts_with(&format!("{}: {} at {}", run.guardrail, run.state.words(), run.stage)), "{shown}");
        assert!(report.steps.iter().all(|step| shown.contains(&step.label) && !step.events.is_empty()), "{shown}");
        assert!(ledger.alert(&run.alert).await.unwrap().is_some(), "{}", run.id);
    }
    let found = guardrails_fuzz::ledger::check(LEDGER);
    let old: Old = serde_json::from_str(LEDGER).unwrap();
    // The others are of the spend, of the people who can launch, of rounds, and the list of alerts.
    let others = old
        .items
        .iter()
        .filter(|item| ["ALERTS", "ROUND", "SPEND"].contains(&item.pk.as_str()) || item.pk.starts_with("VERIFY#"));
    assert_eq!((found.read + others.count(), found.shown, all.len()), (old.items.len(), 6, 6));
    assert_eq!(ledger.alerts(None, 100).await.unwrap().len(), 6);
    assert_eq!(ledger.round().await.unwrap().unwrap().guardrails.len(), 5);
    assert_eq!(ledger.spend(&"project-beta".parse().unwrap()).await.unwrap().unwrap().value.actual.to_string(), "2.52");
    let deny = run(&story, "project-beta", "120% actual").await;
    assert!(ledger.verification(&deny.id).await.unwrap().unwrap().value.text().contains("Nobody can still launch"));
}

#[tokio::test]
async fn open_runs_are_put_back_exactly() {
    for looks in [false, true] {
        let (story, before) = left().await;
        let (swap, deny) = (run(&story, "project-beta", "100% actual").await, run(&story, "project-beta", "120% actual").await);
        assert!(changed(&story, &before).len() > 6, "{:?}", changed(&story, &before));
        if looks {
            // A round of this version looks at their holds. The stopped member is safe from its group from then on.
            assert_eq!(story.look(&deny.id).await, Outcome::Unchanged);
            story.look(&swap.id).await;
            let aside = changed(&story, &before).into_iter().find(|line| line.starts_with("beta-web: "));
            assert_eq!(aside.as_deref(), Some("beta-web: i-44c9a63ce260b182e Standby Healthy"));
        }
        for run in [&deny, &swap] {
            story.put_back(&run.id).await;
            assert_eq!(story.state(&run.id).await, "rolled back", "{:?}", story.told(&run.id).await);
        }
        story.hour().await;
        assert_eq!(story.picture(), before, "after a look: {looks}");
        assert!(story.terminated().is_empty());
        for run in runs(&story).await.iter().filter(|run| run.guardrail.as_str() == "project-beta") {
            assert!(story.steps(&run.id).await.iter().all(|step| step.phase.is_final()), "{:?}", story.told(&run.id).await);
        }
    }
}

#[tokio::test]
async fn waiting_approval_is_answered_and_carried_out() {
    for approved in [true, false] {
        let (story, _) = left().await;
        let waits = run(&story, "asks-first", "100% actual").await;
        assert_eq!(waits.state, RunState::Waiting);
        let (was, question) = (story.picture(), waits.approval.unwrap().question.unwrap());
        let (by, why) = (ANN.to_owned(), "it is time".to_owned());
        let answer = Answer { approved, by, why, digest: question.list.digest, for_the_period: false };
        let answered = story.harness.runs().answer(&waits.id, &answer).await.unwrap();
        assert!(matches!(answered, Answered::Taken(_)), "{answered:?}");
        assert_eq!(story.harness.workflow.woken("task-token-of-asks-first"), 1, "the execution that waits is woken");
        if approved {
            carry_out(&story, &waits.id).await;
            assert_eq!(changed(&story, &was), ["i-a5bbf304214bf4c30 Stopped", "i-f6dafefecf17f9fce Stopped"]);
            story.put_back(&waits.id).await;
        } else {
            assert_eq!(story.state(&waits.id).await, "rejected");
        }
        story.hour().await;
        assert_eq!(story.picture(), was, "{approved}");
    }
}

#[tokio::test]
async fn doubted_run_is_judged_anew_by_a_round() {
    let (story, _) = left().await;
    let (doubted, was) = (run(&story, "runaway", "100% actual").await, story.picture());
    assert_eq!(doubted.state, RunState::Waiting);
    // Beyond the bound it stays a person's affair.
    round(&story, &[("runaway", "11000.00")]).await;
    assert_eq!(
        (story.state(&doubted.id).await, story.harness.workflow.woken("task-token-of-runaway")),
        ("waiting for approval", 0)
    );
    let round = round(&story, &[("runaway", "1102.40")]).await;
    let found = round.guardrails.iter().find(|found| found.guardrail.as_str() == "runaway").unwrap();
    assert!(found.did.iter().any(|did| did.contains("goes on: its figure is believed now")), "{found:?}");
    assert!(story.harness.workflow.woken("task-token-of-runaway") > 0, "the execution that waits is woken");
    carry_out(&story, &doubted.id).await;
    assert_eq!(changed(&story, &was), ["i-4798d37ccb0259c5d Stopped"]);
    story.put_back(&doubted.id).await;
    story.hour().await;
    assert_eq!(story.picture(), was);
}

#[tokio::test]
async fn rejected_list_keeps_its_period_and_a_figure_itself() {
    let (story, _) = left().await;
    let was = story.picture();
    let known = runs(&story).await.len();
    // The no to the stage's list is one to the period. The no to a figure is one to that figure.
    let shown = [("refused-stage", "80.00"), ("refused-figure", "6000000.00")];
    round(&story, &shown).await;
    assert_eq!(runs(&story).await.len(), known);
    round(&story, &[("refused-stage", "90.00"), ("refused-figure", "64.00")]).await;
    let all = runs(&story).await;
    let new: Vec<&Run> = all.iter().filter(|run| run.state == RunState::Opening).collect();
    assert_eq!(new.iter().map(|run| run.guardrail.as_str()).collect::<Vec<_>>(), ["refused-figure"]);
    let new = new[0].id.clone();
    carry_out(&story, &new).await;
    assert_eq!(changed(&story, &was), ["i-243d1097461d3ff56 Stopped"]);
    story.put_back(&new).await;
    story.hour().await;
    assert_eq!(story.picture(), was);
}
