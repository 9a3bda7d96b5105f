//! The rehearsals: whether each stage would do all that it asks for, if its budget were exceeded now.

use guardrails_aws::error::chain;
use guardrails_model::config::Config;
use guardrails_model::record::{Rehearsal, RehearsedStage};
use jiff::{SignedDuration, Timestamp};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;

/// A rehearsal is held once a day, by the round that comes next. Longer than that, something is wrong.
const PATIENCE: SignedDuration = SignedDuration::from_hours(26);
const AGAIN: &str = "guardrails reconcile --rehearse plans every stage now";

/// The rehearsals as the ledger has them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) rehearsals: Read<Vec<Rehearsal>>,
    pub(super) config: Read<Config>,
    pub(super) now: Timestamp,
}

pub(super) async fn look(site: &Site, now: Timestamp) -> Seen {
    let ledger = &site.deployment.ledger;
    Seen {
        rehearsals: ledger.rehearsals().await.map_err(|error| Unread::new("dynamodb:Query", chain(&error))),
        config: ledger.config().await.map_err(|error| Unread::new("dynamodb:Query", chain(&error))),
        now,
    }
}

/// Judges them, where the schedule was made at `made`.
pub(super) fn judge(seen: &Seen, made: Option<Timestamp>) -> Sheet {
    let mut sheet = Sheet::new("rehearsals");
    let checked = "rehearsals of the stages";
    let (Some(rehearsals), Some(config)) = (sheet.read(checked, &seen.rehearsals), sheet.read(checked, &seen.config)) else {
        return sheet;
    };
    let acts = config.guardrails.values().filter(|guardrail| guardrail.stages.iter().any(|stage| !stage.waves.is_empty()));
    let mut looked = 0;
    for guardrail in acts {
        looked += 1;
        let checked = format!("rehearsal of {}", guardrail.name);
        match rehearsals.iter().find(|one| one.guardrail == guardrail.name) {
            Some(rehearsal) => judge_one(&mut sheet, rehearsal, seen.now),
            None if made.is_some_and(|made| seen.now.duration_since(made) > PATIENCE) => {
                let means = "what it would be refused or leave alone is found only when its budget is exceeded";
                sheet.warning(&checked, "there was none yet", means, AGAIN);
            }
            None => sheet.well(format!("{checked}: there was none yet, and one is due with the schedule's next round")),
        }
    }
    if looked == 0 {
        sheet.well("no stage asks for an action, so there is nothing to rehearse");
    }
    sheet
}

fn judge_one(sheet: &mut Sheet, rehearsal: &Rehearsal, now: Timestamp) {
    let age = now.duration_since(rehearsal.at);
    if age > PATIENCE {
        let checked = format!("rehearsal of {}", rehearsal.guardrail);
        let found = format!("the last was {} hours ago", age.as_hours());
        sheet.warning(&checked, found, "what was found since then is not known", AGAIN);
    }
    for stage in &rehearsal.stages {
        judge_stage(sheet, &format!("rehearsal of {} at {}", rehearsal.guardrail, stage.stage), stage);
    }
}

fn judge_stage(sheet: &mut Sheet, checked: &str, stage: &RehearsedStage) {
    let tally = &stage.tally;
    let refused: Vec<String> = tally.refused.iter().map(|kind| format!("would be REFUSED: {}", kind.line())).collect();
    let left: Vec<String> = tally.left_alone.iter().map(|kind| format!("would be left alone: {}", kind.line())).collect();
    let remedy = format!("mend what it names; {AGAIN}");
    let found = [refused, left].concat().join("; ");
    if tally.changes + tally.as_wanted == 0 && !tally.refused.is_empty() {
        let means = "the stage would do nothing that it asks for if its budget were exceeded";
        sheet.failure(checked, found, means, remedy);
    } else if stage.is_trouble() {
        let means = "the stage would not do all that it asks for if its budget were exceeded";
        sheet.warning(checked, found, means, remedy);
    } else if !found.is_empty() {
        sheet.note(
            checked,
            found,
            "that goes on costing money while the stage is enforced",
            "exempt it knowingly, or leave it so",
        );
    } else if stage.is_empty() {
        let means = "the stage has no target now, or its tags are on none";
        sheet.note(
            checked,
            "it would do nothing: there is nothing in its scope",
            means,
            "see whether the tags are as the file says",
        );
    } else if tally.untried.is_empty() {
        sheet.well(format!("{checked}: {} would be changed", tally.changes));
    }
    if !tally.untried.is_empty() {
        let means = "what it would be refused there is not known";
        sheet.could_not_check(checked, tally.untried.join("; "), means, AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use guardrails_model::record::{FORMAT, Tally};
    use guardrails_model::report::Kind;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    fn of(tally: Tally) -> Sheet {
        let stages = vec![RehearsedStage { stage: "100% actual".parse().unwrap(), is_open: false, tally }];
        let at: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
        let by = "test".to_owned();
        let rehearsal = Rehearsal { format: FORMAT, guardrail: "beta".parse().unwrap(), at, by, told: None, stages };
        let mut sheet = Sheet::new("test");
        judge_one(&mut sheet, &rehearsal, at);
        sheet
    }

    fn kind(words: &str) -> Vec<Kind> {
        vec![Kind { words: words.to_owned(), count: 1, examples: vec!["x".to_owned()] }]
    }

    #[test]
    fn stage_that_would_do_nothing_is_a_failure() {
        let severity = |tally: Tally| of(tally).findings.first().map(|finding| finding.severity);
        let refused = || Tally { refused: kind("there is no IAM user `x`"), ..Tally::default() };
        assert_eq!(severity(refused()), Some(Severity::Failure));
        assert_eq!(severity(Tally { changes: 2, ..refused() }), Some(Severity::Warning));
        assert_eq!(severity(Tally { left_alone: kind("g5"), ..Tally::default() }), Some(Severity::Warning));
        assert_eq!(severity(Tally { left_alone: kind("g5"), changes: 1, ..Tally::default() }), Some(Severity::Note));
        assert_eq!(severity(Tally::default()), Some(Severity::Note), "nothing in its scope");
        assert_eq!(severity(Tally { changes: 1, ..Tally::default() }), None);
        assert_eq!(severity(Tally { changes: 1, ..Tally::untried("no time") }), Some(Severity::CouldNotCheck));
    }

    #[test]
    fn rehearsal_that_is_missing_for_long_is_a_warning() {
        let now: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
        let text = include_str!("../../../../../examples/guardrails.yaml");
        let config = guardrails_aws::actions::CATALOG.parse("examples/guardrails.yaml", text).unwrap();
        let seen = Seen { rehearsals: Ok(Vec::new()), config: Ok(config), now };
        assert_eq!(judge(&seen, Some(now - SignedDuration::from_hours(2))).findings, Vec::new());
        let late = judge(&seen, Some(now - SignedDuration::from_hours(30)));
        assert_eq!(late.findings.len(), 1, "{late:?}");
    }
}
