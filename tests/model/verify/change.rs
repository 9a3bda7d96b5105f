//! A plan's forecast of the people who could launch after it, before anything is changed.

use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::principal::Principal;
use guardrails_model::record::{Part, Step};
use guardrails_model::verify::{Changes, Launching, Person, Verification, Way};
use serde_json::{Value as Json, json};

const OWN: &str = "arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-0123456789";

/// A part of a run.
pub(super) fn part(action: &str, params: &Json) -> Part {
    serde_json::from_value(json!({"group": 0, "action": action, "params": params, "plan": {"is": "missing"}})).unwrap()
}

fn step(kind: &str, whose: &str, policy: &str, wanted: &str) -> Step {
    let step = json!({"format": 1, "run": "r-20261123-014653-7f3k9q", "part": 0, "token": "t", "label": "x",
        "facet": FacetId::new(kind, whose, policy).unwrap(), "present": "absent", "wanted": wanted,
        "phase": "Planned", "attempt": 1, "since": "2026-11-23T00:00:00Z", "events": []});
    serde_json::from_value(step).unwrap()
}

/// A plan that denies these actions, or those of a policy of somebody's own.
fn denying(kind: &str, whose: &str, params: &Json) -> Changes {
    let mut changes = Changes::default();
    let policy = params["policy"].as_str().unwrap_or(OWN);
    changes.add(&part("deny-actions", params), &step(kind, whose, policy, "attached"));
    changes
}

/// A plan that takes a policy.
fn taking(kind: &str, whose: &str, policy: &str) -> Changes {
    let mut changes = Changes::default();
    let policy = format!("arn:aws:iam::aws:policy/{policy}");
    changes.add(&part("swap-policy", &json!({})), &step(kind, whose, &policy, "detached"));
    changes
}

fn way(through: Option<&str>, actions: &[&str], policies: &[&str]) -> Way {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Way { through: through.map(str::to_owned), actions: owned(actions), policies: owned(policies), more_policies: 0 }
}

fn person(arn: &str, by: Principal, ways: Vec<Way>) -> Person {
    Person { ways, ..Person::of(&format!("arn:aws:iam::123456789012:{arn}"), vec![by]) }
}

fn ann(ways: Vec<Way>) -> Person {
    person("user/ann", Principal::Group("Beta".to_owned()), ways)
}

#[test]
fn a_deny_closes_the_calls_that_it_lists_and_no_others() {
    let ann = ann(vec![way(None, &["ec2:RunInstances", "ec2:StartInstances"], &["Power"])]);
    let then = |actions: Json| denying("group-policy", "Beta", &json!({"actions": actions})).left(&ann).words();
    assert_eq!(then(json!(["ec2:runinstances", "rds:*"])), "CAN STILL LAUNCH by Power (ec2:StartInstances)");
    assert_eq!(then(json!(["ec2:Run*", "EC2:Start?nstances"])), "cannot launch");
    assert_eq!(then(json!(["rds:*"])), "CAN STILL LAUNCH by Power (ec2:RunInstances and 1 more)");
    let others = denying("group-policy", "Gamma", &json!({"actions": ["*"]}));
    assert_eq!(others.left(&ann).person, ann, "it is another's");
}

#[test]
fn deny_to_assume_a_role_closes_the_way_through_it() {
    let ann = ann(vec![way(Some("Deploy"), &["ec2:RunInstances"], &["Power"])]);
    let then = |kind: &str, whose: &str, action: &str| denying(kind, whose, &json!({"actions": [action]})).left(&ann).words();
    let open = "CAN STILL LAUNCH through role Deploy by Power (ec2:RunInstances)";
    assert_eq!(then("group-policy", "Beta", "ec2:*"), open, "the role is not denied anything");
    assert_eq!(then("group-policy", "Beta", "sts:Assume*"), "cannot launch");
    assert_eq!(then("role-policy", "Deploy", "ec2:*"), "cannot launch");
}

