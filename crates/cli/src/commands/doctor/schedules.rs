//! The schedules: on, and calling what they are for.

use aws_sdk_scheduler::types::ScheduleState;

use super::finding::{Read, Sheet, found};
use super::site::Site;
use super::topics::REMAKE;

/// What was seen of a schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Its name in the template.
    pub(super) logical: String,
    pub(super) name: String,
    /// None when there is no such schedule.
    pub(super) facts: Read<Option<Facts>>,
    /// The stack's functions: ARNs.
    pub(super) functions: Vec<String>,
}

/// What Scheduler says of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) enabled: bool,
    /// Such as `rate(1 hour)`.
    pub(super) when: String,
    /// What it calls: an ARN.
    pub(super) target: String,
}

pub(super) async fn look(site: &Site) -> Vec<Schedule> {
    let client = aws_sdk_scheduler::Client::new(site.sdk());
    let functions: Vec<String> = site.all("AWS::Lambda::Function").iter().map(|one| site.function_arn(&one.physical)).collect();
    let mut schedules = Vec::new();
    for resource in site.all("AWS::Scheduler::Schedule") {
        let answer = client.get_schedule().name(&resource.physical).send().await;
        let facts = found(answer, &["ResourceNotFoundException"], "scheduler:GetSchedule").map(|found| {
            found.map(|schedule| Facts {
                enabled: schedule.state() == Some(&ScheduleState::Enabled),
                when: schedule.schedule_expression().unwrap_or_default().to_owned(),
                target: schedule.target().map(|target| target.arn().to_owned()).unwrap_or_default(),
            })
        });
        let (logical, name) = (resource.logical.clone(), resource.physical.clone());
        schedules.push(Schedule { logical, name, facts, functions: functions.clone() });
    }
    schedules
}

pub(super) fn judge(schedules: &[Schedule]) -> Sheet {
    let mut sheet = Sheet::new("schedules");
    let lost = "an alert that was lost is not noticed, and nothing is looked at again";
    for schedule in schedules {
        let checked = format!("schedule {}", schedule.logical);
        match sheet.read(&checked, &schedule.facts) {
            None => {}
            Some(None) => sheet.failure(&checked, format!("there is no schedule {}", schedule.name), lost, REMAKE),
            Some(Some(facts)) if !facts.enabled => {
                let remedy = "EventBridge console, Schedules, Enable; or aws scheduler update-schedule with --state ENABLED and what \
                              aws scheduler get-schedule shows";
                sheet.failure(&checked, "it is disabled", lost, remedy);
            }
            Some(Some(facts)) if !schedule.functions.contains(&facts.target) => {
                sheet.failure(&checked, format!("it calls {}, which is no function of this stack", facts.target), lost, REMAKE);
            }
            Some(Some(facts)) => sheet.well(format!("{checked} is on, {}", facts.when)),
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::{Severity, Unread};

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:g-reconcile";

    fn schedule(facts: Read<Option<Facts>>) -> [Schedule; 1] {
        let (logical, name) = ("Rounds".to_owned(), "g-rounds".to_owned());
        [Schedule { logical, name, facts, functions: vec![FUNCTION.to_owned()] }]
    }

    #[test]
    fn a_schedule_is_well_only_when_it_is_on_and_calls_a_function_of_the_stack() {
        let facts = |enabled, target: &str| Facts { enabled, when: "rate(1 hour)".to_owned(), target: target.to_owned() };
        assert_eq!(judge(&schedule(Ok(Some(facts(true, FUNCTION))))).well, ["schedule Rounds is on, rate(1 hour)"]);
        let unread = Unread::new("scheduler:GetSchedule", "AccessDeniedException: no");
        let table = [
            (Ok(None), Severity::Failure, "no schedule g-rounds"),
            (Ok(Some(facts(false, FUNCTION))), Severity::Failure, "disabled"),
            (Ok(Some(facts(true, "arn:other"))), Severity::Failure, "arn:other"),
            (Err(unread), Severity::CouldNotCheck, "no"),
        ];
        for (facts, severity, words) in table {
            let sheet = judge(&schedule(facts));
            assert!(sheet.well.is_empty());
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
        }
    }
}
