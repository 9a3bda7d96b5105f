//! The history: the actor and the time of each event, the values before and after, and AWS's requests; and it only ever grows.

use std::collections::BTreeSet;
use std::sync::Arc;

use guardrails_model::ids::{FacetId, Nonce, RunId, Value};
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Ledger, sortable};
use guardrails_model::phase::Phase;
use guardrails_model::receipt::Call;
use guardrails_model::record::{AlertRecord, FORMAT, Log, RunEvent, StepEvent};
use guardrails_model::report::history::{self, Entry};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::story::{Story, running};
use crate::world::{Group, Kind};

/// The calls of a step, as `operation error`, and the forms that they were asked with.
async fn calls(story: &Story, run: &RunId, label: &str) -> Vec<(String, String)> {
    let step = story.steps(run).await.into_iter().find(|step| step.label == label).expect("a step");
    let calls = step.events.iter().flat_map(|event| event.calls.clone());
    let told = calls.map(|call| {
        let form = call.request_id.as_ref().map(|id| story.world.request(id)).unwrap_or_default();
        (format!("{} {}", call.operation, call.error.unwrap_or_default()).trim().to_owned(), form)
    });
    told.collect()
}

#[tokio::test]
async fn each_step_names_the_request_that_decided_it() {
    let story = Story::of(|account| {
        for number in 10..75 {
            account.instance(running(&format!("i-{number}")));
        }
        account.instance(running("i-42").protected());
    });
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    let mut stops = BTreeSet::new();
    for number in 10..75 {
        let id = format!("i-{number}");
        let calls = calls(&story, &run, &id).await;
        assert!(
            calls.iter().all(|(_, form)| form.contains(&format!("={id}&")) || form.ends_with(&format!("={id}"))),
            "{calls:?}"
        );
        let told: Vec<&str> = calls.iter().map(|(told, _)| told.as_str()).collect();
        if number == 42 {
            assert_eq!(told, ["ec2:StopInstances OperationNotPermitted"], "the call for it alone");
            assert!(!calls[0].1.contains("InstanceId.2"), "{calls:?}");
        } else {
            assert_eq!(told, ["ec2:StopInstances", "ec2:StartInstances"], "{id}");
            stops.insert(calls[0].1.clone());
        }
    }
    assert!(stops.len() > 2 && stops.len() < 16, "those that were stopped together share a request: {}", stops.len());
}

#[tokio::test]
async fn group_processes_name_requests_and_members_called_healthy() {
    let story = Story::of(|account| {
        account.fleet(Group::new("fleet", 0, 1, 1).tag("Project=Beta"));
        account.instance(running("i-1").in_group("fleet"));
    });
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(story.state(&run).await, "rolled back");
    let steps = story.steps(&run).await;
    let of_group: Vec<_> = steps.iter().filter(|step| step.facet.parts().0 == "group-process").collect();
    assert_eq!(of_group.len(), 8);
    for step in of_group {
        let told: Vec<String> = calls(&story, &run, &step.label).await.into_iter().map(|(told, _)| told).collect();
        assert_eq!(told.first().map(String::as_str), Some("autoscaling:SuspendProcesses"), "{}", step.facet);
        assert_eq!(told.last().map(String::as_str), Some("autoscaling:ResumeProcesses"), "{}", step.facet);
    }
}