#[test]
fn deny_of_peoples_own_policy_cannot_be_told_before() {
    let params = json!({"policy": "arn:aws:iam::123456789012:policy/Freeze"});
    let changes = denying("group-policy", "Beta", &params);
    let direct = ann(vec![way(None, &["ec2:RunInstances"], &["Power"])]);
    let told = "cannot be told: by Power (ec2:RunInstances), where what Freeze denies is not known before";
    assert_eq!(changes.left(&direct).words(), told);
    assert!(changes.close(&direct, &direct.ways[0]), "so after the change it is asked again while it does not show");
    let through = ann(vec![way(Some("Deploy"), &["ec2:RunInstances"], &["Power"])]);
    assert!(changes.left(&through).words().contains("cannot be told: through role Deploy"), "it may deny to assume it");
}

#[test]
fn a_policy_that_is_taken_may_be_theirs_from_elsewhere_too() {
    let ways = || vec![way(None, &["ec2:RunInstances"], &["Power"])];
    let then = taking("group-policy", "Beta", "Power").left(&ann(ways()));
    assert_eq!(then.words(), "cannot launch, unless they have Power from elsewhere too");
    assert_eq!(json!(then)["unless"], json!(["Power"]));
    let both = ann(vec![way(None, &["ec2:RunInstances"], &["Power", "inline policy shadow"])]);
    let left = taking("group-policy", "Beta", "Power").left(&both).words();
    assert_eq!(left, "CAN STILL LAUNCH by inline policy shadow (ec2:RunInstances)");
    let role = person("role/Deploy", Principal::Role("Deploy".to_owned()), ways());
    assert_eq!(taking("role-policy", "Deploy", "Power").left(&role).words(), "cannot launch", "it has no groups");
}

fn can(actions: &[&str], policies: &[&str]) -> Launching {
    let Way { actions, policies, .. } = way(None, actions, policies);
    Launching::Can { actions, policies }
}

#[test]
fn without_taken_policies_iam_says_the_calls_that_are_left() {
    let changes = taking("group-policy", "Beta", "Power");
    let both = ann(vec![way(None, &["ec2:RunInstances", "ec2:StartInstances"], &["Power", "inline policy shadow"])]);
    let then = |asked: &Launching| changes.left_as_asked(&both, asked).words();
    let open = "CAN STILL LAUNCH by inline policy shadow (ec2:StartInstances)";
    assert_eq!(then(&can(&["ec2:StartInstances"], &["user_ann_shadow"])), open);
    assert_eq!(then(&Launching::Cannot), "cannot launch, unless they have Power from elsewhere too");
    let unclear = Launching::CannotTell("it depends on aws:SourceIp".to_owned());
    assert_eq!(then(&unclear), "cannot be told: it depends on aws:SourceIp");
    // The list has no effect where IAM does not know it: then names decide, as they do without it.
    let ignored = can(&["ec2:RunInstances", "ec2:StartInstances"], &["Power", "user_ann_shadow"]);
    assert_eq!(changes.left_as_asked(&both, &ignored), changes.left(&both));
    // Policies that are not kept are known then.
    let many = Way { more_policies: 1, ..way(None, &["ec2:RunInstances"], &["P00"]) };
    let left = changes.left_as_asked(&ann(vec![many]), &Launching::Cannot).words();
    assert_eq!(left, "cannot launch, unless they have Power from elsewhere too");
    let through = ann(vec![way(Some("Deploy"), &["ec2:RunInstances"], &["Power"])]);
    assert_eq!(changes.left_as_asked(&through, &Launching::Cannot).person, through, "it is no way of their own");
}

#[test]
fn taken_policy_that_denies_opens_a_way() {
    let changes = taking("group-policy", "Beta", "Closed");
    let now = ann(Vec::new());
    let then = changes.left_as_asked(&now, &can(&["ec2:RunInstances"], &["Power"]));
    assert_eq!(then.line_from(&now), "user ann: cannot launch -> CAN STILL LAUNCH by Power (ec2:RunInstances)");
    let unclear = Launching::CannotTell("it depends on aws:SourceIp".to_owned());
    assert_eq!(changes.left_as_asked(&now, &unclear).words(), "cannot be told: it depends on aws:SourceIp");
    let told = Person { untold: vec!["it depends on aws:SourceIp and aws:username".to_owned()], ..now };
    assert_eq!(changes.left_as_asked(&told, &unclear).person, told, "one reason is enough");
}

