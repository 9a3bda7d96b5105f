//! One principal or policy that is missing, foreign or refused keeps nobody else free.

use guardrails_aws::iam::own_policy::OwnPolicy;
use guardrails_model::config::{ActionSpec, Config};
use guardrails_model::ids::FacetId;
use guardrails_model::phase::Phase;
use serde_json::json;

use super::{ADMINISTRATOR, FULL, HOME, LAST, OWN, is, people};
use crate::harness;
use crate::story::Story;
use crate::world::Account;

/// Adds to the account.
type Fill<'a> = &'a dyn Fn(&mut Account);

fn nobody_else(_: &mut Account) {}

fn sso(account: &mut Account) {
    let role = account.role("AWSReservedSSO_dev_0f", &[]).roles.get_mut("AWSReservedSSO_dev_0f").unwrap();
    "/aws-reserved/sso.amazonaws.com/".clone_into(&mut role.path);
}

fn last_administrator(account: &mut Account) {
    account.user("abe", &[ADMINISTRATOR]);
}

fn operator(account: &mut Account) {
    account.user("ann", &[]);
}

#[tokio::test]
async fn one_who_cannot_be_denied_keeps_nobody_else_free() {
    let more: [(Fill<'_>, &str, &str, &str); 7] = [
        (&nobody_else, "user", "contractor-1", "there is no IAM user `contractor-1`"),
        (&nobody_else, "role", "beta-ci", "there is no IAM role `beta-ci`"),
        (&nobody_else, "group", "Gone", "there is no IAM group `Gone`"),
        (&sso, "role", "AWSReservedSSO_dev_0f", "is AWS's own"),
        (&operator, "user", "ann", "is an operator"),
        (&operator, "role", "FinOps", "is an operator"),
        (&last_administrator, "user", "abe", LAST),
    ];
    for (fill, kind, name, why) in more {
        let story = Story::of(|account| {
            people(account);
            fill(account);
        });
        let before = story.is();
        let mut params = json!({"group": ["Beta"], "user": ["bert"], "role": ["pipeline"], "policy": OWN});
        params[kind].as_array_mut().unwrap().push(json!(name));
        let run = story.open("beta 100%", "deny-actions", params).await;
        story.apply(&run).await;
        for denied in ["group Beta", "user bert", "role pipeline"] {
            assert!(story.is().contains(&is(denied, &[FULL, OWN])), "{name}: {:?}", story.is());
        }
        let steps = story.steps(&run).await;
        let step = steps.iter().find(|step| step.facet.parts().1 == name).unwrap();
        assert!(step.unplanned && step.phase == Phase::Skipped, "{step:?}");
        assert!(step.reason.as_ref().unwrap().contains(why), "{step:?}");
        let end = story.load(&run).await.events.last().unwrap().what.clone();
        assert_eq!(end, "enforced: 3 applied, 0 left alone, 1 could not be planned, 0 failed");
        story.put_back(&run).await;
        assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
    }
}

#[tokio::test]
async fn missing_policy_keeps_the_others_from_nobody() {
    let actions = vec!["ec2:RunInstances".to_owned()];
    let policies: Vec<String> = OwnPolicy::denying(&actions).unwrap().iter().map(|own| own.arn(&HOME)).collect();
    let story = Story::of(|account| {
        people(account);
        account.policy(&policies[1]);
    });
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "actions": actions})).await;
    story.apply(&run).await;
    for denied in ["group Beta", "user bert"] {
        assert!(story.is().contains(&is(denied, &[FULL, &policies[1]])), "{:?}", story.is());
    }
    let end = story.load(&run).await.events.last().unwrap().what.clone();
    assert!(end.contains("2 applied, 0 left alone, 2 could not be planned"), "{end}");
}

#[tokio::test]
async fn principal_that_iam_does_not_show_keeps_nobody_else_free() {
    let story = Story::of(people);
    story.world.account().beyond.insert("bert".to_owned());
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "policy": OWN})).await;
    story.apply(&run).await;
    assert!(story.is().contains(&is("group Beta", &[FULL, OWN])), "{:?}", story.is());
    let told = story.told(&run).await;
    assert!(told.iter().any(|step| step.contains("user bert: skipped") && step.contains("AccessDenied")), "{told:?}");
}

#[tokio::test]
async fn rehearsal_finds_who_is_missing_before_a_breach() {
    let story = Story::of(people);
    let before = story.is();
    let params = json!({"group": "Beta", "user": ["bert", "contractor-1"], "role": "beta-ci", "policy": OWN});
    let spec = ActionSpec { name: "deny-actions".parse().unwrap(), params };
    let (target, guardrail) = harness::stage("beta 100%", vec![vec![spec]]);
    let draft = story.harness.runs().draft(&target, &Config::default(), &guardrail, "");
    let action = story.harness.action(&draft, &draft.parts[0]);
    let tally = story.harness.executor().rehearse(&draft, 0, &*action).await;
    assert_eq!((tally.changes, tally.left_alone.len()), (2, 0));
    let refused: Vec<&str> = tally.refused.iter().map(|kind| kind.words.as_str()).collect();
    assert!(refused.len() == 2 && refused.iter().all(|words| words.contains("there is no IAM ")), "{refused:?}");
    assert_eq!((story.is(), story.harness.truth.runs(None).await.unwrap().len()), (before, 0));
    assert_eq!(story.harness.truth.facets(&[group_facet()]).await.unwrap().len(), 0, "nothing is held");

    // Nothing of it can be planned: the whole action would be refused.
    story.world.account().policies.clear();
    let tally = story.harness.executor().rehearse(&draft, 0, &*action).await;
    assert!(tally.changes == 0 && tally.refused[0].words.contains("there is no policy"), "{tally:?}");
}

fn group_facet() -> FacetId {
    FacetId::new("group-policy", "Beta", OWN).unwrap()
}
