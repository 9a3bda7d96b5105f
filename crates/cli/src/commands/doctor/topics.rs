//! The two topics: may AWS Budgets publish alerts, and CloudWatch alarms?

use super::finding::{Read, Sheet, found};
use super::keys::{self, Key};
use super::policy::{Answer, Ask, answer};
use super::site::Site;

/// A topic, and the service that must be able to publish there.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    /// For people, such as `alert topic`.
    pub(super) name: &'static str,
    pub(super) arn: String,
    /// The messages that are lost when the service cannot publish.
    pub(super) lost: &'static str,
    pub(super) service: &'static str,
    pub(super) account: String,
    /// The source for which the service publishes.
    pub(super) source: String,
    /// Its policy; none when there is no such topic.
    pub(super) policy: Read<Option<String>>,
    pub(super) key: Option<Key>,
}

pub(super) async fn look(site: &Site) -> Vec<Topic> {
    let account = site.account();
    let budget = format!("arn:{}:budgets::{account}:budget/any", site.partition);
    // The topic is open to this stack's alarms only, so one of them asks.
    let alarm = site.all("AWS::CloudWatch::Alarm").first().map_or("any", |alarm| alarm.physical.as_str());
    let alarm = format!("arn:{}:cloudwatch:{}:{account}:alarm:{alarm}", site.partition, site.region);
    let alerts = ("alert topic", "AlertTopic", "no alert arrives, so nothing is enforced", "budgets.amazonaws.com", budget);
    let people = ("notify topic", "NotifyTopic", "alarms reach nobody", "cloudwatch.amazonaws.com", alarm);
    let mut topics = Vec::new();
    for (name, logical, lost, service, source) in [alerts, people] {
        let arn = site.name(logical).to_owned();
        let call = aws_sdk_sns::Client::new(site.sdk()).get_topic_attributes().topic_arn(&arn);
        let attributes = found(call.send().await, &["NotFound"], "sns:GetTopicAttributes");
        let attributes = attributes.map(|found| found.map(|found| found.attributes.unwrap_or_default()));
        let key = attributes.as_ref().ok().and_then(|found| found.as_ref()?.get("KmsMasterKeyId").cloned());
        topics.push(Topic {
            name,
            arn,
            lost,
            service,
            account: account.to_owned(),
            source,
            key: keys::look(site.sdk(), key).await,
            policy: attributes.map(|found| found.map(|mut found| found.remove("Policy").unwrap_or_default())),
        });
    }
    topics
}

pub(super) fn judge(topics: &[Topic]) -> Sheet {
    let mut sheet = Sheet::new("topics");
    for topic in topics {
        let checked = format!("{}: its policy", topic.name);
        match sheet.read(&checked, &topic.policy) {
            None => continue,
            Some(None) => {
                sheet.failure(&checked, format!("there is no topic {}", topic.arn), topic.lost, REMAKE);
                continue;
            }
            Some(Some(policy)) => judge_policy(&mut sheet, &checked, topic, policy),
        }
        let ask = ask(topic, &topic.account, &topic.source);
        keys::judge(&mut sheet, &format!("{}: its encryption", topic.name), topic.key.as_ref(), &ask);
    }
    sheet
}

/// How something that a person took out of the stack is made again.
pub(super) const REMAKE: &str = "guardrails deploy, if its template changed; else put it back by hand as infra/guardrails.yaml has it, and see \
     `aws cloudformation detect-stack-drift`";

fn ask<'a>(topic: &'a Topic, account: &'a str, source: &'a str) -> Ask<'a> {
    Ask { service: topic.service, action: "SNS:Publish", resource: &topic.arn, account, source }
}

