//! The runs: those that failed, those that stand still, and facets that are held for no open run.

use std::collections::BTreeMap;

use guardrails_aws::error::chain;
use guardrails_aws::holds::{self, Held};
use guardrails_model::clock;
use guardrails_model::config::Otherwise;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Run, RunState};
use jiff::{SignedDuration, Timestamp};

use super::finding::{Read, Sheet, Unread};
use super::recheck;
use super::site::Site;

/// Between a run's record and the start of its execution lies a moment, and between two of its executions.
const MOMENT: SignedDuration = SignedDuration::from_mins(5);
/// With less than this part of their time left, people may have overlooked that they are asked.
const LATE: i32 = 4;
/// Holds that are looked at: pages of the table, each of 1 MiB.
const PAGES: usize = 200;

/// The runs, as they were seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// The open ones.
    pub(super) open: Read<Vec<Run>>,
    /// Is the execution running? Of those that should.
    pub(super) running: BTreeMap<RunId, Read<bool>>,
    /// The facets that are held.
    pub(super) held: Read<Vec<Held>>,
    /// There is more of the ledger than was read.
    pub(super) more: bool,
    /// The runs that hold something, as the ledger has them.
    pub(super) holders: Read<BTreeMap<RunId, Option<RunState>>>,
    pub(super) table: String,
    pub(super) now: Timestamp,
}

pub(super) async fn look(site: &Site, now: Timestamp) -> Seen {
    let (ledger, needs) = (&site.deployment.ledger, "dynamodb:Query and dynamodb:BatchGetItem");
    let (open, running) = match ledger.open_runs(None).await {
        Ok(open) => recheck::running(ledger, &site.deployment.workflow, open).await,
        Err(error) => (Err(error), BTreeMap::new()),
    };
    let open = open.map_err(|error| Unread::new(needs, chain(&error)));
    let table = site.name("Ledger").to_owned();
    let found = holds::held(&aws_sdk_dynamodb::Client::new(site.sdk()), &table, PAGES).await;
    let found = found.map_err(|error| Unread::new("dynamodb:Scan", chain(&error)));
    let (mut held, more) = match found {
        Ok(found) => (Ok(found.held), found.more),
        Err(unread) => (Err(unread), false),
    };
    let mut holders: Read<BTreeMap<RunId, Option<RunState>>> = Ok(BTreeMap::new());
    for id in held.iter().flatten().map(|held: &Held| &held.run) {
        let Ok(known) = &mut holders else { break };
        if !known.contains_key(id) {
            match ledger.run(id).await {
                Ok(run) => {
                    known.insert(id.clone(), run.map(|run| run.value.state));
                }
                Err(error) => holders = Err(Unread::new(needs, chain(&error))),
            }
        }
    }
    if let (Ok(found), Ok(holders)) = (&held, &holders) {
        let now = recheck::still_held(ledger, found.clone(), holders).await;
        held = now.map_err(|error| Unread::new(needs, chain(&error)));
    }
    Seen { open, running, held, more, holders, table, now }
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("runs");
    if let Some(runs) = sheet.read("ledger: the open runs", &seen.open) {
        for run in runs {
            judge_run(&mut sheet, run, seen);
        }
        if runs.is_empty() {
            sheet.well("no run is open");
        }
    }
    judge_holds(&mut sheet, seen);
    sheet
}

fn judge_run(sheet: &mut Sheet, run: &Run, seen: &Seen) {
    let (id, name, words) = (&run.id, &run.guardrail, run.state.words());
    let checked = format!("run {id} of {name} at {}", run.stage);
    let look = format!("guardrails status --run {id}");
    if run.state == RunState::Waiting {
        return judge_waiting(sheet, &checked, run, seen);
    }
    if let Some(running) = seen.running.get(id) {
        match sheet.read(&checked, running) {
            Some(false) if seen.now.duration_since(run.asked_at()) > MOMENT => {
                let again = if run.state == RunState::RollingBack {
                    format!("guardrails rollback {name} --run {id}")
                } else {
                    format!("guardrails rearm {name} to go on, or guardrails rollback {name} --run {id} to put it back")
                };
                let found = format!("it is {words}, and no execution works on it");
                let means = "it stands still, half done, until a round of the reconciler takes it up";
                sheet.failure(&checked, found, means, format!("guardrails reconcile has a round now; or {look}, then {again}"));
            }
            Some(false) => {
                sheet.note(&checked, format!("it is {words}, and its execution is just beginning"), "nothing yet", look);
            }
            Some(true) => sheet.well(format!("{checked} is {words}, and its execution is running")),
            None => {}
        }
        return;
    }
    match run.state {
        RunState::ApplyFailed => sheet.failure(
            &checked,
            "some of its steps failed",
            "not all that the stage wants is enforced",
            format!(
                "{look} says why each failed; then guardrails rearm {name} to try again, or guardrails rollback {name} --run {id}"
            ),
        ),
        RunState::RollbackFailed => sheet.failure(
            &checked,
            "some of its steps could not be put back",
            "something is still held as the stage wanted it",
            format!(
                "{look} says why each failed; then guardrails rollback {name} --run {id}, with --force over what somebody changed"
            ),
        ),
        _ => sheet.well(format!("{checked} is {words}")),
    }
}

