//! The boundary of each role: it allows the role's own grants, and forbids the rest by name.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_template::artifacts;
use serde_json::{Value as Json, json};

use super::rendered::{OPERATOR, granted, many, many_guardrails, of_type, rendered, rendered_of, statements, texts};

#[test]
fn every_role_has_a_boundary_of_its_own() {
    let template = rendered();
    let roles: Vec<_> = of_type(&template, "AWS::IAM::Role").collect();
    assert_eq!(roles.len(), artifacts::functions().len() + 2, "each function's, the schedule's and the state machine's");
    for (role, properties) in roles {
        let own = json!({"Ref": boundary_name(role)});
        let limit = json!({"Fn::If": ["HasOwnBoundaries", own, {"Ref": "PermissionsBoundary"}]});
        assert_eq!(properties["PermissionsBoundary"], limit, "{role}");
        assert_eq!(template["Resources"][boundary_name(role)]["Condition"], "HasOwnBoundaries");
        assert!(properties.get("ManagedPolicyArns").is_none(), "{role} has rights that are not written here");
    }
}

#[test]
fn a_boundary_allows_the_grants_of_its_role_alone() {
    let template = rendered();
    let mut granted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (role, statement) in self::granted(&template) {
        granted.entry(role).or_default().extend(texts(&statement["Action"]));
    }
    for (role, mut granted) in granted {
        if is_function_s(&template, role) {
            granted.insert("kms:Decrypt");
        }
        for (sid, list) in [("Granted", "Action"), ("NeverAnythingElse", "NotAction")] {
            let listed = texts(&boundary_statement(&template, role, sid)[list]);
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), granted, "{role}: {sid}");
        }
        for sid in ["NeverMoreRights", "NeverForGood"] {
            let forbidden = texts(&boundary_statement(&template, role, sid)["Action"]);
            let both: Vec<_> = granted.iter().filter(|action| falls_under(action, &forbidden)).collect();
            assert!(both.is_empty(), "{role}: {sid} forbids a grant: {both:?}");
        }
    }
}

/// AWS makes this call in the name of the role. A function whose boundary denies it cannot start, nor reach the ledger.
#[test]
fn function_s_boundary_lets_aws_decrypt_for_it_and_nothing_else() {
    let template = rendered();
    let (functions, others): (Vec<_>, Vec<_>) =
        of_type(&template, "AWS::IAM::Role").partition(|(role, _)| is_function_s(&template, role));
    assert_eq!((functions.len(), others.len()), (artifacts::functions().len(), 2));
    for (role, _) in functions {
        let only = boundary_statement(&template, role, "NeverOtherSecrets");
        assert_eq!((&only["Effect"], &only["Action"], &only["Resource"]), (&json!("Deny"), &json!("kms:Decrypt"), &json!("*")));
        let through =
            ["dynamodb", "lambda", "sns"].map(|one| json!({"Fn::Sub": format!("{one}.${{AWS::Region}}.${{AWS::URLSuffix}}")}));
        let unless = &only["Condition"]["StringNotEquals"];
        assert_eq!(unless["kms:ViaService"], json!(through), "{role}");
        let function = &unless["kms:EncryptionContext:aws:lambda:FunctionArn"];
        let (_, name) = function["Fn::Sub"].as_str().unwrap().split_once("${AWS::StackName}-").unwrap();
        assert_eq!(role.trim_end_matches("Role"), camel(name), "{function}");
    }
    for (role, _) in others {
        let allowed = texts(&boundary_statement(&template, role, "NeverAnythingElse")["NotAction"]);
        assert!(!allowed.contains(&"kms:Decrypt"), "{role}");
    }
}

