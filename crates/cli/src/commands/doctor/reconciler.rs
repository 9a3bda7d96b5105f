//! The reconciler: its schedule is on and calls it, and its last round is not long ago and went well.

use aws_sdk_scheduler::types::ScheduleState;
use guardrails_aws::error::chain;
use guardrails_model::clock;
use guardrails_model::reconcile::Round;
use jiff::{SignedDuration, Timestamp};

use super::finding::{Read, Sheet, Unread, found};
use super::site::Site;
use super::topics::REMAKE;

/// A round may be missed: after so many intervals without one something is wrong, as `ReconcileMissingAlarm` has it too.
const MISSED: i32 = 3;

/// The reconciler, as it was seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// The schedule's name in AWS. Empty when the stack has none.
    pub(super) name: String,
    /// None when there is no such schedule.
    pub(super) schedule: Read<Option<Schedule>>,
    /// The function's name.
    pub(super) function: String,
    /// Its ARN.
    pub(super) arn: String,
    /// The last round; none when there was none yet.
    pub(super) round: Read<Option<Round>>,
    pub(super) now: Timestamp,
}

/// The facts that Scheduler has of the schedule.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    pub(super) enabled: bool,
    /// Such as `rate(1 hour)`.
    pub(super) when: String,
    /// The function that it calls: an ARN.
    pub(super) target: String,
    /// When it was made.
    pub(super) made: Option<Timestamp>,
}

impl Seen {
    /// When the schedule was made, as far as it is known.
    pub(super) fn made(&self) -> Option<Timestamp> {
        self.schedule.as_ref().ok()?.as_ref()?.made
    }
}

pub(super) async fn look(site: &Site, now: Timestamp) -> Seen {
    let (name, function) = (site.name("ReconcileSchedule").to_owned(), site.name("ReconcileFunction").to_owned());
    let round = site.deployment.ledger.round().await;
    Seen {
        schedule: schedule(site, &name).await,
        arn: site.function_arn(&function),
        round: round.map_err(|error| Unread::new("dynamodb:BatchGetItem", chain(&error))),
        name,
        function,
        now,
    }
}

async fn schedule(site: &Site, name: &str) -> Read<Option<Schedule>> {
    if name.is_empty() {
        return Ok(None);
    }
    let answer = aws_sdk_scheduler::Client::new(site.sdk()).get_schedule().name(name).send().await;
    let schedule = found(answer, &["ResourceNotFoundException"], "scheduler:GetSchedule")?;
    Ok(schedule.map(|schedule| Schedule {
        enabled: schedule.state() == Some(&ScheduleState::Enabled),
        when: schedule.schedule_expression().unwrap_or_default().to_owned(),
        target: schedule.target().map(|target| target.arn().to_owned()).unwrap_or_default(),
        made: schedule.creation_date().and_then(|made| Timestamp::from_second(made.secs()).ok()),
    }))
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("reconciler");
    judge_schedule(&mut sheet, seen);
    judge_round(&mut sheet, seen);
    sheet
}

fn judge_schedule(sheet: &mut Sheet, seen: &Seen) {
    let checked = "schedule of the reconciler";
    let lost = "an alert that was lost is not noticed, and nothing is looked at again";
    match sheet.read(checked, &seen.schedule) {
        None => {}
        Some(None) if seen.name.is_empty() => {
            let remedy = "guardrails deploy, by this version of the command";
            sheet.failure(checked, "the stack has none: it was deployed before there was a reconciler", lost, remedy);
        }
        Some(None) => sheet.failure(checked, format!("there is no schedule {}", seen.name), lost, REMAKE),
        Some(Some(schedule)) if !schedule.enabled => {
            let remedy = format!(
                "EventBridge console, Schedules, {}, Enable; or aws scheduler update-schedule with --state ENABLED and what aws scheduler \
                 get-schedule --name {} shows",
                seen.name, seen.name
            );
            sheet.failure(checked, "it is disabled", lost, remedy);
        }
        Some(Some(schedule)) if schedule.target != seen.arn => {
            let target = if schedule.target.is_empty() { "nothing" } else { &schedule.target };
            sheet.failure(checked, format!("it calls {target}, not {}", seen.arn), lost, REMAKE);
        }
        Some(Some(schedule)) => sheet.well(format!("{checked} is on, {}", schedule.when)),
    }
}

