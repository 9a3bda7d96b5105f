//! The principals that actions restrict, by which policies, and those that they never do: in an account that answers as AWS does.

mod administrators;
mod assuming;
mod drift;
mod identities;
mod members;
mod several;
mod vetoes;

use std::collections::BTreeSet;

use guardrails_aws::context::Home;
use guardrails_aws::iam::own_policy::{self, OwnPolicy};
use guardrails_model::ids::RunId;
use guardrails_model::record::PartPlan;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::Account;
use crate::world::STACK;

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
/// A Deny of people's own.
const OWN: &str = "arn:aws:iam::123456789012:policy/NoMoreMoney";

/// The words of a refusal for the last administrators.
const LAST: &str = "the last would be restricted who have AdministratorAccess";
/// The guardrails' own stack.
const HOME: Home<'_> = Home { partition: "aws", account: "123456789012", region: "us-east-1", stack: STACK };

fn is(whose: &str, policies: &[&str]) -> String {
    format!("{whose} {:?}", policies.iter().copied().collect::<BTreeSet<_>>())
}

/// A group with Bea in it, the user Bert, and the role that their pipeline has.
fn people(account: &mut Account) {
    account.policy(READ_ONLY).policy(OWN).group("Beta", &[FULL]).members("Beta", &["bea"]);
    account.user("bert", &[FULL]).role("pipeline", &[FULL]);
}

fn everybody() -> Json {
    json!({"group": "Beta", "user": "bert", "role": ["pipeline"], "policy": OWN})
}

/// Why a run's only part cannot be planned.
async fn refused(story: &Story, run: &RunId) -> String {
    let run = story.load(run).await;
    let part = &run.parts[0];
    assert!(matches!(part.plan, PartPlan::Failed { .. }), "{:?}", part.plan);
    story.harness.action(&run, part).plan().await.unwrap_err().to_string()
}

/// A run of `action` over an account is refused when it is planned, and changes nothing.
async fn is_refused(fill: impl FnOnce(&mut Account), action: &str, params: Json) -> String {
    let story = Story::of(fill);
    let before = story.is();
    let run = story.open("beta 100%", action, params).await;
    story.apply(&run).await;
    assert_eq!((story.is(), story.state(&run).await), (before, "apply failed"));
    refused(&story, &run).await
}

