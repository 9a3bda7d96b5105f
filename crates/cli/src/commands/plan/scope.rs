//! Tags that nothing carries, and events of targets that fall due before the period ends.

use std::collections::BTreeMap;

use guardrails_model::config::Tags;
use guardrails_model::phase::Phase;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::made::{Made, Outcome, PartMade};
use crate::output::count;

/// Events that are named.
const NAMED: usize = 5;

impl Made {
    /// Of each action that found nothing in any place, the tags that it selects by: a wrong letter there stops nothing.
    pub(super) fn unmatched(&self) -> Vec<String> {
        let mut actions: BTreeMap<(&str, String), Vec<&PartMade>> = BTreeMap::new();
        for made in &self.parts {
            actions.entry((made.part.action.as_str(), made.part.params.to_string())).or_default().push(made);
        }
        let nothing = |made: &&PartMade| matches!(&made.outcome, Outcome::Steps(steps) if steps.is_empty());
        let empty = actions.into_iter().filter(|(_, parts)| parts.iter().all(nothing));
        let words = empty.filter_map(|((name, _), parts)| {
            let entry = self.catalog.find(name).ok()?;
            let declared = entry.read(&parts.first()?.part.params).ok()?;
            let tags = declared.selects()?;
            let many = entry.about.counts.first().map_or("resources", |counted| counted.noun.many);
            let carried = tags.missing(|_| None)?;
            let counted = if share(tags, &self.counted_tag) { ", the tag that the budget counts" } else { "" };
            Some(format!("0 {many} carry {carried}{counted}: {name} would change nothing"))
        });
        words.collect()
    }

    /// The events that fall due while the changes would be held, as far as the period goes.
    pub(super) fn falls_due(&self, period: &str) -> Option<String> {
        let end = held_until(period)?;
        let changes = self.parts.iter().flat_map(PartMade::steps);
        let changes = changes.filter(|step| step.phase == Phase::Planned && step.present != step.wanted);
        let due: Vec<String> = changes
            .flat_map(|step| step.due.iter().map(move |due| (step, due)))
            .filter(|(_, due)| due.at.is_some_and(|at| at < end))
            .map(|(step, due)| format!("{due} of {}", step.unit.as_ref().map_or(step.label.as_str(), |unit| &unit.name)))
            .collect();
        if due.is_empty() {
            return None;
        }
        let mut named = due.iter().take(NAMED).cloned().collect::<Vec<_>>();
        if due.len() > NAMED {
            named.push(format!("and {} more", due.len() - NAMED));
        }
        let events = count(due.len(), "scheduled action");
        Some(format!("{events} would fall due before {period} is over, and not happen: {}", named.join("; ")))
    }
}

/// Do they have a key with a value in common?
fn share(one: &Tags, other: &Tags) -> bool {
    let has = |key: &str, value: &str| other.iter().any(|(of, values)| of == key && values.contains(&value));
    one.iter().any(|(key, values)| values.iter().any(|value| has(key, value)))
}

/// The moment at which a hold of the period of this name may end: a daily budget's begins a day late.
fn held_until(period: &str) -> Option<Timestamp> {
    let day = match period.split_once("..") {
        Some((_, last)) => last.parse::<Date>().ok()?.tomorrow().ok()?,
        None => match period.parse::<Date>() {
            Ok(day) => day.tomorrow().ok()?.tomorrow().ok()?,
            Err(_) => format!("{period}-01").parse::<Date>().ok()?.last_of_month().tomorrow().ok()?,
        },
    };
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use guardrails_aws::actions::CATALOG;
    use guardrails_aws::ec2::groups::{process_facet, process_unit};
    use guardrails_model::config::Tags;
    use guardrails_model::ids::Value;
    use guardrails_model::pace::Pace;
    use guardrails_model::record::{Due, Part, Step};
    use serde_json::json;

    use super::super::words::tests::step;
    use super::*;

    fn made(counted: &Tags, places: Vec<Vec<Step>>) -> Made {
        let part =
            json!({"group": 0, "action": "stop-instances", "params": {"tag": {"Project": "Beta"}}, "plan": {"is": "missing"}});
        let part: Part = serde_json::from_value(part).unwrap();
        let parts =
            places.into_iter().map(|steps| PartMade { part: part.clone(), warnings: Vec::new(), outcome: Outcome::Steps(steps) });
        Made { catalog: &CATALOG, parts: parts.collect(), pace: Pace::default(), counted_tag: counted.clone() }
    }

    #[test]
    fn tag_that_no_instance_carries_is_named_with_the_budget_s() {
        let (same, other) = (Tags::from([("Project", "Beta")]), Tags::from([("project", "Beta")]));
        let said = made(&same, vec![Vec::new(), Vec::new()]).unmatched();
        assert_eq!(said, ["0 instances carry Project=Beta, the tag that the budget counts: stop-instances would change nothing"]);
        let said = made(&other, vec![Vec::new()]).unmatched();
        assert_eq!(said, ["0 instances carry Project=Beta: stop-instances would change nothing"]);
        assert!(made(&same, vec![Vec::new(), vec![step("i-1")]]).unmatched().is_empty(), "in another Region there are some");
    }

    #[test]
    fn actions_that_fall_due_before_the_period_is_over_are_named() {
        let due = |name: &str, at: &str| Due { name: name.to_owned(), recurrence: None, at: Some(at.parse().unwrap()) };
        let process = Step {
            facet: process_facet("eu-west-1", "web", "ScheduledActions").unwrap(),
            present: Value::new("working"),
            wanted: Value::new("suspended"),
            unit: Some(process_unit("web", 1)),
            due: vec![due("fair", "2026-11-30T23:59:59Z"), due("new-year", "2026-12-31T00:00:00Z")],
            ..step("process")
        };
        let made = made(&Tags::default(), vec![vec![process]]);
        let said = made.falls_due("2026-11").unwrap();
        let expected = "1 scheduled action would fall due before 2026-11 is over, and not happen: fair (once, at 2026-11-30 23:59:59 UTC) of web";
        assert_eq!(said, expected);
        assert!(made.falls_due("2026-11-01..2026-12-31").unwrap().starts_with("2 scheduled actions"));
        assert_eq!((made.falls_due("2026-11-28"), made.falls_due("2026-10")), (None, None));
        assert!(made.falls_due("2026-11-29").is_some(), "a daily budget's alert comes a day later");
    }
}
