//! The effect of IAM's answers on a run: a stage that demands it fails, its changes stay, and IAM is asked no more than needed.

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Versioned;
use guardrails_model::principal::Principal;
use guardrails_model::record::{Direction, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Begun, Outcome, ToVerify};
use guardrails_model::verify::{Counts, Demand, Person, Rule, Verification, Way};
use serde_json::json;

use crate::harness;
use crate::story::Story;

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";

/// A run that swaps Beta's policies, whose stage demands this.
async fn open(demand: Demand) -> (Story, RunId) {
    let story = Story::of(|account| {
        account.policy(READ_ONLY).group("Beta", &[FULL]);
    });
    let params = json!({"group": "Beta", "detach": [FULL], "attach": [READ_ONLY]});
    let spec = guardrails_model::config::ActionSpec { name: "swap-group-policy".parse().unwrap(), params };
    let (target, mut guardrail) = harness::stage("beta 100%", vec![vec![spec]]);
    guardrail.stages[0].verify = Some(Rule { demand, of: vec![Principal::Group("Beta".to_owned())] });
    let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
    let run = story.harness.open(&run).await.unwrap().id;
    (story, run)
}

fn ann(can: bool) -> Person {
    let (actions, policies) = (vec!["ec2:RunInstances".to_owned()], vec!["shadow".to_owned()]);
    let way = Way { through: None, actions, policies, more_policies: 0 };
    let ways = if can { vec![way] } else { Vec::new() };
    let by = vec![Principal::Group("Beta".to_owned())];
    Person { ways, ..Person::of("arn:aws:iam::123456789012:user/ann", by) }
}

/// The questions of these tests to a story, besides those of all tests.
trait Asked {
    async fn to_verify(&self, run: &RunId) -> Option<ToVerify>;
    async fn verify(&self, run: &RunId, can: bool);
    async fn ends(&self, run: &RunId) -> (Outcome, RunState);
    async fn report(&self, run: &RunId) -> String;
}

impl Asked for Story {
    /// The questions that the function verify finds, if there are any.
    async fn to_verify(&self, run: &RunId) -> Option<ToVerify> {
        ToVerify::of(&self.harness.truth, run, self.world.clock.now()).await.unwrap()
    }

    /// IAM is asked, and says this of Ann.
    async fn verify(&self, run: &RunId, can: bool) {
        let mut asked = self.to_verify(run).await.expect("there is something to ask").asked;
        asked.value.learn(ann(can), false);
        assert!(!asked.value.end_round(self.world.clock.now()));
        self.harness.truth.save_verification(asked).await.unwrap();
    }

    async fn ends(&self, run: &RunId) -> (Outcome, RunState) {
        let closed = self.harness.execute(Direction::Apply, run).await.unwrap();
        (closed.outcome, closed.run.state)
    }

    async fn report(&self, run: &RunId) -> String {
        Report::of(&self.harness.truth, self.load(run).await, Keep::ALL).await.unwrap().text()
    }
}

#[tokio::test]
async fn demanding_stage_fails_if_somebody_can_launch_and_stays() {
    for (demand, can, ends) in [
        (Demand::Report, true, (Outcome::Succeeded, RunState::Enforced)),
        (Demand::Fail, true, (Outcome::Failed, RunState::ApplyFailed)),
        (Demand::Fail, false, (Outcome::Succeeded, RunState::Enforced)),
    ] {
        let (story, run) = open(demand).await;
        story.verify(&run, can).await;
        assert_eq!(story.ends(&run).await, ends, "{demand:?} {can}");
        let steps = ["AmazonEC2FullAccess of group Beta: applied", "AmazonEC2ReadOnlyAccess of group Beta: applied"];
        let is = format!("group Beta {:?}", std::collections::BTreeSet::from([READ_ONLY]));
        story.check(&run, &[&is], &steps).await;
        let report = story.report(&run).await;
        assert_eq!(report.contains("user ann: CAN STILL LAUNCH by shadow (ec2:RunInstances)"), can, "{report}");
        assert!(report.contains(if can { "1 of 1 can still launch" } else { "nobody can still launch" }), "{report}");
        assert_eq!(report.contains("guardrails rearm beta"), ends.0 == Outcome::Failed, "{report}");
        story.put_back(&run).await;
        let report = story.report(&run).await;
        assert!(!report.contains("ann"), "rights come back too: {report}");
    }
}

#[tokio::test]
async fn failed_verification_is_said_and_undoes_nothing() {
    for (demand, ends) in
        [(Demand::Report, (Outcome::Succeeded, RunState::Enforced)), (Demand::Fail, (Outcome::Failed, RunState::ApplyFailed))]
    {
        let (story, run) = open(demand).await;
        story.harness.runs().could_not_verify(&run, "iam:ListRoles: AccessDenied").await.unwrap();
        assert_eq!(story.ends(&run).await, ends, "{demand:?}");
        let report = story.report(&run).await;
        assert!(report.contains("could not be verified: iam:ListRoles: AccessDenied"), "{report}");
    }
}