#[tokio::test]
async fn values_before_and_after_are_recorded_and_lost_answers_said() {
    let story = Story::of(|account| {
        account.instance(running("i-1"));
    });
    let run = story.open_beta("beta 80%", json!({})).await;
    story.harness.gate.arm_for("StopInstances", Kind::LostAnswer);
    story.apply(&run).await;
    story.put_back(&run).await;
    let step = story.steps(&run).await.remove(0);
    let shown: Vec<String> = step
        .events
        .iter()
        .map(|event| {
            let value = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
            let calls: Vec<String> =
                event.calls.iter().map(|call| call.error.clone().unwrap_or_else(|| "ok".to_owned())).collect();
            format!("{}: {} {} {}", event.phase, value(&event.before), value(&event.after), calls.join(" ")).trim_end().to_owned()
        })
        .collect();
    let expected = [
        "planned: - -",
        "applying: running -",
        "applying: - - no answer",
        "applied: running stopped",
        "rolling back: stopped -",
        "rolling back: - - ok",
        "rolled back: stopped running",
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
#[should_panic(expected = "events were changed")]
async fn an_event_that_was_written_is_never_changed() {
    let story = Story::of(|account| {
        account.instance(running("i-1"));
    });
    let run = story.stop_beta("beta 80%").await;
    let mut record = story.harness.ledger.run(&run).await.unwrap().unwrap();
    record.value.events = Log::default();
    let _ = story.harness.ledger.save_run(record, None).await;
}

#[test]
fn step_tried_for_months_stays_small_and_loses_no_time() {
    let begun: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let mut log: Log<StepEvent> = StepEvent::new(begun, "test", Phase::Planned, None).into();
    let all = 50_000;
    for number in 0..all {
        let at = begun + SignedDuration::from_secs(60 * number);
        // Any words of AWS, and of any length: sometimes the same but for an id, sometimes never the same.
        let why = match number % 3 {
            0 => format!("InsufficientInstanceCapacity: request {number}"),
            1 => format!("word{} {}", "x".repeat(usize::try_from(number % 900).unwrap()), "é".repeat(3000)),
            _ => "IncorrectInstanceState".to_owned(),
        };
        let phase = if number % 2 == 0 { Phase::Applying } else { Phase::ApplyFailed };
        let mut event =
            StepEvent::new(at, "budget-guardrails-stop-instances 8f6d1e0a-7a51-4c0e-9d5e-0123456789ab", phase, Some(why));
        event.calls = (0..10)
            .map(|call| Call::new(format!("ec2:StartInstances{call}"), Some("8f6d1e0a-7a51-4c0e-9d5e-0123456789ab".into()), None))
            .collect();
        let before = if number % 500 == 0 { Some(log.clone()) } else { None };
        log.append(event);
        assert!(before.is_none_or(|before| log.extends(&before)));
    }
    let size = serde_json::to_string(&log).unwrap().len();
    assert!(size < 390 * 1024, "{size} bytes");
    let counted: u32 = log.iter().map(|event| 1 + event.repeats.as_ref().map_or(0, |repeats| repeats.times)).sum();
    assert_eq!(i64::from(counted), all + 1);
    assert_eq!(log.latest().unwrap().repeats.as_ref().unwrap().until, begun + SignedDuration::from_secs(60 * (all - 1)));
}

#[test]
fn repeated_deeds_of_a_person_are_never_counted_as_anothers() {
    let by = |who: &str| RunEvent {
        at: Timestamp::UNIX_EPOCH,
        by: who.to_owned(),
        what: "rollback asked for: x".to_owned(),
        repeats: None,
    };
    let mut log = Log::from(by("arn:aws:iam::123456789012:user/ann"));
    (0..200).for_each(|_| log.append(by("arn:aws:iam::123456789012:user/ann")));
    log.append(by("arn:aws:iam::123456789012:user/bob"));
    assert!(log.len() < 60 && log.iter().any(|event| event.by.ends_with("/bob")));
}

#[tokio::test]
async fn export_entry_has_exactly_the_fields_of_its_schema() {
    let story = Story::of(|account| {
        account.instance(running("i-1"));
    });
    let run = story.stop_beta("beta 80%").await;
    let run = story.load(&run).await;
    let alert =
        AlertRecord { format: FORMAT, at: Timestamp::UNIX_EPOCH, text: "a".into(), decision: "b".into(), guardrail: None };
    let mut entries = vec![Entry::of_alert("digest", &alert)];
    entries.extend(run.events.iter().map(|event| Entry::of_run(&run, event)));
    for step in story.steps(&run.id).await {
        entries.extend(step.events.iter().map(|event| Entry::of_step(&run, &step, event)));
    }
    let schema = jsonschema::validator_for(history::schema().as_value()).unwrap();
    let mut export = serde_json::to_value(&entries).unwrap();
    assert!(schema.is_valid(&export), "{:?}", schema.iter_errors(&export).map(|error| error.to_string()).collect::<Vec<_>>());
    let keys = |entry: &serde_json::Value| entry.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let entries = export.as_array_mut().unwrap();
    assert!(entries.len() > 5 && entries.iter().all(|entry| keys(entry) == keys(&entries[0])));
    entries[0].as_object_mut().unwrap().remove("times");
    assert!(!schema.is_valid(&export), "a field that is missing is found out");
}

#[test]
fn times_are_always_as_long_so_that_they_sort_as_text() {
    let times = ["2026-11-23T01:02:03Z", "2026-11-23T01:02:03.5Z", "2026-11-23T01:02:03.123456789Z"];
    let written: Vec<String> = times.iter().map(|at| sortable(at.parse().unwrap())).collect();
    let expected = ["2026-11-23T01:02:03.000000Z", "2026-11-23T01:02:03.500000Z", "2026-11-23T01:02:03.123456Z"];
    assert_eq!(written, expected);
}

#[tokio::test]
async fn alerts_are_listed_newest_first_and_repeats_only_once() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let begun: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    for minute in 0..1200 {
        let at = begun + SignedDuration::from_mins(minute);
        let text = format!("alert {minute}");
        let alert = AlertRecord { format: FORMAT, at, text, decision: "report: why".into(), guardrail: None };
        for _ in 0..2 {
            ledger.record_alert(&format!("digest{minute}"), &alert).await.unwrap();
        }
    }
    let listed = async |since: Option<i64>, limit| -> Vec<String> {
        let since = since.map(|minute| begun + SignedDuration::from_mins(minute));
        ledger.alerts(since, limit).await.unwrap().into_iter().map(|(_, alert)| alert.text).collect()
    };
    assert_eq!(listed(None, 2).await, ["alert 1199", "alert 1198"]);
    assert_eq!(listed(Some(1198), 50).await, ["alert 1199", "alert 1198"]);
    assert_eq!(listed(None, 5000).await.len(), 1200);
}

#[test]
fn a_step_of_an_older_version_is_read_and_shown() {
    let event = json!({"at": "2026-11-23T01:02:03Z", "by": "f", "phase": "Applied"});
    let step = json!({"format": 1, "run": "r-1", "part": 0, "token": Nonce::fresh(), "label": "a",
        "facet": FacetId::new("lamp", "a", "light").unwrap(), "present": "on", "wanted": "off", "phase": "Applied",
        "since": "2026-11-23T01:02:03Z", "events": [event]});
    let step: guardrails_model::record::Step = serde_json::from_value(step).unwrap();
    assert_eq!((step.events.len(), step.events[0].calls.len(), &step.events[0].before), (1, 0, &None));
}
