//! The access from outside: the topics' policies and their key, the roles' trust, and the deployer.

use guardrails_aws::iam::trust::lets_change;
use serde_json::{Value as Json, json};

use crate::account::rendered::{OPERATOR, granted, many, of_type, rendered, statements, texts};

fn open_to_strangers(template: &Json) -> Vec<String> {
    let documents = ["AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy"];
    let mut open = Vec::new();
    for (name, resource) in template["Resources"].as_object().unwrap() {
        let properties = &resource["Properties"];
        for statement in documents.iter().filter(|at| properties.get(**at).is_some()).flat_map(|at| statements(&properties[*at]))
        {
            let service = !statement["Principal"]["Service"].is_null();
            let ours = |operator: &str, key: &str, words: &str| statement["Condition"][operator][key].to_string().contains(words);
            let named = ours("StringEquals", "aws:SourceAccount", "AWS::AccountId") || ours("ArnEquals", "aws:SourceArn", "Ref");
            if service && statement["Effect"] == "Allow" && !named {
                open.push(format!("{name}: {}", statement["Principal"]["Service"]));
            }
        }
        if resource["Type"] == "AWS::Lambda::Permission" && properties["SourceArn"].is_null() {
            open.push(format!("{name}: {}", properties["Principal"]));
        }
    }
    open
}