/// A person is asked, and nothing is done meanwhile.
fn judge_waiting(sheet: &mut Sheet, checked: &str, run: &Run, seen: &Seen) {
    let (id, now) = (&run.id, seen.now);
    let running = seen.running.get(id).and_then(|running| sheet.read(checked, running));
    let remedy = format!(
        "guardrails status --run {id} shows what is asked; then guardrails approve {id} --reason WHY, or guardrails reject {id} --reason WHY"
    );
    let asked = run.approval.as_ref().and_then(|approval| Some((approval, approval.question.as_ref()?)));
    let Some((approval, question)) = asked else {
        return sheet.failure(checked, "it waits for approval, and asks nothing", "nobody can answer", remedy);
    };
    let silence = match approval.rule.otherwise {
        Otherwise::Reject if approval.is_asked_until_answered() => {
            "nothing is changed before a person approves it; people are asked again each day until one answers"
        }
        Otherwise::Reject => "nothing is changed before a person approves it; silence rejects it",
        Otherwise::Approve => "nothing is changed before a person approves it; silence approves it",
    };
    let (left, given) = (question.until.duration_since(now), question.until.duration_since(question.at));
    let until = format!("it waits for a person's approval until {}", clock::words(question.until));
    if running == Some(&false) && now.duration_since(question.at) > MOMENT {
        let means = "nobody is told, and silence decides nothing, before a round of the reconciler takes it up";
        let remedy = format!("guardrails reconcile has a round now; {remedy}");
        sheet.warning(checked, format!("{until}, and no execution waits with it"), means, remedy);
    } else if left * LATE < given {
        sheet.warning(checked, format!("{until}: less than a quarter of the time is left"), silence, remedy);
    } else {
        sheet.note(checked, until, silence, remedy);
    }
}