#[test]
fn deny_closes_calls_that_iam_allows_without_taken_policies() {
    let mut changes = taking("group-policy", "Beta", "Power");
    let params = json!({"actions": ["ec2:*", "autoscaling:*"]});
    changes.add(&part("deny-actions", &params), &step("group-policy", "Beta", OWN, "attached"));
    let now = ann(vec![way(None, &["ec2:RunInstances"], &["Power", "Shadow"])]);
    let then = |asked: &Launching| changes.left_as_asked(&now, asked).words();
    assert_eq!(then(&can(&["ec2:RunInstances"], &["Shadow"])), "cannot launch");
    assert_eq!(then(&Launching::CannotTell("it depends on aws:SourceIp".to_owned())), "cannot launch");
}

#[test]
fn of_more_ways_than_are_kept_none_is_said_to_be_closed() {
    let now = SystemClock.now();
    let mut known = Verification::begin(&RunId::new(now), 1, now);
    let ways = (0..9).map(|number| way(None, &["ec2:RunInstances"], &[&format!("P{number}")])).collect();
    known.learn(ann(ways), false);
    let kept = &known.people[0];
    assert_eq!((kept.ways.len(), kept.more_ways), (8, 1));
    assert!(kept.line().ends_with("by P2 (ec2:RunInstances); in 6 more ways"), "{}", kept.line());
    let mut changes = Changes::default();
    for number in 0..8 {
        let step = step("group-policy", "Beta", &format!("arn:aws:iam::aws:policy/P{number}"), "detached");
        changes.add(&part("swap-policy", &json!({})), &step);
    }
    let left = changes.left(kept).words();
    assert_eq!(left, "cannot be told: what the stage leaves of the ways through 1 more roles is not known before");
    // Each of those is through a role: who may assume none has none of them.
    let mut closed = denying("group-policy", "Beta", &json!({"actions": ["sts:AssumeRole", "ec2:*"]}));
    assert_eq!(closed.left(kept).words(), "cannot launch");
    closed = denying("group-policy", "Beta", &json!({"actions": ["ec2:*"]}));
    assert!(closed.left(kept).words().starts_with("cannot be told"), "{}", closed.left(kept).words());
}

#[test]
fn of_more_policies_than_are_kept_none_is_said_to_be_taken() {
    let policies: Vec<String> = (0..30).map(|number| format!("P{number:02}")).collect();
    let names: Vec<&str> = policies.iter().map(String::as_str).collect();
    let kept = ann(vec![way(None, &["ec2:RunInstances"], &names)]).kept();
    assert_eq!((kept.ways[0].policies.len(), kept.ways[0].more_policies), (24, 6));
    assert_eq!(kept.line(), "user ann: CAN STILL LAUNCH by P00, P01, P02, 27 more policies (ec2:RunInstances)");
    let mut changes = Changes::default();
    for policy in &policies {
        let step = step("group-policy", "Beta", &format!("arn:aws:iam::aws:policy/{policy}"), "detached");
        changes.add(&part("swap-policy", &json!({})), &step);
    }
    let left = changes.left(&kept).words();
    assert_eq!(left, "cannot be told: by 6 more policies (ec2:RunInstances), of which it is not known what the stage takes");
    assert!(changes.close(&kept, &kept.ways[0]), "so it is asked again while it does not show");
}

#[test]
fn now_and_then_are_one_line_a_person() {
    let changes = taking("group-policy", "Beta", "Power");
    let line = |policies: &[&str]| {
        let ways = if policies.is_empty() { Vec::new() } else { vec![way(None, &["ec2:RunInstances"], policies)] };
        let now = ann(ways);
        changes.left(&now).line_from(&now)
    };
    assert_eq!(
        [line(&["Power"]), line(&["Power", "Shadow"]), line(&["Shadow"]), line(&[])],
        [
            "user ann: can launch by Power (ec2:RunInstances) -> cannot launch, unless they have Power from elsewhere too",
            "user ann: can launch by Power, Shadow (ec2:RunInstances) -> CAN STILL LAUNCH by Shadow (ec2:RunInstances)",
            "user ann: CAN STILL LAUNCH as now by Shadow (ec2:RunInstances)",
            "user ann: cannot launch, as now",
        ]
    );
}
