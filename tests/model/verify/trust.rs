//! May somebody of the role's own account assume it? By examples of AWS's documentation, and by rules that must hold of any
//! policy.

use guardrails_model::verdict::Verdict;
use guardrails_model::verify::{Assumable, Caller, Decision, Simulated, Trust, assumable};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const ANN: &str = "arn:aws:iam::111122223333:user/team/ann";
const DEPLOY: &str = "arn:aws:iam::111122223333:role/Deploy";
const ROOT: &str = "arn:aws:iam::111122223333:root";

fn policy(statements: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn allow(principal: &Json) -> Json {
    json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
}

fn with(mut statement: Json, name: &str, value: Json) -> Json {
    statement[name] = value;
    statement
}

fn own(decision: Decision) -> Simulated {
    Simulated {
        action: "sts:AssumeRole".to_owned(),
        resource: "arn:aws:iam::111122223333:role/Target".to_owned(),
        decision,
        policies: Vec::new(),
        missing: Vec::new(),
        bounded: false,
        forbidden: false,
    }
}

fn judged(statements: &Json, arn: &str, own: &Simulated) -> Assumable {
    let caller = Caller { arn };
    assumable(Trust::read(&policy(statements)).of(&caller), own, &caller)
}

/// The verdicts on Ann: where her own policies allow it, say nothing, and deny it.
fn ann(statements: &Json) -> [Assumable; 3] {
    [Decision::Allowed, Decision::ImplicitDeny, Decision::ExplicitDeny].map(|decision| judged(statements, ANN, &own(decision)))
}

fn cannot(why: &str) -> Assumable {
    Assumable::CannotTell(why.to_owned())
}

const BY_TRUST: [Assumable; 3] = [Assumable::Yes, Assumable::Yes, Assumable::No];
const BY_BOTH: [Assumable; 3] = [Assumable::Yes, Assumable::No, Assumable::No];
const NO: [Assumable; 3] = [Assumable::No, Assumable::No, Assumable::No];

#[test]
fn named_caller_needs_no_policy_and_caller_of_account_does() {
    for (principal, becomes) in [
        (json!({"AWS": ANN}), BY_TRUST),
        (json!({"AWS": [DEPLOY, ANN]}), BY_TRUST),
        (json!("*"), BY_TRUST),
        (json!({"AWS": "*"}), BY_TRUST),
        (json!({"AWS": ROOT}), BY_BOTH),
        (json!({"AWS": "111122223333"}), BY_BOTH),
        (json!({"AWS": "arn:aws:iam::444455556666:root"}), NO),
        (json!({"AWS": "arn:aws:iam::111122223333:user/bob"}), NO),
        // Names are not patterns, and a user with a path is another.
        (json!({"AWS": "arn:aws:iam::111122223333:user/*"}), NO),
        (json!({"AWS": "arn:aws:iam::111122223333:user/ann"}), NO),
        // Somebody who was deleted is shown by an id.
        (json!({"AWS": "AIDAQ3EGUVS2EXAMPLE"}), NO),
        (json!({"Service": "ec2.amazonaws.com"}), NO),
        (json!({"Federated": "cognito-identity.amazonaws.com"}), NO),
        (json!({"Service": "ec2.amazonaws.com", "AWS": ROOT}), BY_BOTH),
    ] {
        assert_eq!(ann(&json!([allow(&principal)])), becomes, "{principal}");
        assert_eq!(ann(&allow(&principal)), becomes, "one statement may stand without a list: {principal}");
    }
}

#[test]
fn a_deny_of_either_side_decides() {
    let named = allow(&json!({"AWS": ANN}));
    let deny = |principal: Json| json!({"Effect": "Deny", "Principal": principal, "Action": "sts:*"});
    for principal in [json!("*"), json!({"AWS": ANN}), json!({"AWS": ROOT})] {
        assert_eq!(ann(&json!([named, deny(principal.clone())])), NO, "{principal}");
    }
    assert_eq!(ann(&json!([named, deny(json!({"AWS": DEPLOY}))])), BY_TRUST);
    let of_tags = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"});
    assert_eq!(ann(&json!([named, of_tags])), BY_TRUST, "another call");
    let forbidden = Simulated { forbidden: true, ..own(Decision::ImplicitDeny) };
    let as_simulated = cannot("the organisation's policies deny it as simulated");
    assert_eq!(judged(&json!([named]), ANN, &forbidden), as_simulated, "for the request that is simulated");
    let ours = Simulated { policies: vec!["guardrails-eu-west-1-deny-0123456789".to_owned()], ..own(Decision::ExplicitDeny) };
    let missing = vec!["aws:MultiFactorAuthPresent".to_owned()];
    for ours in [Simulated { forbidden: true, ..ours.clone() }, Simulated { missing: missing.clone(), ..ours }] {
        assert_eq!(judged(&json!([named]), ANN, &ours), Assumable::No, "whatever else there is, it is closed");
    }
    let allowed = Simulated { forbidden: true, missing, ..own(Decision::Allowed) };
    assert_eq!(judged(&json!([allow(&json!({"AWS": ROOT}))]), ANN, &allowed), Assumable::Yes, "what is allowed is allowed");
}

#[test]
fn only_what_covers_assuming_lets_anybody_in() {
    let named = allow(&json!({"AWS": ANN}));
    for (name, action, becomes) in [
        ("Action", json!("sts:AssumeRole"), BY_TRUST),
        ("Action", json!("STS:assumerole"), BY_TRUST),
        ("Action", json!(["sts:TagSession", "sts:*"]), BY_TRUST),
        ("Action", json!("sts:AssumeRoleWithSAML"), NO),
        ("Action", json!("sts:TagSession"), NO),
    ] {
        assert_eq!(ann(&with(named.clone(), name, action.clone())), becomes, "{action}");
    }
    let mut others = named;
    others.as_object_mut().unwrap().remove("Action");
    assert_eq!(ann(&with(others.clone(), "NotAction", json!("sts:TagSession"))), BY_TRUST);
    assert_eq!(ann(&with(others, "NotAction", json!("sts:*"))), NO);
}

#[test]
fn conditions_on_the_caller_are_evaluated_and_others_are_said() {
    let named = |condition: Json| with(allow(&json!({"AWS": ANN})), "Condition", condition);
    for (condition, becomes) in [
        (json!({"ArnEquals": {"aws:PrincipalArn": ANN}}), Assumable::Yes),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/team/*"}}), Assumable::Yes),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}}), Assumable::No),
        (json!({"StringNotLike": {"aws:PrincipalArn": ["*/bob", "*/ann"]}}), Assumable::No),
        (json!({"StringEquals": {"AWS:PrincipalAccount": ["444455556666", "111122223333"]}}), Assumable::Yes),
        (json!({"StringEqualsIgnoreCase": {"aws:username": "ANN"}}), Assumable::Yes),
        (json!({"StringEquals": {"aws:PrincipalType": "AssumedRole"}}), Assumable::No),
        (json!({"Bool": {"aws:SecureTransport": true}}), Assumable::Yes),
        (json!({"Null": {"aws:SourceArn": "true"}}), Assumable::Yes),
        // Only services have it.
        (json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}), Assumable::No),
        (json!({"StringEqualsIfExists": {"aws:SourceAccount": "444455556666"}}), Assumable::Yes),
        // AWS's own examples: nobody knows before which keys the request has.
        (
            json!({"StringEquals": {"sts:ExternalId": "12345"}}),
            cannot("its trust policy has a condition: it asks for sts:ExternalId"),
        ),
        (
            json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
            cannot("its trust policy has a condition: it asks for aws:MultiFactorAuthPresent"),
        ),
        (
            json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
            cannot("its trust policy has a condition: it asks for aws:SourceIp"),
        ),
        (
            json!({"StringLike": {"aws:PrincipalArn": "${aws:username}"}}),
            cannot("its trust policy has a condition: it asks for aws:PrincipalArn"),
        ),
        (
            json!({"ForAnyValue:StringEquals": {"aws:PrincipalArn": ANN}}),
            cannot("its trust policy has a condition: it asks for aws:PrincipalArn"),
        ),
        // One that does not hold decides, whatever another asks for.
        (json!({"StringEquals": {"sts:ExternalId": "12345", "aws:PrincipalAccount": "444455556666"}}), Assumable::No),
        (json!("nonsense"), cannot("its trust policy has a condition: its conditions cannot be read")),
    ] {
        assert_eq!(judged(&named(condition.clone()), ANN, &own(Decision::ImplicitDeny)), becomes, "{condition}");
    }
    let deny_without_mfa = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}});
    let statements = json!([allow(&json!({"AWS": ROOT})), deny_without_mfa]);
    assert!(matches!(judged(&statements, ANN, &own(Decision::Allowed)), Assumable::CannotTell(_)));
    assert_eq!(judged(&statements, ANN, &own(Decision::ImplicitDeny)), Assumable::No, "nobody lets her in either way");
}

