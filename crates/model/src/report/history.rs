//! The exported history: one entry for each event, always with the same fields, in words that sort as they should. The fields are
//! a contract with the readers of the export: one that was given is kept.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::ledger::sortable;
use crate::receipt::Call;
use crate::record::{AlertRecord, Event, Repeats, Run, RunEvent, Step, StepEvent};

/// Something that happened: an alert came, or it happened to a run, or to one of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "An event in the history of Budget Guardrails", deny_unknown_fields)]
pub struct Entry {
    /// When, in UTC, always as long: `2026-11-23T01:46:53.000000Z`. Sorts as text.
    pub at: String,
    /// The kind of its subject.
    pub kind: Kind,
    /// The event, for people.
    pub what: String,
    /// The actor: a person's ARN, or a function and its request id. Not known of an alert.
    pub by: Option<String>,
    /// The guardrail. Of an alert only if it asked for a stage.
    pub guardrail: Option<String>,
    /// The stage, such as `100% actual`.
    pub stage: Option<String>,
    /// The budget's period, such as `2026-11`.
    pub period: Option<String>,
    /// Was the run begun by a simulated alert?
    pub simulated: Option<bool>,
    /// The run.
    pub run: Option<String>,
    /// SHA-256 of the alert; of a run, of the one that began it.
    pub alert: Option<String>,
    /// The alert's text, as it came.
    pub text: Option<String>,
    /// The step's action.
    pub action: Option<String>,
    /// Where the action worked, such as a Region.
    pub place: Option<String>,
    /// The switch that was to be turned.
    pub facet: Option<String>,
    /// Its target as people know it.
    pub target: Option<String>,
    /// The phase that the step came to, such as `Applying`.
    pub phase: Option<String>,
    /// Why, where that needs saying.
    pub reason: Option<String>,
    /// The value that was seen before the change.
    pub before: Option<String>,
    /// The value that was seen after.
    pub after: Option<String>,
    /// The calls to AWS that decided it.
    pub requests: Vec<Request>,
    /// How often the same happened in all: an event that happens very often is said once.
    pub times: u32,
    /// When it happened last, in the form of `at`.
    pub until: String,
    /// The calls of the last time, where it happened more than once.
    pub last_requests: Vec<Request>,
}

/// The kind of an event's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An alert that was received.
    Alert,
    /// A run.
    Run,
    /// A step of a run.
    Step,
}

/// A call to AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Request {
    /// Such as `ec2:StopInstances`.
    pub operation: String,
    /// AWS's id of the request, as `CloudTrail` has it too; nothing when there was no answer.
    pub request_id: Option<String>,
    /// AWS's error code where it refused, `no answer` where none came.
    pub error: Option<String>,
    /// How many calls of this operation and outcome it stands for; the id is that of the last.
    pub times: u32,
}

impl From<&Call> for Request {
    fn from(call: &Call) -> Self {
        let Call { operation, request_id, error, times } = call.clone();
        Self { operation, request_id, error, times }
    }
}

impl Entry {
    /// An alert that was received.
    #[must_use]
    pub fn of_alert(digest: &str, alert: &AlertRecord) -> Self {
        Self {
            alert: Some(digest.to_owned()),
            text: Some(alert.text.clone()),
            guardrail: alert.guardrail.as_ref().map(ToString::to_string),
            ..Self::new(alert.at, None, Kind::Alert, format!("an alert was received: {}", alert.decision))
        }
    }

    /// Something that happened to a run.
    #[must_use]
    pub fn of_run(run: &Run, event: &RunEvent) -> Self {
        let entry = Self::new(event.at, event.repeats.as_ref(), Kind::Run, event.what.clone());
        Self { by: Some(event.by.clone()), ..entry.in_run(run) }
    }

    /// Something that happened to a step of a run.
    #[must_use]
    pub fn of_step(run: &Run, step: &Step, event: &StepEvent) -> Self {
        let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let what = format!("{}: {}{reason}", step.label, event.phase);
        let part = run.parts.get(step.part);
        Self {
            by: Some(event.by.clone()),
            action: part.map(|part| part.action.to_string()),
            place: part.and_then(|part| part.place.as_ref()).map(ToString::to_string),
            facet: Some(step.facet.to_string()),
            target: Some(step.label.clone()),
            phase: serde_json::to_value(event.phase).ok().and_then(|name| name.as_str().map(str::to_owned)),
            reason: event.reason.clone(),
            before: event.before.as_ref().map(ToString::to_string),
            after: event.after.as_ref().map(ToString::to_string),
            requests: event.calls.iter().map(Request::from).collect(),
            last_requests: event.last_calls.iter().map(Request::from).collect(),
            ..Self::new(event.at, event.repeats(), Kind::Step, what).in_run(run)
        }
    }

    fn new(at: Timestamp, repeats: Option<&Repeats>, kind: Kind, what: String) -> Self {
        Self {
            at: sortable(at),
            kind,
            what,
            by: None,
            guardrail: None,
            stage: None,
            period: None,
            simulated: None,
            run: None,
            alert: None,
            text: None,
            action: None,
            place: None,
            facet: None,
            target: None,
            phase: None,
            reason: None,
            before: None,
            after: None,
            requests: Vec::new(),
            times: 1 + repeats.map_or(0, |repeats| repeats.times),
            until: sortable(repeats.map_or(at, |repeats| repeats.until)),
            last_requests: Vec::new(),
        }
    }

    fn in_run(self, run: &Run) -> Self {
        Self {
            guardrail: Some(run.guardrail.to_string()),
            stage: Some(run.stage.to_string()),
            period: Some(run.period.clone()),
            simulated: Some(run.simulated),
            run: Some(run.id.to_string()),
            alert: Some(run.alert.clone()),
            ..self
        }
    }
}

/// The JSON Schema of an export: an array of entries.
#[must_use]
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Vec<Entry>>()
}
