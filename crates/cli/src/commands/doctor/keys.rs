//! Encryption: a topic or a queue under a key that the publishing service may not use drops messages, without a word.

use aws_config::SdkConfig;

use super::finding::{Read, Sheet, Unread, found};
use super::policy::{Answer, Ask, answer};

/// A key that something is encrypted with.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// As the encrypted thing names it.
    pub(super) id: String,
    /// Its facts; none when there is no such key.
    pub(super) facts: Read<Option<Facts>>,
}

/// The facts that KMS has of a key.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) arn: String,
    /// AWS looks after it, so that its policy cannot be changed.
    pub(super) aws_managed: bool,
    /// Such as `Enabled`.
    pub(super) state: String,
    pub(super) policy: Read<String>,
}

/// Reads the key called `id`, if there is one.
pub(super) async fn look(sdk: &SdkConfig, id: Option<String>) -> Option<Key> {
    let id = id.filter(|id| !id.is_empty())?;
    let client = aws_sdk_kms::Client::new(sdk);
    let described = found(client.describe_key().key_id(&id).send().await, &["NotFoundException"], "kms:DescribeKey");
    let metadata = match described {
        Ok(Some(described)) => described.key_metadata,
        Ok(None) => None,
        Err(unread) => return Some(Key { id, facts: Err(unread) }),
    };
    let Some(metadata) = metadata else { return Some(Key { id, facts: Ok(None) }) };
    let policy = client.get_key_policy().key_id(metadata.key_id()).policy_name("default").send().await;
    let policy = policy.map(|answer| answer.policy.unwrap_or_default()).map_err(Unread::of("kms:GetKeyPolicy"));
    let facts = Facts {
        arn: metadata.arn().unwrap_or_default().to_owned(),
        aws_managed: metadata.key_manager() == Some(&aws_sdk_kms::types::KeyManagerType::Aws),
        state: metadata.key_state().map_or("unknown", |state| state.as_str()).to_owned(),
        policy,
    };
    Some(Key { id, facts: Ok(Some(facts)) })
}

/// Can the service of `ask` (whose action and resource are the thing's, not the key's) send to what the key encrypts?
pub(super) fn judge(sheet: &mut Sheet, checked: &str, key: Option<&Key>, ask: &Ask) {
    let Some(key) = key else { return sheet.well(format!("{checked}: no key stands in the way")) };
    let service = ask.service;
    let lost = "what it sends is dropped without a word";
    let other = "encrypt it with a customer managed key, or not at all: aws sns set-topic-attributes / aws sqs \
                 set-queue-attributes, KmsMasterKeyId";
    if key.id.contains("alias/aws/") {
        let found = format!("it is encrypted with the AWS managed key {}, which {service} may not use", key.id);
        return sheet.failure(checked, found, lost, other);
    }
    let facts = match sheet.read(checked, &key.facts) {
        None => return,
        Some(None) => return sheet.failure(checked, format!("the key {} does not exist", key.id), lost, other),
        Some(Some(facts)) => facts,
    };
    if facts.aws_managed {
        let found = format!("the key {} is managed by AWS, and {service} may not use it", key.id);
        return sheet.failure(checked, found, lost, other);
    }
    if facts.state != "Enabled" {
        let remedy =
            format!("aws kms enable-key --key-id {0} (after aws kms cancel-key-deletion, if it is to be deleted)", key.id);
        return sheet.failure(checked, format!("the key {} is {}", key.id, facts.state), lost, remedy);
    }
    let Some(policy) = sheet.read(checked, &facts.policy) else { return };
    for action in ["kms:GenerateDataKey", "kms:Decrypt"] {
        let remedy = format!(
            "add to the key's policy (aws kms put-key-policy --key-id {} --policy-name default): {{\"Effect\": \"Allow\", \
             \"Principal\": {{\"Service\": \"{service}\"}}, \"Action\": [\"kms:GenerateDataKey*\", \"kms:Decrypt\"], \"Resource\": \
             \"*\"}}",
            key.id
        );
        match answer(policy, &Ask { action, resource: &facts.arn, ..*ask }) {
            Ok(Answer::Allowed) => {}
            Ok(Answer::Unsure(statement)) => {
                let found = format!("whether {service} may do {action} hangs on a condition of {statement} in the key's policy");
                return sheet.could_not_check(checked, found, lost, "see that the condition holds for it");
            }
            Ok(Answer::NotAllowed) => {
                return sheet.failure(checked, format!("the key's policy does not let {service} do {action}"), lost, remedy);
            }
            Ok(Answer::Denied(statement)) => {
                let found = format!("{statement} in the key's policy forbids {service} {action}");
                return sheet.failure(checked, found, lost, "take it out of that statement: aws kms put-key-policy");
            }
            Err(why) => return sheet.failure(checked, why, lost, remedy),
        }
    }
    sheet.well(format!("{checked}: {service} may use the key {}", key.id));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    const ASK: Ask<'static> = Ask {
        service: "budgets.amazonaws.com",
        action: "sns:Publish",
        resource: "arn:aws:sns:us-east-1:123456789012:alerts",
        account: "123456789012",
        source: "arn:aws:budgets::123456789012:budget/beta",
    };

    fn key(id: &str, aws_managed: bool, state: &str, service: &str, actions: &[&str]) -> Key {
        let policy = json!({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, "Resource": "*"},
        ]});
        Key {
            id: id.to_owned(),
            facts: Ok(Some(Facts {
                arn: "arn:aws:kms:us-east-1:123456789012:key/k".to_owned(),
                aws_managed,
                state: state.to_owned(),
                policy: Ok(policy.to_string()),
            })),
        }
    }

    #[test]
    fn a_key_is_well_only_when_the_service_may_use_it() {
        let both = &["kms:GenerateDataKey*", "kms:Decrypt"][..];
        let table = [
            (None, None),
            (Some(key("k", false, "Enabled", ASK.service, both)), None),
            (Some(key("alias/aws/sns", true, "Enabled", ASK.service, both)), Some("AWS managed key")),
            (Some(key("k", true, "Enabled", ASK.service, both)), Some("managed by AWS")),
            (Some(key("k", false, "Disabled", ASK.service, both)), Some("is Disabled")),
            (Some(key("k", false, "Enabled", "cloudwatch.amazonaws.com", both)), Some("kms:GenerateDataKey")),
            (Some(key("k", false, "Enabled", ASK.service, &["kms:GenerateDataKey*"])), Some("kms:Decrypt")),
            (Some(Key { id: "k".to_owned(), facts: Ok(None) }), Some("does not exist")),
        ];
        for (key, wrong) in table {
            let mut sheet = Sheet::new("test");
            judge(&mut sheet, "encryption", key.as_ref(), &ASK);
            assert_eq!(sheet.findings.len(), usize::from(wrong.is_some()), "{key:?}: {sheet:?}");
            assert_eq!(sheet.well.len(), usize::from(wrong.is_none()), "{key:?}: {sheet:?}");
            if let Some(words) = wrong {
                assert_eq!(sheet.findings[0].severity, Severity::Failure);
                assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
            }
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_not_well() {
        let mut sheet = Sheet::new("test");
        let unread = Err(Unread::new("kms:DescribeKey", "AccessDeniedException: no"));
        judge(&mut sheet, "encryption", Some(&Key { id: "k".to_owned(), facts: unread }), &ASK);
        assert!(sheet.well.is_empty());
        assert_eq!(sheet.findings[0].severity, Severity::CouldNotCheck);
        assert!(sheet.findings[0].remedy.contains("kms:DescribeKey"));
    }
}
