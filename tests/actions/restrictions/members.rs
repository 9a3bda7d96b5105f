//! A group with an operator in it: its other members are restricted one by one.

use serde_json::json;

use super::{ADMINISTRATOR, FULL, OWN, is, is_refused, people};
use crate::story::Story;
use crate::world::Account;

/// Bea, Carl and Ann are in the group. Ann is an operator, and Carl had the Deny before.
fn team(account: &mut Account) {
    people(account);
    account.user("bea", &[FULL]).user("carl", &[OWN]).user("ann", &[]);
    account.members("Beta", &["carl", "ann"]);
}

#[tokio::test]
async fn group_with_an_operator_is_denied_member_by_member() {
    let story = Story::of(team);
    let before = story.is();
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "policy": OWN})).await;
    story.apply(&run).await;
    let expected = [
        is("group Beta", &[FULL]),
        is("role pipeline", &[FULL]),
        is("user ann", &[]),
        is("user bea", &[FULL, OWN]),
        is("user bert", &[FULL, OWN]),
        is("user carl", &[OWN]),
    ];
    assert_eq!(story.is(), expected);
    let told = story.told(&run).await;
    let group = "NoMoreMoney of group Beta: skipped (group `Beta` has the operator arn:aws:iam::123456789012:user/ann in it, who could \
                 then not roll back: its other 2 members are restricted one by one)";
    assert!(told.contains(&group.to_owned()), "{told:?}");
    assert_eq!(story.state(&run).await, "enforced");
    let end = story.load(&run).await.events.last().unwrap().what.clone();
    assert_eq!(end, "enforced: 2 applied, 2 left alone, 0 failed", "the group and Carl");
    story.put_back(&run).await;
    assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
}

#[tokio::test]
async fn member_of_two_groups_and_by_name_is_denied_once() {
    let story = Story::of(|account| {
        team(account);
        account.group("Gamma", &[]).members("Gamma", &["Bea", "ann"]);
        account.user("Bea", &[]).users.remove("bea");
        account.groups.get_mut("Beta").unwrap().members.retain(|arn| !arn.ends_with("/bea"));
        account.members("Beta", &["Bea"]);
    });
    let before = story.is();
    let params = json!({"group": ["Beta", "Gamma"], "user": "Bea", "policy": OWN});
    let run = story.open("beta 100%", "deny-actions", params).await;
    let of_bea = story.steps(&run).await.iter().filter(|step| step.facet.parts().1 == "Bea").count();
    assert_eq!(of_bea, 1);
    story.apply(&run).await;
    assert!(story.is().contains(&is("user Bea", &[OWN])), "{:?}", story.is());
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn member_who_joins_while_the_others_are_denied_is_denied_too() {
    let story = Story::of(team);
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "policy": OWN})).await;
    story.apply(&run).await;
    story.world.account().user("zoe", &[]).members("Beta", &["zoe"]);
    let before_look = story.is();
    story.look(&run).await;
    assert!(!before_look.contains(&is("user zoe", &[OWN])) && story.is().contains(&is("user zoe", &[OWN])), "{:?}", story.is());
    // A policy that a person took off stays off.
    story.world.account().user("bea", &[FULL]);
    story.look(&run).await;
    assert!(story.is().contains(&is("user bea", &[FULL])), "{:?}", story.is());
    story.put_back(&run).await;
    assert!(story.is().contains(&is("user zoe", &[])), "{:?}", story.is());
}

#[tokio::test]
async fn operator_who_joins_a_denied_group_changes_nothing_of_it() {
    let story = Story::of(|account| {
        people(account);
        account.user("bea", &[]).user("ann", &[]);
    });
    let run = story.open("beta 80%", "deny-actions", json!({"group": "Beta", "policy": OWN})).await;
    story.apply(&run).await;
    story.world.account().members("Beta", &["ann"]);
    let held = story.is();
    let later = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "policy": OWN})).await;
    story.apply(&later).await;
    story.look(&run).await;
    assert_eq!(story.is(), held, "nobody is denied twice");
    story.put_back(&run).await;
    assert_eq!(story.is(), held);
    story.put_back(&later).await;
    assert!(story.is().contains(&is("group Beta", &[FULL])), "{:?}", story.is());
}

#[tokio::test]
async fn operator_who_is_an_administrator_remains_one() {
    let story = Story::of(|account| {
        team(account);
        account.user("ann", &[ADMINISTRATOR]).user("bea", &[ADMINISTRATOR]);
    });
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "policy": OWN})).await;
    story.apply(&run).await;
    assert!(story.is().contains(&is("user bea", &[ADMINISTRATOR, OWN])), "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn group_of_operators_alone_is_refused_and_so_is_a_swap() {
    let alone = |account: &mut Account| {
        people(account);
        account.group("Ops", &[FULL]).members("Ops", &["ann"]).members("Beta", &["ann"]);
    };
    let said = is_refused(alone, "deny-actions", json!({"group": "Ops", "policy": OWN})).await;
    assert!(said.contains("group `Ops` has the operator") && said.contains("nobody else is in it"), "{said}");
    // A policy that a group gives its members cannot be taken from one of them.
    let swap = json!({"group": "Beta", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
    assert!(is_refused(alone, "swap-group-policy", swap).await.contains("group `Beta` has the operator"));
}