#[test]
fn stop_functions_removes_settings_and_nothing_else() {
    let template = rendered();
    let allowed = texts(&boundary_statement(&template, "StopFunctionsRole", "NeverAnythingElse")["NotAction"]);
    for setting in ["lambda:DeleteFunctionConcurrency", "lambda:DeleteProvisionedConcurrencyConfig"] {
        assert!(allowed.contains(&setting), "{setting}");
    }
    let own = boundary_statement(&template, "StopFunctionsRole", "NeverItsOwnFunctions");
    let named = "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:${AWS::StackName}-*";
    assert_eq!((&own["Effect"], &own["Resource"]), (&json!("Deny"), &json!({"Fn::Sub": named})));
    assert!(texts(&own["Action"]).contains(&"lambda:PutFunctionConcurrency"));
    for other in [
        "lambda:DeleteFunction",
        "lambda:DeleteAlias",
        "lambda:DeleteEventSourceMapping",
        "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:DeleteFunctionUrlConfig",
        "lambda:CreateEventSourceMapping",
        "lambda:UpdateFunctionConfiguration",
        "lambda:GetFunction",
        "application-autoscaling:DeregisterScalableTarget",
    ] {
        assert!(!allowed.contains(&other), "{other}");
    }
}

#[test]
fn a_boundary_protects_the_stack_the_operators_and_rights() {
    let template = rendered();
    for (role, _) in of_type(&template, "AWS::IAM::Role") {
        forbids_what_none_may(&template, role);
    }
}

fn forbids_what_none_may(template: &Json, role: &str) {
    let forbidden = |sid: &str| texts(&boundary_statement(template, role, sid)["Action"]);
    for action in ["iam:CreateUser", "iam:PutGroupPolicy", "iam:AddUserToGroup", "sts:AssumeRole", "kms:PutKeyPolicy"] {
        assert!(falls_under(action, &forbidden("NeverMoreRights")), "{role}: {action}");
    }
    for action in ["ec2:TerminateInstances", "autoscaling:TerminateInstanceInAutoScalingGroup", "kms:ScheduleKeyDeletion"] {
        assert!(falls_under(action, &forbidden("NeverForGood")), "{role}: {action}");
    }
    let allowed = texts(&boundary_statement(template, role, "NeverAnythingElse")["NotAction"]);
    for action in ["iam:PassRole", "ec2:DeleteVolume", "lambda:UpdateFunctionCode", "rds:DeleteDBInstance", "s3:GetObject"] {
        assert!(!allowed.contains(&action), "{role}: {action}");
    }
    let protected = boundary_statement(template, role, "NeverItselfNorTheOperators");
    let resources = many(&protected["Resource"]);
    assert!(resources.contains(&&json!(OPERATOR)));
    for own in ["role", "policy"] {
        let own = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{own}/${{AWS::StackName}}-*");
        assert!(resources.contains(&&json!({"Fn::Sub": own})), "{resources:?}");
    }
    assert_eq!(texts(&protected["NotAction"]), ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"]);
}

#[test]
fn a_boundary_does_not_grow_with_the_number_of_guardrails() {
    let (one, many) = (rendered_of(&many_guardrails(1)), rendered_of(&many_guardrails(100)));
    for (role, _) in of_type(&one, "AWS::IAM::Role") {
        assert_eq!(boundary(&one, role), boundary(&many, role), "{role}");
        // Pseudo parameters are longer than their values.
        let letters = boundary(&one, role).to_string().chars().filter(|letter| !letter.is_whitespace()).count();
        assert!(letters < 6144, "{role}: {letters} letters");
    }
}

fn boundary_statement<'a>(template: &'a Json, role: &str, sid: &str) -> &'a Json {
    statements(boundary(template, role)).into_iter().find(|one| one["Sid"] == sid).unwrap()
}

fn boundary<'a>(template: &'a Json, role: &str) -> &'a Json {
    &template["Resources"][boundary_name(role)]["Properties"]["PolicyDocument"]
}

/// Does a function of the stack work with this role?
fn is_function_s(template: &Json, role: &str) -> bool {
    let its = json!({"Fn::GetAtt": [role, "Arn"]});
    of_type(template, "AWS::Lambda::Function").any(|(_, properties)| properties["Role"] == its)
}

/// `stop-instances` as the template writes it in names.
fn camel(name: &str) -> String {
    let part = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').map(part).collect()
}

/// The boundary of a role, by the role's name.
fn boundary_name(role: &str) -> String {
    role.replace("Role", "Boundary")
}

/// Does `action` fall under one of `patterns`?
fn falls_under(action: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| pattern.strip_suffix('*').map_or(*pattern == action, |start| action.starts_with(start)))
}
