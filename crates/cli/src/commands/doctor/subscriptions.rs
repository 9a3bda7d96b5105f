//! The subscriptions: the master function's to alerts, and people's to notifications.

use aws_config::SdkConfig;

use super::finding::{Read, Sheet, Unread, found};
use super::policy::{Answer, Ask, answer};
use super::site::Site;

/// The subscriptions, as they were seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) alerts: Read<Vec<Subscription>>,
    pub(super) people: Read<Vec<Subscription>>,
    pub(super) alert_topic: String,
    pub(super) notify_topic: String,
    /// The master function's ARN.
    pub(super) master: String,
    pub(super) dead_letters: String,
    pub(super) account: String,
    /// The master function's resource policy; none when it has none.
    pub(super) policy: Read<Option<String>>,
}

/// A subscription of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// Such as `email` or `lambda`.
    pub(super) protocol: String,
    pub(super) endpoint: String,
    pub(super) arn: String,
    pub(super) settings: Read<Settings>,
}

/// How a subscription is set.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Nobody has answered the mail that asks for it.
    pub(super) pending: bool,
    /// The destination of messages that cannot be delivered: an ARN.
    pub(super) redrive: Option<String>,
    /// It takes only some messages.
    pub(super) filter: Option<String>,
}

pub(super) async fn look(site: &Site) -> Seen {
    let master = site.name("MasterFunction");
    let lambda = aws_sdk_lambda::Client::new(site.sdk());
    let policy =
        found(lambda.get_policy().function_name(master).send().await, &["ResourceNotFoundException"], "lambda:GetPolicy");
    Seen {
        alerts: list(site.sdk(), site.name("AlertTopic")).await,
        people: list(site.sdk(), site.name("NotifyTopic")).await,
        alert_topic: site.name("AlertTopic").to_owned(),
        notify_topic: site.name("NotifyTopic").to_owned(),
        master: site.function_arn(master),
        dead_letters: site.queue_arn(site.name("DeadLetters")),
        account: site.account().to_owned(),
        policy: policy.map(|found| found.and_then(|found| found.policy)),
    }
}

/// The subscriptions of `topic`.
pub(super) async fn list(sdk: &SdkConfig, topic: &str) -> Read<Vec<Subscription>> {
    let client = aws_sdk_sns::Client::new(sdk);
    let mut pages = client.list_subscriptions_by_topic().topic_arn(topic).into_paginator().send();
    let mut subscriptions = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(Unread::of("sns:ListSubscriptionsByTopic"))?;
        for one in page.subscriptions.unwrap_or_default() {
            let arn = one.subscription_arn.unwrap_or_default();
            subscriptions.push(Subscription {
                protocol: one.protocol.unwrap_or_default(),
                endpoint: one.endpoint.unwrap_or_default(),
                settings: settings(&client, &arn).await,
                arn,
            });
        }
    }
    Ok(subscriptions)
}

async fn settings(client: &aws_sdk_sns::Client, arn: &str) -> Read<Settings> {
    // SNS gives these words instead of an ARN until somebody confirms it.
    if !arn.starts_with("arn:") {
        return Ok(Settings { pending: true, ..Settings::default() });
    }
    let answer = client.get_subscription_attributes().subscription_arn(arn).send().await;
    let attributes = answer.map_err(Unread::of("sns:GetSubscriptionAttributes"))?.attributes.unwrap_or_default();
    let redrive: Option<serde_json::Value> = attributes.get("RedrivePolicy").and_then(|text| serde_json::from_str(text).ok());
    Ok(Settings {
        pending: attributes.get("PendingConfirmation").is_some_and(|pending| pending == "true"),
        redrive: redrive.and_then(|policy| policy["deadLetterTargetArn"].as_str().map(str::to_owned)),
        filter: attributes.get("FilterPolicy").filter(|text| !matches!(text.as_str(), "" | "{}")).cloned(),
    })
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("subscriptions");
    judge_master(&mut sheet, seen);
    judge_permission(&mut sheet, seen);
    judge_people(&mut sheet, &seen.notify_topic, &seen.people);
    sheet
}