fn judge_holds(sheet: &mut Sheet, seen: &Seen) {
    let checked = "ledger: every hold is an open run's";
    let Some(held) = sheet.read(checked, &seen.held) else { return };
    let Some(holders) = sheet.read(checked, &seen.holders) else { return };
    let mut orphans = 0;
    for hold in held {
        let found = match holders.get(&hold.run) {
            Some(Some(state)) if state.is_open() => continue,
            Some(Some(state)) => format!("it is held by run {} of {}, which is {}", hold.run, hold.guardrail, state.words()),
            Some(None) | None => format!("it is held by run {} of {}, which the ledger does not have", hold.run, hold.guardrail),
        };
        orphans += 1;
        let remedy = format!(
            "see what it was: aws dynamodb get-item --table-name {} --key '{{\"pk\":{{\"S\":\"FACET#{}\"}},\"sk\":{{\"S\":\"FACET\"}}}}' \
             (doc.before), and put that back by hand",
            seen.table, hold.facet
        );
        sheet.failure(&format!("facet {}", hold.facet), found, "no rollback puts it back", remedy);
    }
    if seen.more {
        let means = "among the rest may be holds of runs that are gone";
        sheet.could_not_check(
            checked,
            "the ledger is larger than was read through",
            means,
            "guardrails status shows what open runs hold",
        );
    } else if orphans == 0 {
        sheet.well(format!("{checked}: {} of them", held.len()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    const ID: &str = "r-20261123-014653-7f3k9q";

    fn run(state: RunState) -> Run {
        serde_json::from_value(json!({
            "format": 1, "id": ID, "guardrail": "beta", "stage": "100% actual", "period": "2026-11", "simulated": false,
            "budget": {"amount": "2 USD", "period": "monthly"}, "operators": [], "began": "2026-11-23T00:00:00Z", "alert": "a",
            "state": state, "direction": if state == RunState::RollingBack { "rollback" } else { "apply" },
            "attempts": {"apply": 1, "rollback": 0}, "tries": {"apply": 1, "rollback": 0}, "parts": [], "events": [],
        }))
        .unwrap()
    }

    fn seen(state: RunState, running: Option<Read<bool>>, minutes: i64) -> Seen {
        let run = run(state);
        Seen {
            running: running.into_iter().map(|running| (run.id.clone(), running)).collect(),
            held: Ok(vec![hold()]),
            more: false,
            holders: Ok([(run.id.clone(), Some(state))].into()),
            table: "ledger".to_owned(),
            now: run.began + SignedDuration::from_mins(minutes),
            open: Ok(vec![run]),
        }
    }

    /// A run that asked a person at its beginning, and gives them four hours.
    fn waiting(running: Option<Read<bool>>, minutes: i64) -> Seen {
        let mut seen = seen(RunState::Waiting, running, minutes);
        let run = &mut seen.open.as_mut().unwrap()[0];
        let approval = json!({"why": ["the stage asks for approval"], "rule": {"within": "4h"}, "question": {
            "at": run.began, "until": run.began + SignedDuration::from_hours(4),
            "list": {"changes": 1, "digest": "d", "parts": []},
        }});
        run.approval = Some(serde_json::from_value(approval).unwrap());
        seen
    }

    fn hold() -> Held {
        Held {
            facet: "instance-power/us-east-1/i-1".parse().unwrap(),
            run: ID.parse().unwrap(),
            guardrail: "beta".parse().unwrap(),
        }
    }

    #[test]
    fn a_run_that_holds_or_is_worked_on_is_well() {
        for seen in [seen(RunState::Enforced, None, 60), seen(RunState::Applying, Some(Ok(true)), 60)] {
            let sheet = judge(&seen);
            assert!(sheet.findings.is_empty(), "{sheet:?}");
            assert_eq!(sheet.well.len(), 2);
        }
    }

    #[test]
    fn stalled_or_failed_run_is_found_with_its_next_command() {
        let no = || Some(Ok(false));
        let unread = Err(Unread::new("states:DescribeExecution", "AccessDeniedException: no"));
        let table = [
            (seen(RunState::Opening, no(), 6), Severity::Failure, "guardrails rearm beta"),
            (seen(RunState::Applying, no(), 6), Severity::Failure, "guardrails rearm beta"),
            (seen(RunState::RollingBack, no(), 6), Severity::Failure, "guardrails rollback beta --run r-20261123-014653-7f3k9q"),
            (seen(RunState::Applying, no(), 4), Severity::Note, "guardrails status --run r-20261123-014653-7f3k9q"),
            (seen(RunState::Applying, Some(unread), 6), Severity::CouldNotCheck, "states:DescribeExecution"),
            (seen(RunState::ApplyFailed, None, 6), Severity::Failure, "guardrails rearm beta"),
            (seen(RunState::RollbackFailed, None, 6), Severity::Failure, "--force"),
        ];
        for (seen, severity, remedy) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity, "{sheet:?}");
            assert!(sheet.findings[0].remedy.contains(remedy), "{sheet:?}");
        }
    }

    #[test]
    fn waiting_run_says_how_to_answer_and_until_when() {
        let unread = Err(Unread::new("states:DescribeExecution", "AccessDeniedException: no"));
        let table = [
            (waiting(Some(Ok(true)), 180), vec![(Severity::Note, "until 2026-11-23 04:00:00 UTC")]),
            (waiting(Some(Ok(true)), 181), vec![(Severity::Warning, "less than a quarter")]),
            (waiting(Some(Ok(true)), 300), vec![(Severity::Warning, "less than a quarter")]),
            (waiting(Some(Ok(false)), 4), vec![(Severity::Note, "until")]),
            (waiting(Some(Ok(false)), 6), vec![(Severity::Warning, "no execution waits with it")]),
            (waiting(Some(unread), 6), vec![(Severity::CouldNotCheck, "no"), (Severity::Note, "until")]),
            (seen(RunState::Waiting, Some(Ok(true)), 6), vec![(Severity::Failure, "asks nothing")]),
        ];
        for (seen, expected) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), expected.len(), "{sheet:?}");
            for (finding, (severity, words)) in sheet.findings.iter().zip(expected) {
                assert_eq!(finding.severity, severity, "{sheet:?}");
                assert!(finding.found.contains(words), "{sheet:?}");
            }
            let remedy = &sheet.findings.last().unwrap().remedy;
            assert!(["approve", "reject"].iter().all(|word| remedy.contains(&format!("guardrails {word} {ID} --reason"))));
        }
    }

    #[test]
    fn a_hold_of_a_run_that_is_over_or_unknown_is_found() {
        let id: RunId = ID.parse().unwrap();
        for holder in [Some(RunState::RolledBack), Some(RunState::Rejected), Some(RunState::Abandoned), None] {
            let holders = Ok([(id.clone(), holder)].into());
            let sheet = judge(&Seen { open: Ok(Vec::new()), holders, ..seen(RunState::Enforced, None, 6) });
            assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
            assert_eq!(sheet.findings[0].severity, Severity::Failure);
            assert!(sheet.findings[0].remedy.contains("FACET#instance-power/us-east-1/i-1"), "{sheet:?}");
        }
    }

    #[test]
    fn a_ledger_that_was_not_read_through_is_not_well() {
        let sheet = judge(&Seen { more: true, ..seen(RunState::Enforced, None, 6) });
        assert_eq!(sheet.findings[0].severity, Severity::CouldNotCheck);
        let unread = || Unread::new("dynamodb:Scan", "AccessDeniedException: no");
        let sheet = judge(&Seen { held: Err(unread()), ..seen(RunState::Enforced, None, 6) });
        assert_eq!(sheet.findings[0].severity, Severity::CouldNotCheck);
        assert_eq!(sheet.well.len(), 1, "only the run itself: {sheet:?}");
    }
}
