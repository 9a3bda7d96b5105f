//! The alarms: there, able to tell, and which of them sound now.

use std::collections::BTreeMap;

use super::finding::{Read, Sheet, Unread};
use super::site::Site;
use super::topics::REMAKE;

/// Names of one call.
const MOST: usize = 100;

/// The stack's alarms, as they were seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// Their names in the template and in AWS.
    pub(super) expected: BTreeMap<String, String>,
    /// Those that are there, by their names in AWS.
    pub(super) present: Read<BTreeMap<String, Alarm>>,
    pub(super) notify_topic: String,
}

/// An alarm.
#[derive(Debug, Clone, Default)]
pub(super) struct Alarm {
    pub(super) description: String,
    pub(super) enabled: bool,
    pub(super) actions: Vec<String>,
    /// Why it sounds, if it does.
    pub(super) sounds: Option<String>,
}

pub(super) async fn look(site: &Site) -> Seen {
    let alarms = site.all("AWS::CloudWatch::Alarm").into_iter();
    let expected: BTreeMap<String, String> = alarms.map(|one| (one.logical.clone(), one.physical.clone())).collect();
    let names: Vec<String> = expected.values().cloned().collect();
    Seen { present: present(site, &names).await, expected, notify_topic: site.name("NotifyTopic").to_owned() }
}

async fn present(site: &Site, names: &[String]) -> Read<BTreeMap<String, Alarm>> {
    let client = aws_sdk_cloudwatch::Client::new(site.sdk());
    let mut present = BTreeMap::new();
    for names in names.chunks(MOST) {
        let call = client.describe_alarms().set_alarm_names(Some(names.to_vec())).max_records(100);
        let answer = call.send().await.map_err(Unread::of("cloudwatch:DescribeAlarms"))?;
        for alarm in answer.metric_alarms() {
            let sounds = alarm.state_value() == Some(&aws_sdk_cloudwatch::types::StateValue::Alarm);
            let seen = Alarm {
                description: alarm.alarm_description().unwrap_or_default().to_owned(),
                enabled: alarm.actions_enabled().unwrap_or(true),
                actions: alarm.alarm_actions().to_vec(),
                sounds: sounds.then(|| alarm.state_reason().unwrap_or("no reason given").to_owned()),
            };
            present.insert(alarm.alarm_name().unwrap_or_default().to_owned(), seen);
        }
    }
    Ok(present)
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("alarms");
    let Some(present) = sheet.read("alarms", &seen.present) else { return sheet };
    let silent = "what it watches for reaches nobody";
    for (logical, name) in &seen.expected {
        let checked = format!("alarm {logical}");
        let Some(alarm) = present.get(name) else {
            sheet.failure(&checked, format!("there is no alarm {name}"), silent, REMAKE);
            continue;
        };
        let mut tells = true;
        if !alarm.enabled {
            tells = false;
            let remedy = format!("aws cloudwatch enable-alarm-actions --alarm-names {name}");
            sheet.failure(&checked, "its actions are disabled", silent, remedy);
        }
        if !alarm.actions.contains(&seen.notify_topic) {
            tells = false;
            sheet.failure(&checked, "it does not go to the notify topic", silent, REMAKE);
        }
        match &alarm.sounds {
            Some(why) => {
                let remedy = format!("aws cloudwatch describe-alarm-history --alarm-name {name}; see what else doctor found");
                sheet.failure(&checked, format!("it sounds now: {why}"), &alarm.description, remedy);
            }
            None if tells => sheet.well(format!("{checked} is quiet, and would tell")),
            None => {}
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Severity;

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:notify";

    fn alarm() -> Alarm {
        Alarm { description: "A run failed.".to_owned(), enabled: true, actions: vec![TOPIC.to_owned()], sounds: None }
    }

    fn seen(present: Read<BTreeMap<String, Alarm>>) -> Seen {
        Seen { expected: [("RunFailedAlarm".to_owned(), "g-run".to_owned())].into(), present, notify_topic: TOPIC.to_owned() }
    }

    #[test]
    fn an_alarm_that_is_quiet_and_would_tell_is_well() {
        let sheet = judge(&seen(Ok([("g-run".to_owned(), alarm())].into())));
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(sheet.well.len(), 1);
    }

    #[test]
    fn an_alarm_that_cannot_tell_or_sounds_is_found() {
        let one = |alarm: Alarm| Ok([("g-run".to_owned(), alarm)].into());
        let table = [
            (Ok(BTreeMap::new()), Severity::Failure, "no alarm g-run"),
            (one(Alarm { enabled: false, ..alarm() }), Severity::Failure, "disabled"),
            (one(Alarm { actions: vec!["arn:other".to_owned()], ..alarm() }), Severity::Failure, "does not go"),
            (one(Alarm { sounds: Some("1 datapoint".to_owned()), ..alarm() }), Severity::Failure, "sounds now: 1 datapoint"),
            (Err(Unread::new("cloudwatch:DescribeAlarms", "AccessDenied: no")), Severity::CouldNotCheck, "no"),
        ];
        for (present, severity, words) in table {
            let sheet = judge(&seen(present));
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert!(sheet.well.is_empty(), "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
        }
    }
}
