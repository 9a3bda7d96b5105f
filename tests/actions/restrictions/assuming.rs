//! A Deny to assume roles: somebody must still be able to become an operator.

use serde_json::{Value as Json, json};

use super::{FULL, OWN, is, people, refused};
use crate::story::{ANN, FINOPS, Story};
use crate::world::Account;

const NOBODY: &str = "whoever could become an operator would be denied sts:AssumeRole, and nobody could roll back";

fn user(name: &str) -> String {
    format!("arn:aws:iam::123456789012:user/{name}")
}

/// Bea (by her group) and Bert are denied to assume roles, where the role `FinOps` trusts these.
async fn denied(operators: &[&str], trusts: Json, params: Json) -> Story {
    let fill = |account: &mut Account| {
        people(account);
        let allow = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": trusts}});
        let document = json!({"Version": "2012-10-17", "Statement": [allow]}).to_string();
        account.role("FinOps", &[]).trust.insert("FinOps".to_owned(), document);
        for actions in [vec!["ec2:RunInstances", "sts:AssumeRole"], vec!["sts:*"], vec!["ec2:RunInstances"]] {
            let actions: Vec<String> = actions.into_iter().map(str::to_owned).collect();
            for policy in guardrails_aws::iam::own_policy::OwnPolicy::denying(&actions).unwrap() {
                account.policy(&policy.arn(&super::HOME));
            }
        }
    };
    let story = Story::operated_by(operators, fill);
    let mut whole = json!({"group": "Beta", "user": "bert"});
    whole.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    let run = story.open("beta 100%", "deny-actions", whole).await;
    story.apply(&run).await;
    story
}

async fn state(story: &Story) -> &'static str {
    let runs = story.harness.truth.runs(None).await.unwrap();
    runs[0].value.state.words()
}

#[tokio::test]
async fn last_who_could_become_an_operator_is_left_alone() {
    for denies in [json!({"actions": ["ec2:RunInstances"], "also": ["sts:AssumeRole"]}), json!({"actions": ["sts:*"]})] {
        let story = denied(&[FINOPS], json!([user("bea"), user("bert")]), denies).await;
        let run = story.harness.truth.runs(None).await.unwrap().remove(0).value;
        let told = story.told(&run.id).await;
        let left: Vec<&String> = told.iter().filter(|step| step.contains("of user bert: skipped")).collect();
        assert!(!left.is_empty() && left.iter().all(|step| step.contains(NOBODY) && step.contains(FINOPS)), "{told:?}");
        assert!(story.is().contains(&is("user bert", &[FULL])), "{:?}", story.is());
        assert!(!story.is().contains(&is("group Beta", &[FULL])), "the others are denied: {:?}", story.is());
        assert!(run.events.last().unwrap().what.contains("2 could not be planned, 0 failed"), "{:?}", run.events.last());
    }
}

#[tokio::test]
async fn only_who_could_become_an_operator_is_not_denied() {
    let gone = "arn:aws:iam::123456789012:role/gone";
    let story = denied(&[FINOPS, gone], json!([user("bert")]), json!({"actions": ["sts:*"], "group": []})).await;
    let run = story.harness.truth.runs(None).await.unwrap().remove(0).value;
    assert!(refused(&story, &run.id).await.contains(NOBODY));
}

#[tokio::test]
async fn another_way_to_an_operator_keeps_the_way_open() {
    let both = || json!([user("bea"), user("bert")]);
    let assuming = || json!({"actions": ["sts:*"]});
    let all = [
        denied(&[FINOPS], json!([user("bea"), user("carl")]), assuming()).await,
        denied(&[FINOPS], json!("arn:aws:iam::999999999999:root"), assuming()).await,
        denied(&[FINOPS, ANN], both(), assuming()).await,
        denied(&[FINOPS, "arn:aws:iam::123456789012:role/aws-reserved/AWSReservedSSO_Ops_0f"], both(), assuming()).await,
        denied(&[], both(), assuming()).await,
        denied(&[FINOPS], both(), json!({"actions": ["ec2:RunInstances"]})).await,
    ];
    for story in all {
        assert_eq!(state(&story).await, "enforced");
        assert_eq!(notes(&story).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn where_it_cannot_be_told_it_is_said_and_enforced() {
    let both = || json!([user("bea"), user("bert")]);
    let by_account = denied(&[FINOPS], json!("arn:aws:iam::123456789012:root"), json!({"actions": ["sts:*"]})).await;
    let by_own_policy = denied(&[FINOPS], both(), json!({"policy": OWN})).await;
    for (story, why) in [(by_account, "the account's own policies"), (by_own_policy, "a policy of your own")] {
        assert_eq!(state(&story).await, "enforced");
        let notes = notes(&story).await;
        assert!(notes.len() == 1 && notes[0].contains("cannot be told") && notes[0].contains(why), "{notes:?}");
    }
}

/// The notes for people on the run's steps.
async fn notes(story: &Story) -> Vec<String> {
    let run = story.harness.truth.runs(None).await.unwrap().remove(0).value;
    story.harness.truth.all_steps(&run).await.unwrap().into_iter().filter_map(|step| step.note).collect()
}
