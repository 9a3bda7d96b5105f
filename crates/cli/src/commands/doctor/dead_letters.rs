//! The dead letters: alerts that nobody dealt with. An alert is sent once a period, so each is a period without protection.

use aws_sdk_sqs::types::QueueAttributeName;

use super::finding::{Read, Sheet, found};
use super::keys::{self, Key};
use super::policy::{Answer, Ask, answer};
use super::site::Site;
use super::topics::REMAKE;
use crate::output;

/// A queue, as it was seen.
#[derive(Debug)]
pub(super) struct Queue {
    /// Its name in the template.
    pub(super) logical: String,
    pub(super) url: String,
    pub(super) arn: String,
    /// None when there is no such queue.
    pub(super) facts: Read<Option<Facts>>,
    pub(super) key: Option<Key>,
    /// The topic whose undeliverable alerts come here, if it is for one.
    pub(super) topic: Option<String>,
    pub(super) account: String,
}

/// The facts that SQS has of a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Messages in it, whether or not somebody looks at them now.
    pub(super) messages: u64,
    pub(super) policy: String,
}

pub(super) async fn look(site: &Site) -> Vec<Queue> {
    let client = aws_sdk_sqs::Client::new(site.sdk());
    let mut queues = Vec::new();
    for resource in site.all("AWS::SQS::Queue") {
        let call = client.get_queue_attributes().queue_url(&resource.physical).attribute_names(QueueAttributeName::All);
        let absent = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];
        let attributes = found(call.send().await, &absent, "sqs:GetQueueAttributes");
        let attributes = attributes.map(|found| found.map(|found| found.attributes.unwrap_or_default()));
        let key = attributes.as_ref().ok().and_then(|found| found.as_ref()?.get(&QueueAttributeName::KmsMasterKeyId).cloned());
        let facts = attributes.map(|found| {
            found.map(|found| {
                let number = |name| found.get(&name).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
                let messages = number(QueueAttributeName::ApproximateNumberOfMessages)
                    + number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
                    + number(QueueAttributeName::ApproximateNumberOfMessagesDelayed);
                Facts { messages, policy: found.get(&QueueAttributeName::Policy).cloned().unwrap_or_default() }
            })
        });
        queues.push(Queue {
            logical: resource.logical.clone(),
            url: resource.physical.clone(),
            arn: site.queue_arn(&resource.physical),
            facts,
            key: keys::look(site.sdk(), key).await,
            topic: (resource.logical == "DeadLetters").then(|| site.name("AlertTopic").to_owned()),
            account: site.account().to_owned(),
        });
    }
    queues
}

pub(super) fn judge(queues: &[Queue]) -> Sheet {
    let mut sheet = Sheet::new("dead letters");
    for queue in queues {
        let checked = format!("queue {}", queue.logical);
        match sheet.read(&checked, &queue.facts) {
            None => {}
            Some(None) => sheet.failure(&checked, "there is no such queue", "what cannot be dealt with is lost", REMAKE),
            Some(Some(facts)) => judge_queue(&mut sheet, &checked, queue, facts),
        }
    }
    sheet
}

fn judge_queue(sheet: &mut Sheet, checked: &str, queue: &Queue, facts: &Facts) {
    if facts.messages == 0 {
        sheet.well(format!("{checked} is empty"));
    } else {
        let (url, topic) = (&queue.url, queue.topic.as_deref().unwrap_or("TOPIC"));
        let remedy = format!(
            "look at them: aws sqs receive-message --queue-url {url} --max-number-of-messages 10 --visibility-timeout 30 > letters.json; how \
             one is read: jq -r '.Messages[0].Body' letters.json | guardrails explain; what to do now: guardrails plan, and see guardrails \
             status. To have an alert dealt with again: aws sns publish --topic-arn {topic} --message file://ALERT.txt. What is settled: aws \
             sqs delete-message --queue-url {url} --receipt-handle ..., or all of it: aws sqs purge-queue --queue-url {url}"
        );
        let found = output::count(usize::try_from(facts.messages).unwrap_or(usize::MAX), "message");
        sheet.failure(
            checked,
            found,
            "alerts were not dealt with, after all retries; AWS Budgets does not send them again",
            remedy,
        );
    }
    let Some(topic) = &queue.topic else { return };
    let service = "sns.amazonaws.com";
    let ask = Ask { service, action: "SQS:SendMessage", resource: &queue.arn, account: &queue.account, source: topic };
    let checked = format!("{checked}: the alert topic may send to it");
    let lost = "an alert that cannot be delivered is lost, and no alarm says so";
    let said = if facts.policy.is_empty() { Ok(Answer::NotAllowed) } else { answer(&facts.policy, &ask) };
    let found = match said {
        Ok(Answer::Allowed) => {
            sheet.well(&checked);
            return keys::judge(sheet, &format!("queue {}: its encryption", queue.logical), queue.key.as_ref(), &ask);
        }
        Ok(Answer::Unsure(statement)) => {
            let found = format!("it hangs on a condition of {statement} in the queue's policy");
            return sheet.could_not_check(&checked, found, lost, "see that the condition holds for the topic");
        }
        Ok(Answer::NotAllowed) => "no statement of the queue's policy lets it".to_owned(),
        Ok(Answer::Denied(statement)) => format!("{statement} in the queue's policy forbids it"),
        Err(why) => why,
    };
    let remedy = format!(
        "aws sqs set-queue-attributes --queue-url {}, Policy: {{\"Statement\": [{{\"Effect\": \"Allow\", \"Principal\": {{\"Service\": \
         \"{service}\"}}, \"Action\": \"sqs:SendMessage\", \"Resource\": \"{}\", \"Condition\": {{\"ArnEquals\": {{\"aws:SourceArn\": \
         \"{topic}\"}}}}}}]}}",
        queue.url, queue.arn
    );
    sheet.failure(&checked, found, lost, remedy);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::{Severity, Unread};

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
    const ARN: &str = "arn:aws:sqs:us-east-1:123456789012:dead";

    fn queue(facts: Read<Option<Facts>>) -> Queue {
        Queue {
            logical: "DeadLetters".to_owned(),
            url: "https://sqs/dead".to_owned(),
            arn: ARN.to_owned(),
            facts,
            key: None,
            topic: Some(TOPIC.to_owned()),
            account: "123456789012".to_owned(),
        }
    }

    fn policy() -> String {
        json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": ARN, "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}}}]})
        .to_string()
    }

    #[test]
    fn an_empty_queue_that_the_topic_may_send_to_is_well() {
        let sheet = judge(&[queue(Ok(Some(Facts { messages: 0, policy: policy() })))]);
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(sheet.well.len(), 3);
    }

    #[test]
    fn a_letter_in_it_or_none_that_could_come_is_found() {
        let unread = Unread::new("sqs:GetQueueAttributes", "AccessDenied: no");
        let table = [
            (Ok(Some(Facts { messages: 2, policy: policy() })), Severity::Failure, "2 messages", "guardrails explain"),
            (Ok(Some(Facts { messages: 0, policy: String::new() })), Severity::Failure, "no statement", "aws:SourceArn"),
            (Ok(None), Severity::Failure, "no such queue", "guardrails deploy"),
            (Err(unread), Severity::CouldNotCheck, "no", "sqs:GetQueueAttributes"),
        ];
        for (facts, severity, words, remedy) in table {
            let sheet = judge(&[queue(facts)]);
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words) && sheet.findings[0].remedy.contains(remedy), "{sheet:?}");
        }
    }
}