fn judge_master(sheet: &mut Sheet, seen: &Seen) {
    let checked = "alert topic: the master function's subscription";
    let Some(subscriptions) = sheet.read(checked, &seen.alerts) else { return };
    let master = subscriptions.iter().find(|one| one.protocol == "lambda" && one.endpoint == seen.master);
    let Some(master) = master else {
        return sheet.failure(
            checked,
            "the master function is not subscribed",
            "alerts reach nobody, so nothing is enforced",
            format!(
                "aws sns subscribe --topic-arn {} --protocol lambda --notification-endpoint {} --attributes \
                 '{{\"RedrivePolicy\":\"{{\\\"deadLetterTargetArn\\\":\\\"{}\\\"}}\"}}'",
                seen.alert_topic, seen.master, seen.dead_letters
            ),
        );
    };
    let Some(settings) = sheet.read(checked, &master.settings) else { return };
    let set = |name: &str, value: &str| {
        format!(
            "aws sns set-subscription-attributes --subscription-arn {} --attribute-name {name} --attribute-value '{value}'",
            master.arn
        )
    };
    let mut is_well = true;
    if settings.pending {
        is_well = false;
        sheet.failure(
            checked,
            "it is not confirmed",
            "alerts reach nobody, so nothing is enforced",
            "delete it and subscribe again",
        );
    }
    if settings.redrive.as_ref() != Some(&seen.dead_letters) {
        is_well = false;
        let found = settings
            .redrive
            .as_ref()
            .map_or("it has no redrive policy".to_owned(), |arn| format!("its redrive policy goes to {arn}"));
        let policy = format!("{{\"deadLetterTargetArn\": \"{}\"}}", seen.dead_letters);
        let means = "an alert that cannot be delivered is lost, and no alarm says so";
        sheet.failure(checked, found, means, set("RedrivePolicy", &policy));
    }
    if let Some(filter) = &settings.filter {
        is_well = false;
        let means = "alerts that the filter does not pass are dropped";
        sheet.failure(checked, format!("it has a filter policy: {filter}"), means, set("FilterPolicy", "{}"));
    }
    if is_well {
        sheet.well(checked);
    }
}

fn judge_permission(sheet: &mut Sheet, seen: &Seen) {
    let checked = "master function: the topic may call it";
    let Some(policy) = sheet.read(checked, &seen.policy) else { return };
    let ask = Ask {
        service: "sns.amazonaws.com",
        action: "lambda:InvokeFunction",
        resource: &seen.master,
        account: &seen.account,
        source: &seen.alert_topic,
    };
    let said = policy.as_ref().map_or(Ok(Answer::NotAllowed), |policy| answer(policy, &ask));
    let found = match said {
        Ok(Answer::Allowed) => return sheet.well(checked),
        Ok(Answer::Unsure(statement)) => {
            let found = format!("it hangs on a condition of {statement} in the function's policy");
            return sheet.could_not_check(checked, found, "alerts may be lost", "see that the condition holds for the topic");
        }
        Ok(Answer::NotAllowed) => "no statement of the function's policy lets the topic call it".to_owned(),
        Ok(Answer::Denied(statement)) => format!("{statement} in the function's policy forbids it"),
        Err(why) => why,
    };
    let remedy = format!(
        "aws lambda add-permission --function-name {} --statement-id alerts --action lambda:InvokeFunction --principal \
         sns.amazonaws.com --source-arn {}",
        seen.master, seen.alert_topic
    );
    sheet.failure(checked, found, "alerts are not delivered, so nothing is enforced", remedy);
}

/// Is anybody told?
pub(super) fn judge_people(sheet: &mut Sheet, topic: &str, people: &Read<Vec<Subscription>>) {
    let checked = "notify topic: somebody is told";
    let nobody = "runs, failures and alarms reach nobody";
    let subscribe = format!(
        "guardrails deploy --notify-email YOU@EXAMPLE.COM, or aws sns subscribe --topic-arn {topic} --protocol email \
         --notification-endpoint YOU@EXAMPLE.COM; then open the link in the mail"
    );
    let Some(subscriptions) = sheet.read(checked, people) else { return };
    let (persons, machines): (Vec<_>, Vec<_>) = subscriptions.iter().partition(|one| reaches_a_person(one));
    let pending = |one: &&Subscription| one.settings.as_ref().is_ok_and(|settings| settings.pending);
    let (pending, confirmed): (Vec<&Subscription>, Vec<&Subscription>) = persons.into_iter().partition(pending);
    let names = |those: &[&Subscription]| {
        those.iter().map(|one| format!("{} {}", one.protocol, one.endpoint)).collect::<Vec<_>>().join(", ")
    };
    match (confirmed.is_empty(), pending.is_empty()) {
        (true, true) if machines.is_empty() => sheet.failure(checked, "nobody is subscribed", nobody, subscribe),
        (true, true) if machines.iter().any(|one| is_chat(one)) => {
            let found = format!("only a chat application and programs are subscribed: {}", names(&machines));
            let means = "it shows alarms, and drops the messages of runs and questions: they are plain text";
            sheet.failure(checked, found, means, subscribe);
        }
        (true, true) => {
            let found = format!("only programs are subscribed: {}", names(&machines));
            sheet.failure(checked, found, "whether a person is told hangs on them", subscribe);
        }
        (true, false) => {
            let remedy =
                format!("open the link in the mail; for a new one: aws sns subscribe --topic-arn {topic} --protocol ...");
            sheet.failure(checked, format!("nobody has confirmed: {}", names(&pending)), nobody, remedy);
        }
        (false, _) => {
            sheet.well(format!("{checked}: {}", names(&confirmed)));
            if !pending.is_empty() {
                let remedy = "open the link in the mail, or delete the subscription";
                sheet.warning(checked, format!("not confirmed yet: {}", names(&pending)), "these are not told", remedy);
            }
        }
    }
    for one in &confirmed {
        if let Ok(Settings { filter: Some(filter), .. }) = &one.settings {
            let remedy = format!(
                "aws sns set-subscription-attributes --subscription-arn {} --attribute-name FilterPolicy --attribute-value '{{}}'",
                one.arn
            );
            let found = format!("{} {} has a filter policy: {filter}", one.protocol, one.endpoint);
            sheet.warning(checked, found, "it may not be told of everything", remedy);
        }
    }
}