/// A run of it is enforced.
async fn is_enforced(fill: impl FnOnce(&mut Account), action: &str, params: Json) {
    let story = Story::of(fill);
    let run = story.open("beta 100%", action, params).await;
    story.apply(&run).await;
    assert_eq!(story.state(&run).await, "enforced", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn a_user_s_and_a_role_s_policies_are_swapped_and_come_back() {
    for (kind, name) in [("user", "bert"), ("role", "pipeline")] {
        let story = Story::of(people);
        let before = story.is();
        let params = json!({kind: name, "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
        let run = story.open("beta 100%", "swap-policy", params).await;
        story.apply(&run).await;
        assert!(story.is().contains(&is(&format!("{kind} {name}"), &[READ_ONLY])), "{:?}", story.is());
        assert_eq!(before.iter().filter(|one| !story.is().contains(one)).count(), 1, "and nobody else's");
        story.put_back(&run).await;
        assert_eq!(story.is(), before);
    }
}

#[tokio::test]
async fn a_deny_is_attached_to_all_and_stays_where_it_was_before() {
    let story = Story::of(|account| {
        people(account);
        account.user("bert", &[FULL, OWN]);
    });
    let before = story.is();
    let run = story.open("beta 100%", "deny-actions", everybody()).await;
    story.apply(&run).await;
    let denied = [is("group Beta", &[FULL, OWN]), is("role pipeline", &[FULL, OWN]), is("user bert", &[FULL, OWN])];
    assert_eq!(story.is(), denied);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn an_action_finds_the_stack_s_policy_by_what_it_denies() {
    let story = Story::of(people);
    let params = json!({"user": "bert", "actions": ["ec2:RunInstances"], "also": ["sts:AssumeRole"]});
    let run = story.open("beta 100%", "deny-actions", params.clone()).await;
    let missing = refused(&story, &run).await;
    let arn = missing.split('`').nth(1).unwrap();
    assert!(arn.starts_with(&format!("arn:aws:iam::123456789012:policy/{STACK}-us-east-1-deny-")), "{missing}");

    let actions = ["ec2:RunInstances", "sts:AssumeRole"].map(str::to_owned);
    let policies: Vec<String> = OwnPolicy::denying(&actions).unwrap().iter().map(|policy| policy.arn(&HOME)).collect();
    let with_policies = |account: &mut Account| {
        people(account);
        for policy in &policies {
            account.policy(policy);
        }
    };
    let story = Story::of(with_policies);
    let run = story.open("beta 100%", "deny-actions", params).await;
    story.apply(&run).await;
    assert!(story.is().contains(&is("user bert", &[FULL, &policies[0], &policies[1]])), "{:?}", story.is());
    // The same actions in another order are the same policy; others are not.
    let same = json!({"user": "bert", "actions": ["sts:AssumeRole", "ec2:RunInstances"]});
    is_enforced(with_policies, "deny-actions", same).await;
    let other = json!({"user": "bert", "actions": ["ec2:RunInstances"]});
    assert!(is_refused(with_policies, "deny-actions", other).await.contains("there is no policy"));
}

#[tokio::test]
async fn run_holding_another_stacks_policy_is_known_before_adoption() {
    let hash = "0123456789";
    let arn = format!("arn:aws:iam::123456789012:policy/{STACK}-us-east-1-deny-{hash}");
    let story = Story::of(|account| {
        people(account);
        account.policy(&arn);
    });
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "policy": arn})).await;
    story.apply(&run).await;
    let found = async |stack, region| {
        let open = [story.load(&run).await];
        let home = Home { partition: "aws", account: "123456789012", region, stack };
        let found = own_policy::held_of_another(&story.harness.ledger, &open, &home).await.unwrap();
        found.map(|(of, facet)| (of == run, facet.to_string()))
    };
    let held = Some((true, format!("group-policy/Beta/{arn}")));
    assert_eq!(found(STACK, "us-east-1").await, None, "its own");
    for (stack, region) in [("second", "us-east-1"), (STACK, "eu-west-1"), (&STACK[..4], "us-east-1")] {
        assert_eq!(found(stack, region).await, held, "{stack} in {region}");
    }
    story.put_back(&run).await;
    assert_eq!(found("second", "us-east-1").await, None, "nothing is held any more");
}

#[tokio::test]
async fn deny_and_swap_that_attach_one_policy_hold_it_together() {
    let story = Story::of(people);
    let before = story.is();
    let deny = story.open("beta 80%", "deny-actions", everybody()).await;
    story.apply(&deny).await;
    let swap = json!({"group": "Beta", "detach": ["AmazonEC2FullAccess"], "attach": [OWN]});
    let swap = story.open("beta 100%", "swap-group-policy", swap).await;
    story.apply(&swap).await;
    story.put_back(&deny).await;
    assert!(story.is().contains(&is("group Beta", &[OWN])), "{:?}", story.is());
    story.put_back(&swap).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn principal_with_the_most_policies_is_refused_in_the_plan() {
    let ten: Vec<String> = (0..10).map(|number| format!("arn:aws:iam::aws:policy/P{number}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    for (params, who) in [
        (
            json!({"group": "Full", "policy": OWN}),
            "group `Full` has 10 managed policies and would have 11: IAM lets a group have 10",
        ),
        (
            json!({"user": "full", "policy": OWN}),
            "user `full` has 10 managed policies and would have 11: IAM lets a user have 10",
        ),
        (
            json!({"role": "full", "policy": OWN}),
            "role `full` has 10 managed policies and would have 11: IAM lets a role have 10",
        ),
    ] {
        let fill = |account: &mut Account| {
            account.policy(OWN).group("Full", &ten).user("full", &ten).role("full", &ten).page = 4;
        };
        assert!(is_refused(fill, "deny-actions", params).await.contains(who));
    }
    // Of users and roles AWS raises the figure; of groups never.
    let raised = |account: &mut Account| {
        (account.per_user, account.per_role) = (20, 25);
        account.policy(OWN).group("Full", &ten).user("full", &ten).role("full", &ten);
    };
    is_enforced(raised, "deny-actions", json!({"user": "full", "role": "full", "policy": OWN})).await;
    assert!(is_refused(raised, "deny-actions", json!({"group": "Full", "policy": OWN})).await.contains("lets a group have 10"));
}

#[tokio::test]
async fn at_a_user_s_own_quota_one_policy_goes_before_another_comes() {
    let story = Story::of(|account| {
        account.per_user = 2;
        account.policy(READ_ONLY).user("bert", &[FULL, OWN]);
    });
    let before = story.is();
    let params = json!({"user": "bert", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
    let run = story.open("beta 100%", "swap-policy", params).await;
    story.harness.gate.disarm();
    story.apply(&run).await;
    let calls = story.harness.gate.calls();
    let turned: Vec<&String> = calls.iter().filter(|call| call.ends_with("tachUserPolicy")).collect();
    assert_eq!(turned, ["DetachUserPolicy", "AttachUserPolicy"]);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn an_operator_is_never_restricted_by_name() {
    // Ann and the role FinOps are operators.
    let fill = |account: &mut Account| {
        people(account);
        account.user("ann", &[]).role("FinOps", &[]);
    };
    let said = is_refused(fill, "deny-actions", json!({"user": "ann", "policy": OWN})).await;
    assert!(said.contains("user `ann` is an operator, who could then not roll back"), "{said}");
    let said = is_refused(fill, "deny-actions", json!({"role": "FinOps", "policy": OWN})).await;
    assert!(said.contains("role `FinOps` is an operator"), "{said}");
    let said = is_refused(fill, "swap-policy", json!({"role": "FinOps", "attach": [OWN]})).await;
    assert!(said.contains("role `FinOps` is an operator"), "{said}");
}

#[tokio::test]
async fn operator_and_administrator_are_known_in_any_letter_case() {
    for who in [json!({"role": "finops", "policy": OWN}), json!({"user": "ANN", "policy": OWN})] {
        assert!(is_refused(people, "deny-actions", who).await.contains("is an operator"));
    }
    let alone = |account: &mut Account| {
        people(account);
        account.user("Abe", &[ADMINISTRATOR]);
    };
    let said = is_refused(alone, "deny-actions", json!({"user": "abe", "policy": OWN})).await;
    assert!(said.contains(LAST), "{said}");
}

#[tokio::test]
async fn operator_who_joined_after_the_plan_costs_only_their_group() {
    let story = Story::of(people);
    let run = story.open("beta 100%", "deny-actions", everybody()).await;
    story.world.account().members("Beta", &["ann"]);
    story.apply(&run).await;
    let is_now = [is("group Beta", &[FULL]), is("role pipeline", &[FULL, OWN]), is("user bert", &[FULL, OWN])];
    assert_eq!(story.is(), is_now);
    assert_eq!(story.state(&run).await, "apply failed");
    assert!(story.told(&run).await[0].contains("NoMoreMoney of group Beta: apply failed (group `Beta` has the operator"));
}

#[tokio::test]
async fn the_stack_s_own_roles_are_never_restricted() {
    let master = format!("{STACK}-MasterRole-1ABC2DEF3GHI");
    for (name, path, stack) in
        [(master.as_str(), "/", None), ("renamed", "/", Some(STACK)), ("pathed", "/team/guardrails/", None)]
    {
        let fill = |account: &mut Account| {
            people(account);
            account.role(name, &[]);
            let role = account.roles.get_mut(name).unwrap();
            (role.path, role.stack) = (path.to_owned(), stack.map(str::to_owned));
        };
        let said = is_refused(fill, "deny-actions", json!({"role": name, "policy": OWN})).await;
        assert!(said.contains(&format!("role `{name}` is of the guardrails' own stack `guardrails`")), "{said}");
    }
    // A role that is named as they are: the boundary of the stack's roles forbids to touch it, and apply would fail.
    for (name, path, is_kept) in
        [("guardrails-beta-ci", "/", true), ("ci", "/guardrails-beta/", true), ("guardrails-beta-ci", "/team/", false)]
    {
        let fill = |account: &mut Account| {
            people(account);
            account.role(name, &[]).roles.get_mut(name).unwrap().path = path.to_owned();
        };
        let params = json!({"role": name, "policy": OWN});
        if is_kept {
            let said = is_refused(fill, "deny-actions", params).await;
            let words = format!("role `{name}` is named as the roles of the guardrails' own stack are (role/guardrails-*)");
            assert!(said.contains(&words), "{said}");
        } else {
            is_enforced(fill, "deny-actions", params).await;
        }
    }
    let of_another_stack = |account: &mut Account| {
        people(account);
        account.roles.get_mut("pipeline").unwrap().stack = Some("shop".to_owned());
    };
    is_enforced(of_another_stack, "deny-actions", json!({"role": "pipeline", "policy": OWN})).await;
}

#[tokio::test]
async fn a_role_of_aws_s_own_is_refused_before_anything_is_tried() {
    let fill = |account: &mut Account| {
        people(account);
        account.role("AWSServiceRoleForAutoScaling", &[]);
        account.roles.get_mut("AWSServiceRoleForAutoScaling").unwrap().path =
            "/aws-service-role/autoscaling.amazonaws.com/".to_owned();
    };
    let said = is_refused(fill, "deny-actions", json!({"role": "AWSServiceRoleForAutoScaling", "policy": OWN})).await;
    assert!(said.contains("is AWS's own"), "{said}");
}

#[tokio::test]
async fn the_last_administrators_are_never_restricted() {
    let deny = |who: Json| {
        let mut params = json!({"policy": OWN});
        params.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        params
    };
    // Directly, by a group that has it, and by a group that has not but its members.
    let alone = |account: &mut Account| {
        people(account);
        account.user("root-of-all", &[ADMINISTRATOR]).group("Empty", &[ADMINISTRATOR]).group("Dev", &[]);
        account.members("Dev", &["x", "y", "z", "root-of-all"]);
    };
    let said = is_refused(alone, "deny-actions", deny(json!({"user": "root-of-all"}))).await;
    assert!(said.contains("with user `root-of-all`") && said.contains(LAST), "{said}");
    let said = is_refused(alone, "deny-actions", deny(json!({"group": "Dev"}))).await;
    assert!(said.contains("with group `Dev`") && said.contains(LAST), "{said}");
    is_enforced(alone, "deny-actions", deny(json!({"group": "Beta", "user": "bert"}))).await;

    let by_group = |account: &mut Account| {
        people(account);
        account.group("Admins", &[ADMINISTRATOR]).members("Admins", &["bea", "bert"]).page = 1;
    };
    let both = deny(json!({"group": "Beta", "user": "bert"}));
    assert!(is_refused(by_group, "deny-actions", both.clone()).await.contains(LAST));
    assert!(is_refused(by_group, "deny-actions", deny(json!({"group": "Admins"}))).await.contains(LAST));
    is_enforced(by_group, "deny-actions", deny(json!({"user": "bert"}))).await;

    let by_role = |account: &mut Account| {
        people(account);
        account.role("break-glass", &[ADMINISTRATOR]);
    };
    let said = is_refused(by_role, "deny-actions", deny(json!({"role": "break-glass"}))).await;
    assert!(said.contains("with role `break-glass`") && said.contains(LAST), "{said}");

    // Somebody remains: a role, or one more user in a group.
    is_enforced(
        |account| {
            by_group(account);
            account.role("break-glass", &[ADMINISTRATOR]);
        },
        "deny-actions",
        both.clone(),
    )
    .await;
    is_enforced(
        |account| {
            by_group(account);
            account.group("Others", &[ADMINISTRATOR]).members("Others", &["carl"]);
        },
        "deny-actions",
        both,
    )
    .await;
}

#[tokio::test]
async fn a_user_and_a_role_that_were_deleted_meanwhile_are_said() {
    let story = Story::of(people);
    let run = story.open("beta 100%", "deny-actions", everybody()).await;
    story.apply(&run).await;
    story.world.account().users.clear();
    story.world.account().roles.clear();
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told.contains(&"NoMoreMoney of group Beta: rolled back".to_owned()), "{told:?}");
    for gone in ["the user bert was deleted", "the role pipeline was deleted"] {
        assert!(told.iter().any(|step| step.ends_with(&format!("rolled back (nothing to put back: {gone})"))), "{told:?}");
    }
    assert_eq!(story.is(), [is("group Beta", &[FULL])]);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_when_it_is_alone() {
    for kind in ["group", "user", "role"] {
        let said = is_refused(people, "deny-actions", json!({kind: "nobody", "policy": OWN})).await;
        assert!(said.contains(&format!("there is no IAM {kind} `nobody`")), "{said}");
    }
}