#[test]
fn roles_are_bounded_and_sessions_are_not_roles() {
    let named = allow(&json!({"AWS": [DEPLOY, ANN]}));
    let bounded = Simulated { bounded: true, ..own(Decision::ImplicitDeny) };
    assert_eq!(judged(&named, DEPLOY, &own(Decision::ImplicitDeny)), Assumable::Yes);
    assert_eq!(judged(&named, DEPLOY, &bounded), Assumable::No, "a role's boundary bounds what a trust policy gives to the role");
    assert_eq!(judged(&named, ANN, &bounded), Assumable::Yes, "but not what it gives to a user");
    let session = |name: &str| allow(&json!({"AWS": format!("arn:aws:sts::111122223333:assumed-role/{name}")}));
    assert_eq!(judged(&session("Deploy/ci"), DEPLOY, &own(Decision::Allowed)), cannot("it trusts only the session `ci`"));
    assert_eq!(judged(&session("Other/ci"), DEPLOY, &own(Decision::Allowed)), Assumable::No);
    assert_eq!(judged(&session("Deploy/ci"), ANN, &own(Decision::Allowed)), Assumable::No);
    let by_name = with(named, "Condition", json!({"StringEquals": {"aws:username": "Deploy"}}));
    assert_eq!(judged(&by_name, DEPLOY, &own(Decision::Allowed)), Assumable::No, "a role has no user name");
}