fn judge_round(sheet: &mut Sheet, seen: &Seen) {
    let checked = "last round of the reconciler";
    let Some(round) = sheet.read(checked, &seen.round) else { return };
    let schedule = seen.schedule.as_ref().ok().and_then(Option::as_ref);
    let patience = schedule.and_then(|schedule| interval(&schedule.when)).map(|interval| interval * MISSED);
    let Some(round) = round else { return judge_none(sheet, checked, seen, schedule.and_then(|one| one.made).zip(patience)) };
    judge_troubles(sheet, checked, round);
    let age = seen.now.duration_since(round.ended);
    match patience {
        Some(patience) if age > patience => {
            let found = format!("it ended at {}, {} ago", clock::words(round.ended), minutes(age));
            let means = "an alert that was lost since is not noticed, and nothing was looked at again";
            sheet.failure(checked, found, means, remedy(seen));
        }
        Some(_) if round.troubles().is_empty() => sheet.well(format!("{checked} went well, {} ago", minutes(age))),
        Some(_) => {}
        None => {
            let found =
                format!("it ended at {}; how often there should be one, the schedule does not say", clock::words(round.ended));
            sheet.could_not_check(checked, found, "it may be too long ago", remedy(seen));
        }
    }
}

/// No round was held since the schedule was made; `waits` is when that was, and how long is not too long.
fn judge_none(sheet: &mut Sheet, checked: &str, seen: &Seen, waits: Option<(Timestamp, SignedDuration)>) {
    let (found, means) = ("there was none yet", "an alert that was lost is not noticed");
    match waits {
        Some((made, patience)) if seen.now.duration_since(made) < patience => {
            let means = "the deployment is new, and its first round is not far; until then a lost alert is not noticed";
            sheet.warning(checked, found, means, "guardrails reconcile does not wait for the schedule");
        }
        None if seen.schedule.is_err() => {
            let found = "there was none yet, and whether there should have been is not known";
            sheet.could_not_check(checked, found, means, remedy(seen));
        }
        _ => sheet.failure(checked, found, means, remedy(seen)),
    }
}

fn judge_troubles(sheet: &mut Sheet, checked: &str, round: &Round) {
    let clean = round
        .clean
        .map_or_else(|| "none went well yet".to_owned(), |clean| format!("the last that went well: {}", clock::words(clean)));
    for trouble in round.troubles() {
        let means = "what it names was not done for that guardrail; the next round tries it again";
        let remedy = "put right what it names, then guardrails reconcile";
        sheet.failure(checked, format!("{trouble} ({clean})"), means, remedy);
    }
}

fn remedy(seen: &Seen) -> String {
    format!(
        "guardrails reconcile has one now, and says what goes wrong; why none came by itself: aws logs tail /aws/lambda/{} --since 1d, and \
         what else doctor says of the schedule and the function",
        seen.function
    )
}

/// How often a schedule comes, where it comes at a rate: `rate(15 minutes)`.
pub(crate) fn interval(when: &str) -> Option<SignedDuration> {
    let (count, unit) = when.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let count: i32 = count.parse().ok()?;
    let one = match unit.trim_end_matches('s') {
        "minute" => SignedDuration::from_mins(1),
        "hour" => SignedDuration::from_hours(1),
        "day" => SignedDuration::from_hours(24),
        _ => return None,
    };
    one.checked_mul(count).filter(SignedDuration::is_positive)
}