#[test]
fn no_aws_service_is_let_in_for_another_account() {
    let template = rendered();
    assert_eq!(open_to_strangers(&template), Vec::<String>::new());
    let mut without = template.clone();
    without["Resources"]["MasterRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = json!(null);
    assert_eq!(open_to_strangers(&without), ["MasterRole: \"lambda.amazonaws.com\""]);
}

#[test]
fn a_template_is_not_deployed_without_saying_who_deploys_it() {
    let deployer = &rendered()["Parameters"]["Deployer"];
    assert!(deployer["Default"].is_null(), "the topics would shut out whoever deploys without it: {deployer}");
    // CloudFormation holds a pattern against the whole value.
    let pattern = json!({"pattern": format!("^(?:{})$", deployer["AllowedPattern"].as_str().unwrap_or_default())});
    let is_taken = |value: &str| jsonschema::is_valid(&pattern, &json!(value));
    for arn in [
        OPERATOR,
        "arn:aws:iam::123456789012:root",
        "arn:aws-cn:sts::123456789012:assumed-role/Deploy/session",
        "arn:aws-us-gov:sts::123456789012:federated-user/ann",
    ] {
        assert!(is_taken(arn), "{arn}");
    }
    for words in ["", "ARN", "finops", "123456789012", "arn:aws:iam::123456789012:", "arn:aws:s3:::bucket"] {
        assert!(!is_taken(words), "{words:?}");
    }
    let hint = deployer["ConstraintDescription"].as_str().unwrap();
    assert!(hint.contains("aws sts get-caller-identity --query Arn") && hint.contains("--role-arn"), "{hint}");
}

#[test]
fn nobody_but_the_trusted_may_publish_or_change_a_topic() {
    let template = rendered();
    for (policy, ours) in [("AlertTopicPolicy", vec![]), ("NotifyTopicPolicy", vec!["MasterRole", "NotifyRole"])] {
        let document = &template["Resources"][policy]["Properties"]["PolicyDocument"];
        let denials: Vec<&Json> = statements(document).into_iter().filter(|one| one["Effect"] == "Deny").collect();
        let [deny] = denials.as_slice() else { panic!("{policy}: {denials:?}") };
        assert_eq!(deny["Principal"], json!({"AWS": "*"}));
        let denied = texts(&deny["Action"]);
        for action in ["Publish", "Subscribe", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic"] {
            assert!(denied.contains(&format!("sns:{action}").as_str()), "{policy} leaves {action} to everybody");
        }
        // A service's own call has no aws:PrincipalArn, and would be denied without this.
        assert_eq!(deny["Condition"]["Bool"], json!({"aws:PrincipalIsAWSService": "false"}));
        let spared = many(&deny["Condition"]["ArnNotLike"]["aws:PrincipalArn"]);
        assert!(
            spared.contains(&&json!({"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"})),
            "nobody is locked out"
        );
        assert!(spared.contains(&&json!(OPERATOR)), "{spared:?}");
        assert!(spared.contains(&&json!({"Ref": "Deployer"})), "{spared:?}");
        for role in &ours {
            assert!(spared.contains(&&json!({"Fn::GetAtt": [role, "Arn"]})), "{spared:?}");
        }
        let trusted = 1 + 1 + 1 + 2;
        assert_eq!(spared.len(), trusted + ours.len(), "root, the operator, who deploys as a user or by a role: {spared:?}");
    }
}

#[test]
fn dead_letters_and_key_are_closed_to_all_but_the_trusted() {
    let template = rendered();
    for (resource, document, roles, actions) in [
        (
            "DeadLettersPolicy",
            "PolicyDocument",
            &["MasterRole", "ScheduleRole"][..],
            &["sqs:SendMessage", "sqs:PurgeQueue", "sqs:DeleteMessage"][..],
        ),
        ("TopicKey", "KeyPolicy", &[], &["kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"]),
    ] {
        let all = statements(&template["Resources"][resource]["Properties"][document]);
        let denials: Vec<&&Json> = all.iter().filter(|one| one["Effect"] == "Deny").collect();
        let [deny] = denials.as_slice() else { panic!("{resource}: {denials:?}") };
        let denied = texts(&deny["Action"]);
        assert!(actions.iter().all(|action| denied.contains(action)), "{resource}: {denied:?}");
        assert_eq!(deny["Condition"]["Bool"], json!({"aws:PrincipalIsAWSService": "false"}));
        let spared = many(&deny["Condition"]["ArnNotLike"]["aws:PrincipalArn"]);
        for trusted in
            [json!({"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}), json!(OPERATOR), json!({"Ref": "Deployer"})]
        {
            assert!(spared.contains(&&trusted), "{resource}: {spared:?}");
        }
        assert!(roles.iter().all(|role| spared.contains(&&json!({"Fn::GetAtt": [role, "Arn"]}))), "{resource}: {spared:?}");
    }
    let may_send = granted(&template).into_iter().filter(|(_, one)| texts(&one["Action"]).contains(&"sqs:SendMessage"));
    assert_eq!(may_send.map(|(role, _)| role).collect::<Vec<_>>(), ["MasterRole", "ScheduleRole"], "the queue refuses others");
}

/// Anybody with rights on CloudWatch can make an alarm whose name begins like ours, with words of their own.
#[test]
fn only_alarms_of_the_stack_publish_to_people() {
    let template = rendered();
    let document = &template["Resources"]["NotifyTopicPolicy"]["Properties"]["PolicyDocument"];
    let publish = statements(document).into_iter().find(|one| one["Sid"] == "AlarmsPublish").unwrap();
    let alarms: Vec<Json> =
        of_type(&template, "AWS::CloudWatch::Alarm").map(|(name, _)| json!({"Fn::GetAtt": [name, "Arn"]})).collect();
    assert!(alarms.len() > 10, "{alarms:?}");
    assert_eq!(publish["Condition"]["ArnEquals"], json!({"aws:SourceArn": alarms}));
    assert!(publish["Condition"]["ArnLike"].is_null(), "{publish}");
}

#[test]
fn principals_that_may_change_a_topic_are_read_from_its_policy() {
    let role = "arn:aws:iam::123456789012:role";
    let spared =
        json!([OPERATOR, "arn:aws:sts::123456789012:assumed-role/Deploy/ann", format!("{role}/*/Deploy"), format!("{role}/-")]);
    let deny = |spared: &Json| {
        json!({"Statement": [
            {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}},
            {"Effect": "Deny", "Condition": {"ArnNotLike": {"aws:PrincipalArn": spared}}},
        ]})
    };
    let policy = deny(&spared);
    for who in [
        OPERATOR,
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:assumed-role/Deploy/bert",
        "arn:aws:iam::123456789012:role/team/Deploy",
    ] {
        assert!(lets_change(&policy, who), "{who}");
    }
    for who in [
        "arn:aws:iam::123456789012:user/bert",
        "arn:aws:iam::123456789012:user/Deploy",
        "arn:aws:sts::123456789012:assumed-role/Other/ann",
        "arn:aws:sts::123456789012:federated-user/finops",
    ] {
        assert!(!lets_change(&policy, who), "{who}");
    }
    assert!(lets_change(&deny(&json!(OPERATOR)), OPERATOR), "one, without a list");
    assert!(lets_change(&json!({"Statement": []}), "arn:aws:iam::123456789012:user/bert"), "nobody is denied");
}

#[test]
fn topics_have_key_of_the_stack_that_publishers_may_use() {
    let template = rendered();
    let key = json!({"Fn::If": ["EncryptsTopics", {"Fn::GetAtt": ["TopicKey", "Arn"]}, {"Ref": "AWS::NoValue"}]});
    let topics: Vec<_> = of_type(&template, "AWS::SNS::Topic").collect();
    assert_eq!(topics.len(), 2);
    for (topic, properties) in topics {
        assert_eq!(properties["KmsMasterKeyId"], key, "{topic}");
    }
    let properties = &template["Resources"]["TopicKey"]["Properties"];
    assert_eq!(properties["EnableKeyRotation"], true);
    let services: Vec<&Json> = statements(&properties["KeyPolicy"]).into_iter().map(|one| &one["Principal"]["Service"]).collect();
    for service in ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"] {
        assert!(services.contains(&&json!(service)), "{service}");
    }
    for (role, publish) in granted(&template).into_iter().filter(|(_, one)| texts(&one["Action"]).contains(&"sns:Publish")) {
        let encrypts = |(other, one): &(&str, &Json)| *other == role && texts(&one["Action"]).contains(&"kms:GenerateDataKey");
        assert!(granted(&template).iter().any(encrypts), "{role} may publish to {}, and not encrypt", publish["Resource"]);
    }
}