#[test]
fn all_but_somebody_is_said_to_be_unclear_unless_it_is_not() {
    let all_but =
        |effect: &str, others: Json| json!({"Effect": effect, "NotPrincipal": {"AWS": others}, "Action": "sts:AssumeRole"});
    let named = allow(&json!({"AWS": ANN}));
    let bob = "arn:aws:iam::111122223333:user/bob";
    assert_eq!(ann(&json!([named, all_but("Deny", json!([bob]))])), NO);
    assert_eq!(ann(&json!([named, all_but("Deny", json!([ANN, ROOT]))])), BY_TRUST);
    for statements in [json!([named, all_but("Deny", json!([ANN]))]), json!([all_but("Allow", json!([bob]))])] {
        assert_eq!(ann(&statements)[0], cannot("its trust policy has a NotPrincipal"), "{statements}");
    }
}

#[test]
fn trust_policy_that_cannot_be_read_is_unknown() {
    for document in ["", "{}", "[]", "{\"Statement\": [{\"Effect\": \"Maybe\"}]}", "{\"Statement\": [{\"Effect\": \"Allow\"}]}"] {
        let trust = Trust::read(document);
        assert!(!trust.is_for_services_only(), "{document}");
        let unknown = Verdict::Unknown("its trust policy cannot be read".to_owned());
        assert_eq!(trust.of(&Caller { arn: ANN }).named, unknown, "{document}");
    }
}

#[test]
fn a_role_of_a_service_is_nobody_else_s() {
    let only = |statements: Json| Trust::read(&policy(&statements)).is_for_services_only();
    assert!(only(json!([allow(&json!({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}))])));
    assert!(!only(json!([allow(&json!({"Service": "ec2.amazonaws.com"})), allow(&json!({"AWS": ROOT}))])));
    assert!(!only(json!([allow(&json!("*"))])));
}

fn principals() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!("*")),
        Just(json!({"AWS": ANN})),
        Just(json!({"AWS": ROOT})),
        Just(json!({"AWS": DEPLOY})),
        Just(json!({"Service": "ec2.amazonaws.com"})),
    ]
}

fn conditions() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"ArnLike": {"aws:PrincipalArn": ANN}})),
        Just(json!({"ArnNotLike": {"aws:PrincipalArn": ANN}})),
        Just(json!({"StringEquals": {"sts:ExternalId": "x"}})),
    ]
}

fn statements() -> impl Strategy<Value = Vec<Json>> {
    let statement = (any::<bool>(), principals(), conditions()).prop_map(|(denies, principal, condition)| {
        json!({"Effect": if denies { "Deny" } else { "Allow" }, "Principal": principal, "Action": "sts:AssumeRole",
            "Condition": condition})
    });
    proptest::collection::vec(statement, 0..5)
}

proptest! {
    /// A Deny never lets anybody in, and an Allow never keeps anybody out.
    #[test]
    fn more_of_one_kind_never_works_the_other_way(statements in statements(), denies in any::<bool>(), principal in principals(), condition in conditions()) {
        let rank = |answer: &Assumable| match answer { Assumable::No => 0, Assumable::CannotTell(_) => 1, Assumable::Yes => 2 };
        let before = ann(&json!(statements));
        let mut more = statements;
        more.push(json!({"Effect": if denies { "Deny" } else { "Allow" }, "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}));
        for (before, after) in before.iter().zip(&ann(&json!(more))) {
            prop_assert!(if denies { rank(after) <= rank(before) } else { rank(after) >= rank(before) }, "{before:?} {after:?} {more:?}");
        }
    }

    /// The order of statements says nothing.
    #[test]
    fn the_order_says_nothing(statements in statements()) {
        let there = ann(&json!(statements));
        let back: Vec<Json> = statements.into_iter().rev().collect();
        prop_assert_eq!(there, ann(&json!(back)));
    }
}
