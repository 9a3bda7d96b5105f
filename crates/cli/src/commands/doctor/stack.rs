//! The stack: its state, and the resources that somebody changed past CloudFormation.

use std::time::Duration;

use aws_sdk_cloudformation::types::{StackDriftDetectionStatus, StackResourceDriftStatus};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;
use super::topics::REMAKE;
use crate::deployment::between_looks;

/// How long CloudFormation may look.
const PATIENCE: Duration = Duration::from_mins(5);

/// The stack, as it was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) drift: Read<Drift>,
}

/// The drift that CloudFormation found.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift {
    pub(super) drifted: Vec<Drifted>,
    /// Why it could not look at everything.
    pub(super) incomplete: Option<String>,
}

/// A resource that is not as the template says.
#[derive(Debug, Clone)]
pub(super) struct Drifted {
    pub(super) logical: String,
    pub(super) physical: String,
    pub(super) deleted: bool,
    /// The properties that differ: each with its name, its present value and its expected value.
    pub(super) differences: Vec<String>,
}

pub(super) async fn look(site: &Site) -> Seen {
    let drift = tokio::time::timeout(PATIENCE, drift(site)).await;
    let late = || Unread::new("cloudformation:DetectStackDrift", format!("no answer within {} minutes", PATIENCE.as_secs() / 60));
    Seen { name: site.deployment.stack.clone(), status: site.status.clone(), drift: drift.unwrap_or_else(|_| Err(late())) }
}

async fn drift(site: &Site) -> Read<Drift> {
    let client = aws_sdk_cloudformation::Client::new(site.sdk());
    let stack = &site.deployment.stack;
    let begun = client.detect_stack_drift().stack_name(stack).send().await;
    let id = begun.map_err(Unread::of("cloudformation:DetectStackDrift"))?.stack_drift_detection_id.unwrap_or_default();
    let needs = "cloudformation:DescribeStackDriftDetectionStatus";
    let incomplete = loop {
        let call = client.describe_stack_drift_detection_status().stack_drift_detection_id(&id);
        let status = call.send().await.map_err(Unread::of(needs))?;
        match status.detection_status() {
            Some(StackDriftDetectionStatus::DetectionComplete) => break None,
            Some(StackDriftDetectionStatus::DetectionFailed) => {
                break Some(status.detection_status_reason().unwrap_or("no reason given").to_owned());
            }
            _ => tokio::time::sleep(between_looks()).await,
        }
    };
    let mut drifted = Vec::new();
    let mut token = None;
    loop {
        let call = client.describe_stack_resource_drifts().stack_name(stack).set_next_token(token);
        let call = call.stack_resource_drift_status_filters(StackResourceDriftStatus::Modified);
        let call = call.stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted);
        let page = call.send().await.map_err(Unread::of("cloudformation:DescribeStackResourceDrifts"))?;
        drifted.extend(page.stack_resource_drifts().iter().map(|drift| Drifted {
            logical: drift.logical_resource_id().unwrap_or_default().to_owned(),
            physical: drift.physical_resource_id().unwrap_or_default().to_owned(),
            deleted: drift.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted),
            differences: drift.property_differences().iter().map(difference).collect(),
        }));
        token = page.next_token;
        if token.is_none() {
            return Ok(Drift { drifted, incomplete });
        }
    }
}