/// A web hook counts: pagers are reached so.
fn reaches_a_person(one: &Subscription) -> bool {
    matches!(one.protocol.as_str(), "email" | "email-json" | "sms" | "http" | "https" | "application") && !is_chat(one)
}

/// Amazon Q Developer in chat applications, once AWS Chatbot: it shows events of AWS's services and messages of a schema of its own, and
/// drops every other.
fn is_chat(one: &Subscription) -> bool {
    let host = one.endpoint.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    host.ends_with(".chatbot.amazonaws.com")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    const MASTER: &str = "arn:aws:lambda:us-east-1:123456789012:function:g-master";
    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:dead";

    fn subscription(protocol: &str, endpoint: &str, settings: Settings) -> Subscription {
        Subscription {
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            arn: "arn:s".to_owned(),
            settings: Ok(settings),
        }
    }

    fn well() -> Seen {
        let redrive = Settings { redrive: Some(QUEUE.to_owned()), ..Settings::default() };
        let policy = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": MASTER, "Condition": {"ArnLike": {"AWS:SourceArn": TOPIC}}}]});
        Seen {
            alerts: Ok(vec![subscription("lambda", MASTER, redrive)]),
            people: Ok(vec![subscription("email", "a@example.com", Settings::default())]),
            alert_topic: TOPIC.to_owned(),
            notify_topic: "arn:aws:sns:us-east-1:123456789012:notify".to_owned(),
            master: MASTER.to_owned(),
            dead_letters: QUEUE.to_owned(),
            account: "123456789012".to_owned(),
            policy: Ok(Some(policy.to_string())),
        }
    }

    /// The only finding.
    fn only(seen: &Seen) -> (Severity, String) {
        let findings = judge(seen).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(!findings[0].remedy.is_empty());
        (findings[0].severity, findings[0].found.clone())
    }

    #[test]
    fn all_is_well_when_the_master_function_and_a_person_hear() {
        let sheet = judge(&well());
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(sheet.well.len(), 3);
    }

    #[test]
    fn the_master_function_must_be_subscribed_whole_and_be_called() {
        let with = |settings: Settings| Seen { alerts: Ok(vec![subscription("lambda", MASTER, settings)]), ..well() };
        let redrive = Some(QUEUE.to_owned());
        let table = [
            (Seen { alerts: Ok(Vec::new()), ..well() }, "not subscribed"),
            (Seen { alerts: Ok(vec![subscription("lambda", "arn:other", Settings::default())]), ..well() }, "not subscribed"),
            (with(Settings::default()), "no redrive policy"),
            (with(Settings { redrive: Some("arn:other".to_owned()), ..Settings::default() }), "goes to arn:other"),
            (
                with(Settings { redrive: redrive.clone(), filter: Some("{\"a\":[1]}".to_owned()), ..Settings::default() }),
                "filter policy",
            ),
            (with(Settings { redrive, pending: true, ..Settings::default() }), "not confirmed"),
            (Seen { policy: Ok(None), ..well() }, "no statement"),
            (Seen { alert_topic: "arn:other".to_owned(), ..well() }, "no statement"),
        ];
        for (seen, words) in table {
            let (severity, found) = only(&seen);
            assert_eq!(severity, Severity::Failure, "{found}");
            assert!(found.contains(words), "{found} / {words}");
        }
    }

    #[test]
    fn only_a_person_who_confirmed_counts() {
        let pending = || Settings { pending: true, ..Settings::default() };
        let email = |settings| subscription("email", "a@example.com", settings);
        let chat = || subscription("https", "https://global.sns-api.chatbot.amazonaws.com", Settings::default());
        let table = [
            (vec![], Severity::Failure, "nobody is subscribed"),
            (vec![email(pending())], Severity::Failure, "nobody has confirmed"),
            (vec![subscription("sqs", "arn:queue", Settings::default())], Severity::Failure, "only programs"),
            (vec![chat()], Severity::Failure, "only a chat application"),
            (vec![chat(), email(pending())], Severity::Failure, "nobody has confirmed: email"),
            (
                vec![subscription("https", "https://pager", Settings::default()), email(pending())],
                Severity::Warning,
                "not confirmed yet",
            ),
        ];
        for (people, expected, words) in table {
            let (severity, found) = only(&Seen { people: Ok(people), ..well() });
            assert_eq!(severity, expected);
            assert!(found.contains(words), "{found} / {words}");
        }
    }

    #[test]
    fn unread_subscriptions_are_not_well() {
        let no = |needs| Err(Unread::new(needs, "AccessDenied: no"));
        let seen = Seen { policy: Err(Unread::new("lambda:GetPolicy", "AccessDenied: no")), ..well() };
        assert_eq!(only(&seen).0, Severity::CouldNotCheck);
        let seen = Seen { alerts: no("sns:ListSubscriptionsByTopic"), ..well() };
        assert_eq!(only(&seen).0, Severity::CouldNotCheck);
    }
}