fn judge_policy(sheet: &mut Sheet, checked: &str, topic: &Topic, policy: &str) {
    let service = topic.service;
    let remedy = format!(
        "let it publish again, as infra/guardrails.yaml says, whose other statements keep the topic closed to others: aws sns set-topic-attributes --topic-arn {} --attribute-name Policy \
         --attribute-value '{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\"{service}\"}},\
         \"Action\":\"sns:Publish\",\"Resource\":\"{}\",\"Condition\":{{\"StringEquals\":{{\"aws:SourceAccount\":\"{}\"}}}}}}]}}'",
        topic.arn, topic.arn, topic.account
    );
    match answer(policy, &ask(topic, &topic.account, &topic.source)) {
        Ok(Answer::Allowed) => sheet.well(format!("{checked} lets {service} publish")),
        Ok(Answer::NotAllowed) => sheet.failure(checked, format!("it does not let {service} publish"), topic.lost, remedy),
        Ok(Answer::Denied(statement)) => {
            sheet.failure(checked, format!("{statement} forbids {service} to publish"), topic.lost, remedy);
        }
        Ok(Answer::Unsure(statement)) => sheet.could_not_check(
            checked,
            format!("whether {service} may publish hangs on a condition of {statement} that cannot be judged from here"),
            topic.lost,
            "see that the condition holds for it, or take it out",
        ),
        Err(why) => sheet.failure(checked, why, topic.lost, remedy),
    }
    // Emulators give the account of all zeros: that is no stranger there.
    let stranger = if topic.account == "000000000000" { "111111111111" } else { "000000000000" };
    let of_stranger = topic.source.replace(&topic.account, stranger);
    if answer(policy, &ask(topic, stranger, &of_stranger)) == Ok(Answer::Allowed) {
        sheet.warning(
            checked,
            format!("it lets {service} publish for any account"),
            "what another AWS customer set up could be sent here",
            format!(
                "add to its statement: \"Condition\": {{\"StringEquals\": {{\"aws:SourceAccount\": \"{}\"}}}}",
                topic.account
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::commands::doctor::finding::{Severity, Unread};

    fn topic(policy: Read<Option<String>>) -> Topic {
        Topic {
            name: "alert topic",
            arn: "arn:aws:sns:us-east-1:123456789012:alerts".to_owned(),
            lost: "no alert arrives",
            service: "budgets.amazonaws.com",
            account: "123456789012".to_owned(),
            source: "arn:aws:budgets::123456789012:budget/any".to_owned(),
            policy,
            key: None,
        }
    }

    fn statement(effect: &str, condition: &Json) -> Json {
        json!({"Effect": effect, "Principal": {"Service": "budgets.amazonaws.com"}, "Action": "sns:Publish",
            "Resource": "arn:aws:sns:us-east-1:123456789012:alerts", "Condition": condition})
    }

    #[test]
    fn account_of_an_emulator_is_no_stranger_to_itself() {
        let ours = json!({"StringEquals": {"aws:SourceAccount": "000000000000"}});
        let of = |condition: &Json| {
            let policy =
                json!({"Statement": [statement("Allow", condition)]}).to_string().replace("123456789012", "000000000000");
            let mut topic = topic(Ok(Some(policy)));
            for text in [&mut topic.arn, &mut topic.account, &mut topic.source] {
                *text = text.replace("123456789012", "000000000000");
            }
            judge(&[topic]).findings
        };
        assert!(of(&ours).is_empty(), "{:?}", of(&ours));
        assert!(of(&json!(null))[0].found.contains("any account"), "open to all is still found there");
    }

    #[test]
    fn topic_is_well_only_if_open_to_service_for_this_account_alone() {
        let ours = json!({"StringEquals": {"aws:SourceAccount": "123456789012"}});
        let policy = |statements: &Json| Ok(Some(json!({"Statement": statements}).to_string()));
        let table = [
            (policy(&json!([statement("Allow", &ours)])), None),
            (policy(&json!([statement("Allow", &json!(null))])), Some((Severity::Warning, "any account"))),
            (policy(&json!([statement("Allow", &ours), statement("Deny", &json!(null))])), Some((Severity::Failure, "forbids"))),
            (
                policy(&json!([statement("Allow", &json!({"StringEquals": {"aws:SourceAccount": "1"}}))])),
                Some((Severity::Failure, "does not let")),
            ),
            (
                policy(&json!([statement("Allow", &json!({"StringEquals": {"aws:SourceOrgID": "o-1"}}))])),
                Some((Severity::CouldNotCheck, "hangs on")),
            ),
            (Ok(Some(String::new())), Some((Severity::Failure, "not JSON"))),
            (Ok(None), Some((Severity::Failure, "there is no topic"))),
            (Err(Unread::new("sns:GetTopicAttributes", "AuthorizationError: no")), Some((Severity::CouldNotCheck, "no"))),
        ];
        for (policy, expected) in table {
            let sheet = judge(&[topic(policy)]);
            let found = sheet.findings.first().map(|finding| (finding.severity, finding.found.as_str()));
            match (found, expected) {
                (None, None) => assert!(sheet.well[0].contains("lets budgets.amazonaws.com publish"), "{sheet:?}"),
                (Some((severity, found)), Some((expected, words))) => {
                    assert_eq!(severity, expected, "{sheet:?}");
                    assert!(found.contains(words), "{sheet:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