/// For people.
fn minutes(age: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_mins(age.as_mins()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:g-reconcile";
    const NOW: &str = "2026-11-23T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn schedule() -> Schedule {
        let made = now() - SignedDuration::from_hours(100);
        Schedule { enabled: true, when: "rate(60 minutes)".to_owned(), target: FUNCTION.to_owned(), made: Some(made) }
    }

    /// A round that ended so many minutes ago.
    fn round(minutes: i64, troubles: &[&str]) -> Round {
        let ended = now() - SignedDuration::from_mins(minutes);
        serde_json::from_value(json!({
            "format": 1, "began": ended, "ended": ended, "by": "reconcile", "clean": "2026-11-23T01:00:00Z",
            "guardrails": [{"guardrail": "beta", "troubles": troubles}],
        }))
        .unwrap()
    }

    fn well() -> Seen {
        Seen {
            name: "g-reconcile".to_owned(),
            schedule: Ok(Some(schedule())),
            function: "g-reconcile".to_owned(),
            arn: FUNCTION.to_owned(),
            round: Ok(Some(round(179, &[]))),
            now: now(),
        }
    }

    fn denied<T>() -> Read<T> {
        Err(Unread::new("scheduler:GetSchedule", "AccessDeniedException: no"))
    }

    #[test]
    fn right_schedule_and_recent_round_are_well() {
        let sheet = judge(&well());
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(
            sheet.well,
            ["schedule of the reconciler is on, rate(60 minutes)", "last round of the reconciler went well, 2h 59m ago"]
        );
    }

    #[test]
    fn a_schedule_that_does_not_call_the_reconciler_is_found() {
        let with = |change: fn(&mut Schedule)| {
            let mut schedule = schedule();
            change(&mut schedule);
            Seen { schedule: Ok(Some(schedule)), ..well() }
        };
        let table = [
            (with(|schedule| schedule.enabled = false), Severity::Failure, "it is disabled", "--state ENABLED"),
            (with(|schedule| schedule.target = "arn:other".to_owned()), Severity::Failure, "arn:other", "guardrails deploy"),
            (with(|schedule| schedule.target = FUNCTION.replace("reconcile", "master")), Severity::Failure, "g-master, not", ""),
            (with(|schedule| schedule.target = String::new()), Severity::Failure, "it calls nothing", "guardrails deploy"),
        ];
        for (seen, severity, words, remedy) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.well.len(), 1, "only the round: {sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
            assert!(sheet.findings[0].remedy.contains(remedy), "{sheet:?}");
        }
    }

    #[test]
    fn without_its_schedule_nothing_about_the_reconciler_is_well() {
        let table = [
            (Seen { schedule: Ok(None), ..well() }, Severity::Failure, "no schedule g-reconcile"),
            (Seen { schedule: Ok(None), name: String::new(), ..well() }, Severity::Failure, "the stack has none"),
            (Seen { schedule: denied(), ..well() }, Severity::CouldNotCheck, "no"),
        ];
        for (seen, severity, words) in table {
            let sheet = judge(&seen);
            assert!(sheet.well.is_empty(), "{sheet:?}");
            assert_eq!(sheet.findings.len(), 2, "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity);
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
            assert_eq!(sheet.findings[1].severity, Severity::CouldNotCheck, "how old a round may be is not known: {sheet:?}");
        }
    }

    #[test]
    fn a_round_that_is_old_or_was_never_held_is_found() {
        let made = |hours| {
            let made = Some(now() - SignedDuration::from_hours(hours));
            Seen { schedule: Ok(Some(Schedule { made, ..schedule() })), round: Ok(None), ..well() }
        };
        let table = [
            (Seen { round: Ok(Some(round(181, &[]))), ..well() }, Severity::Failure, "3h 1m ago", "guardrails reconcile"),
            (made(2), Severity::Warning, "none yet", "guardrails reconcile"),
            (made(3), Severity::Failure, "none yet", "aws logs tail /aws/lambda/g-reconcile"),
            (Seen { round: Err(Unread::new("dynamodb:BatchGetItem", "no")), ..well() }, Severity::CouldNotCheck, "no", ""),
        ];
        for (seen, severity, words, remedy) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.well.len(), 1, "only the schedule: {sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity, "{sheet:?}");
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
            assert!(sheet.findings[0].remedy.contains(remedy), "{sheet:?}");
        }
        let gone = judge(&Seen { schedule: Ok(None), round: Ok(None), ..well() });
        assert!(gone.findings.iter().all(|finding| finding.severity == Severity::Failure), "{gone:?}");
        let unread = judge(&Seen { schedule: denied(), round: Ok(None), ..well() });
        assert!(unread.findings.iter().all(|finding| finding.severity == Severity::CouldNotCheck), "{unread:?}");
    }

    #[test]
    fn each_trouble_of_the_last_round_is_named() {
        let sheet = judge(&Seen { round: Ok(Some(round(5, &["no budget", "throttled"]))), ..well() });
        let found: Vec<_> = sheet.findings.iter().map(|finding| (finding.severity, finding.found.as_str())).collect();
        let clean = "(the last that went well: 2026-11-23 01:00:00 UTC)";
        let expected = [format!("beta: no budget {clean}"), format!("beta: throttled {clean}")];
        assert_eq!(found, [(Severity::Failure, expected[0].as_str()), (Severity::Failure, expected[1].as_str())]);
        assert_eq!(sheet.well.len(), 1, "only the schedule: {sheet:?}");
    }

    #[test]
    fn an_interval_is_read_as_scheduler_writes_it() {
        let minutes = |when| interval(when).map(|interval| interval.as_mins());
        let table = [("rate(15 minutes)", 15), ("rate(1 minute)", 1), ("rate(2 hours)", 120), ("rate(1 day)", 1440)];
        for (when, expected) in table {
            assert_eq!(minutes(when), Some(expected), "{when}");
        }
        for when in ["cron(0 * * * ? *)", "rate(0 minutes)", "rate(x hours)", "rate(1 week)", ""] {
            assert_eq!(minutes(when), None, "{when}");
        }
    }
}