#[tokio::test]
async fn unfinished_verification_says_how_far_it_came_and_why() {
    let machine: serde_json::Value = serde_json::from_str(include_str!("../../../statemachine/guardrails.asl.json")).unwrap();
    let in_part = machine["States"]["VerifiedInPart"]["Output"].as_str().unwrap();
    let too_large = in_part.split('\'').nth(3).unwrap();
    let died = r#"Sandbox.Timedout: {"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 120.00 seconds"}"#;
    let refused = r#"Guardrails.Failed: {"errorType":"Guardrails.Failed","errorMessage":"iam:ListRoles: AccessDenied"}"#;
    for (why, said) in [
        (too_large, "150 rounds of asking were not enough for so many people and roles"),
        (died, "Task timed out after 120.00 seconds (Sandbox.Timedout)"),
        (refused, "iam:ListRoles: AccessDenied"),
    ] {
        for (demand, ends) in
            [(Demand::Report, (Outcome::Succeeded, RunState::Enforced)), (Demand::Fail, (Outcome::Failed, RunState::ApplyFailed))]
        {
            let (story, run) = open(demand).await;
            let mut asked = story.to_verify(&run).await.expect("there is something to ask").asked;
            asked.value.count(1500, Vec::new());
            asked.value.learn(ann(true), false);
            story.harness.truth.save_verification(asked).await.unwrap();
            story.harness.runs().could_not_verify(&run, why).await.unwrap();
            assert_eq!(story.ends(&run).await, ends, "{demand:?}");
            let report = story.report(&run).await;
            let whole = format!(
                "Who can still launch could not be verified to the end: {said}; of 1500 people 1 were asked about, of whom 1 can \
                 still launch"
            );
            assert!(report.contains(&whole), "{whole}: {report}");
            assert!(
                report.contains("user ann: CAN STILL LAUNCH") && report.contains("... and 1499 were not asked about"),
                "{report}"
            );
            assert_eq!(report.contains("The stage demands that nobody can: what was enforced stays"), demand == Demand::Fail);
        }
    }
}

#[tokio::test]
async fn broken_verification_keeps_answers_of_its_own_try_only() {
    let (story, run) = open(Demand::Fail).await;
    story.verify(&run, true).await;
    story.harness.runs().could_not_verify(&run, "throttled").await.unwrap();
    let known = || async { story.harness.truth.verification(&run).await.unwrap().unwrap().value };
    assert_eq!(known().await.people, [ann(true)], "of this try");
    story.ends(&run).await;
    story.begin_look(&run).await;
    story.harness.runs().could_not_verify(&run, "iam:ListRoles: AccessDenied").await.unwrap();
    let known = known().await;
    assert_eq!(
        (known.people.len(), known.counts),
        (0, Counts::default()),
        "what was so before is not so any more, for all we know"
    );
    assert_eq!(known.failed.as_deref(), Some("iam:ListRoles: AccessDenied"));
    assert_eq!(known.try_number, story.load(&run).await.try_number());
}

#[tokio::test]
async fn an_answer_that_never_came_is_none() {
    for (demand, ends) in
        [(Demand::Report, (Outcome::Succeeded, RunState::Enforced)), (Demand::Fail, (Outcome::Failed, RunState::ApplyFailed))]
    {
        let (story, run) = open(demand).await;
        assert_eq!(story.ends(&run).await, ends, "{demand:?}");
        assert!(story.report(&run).await.contains("IAM was not asked who can still launch"));
        // Nor is half of one: an execution died in the middle of asking.
        let (story, run) = open(demand).await;
        let asked = story.to_verify(&run).await.expect("there is something to ask").asked;
        story.harness.truth.save_verification(asked).await.unwrap();
        assert!(story.report(&run).await.contains("is being asked: 0 so far"));
        assert_eq!(story.ends(&run).await, ends, "{demand:?}");
    }
}

#[tokio::test]
async fn look_asks_again_only_after_a_change_or_for_a_failed_run() {
    // Held, and nothing changed: nobody is asked.
    let (story, run) = open(Demand::Report).await;
    story.verify(&run, true).await;
    story.ends(&run).await;
    story.begin_look(&run).await;
    assert!(story.to_verify(&run).await.is_none());
    assert_eq!(story.ends(&run).await.0, Outcome::Unchanged);

    // It had failed for Ann, and now she cannot: the look finds the run enforced.
    let (story, run) = open(Demand::Fail).await;
    story.verify(&run, true).await;
    story.ends(&run).await;
    story.begin_look(&run).await;
    story.verify(&run, true).await;
    assert_eq!(story.ends(&run).await, (Outcome::Unchanged, RunState::ApplyFailed), "nobody is told again of what they know");
    story.begin_look(&run).await;
    story.verify(&run, false).await;
    assert_eq!(story.ends(&run).await, (Outcome::Succeeded, RunState::Enforced));
    // An invocation that comes once more, or after the run went back, finds nothing to ask.
    assert!(story.to_verify(&run).await.is_none());
    story.put_back(&run).await;
    assert!(story.to_verify(&run).await.is_none());
}

#[tokio::test]
async fn a_run_of_an_earlier_version_asks_nobody() {
    let story = Story::of(|account| {
        account.instance(crate::story::running("i-1"));
    });
    let run = story.open_beta("beta 80%", json!({})).await;
    assert!(story.to_verify(&run).await.is_none());
    assert_eq!(story.ends(&run).await.0, Outcome::Succeeded);
}

#[test]
fn record_without_later_fields_is_read() {
    let asked = json!({"format": 1, "run": "r-20261123-014653-7f3k9q", "try": 1, "began": "2026-11-23T00:00:00Z",
        "at": "2026-11-23T00:00:00Z", "finished": true, "counts": {"asked": 0, "can": 0, "untold": 0}});
    let read: Verification = serde_json::from_value(asked).unwrap();
    assert_eq!(
        Versioned { rev: 1, value: read }.value.words(),
        "IAM was asked about no person: the stage's groups, users and roles have none"
    );
}