fn difference(of: &aws_sdk_cloudformation::types::PropertyDifference) -> String {
    let text = |text: Option<&str>| text.unwrap_or("nothing").to_owned();
    format!("{} is {}, not {}", text(of.property_path()), text(of.actual_value()), text(of.expected_value()))
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("stack");
    let name = &seen.name;
    judge_status(&mut sheet, name, &seen.status);
    let checked = "stack: as its template says";
    let Some(drift) = sheet.read(checked, &seen.drift) else { return sheet };
    for drifted in &drift.drifted {
        let checked = format!("resource {} ({})", drifted.logical, drifted.physical);
        if drifted.deleted {
            sheet.failure(&checked, "somebody deleted it", "what it does is not done", REMAKE);
        } else {
            let means = "it does not do what the template says, and the next deployment may change it back, or fail";
            sheet.warning(&checked, format!("somebody changed it: {}", drifted.differences.join("; ")), means, REMAKE);
        }
    }
    match &drift.incomplete {
        Some(why) => {
            let means = "other resources may not be as the template says";
            let remedy = format!(
                "aws cloudformation describe-stack-resource-drifts --stack-name {name}: it takes the right to read each resource, \
                 as policies/doctor.json has it"
            );
            sheet.could_not_check(checked, why, means, remedy);
        }
        None if drift.drifted.is_empty() => sheet.well(format!("{checked}, as far as CloudFormation can tell")),
        None => {}
    }
    sheet
}

fn judge_status(sheet: &mut Sheet, name: &str, status: &str) {
    let checked = format!("stack {name}");
    let events = format!("aws cloudformation describe-stack-events --stack-name {name}");
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            sheet.well(format!("{checked} is {status}"));
        }
        "UPDATE_ROLLBACK_COMPLETE" => {
            let means = "the last deployment failed, and all is as before it";
            sheet.warning(&checked, "it is UPDATE_ROLLBACK_COMPLETE", means, format!("{events}, then guardrails deploy"));
        }
        busy if busy.ends_with("_IN_PROGRESS") => {
            let means = "it is being changed: what is seen now may not be so for long";
            sheet.warning(&checked, format!("it is {busy}"), means, "run doctor again when it is done");
        }
        bad => sheet.failure(&checked, format!("it is {bad}"), "it is not whole", format!("{events}, then guardrails deploy")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Severity;

    fn seen(status: &str, drift: Read<Drift>) -> Seen {
        Seen { name: "g".to_owned(), status: status.to_owned(), drift }
    }

    fn drifted(deleted: bool) -> Drift {
        let differences = vec!["/Timeout is 3, not 60".to_owned()];
        let one = Drifted { logical: "MasterFunction".to_owned(), physical: "g-master".to_owned(), deleted, differences };
        Drift { drifted: vec![one], incomplete: None }
    }

    #[test]
    fn a_stack_that_is_whole_and_unchanged_is_well() {
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"] {
            let sheet = judge(&seen(status, Ok(Drift::default())));
            assert!(sheet.findings.is_empty(), "{sheet:?}");
            assert_eq!(sheet.well.len(), 2);
        }
    }

    #[test]
    fn a_stack_that_is_not_whole_or_was_changed_is_found() {
        let whole = "UPDATE_COMPLETE";
        let incomplete = Drift { incomplete: Some("cannot read Ledger".to_owned()), ..Drift::default() };
        let table = [
            (seen("UPDATE_ROLLBACK_COMPLETE", Ok(Drift::default())), Severity::Warning, "UPDATE_ROLLBACK_COMPLETE"),
            (seen("UPDATE_IN_PROGRESS", Ok(Drift::default())), Severity::Warning, "UPDATE_IN_PROGRESS"),
            (seen("ROLLBACK_COMPLETE", Ok(Drift::default())), Severity::Failure, "ROLLBACK_COMPLETE"),
            (seen("UPDATE_ROLLBACK_FAILED", Ok(Drift::default())), Severity::Failure, "UPDATE_ROLLBACK_FAILED"),
            (seen(whole, Ok(drifted(true))), Severity::Failure, "deleted"),
            (seen(whole, Ok(drifted(false))), Severity::Warning, "/Timeout is 3, not 60"),
            (seen(whole, Ok(incomplete)), Severity::CouldNotCheck, "cannot read Ledger"),
            (seen(whole, Err(Unread::new("cloudformation:DetectStackDrift", "AccessDenied: no"))), Severity::CouldNotCheck, "no"),
        ];
        for (seen, severity, words) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
        }
    }
}
