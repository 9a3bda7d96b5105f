//! A Deny takes several policies: each attachment is a step with its hold, and a principal has room for all of them or gets none. The
//! version before had one policy for all of it, which its runs hold.

use guardrails_aws::iam::own_policy::OwnPolicy;
use serde_json::{Value as Json, json};

use super::{FULL, HOME, OWN, is, is_refused, people};
use crate::story::Story;
use crate::world::Account;

/// A list that takes two policies, beside the closing one.
fn long_list() -> Vec<String> {
    (100..400).map(|number| format!("ec2:SomeActionOfThatName{number}")).collect()
}

fn arns(policies: &[OwnPolicy]) -> Vec<String> {
    policies.iter().map(|policy| policy.arn(&HOME)).collect()
}

/// The people, and the stack's policies for these actions.
fn with_policies(account: &mut Account, actions: &[String]) {
    people(account);
    for policy in OwnPolicy::denying(actions).unwrap().iter().chain(&OwnPolicy::former(actions)) {
        account.policy(&policy.arn(&HOME));
    }
}

#[tokio::test]
async fn each_policy_of_a_deny_is_a_step_with_its_hold() {
    let policies = arns(&OwnPolicy::denying(&long_list()).unwrap());
    assert_eq!(policies.len(), 3);
    let story = Story::of(|account| with_policies(account, &long_list()));
    let before = story.is();
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "actions": long_list()})).await;
    story.apply(&run).await;
    let all: Vec<&str> = std::iter::once(FULL).chain(policies.iter().map(String::as_str)).collect();
    assert_eq!(story.is(), [is("group Beta", &all), is("role pipeline", &[FULL]), is("user bert", &all)]);
    let mut facets: Vec<String> = story.steps(&run).await.iter().map(|step| step.facet.to_string()).collect();
    facets.sort();
    let whose = ["group-policy/Beta", "user-policy/bert"];
    let mut expected: Vec<String> = whose.iter().flat_map(|who| policies.iter().map(move |arn| format!("{who}/{arn}"))).collect();
    expected.sort();
    assert_eq!(facets, expected);

    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn two_lists_share_the_closing_policy_until_the_last_goes() {
    let (one, other) = (vec!["ec2:RunInstances".to_owned()], vec!["rds:CreateDBInstance".to_owned()]);
    let closing = OwnPolicy::closing().arn(&HOME);
    let story = Story::of(|account| {
        with_policies(account, &one);
        account.policy(&OwnPolicy::denying(&other).unwrap()[1].arn(&HOME));
    });
    let before = story.is();
    let first = story.open("beta 100%", "deny-actions", json!({"user": "bert", "actions": one})).await;
    story.apply(&first).await;
    let second = story.open("gamma 100%", "deny-actions", json!({"user": "bert", "actions": other})).await;
    story.apply(&second).await;
    story.put_back(&first).await;
    let listed = OwnPolicy::denying(&other).unwrap()[1].arn(&HOME);
    assert!(story.is().contains(&is("user bert", &[FULL, &closing, &listed])), "{:?}", story.is());
    story.put_back(&second).await;
    assert_eq!(story.is(), before);
}

/// Nine policies of the group Full: one slot is free, and a Deny needs two.
fn nearly_full(account: &mut Account, actions: &[String]) {
    let nine: Vec<String> = (0..9).map(|number| format!("arn:aws:iam::aws:policy/P{number}")).collect();
    with_policies(account, actions);
    account.group("Full", &nine.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_principal_without_room_for_all_gets_none_and_the_others_go_on() {
    let actions = vec!["ec2:RunInstances".to_owned()];
    let story = Story::of(|account| nearly_full(account, &actions));
    let before = story.is();
    let params = json!({"group": ["Full", "Beta"], "actions": actions});
    let run = story.open("beta 100%", "deny-actions", params).await;
    let why = "group `Full` has 9 managed policies and would have 11: IAM lets a group have 10";
    let planned = story.told(&run).await;
    assert_eq!(planned.iter().filter(|step| step.contains(why)).count(), 2, "said in the plan: {planned:?}");
    story.apply(&run).await;
    let policies = arns(&OwnPolicy::denying(&actions).unwrap());
    assert!(story.is().contains(&is("group Beta", &[FULL, &policies[0], &policies[1]])), "{:?}", story.is());
    let full = |all: &[String]| all.iter().find(|one| one.starts_with("group Full")).cloned();
    assert_eq!(full(&story.is()), full(&before), "neither of the two");
    assert_eq!(story.state(&run).await, "apply failed");
    story.put_back(&run).await;
    assert_eq!(story.is(), before);

    let alone = json!({"group": "Full", "actions": actions});
    assert!(is_refused(|account| nearly_full(account, &actions), "deny-actions", alone).await.contains(why));
}

#[tokio::test]
async fn a_slot_that_is_taken_after_the_plan_leaves_no_half_of_a_deny() {
    let actions = vec!["ec2:RunInstances".to_owned()];
    let story = Story::of(|account| nearly_full(account, &actions));
    let eight: Vec<String> = (0..8).map(|number| format!("arn:aws:iam::aws:policy/P{number}")).collect();
    story.world.account().group("Full", &eight.iter().map(String::as_str).collect::<Vec<_>>());
    let run = story.open("beta 100%", "deny-actions", json!({"group": ["Full", "Beta"], "actions": actions})).await;
    nearly_full(&mut story.world.account(), &actions);
    let before = story.is();
    story.apply(&run).await;
    let full = |all: &[String]| all.iter().find(|one| one.starts_with("group Full")).cloned();
    assert_eq!(full(&story.is()), full(&before));
    let told = story.told(&run).await;
    assert_eq!(told.iter().filter(|step| step.contains("IAM lets a group have 10")).count(), 2, "{told:?}");
}

#[tokio::test]
async fn a_run_of_the_version_before_gives_its_one_policy_back() {
    let actions = vec!["ec2:RunInstances".to_owned(), "sts:AssumeRole".to_owned()];
    let former = OwnPolicy::former(&actions).unwrap().arn(&HOME);
    let story = Story::of(|account| with_policies(account, &actions));
    let before = story.is();
    // Its steps hold the one policy, and its run has the parameters with the whole list.
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "policy": former})).await;
    story.apply(&run).await;
    let mut stored = story.harness.truth.run(&run).await.unwrap().unwrap();
    let params = json!({"group": ["Beta"], "user": ["bert"], "actions": actions});
    stored.value.parts[0].params = params;
    story.harness.truth.save_run(stored, None).await.unwrap();
    let held = [is("group Beta", &[FULL, &former]), is("role pipeline", &[FULL]), is("user bert", &[FULL, &former])];
    assert_eq!(story.is(), held);

    // A round looks at it, another stage attaches this version's policies meanwhile, and each comes back by itself.
    story.look(&run).await;
    assert_eq!(story.is(), held);
    let later = story.open("gamma 100%", "deny-actions", json!({"user": "bert", "actions": actions})).await;
    story.apply(&later).await;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back");
    let policies = arns(&OwnPolicy::denying(&actions).unwrap());
    assert!(story.is().contains(&is("user bert", &[FULL, &policies[0], &policies[1]])), "{:?}", story.is());
    story.put_back(&later).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn a_policy_of_people_s_own_stays_one() {
    let run = |params: Json| async move {
        let story = Story::of(people);
        let run = story.open("beta 100%", "deny-actions", params).await;
        story.apply(&run).await;
        story.steps(&run).await.len()
    };
    assert_eq!(run(json!({"user": "bert", "policy": OWN})).await, 1);
}
