//! A plan in plain text: each step of a small one, and the counts by kind of a large one.

use std::collections::BTreeMap;
use std::fmt::Write;

use guardrails_aws::ec2::groups::{PROCESS, is_in_group, is_of_group, process_of};
use guardrails_aws::ec2::instances::POWER;
use guardrails_aws::ec2::standby::{MEMBERSHIP, MINIMUM};
use guardrails_aws::error::{is_denial, with_right};
use guardrails_model::action::Unit;
use guardrails_model::decide::Target;
use guardrails_model::phase::Phase;
use guardrails_model::record::Step;
use guardrails_model::report::Alike;

use super::made::{Made, Outcome, PartMade, reason};
use crate::output::count;

/// Steps of a plan that is shown step by step.
const SMALL: usize = 40;
/// Groups of a Region that are named in a summary.
const NAMED: usize = 5;

/// The steps of a part by their outcome in a run.
#[derive(Default)]
pub(super) struct Counts<'a> {
    pub(super) changes: Vec<&'a Step>,
    pub(super) as_wanted: Vec<&'a Step>,
    pub(super) left_alone: Vec<&'a Step>,
    pub(super) refused: Vec<&'a Step>,
    /// Those that the caller may not look at.
    pub(super) unread: Vec<&'a Step>,
}

impl<'a> Counts<'a> {
    pub(super) fn of(steps: &'a [Step]) -> Self {
        let mut counts = Self::default();
        for step in steps {
            let list = match step.phase {
                Phase::Skipped if step.unplanned && is_denial(reason(step)) => &mut counts.unread,
                Phase::Skipped if step.unplanned => &mut counts.refused,
                Phase::Skipped => &mut counts.left_alone,
                Phase::ApplyFailed => &mut counts.refused,
                _ if step.present == step.wanted => &mut counts.as_wanted,
                _ => &mut counts.changes,
            };
            list.push(step);
        }
        counts
    }

    fn words(&self) -> String {
        let lists = [
            (&self.changes, "to change"),
            (&self.as_wanted, "as wanted already"),
            (&self.left_alone, "left alone"),
            (&self.refused, "REFUSED"),
            (&self.unread, "could not be read"),
        ];
        let said = lists.iter().filter(|(steps, _)| !steps.is_empty()).map(|(steps, what)| format!("{} {what}", steps.len()));
        said.collect::<Vec<_>>().join(", ")
    }
}

impl Made {
    pub(crate) fn text(&self, target: &Target, all: bool) -> String {
        let steps: usize = self.parts.iter().map(|made| made.steps().len()).sum();
        let each = all || steps <= SMALL;
        let mut lines: Vec<String> = self.warnings().iter().map(|warning| format!("WARNING: {warning}")).collect();
        lines.push(format!("{} at {} would:", target.guardrail, target.stage));
        let mut unread = Alike::default();
        for made in &self.parts {
            let title = made.part.title();
            match &made.outcome {
                Outcome::Steps(steps) if steps.is_empty() => {}
                Outcome::Steps(steps) => {
                    let counts = Counts::of(steps);
                    lines.push(format!("  {title}: {}", counts.words()));
                    lines.extend(
                        if each { one_by_one(steps) } else { summary(self, &counts) }.iter().map(|line| format!("    {line}")),
                    );
                }
                Outcome::Skipped(why) => {
                    lines.push(format!("  SKIPPED {title}: the account's organisation lets nobody work there: {why}"));
                }
                Outcome::Refused(why) => lines.push(format!("  REFUSED {title}: {why}")),
                Outcome::Unread(why) => unread.add(&with_right(why), &title),
            }
        }
        lines.extend(unread.lines().into_iter().map(|line| format!("  could not be read: {line}")));
        let is_empty = |made: &&PartMade| matches!(&made.outcome, Outcome::Steps(steps) if steps.is_empty());
        let empty: Vec<String> = self.parts.iter().filter(is_empty).map(|made| made.part.title()).collect();
        if self.parts.is_empty() {
            lines.push("  only notify: the stage asks for no action".to_owned());
        } else if empty.len() == self.parts.len() {
            lines.push("  change nothing: there is nothing in its scope".to_owned());
        } else if !empty.is_empty() {
            lines.push(format!("  nothing in scope: {}", empty.join(", ")));
        }
        if !each {
            lines.push(format!("each of them: guardrails plan {} --at '{}' --all", target.guardrail, target.stage));
        }
        lines.extend(self.unmatched());
        lines.extend(self.falls_due(&target.period));
        lines.extend(self.estimate().map(|estimate| estimate.words()));
        lines.join("\n")
    }
}

/// A group, as a plan's steps have it.
#[derive(Default)]
struct Group<'a> {
    members: Vec<&'a Step>,
    /// Processes that are suspended before the members stop.
    suspended: Vec<&'a str>,
    /// Members that enter Standby before they stop.
    aside: usize,
    /// Its minimum, where that is set to 0 for it.
    minimum: Option<&'a str>,
    /// Notes on the changes of the group itself.
    notes: Vec<(&'a str, &'a str)>,
}

fn groups<'a>(steps: impl IntoIterator<Item = &'a Step>) -> BTreeMap<&'a str, Group<'a>> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for step in steps {
        let Some(unit) = of_auto_scaling(step) else { continue };
        let group = groups.entry(&unit.name).or_default();
        if let Some(note) = step.note.as_deref().filter(|_| is_of_group(&step.facet) && step.present != step.wanted) {
            group.notes.push((&step.label, note));
        }
        match step.facet.parts().0 {
            _ if !is_of_group(&step.facet) => group.members.push(step),
            _ if step.present == step.wanted => {}
            PROCESS => group.suspended.push(process_of(&step.facet).0),
            MEMBERSHIP => group.aside += 1,
            MINIMUM => group.minimum = Some(step.present.as_str()),
            _ => {}
        }
    }
    groups
}

/// The Auto Scaling group that a step belongs to, if its unit is one.
fn of_auto_scaling(step: &Step) -> Option<&Unit> {
    step.unit.as_ref().filter(|_| is_in_group(&step.facet))
}

fn one_by_one(steps: &[Step]) -> Vec<String> {
    let mut lines: Vec<String> = steps.iter().filter(|step| of_auto_scaling(step).is_none()).map(line).collect();
    for (name, group) in groups(steps) {
        let mut first = String::new();
        if !group.suspended.is_empty() {
            let _ = write!(first, ", after its processes are suspended: {}", group.suspended.join(", "));
        }
        if let Some(minimum) = group.minimum {
            let _ = write!(first, "; its minimum {minimum} -> 0");
        }
        if group.aside > 0 {
            let _ = write!(first, "; {} to Standby", count(group.aside, "member"));
        }
        lines.push(format!("Auto Scaling group {name}{first}"));
        lines.extend(group.members.into_iter().map(|step| format!("  {}", line(step))));
        lines.extend(group.notes.into_iter().map(|(label, note)| format!("  {label}: {note}")));
    }
    lines
}

fn line(step: &Step) -> String {
    let kind = step.kind.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
    let (label, present) = (&step.label, &step.present);
    let reason = reason(step);
    match step.phase {
        Phase::Skipped if step.unplanned && is_denial(reason) => {
            format!("could not be read: {label}{kind} ({})", with_right(reason))
        }
        Phase::Skipped if step.unplanned => format!("CANNOT BE PLANNED {label}{kind} ({reason})"),
        Phase::Skipped => format!("{label}{kind}: {present}, left alone ({reason})"),
        Phase::ApplyFailed => format!("REFUSED {label}{kind}: {present} -> {} ({reason})", step.wanted),
        _ if step.present == step.wanted => format!("{label}{kind}: {present} already"),
        _ => {
            let note = step.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
            format!("{label}{kind}: {present} -> {}{note}", step.wanted)
        }
    }
}

fn summary(made: &Made, counts: &Counts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let single = counts.changes.iter().copied().filter(|step| of_auto_scaling(step).is_none());
    for (counted, number) in made.counted(single) {
        // Only instances may be members of a group.
        let apart = if counted.facet == POWER { " in no Auto Scaling group" } else { "" };
        lines.push(format!("{}{apart}", counted.noun.count(number)));
    }
    let mut of_groups: Vec<(usize, &str)> =
        groups(counts.changes.iter().copied()).into_iter().map(|(name, group)| (group.members.len(), name)).collect();
    of_groups.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    if !of_groups.is_empty() {
        let members: usize = of_groups.iter().map(|(members, _)| members).sum();
        let mut named: Vec<String> = of_groups.iter().take(NAMED).map(|(members, name)| format!("{name} ({members})")).collect();
        if of_groups.len() > NAMED {
            named.push(format!("and {} more", of_groups.len() - NAMED));
        }
        let of = count(of_groups.len(), "Auto Scaling group");
        lines.push(format!("{} of {of}: {}", count(members, "member"), named.join(", ")));
    }
    let (mut refused, mut left_alone, mut notes) = (Alike::default(), Alike::default(), Alike::default());
    let mut unread = Alike::default();
    counts.refused.iter().for_each(|step| refused.add(reason(step), &step.label));
    counts.left_alone.iter().for_each(|step| left_alone.add(reason(step), &step.label));
    counts.unread.iter().for_each(|step| unread.add(&with_right(reason(step)), &step.label));
    counts.changes.iter().for_each(|step| step.note.iter().for_each(|note| notes.add(note, &step.label)));
    for (title, alike) in [("REFUSED", refused), ("could not be read", unread), ("left alone", left_alone), ("to know", notes)] {
        lines.extend(alike.lines().into_iter().map(|line| format!("{title}: {line}")));
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use guardrails_aws::actions::CATALOG;
    use guardrails_aws::ec2::groups::{member_unit, process_facet, process_unit};
    use guardrails_model::ids::{FacetId, Nonce, Value};
    use guardrails_model::pace::Pace;
    use guardrails_model::record::{Log, Part, PartPlan};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    /// A running instance that would be stopped.
    pub(crate) fn step(id: &str) -> Step {
        Step {
            format: 1,
            run: "r-1".parse().unwrap(),
            part: 0,
            token: Nonce::fresh(),
            facet: FacetId::new("instance-power", "eu-west-1", id).unwrap(),
            label: id.to_owned(),
            kind: Some("t3.micro".to_owned()),
            note: None,
            due: Vec::new(),
            identity: None,
            known_by: None,
            program: None,
            unplanned: false,
            spared: false,
            unit: None,
            late: false,
            present: Value::new("running"),
            wanted: Value::new("stopped"),
            before: None,
            phase: Phase::Planned,
            reason: None,
            attempt: 0,
            since: Timestamp::UNIX_EPOCH,
            put_back: false,
            let_go: false,
            lost: false,
            accepted: None,
            again_at: None,
            delays: 0,
            awaits: None,
            undone_by: None,
            turns_back: None,
            again_as_wanted: None,
            events: Log::default(),
        }
    }

    fn part(region: &str, outcome: Outcome) -> PartMade {
        let (action, place) = ("stop-instances".parse().unwrap(), Some(region.parse().unwrap()));
        PartMade {
            part: Part {
                wave: 0,
                action,
                params: json!({}),
                place,
                plan: PartPlan::Missing,
                cursor: None,
                late: false,
                unseen: None,
            },
            warnings: Vec::new(),
            outcome,
        }
    }

    pub(crate) fn made(parts: &[(&str, Vec<Step>)]) -> Made {
        let parts = parts.iter().map(|(region, steps)| part(region, Outcome::Steps(steps.clone())));
        Made {
            catalog: &CATALOG,
            parts: parts.collect(),
            pace: Pace::default(),
            counted_tag: guardrails_model::config::Tags::default(),
        }
    }

    fn text(made: &Made, all: bool) -> String {
        let (guardrail, stage) = ("beta".parse().unwrap(), "100% actual".parse().unwrap());
        made.text(&Target { guardrail, stage, period: "2026-11".to_owned(), simulated: false }, all)
    }

    /// A group's members, and the process that is suspended before they stop.
    fn group(name: &str, members: usize) -> Vec<Step> {
        let member = |number| Step { unit: Some(member_unit(name)), ..step(&format!("i-{name}{number}")) };
        let process = Step {
            facet: process_facet("eu-west-1", name, "HealthCheck").unwrap(),
            present: Value::new("working"),
            wanted: Value::new("suspended"),
            unit: Some(process_unit(name, 1)),
            ..step("process")
        };
        (0..members).map(member).chain([process]).collect()
    }

    fn skipped(id: &str, why: &str) -> Step {
        Step { phase: Phase::Skipped, reason: Some(why.to_owned()), ..step(id) }
    }

    #[test]
    fn a_small_plan_is_shown_step_by_step_with_groups_apart() {
        let mut steps = group("web", 2);
        steps.push(Step { note: Some("its public address 203.0.113.7 will be another".to_owned()), ..step("i-1") });
        steps.push(skipped("i-2", "it is exempt"));
        steps.push(Step { present: Value::new("stopped"), ..step("i-3") });
        let said = text(&made(&[("eu-west-1", steps), ("us-east-1", Vec::new())]), false);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            lines[..9],
            [
                "beta at 100% actual would:",
                "  stop-instances in eu-west-1: 4 to change, 1 as wanted already, 1 left alone",
                "    i-1, t3.micro: running -> stopped; its public address 203.0.113.7 will be another",
                "    i-2, t3.micro: running, left alone (it is exempt)",
                "    i-3, t3.micro: stopped already",
                "    Auto Scaling group web, after its processes are suspended: HealthCheck",
                "      i-web0, t3.micro: running -> stopped",
                "      i-web1, t3.micro: running -> stopped",
                "  nothing in scope: stop-instances in us-east-1",
            ],
            "{said}"
        );
        assert!(lines[9].contains("stopping: under a minute"), "{said}");
    }

    #[test]
    fn a_large_plan_is_summed_up_and_shown_whole_when_asked_for() {
        let note = |number: usize| Some(format!("its public address 203.0.113.{number} will be another"));
        let mut steps: Vec<Step> = (0..900).map(|n| Step { note: note(n), ..step(&format!("i-{n}")) }).collect();
        (0..7).for_each(|n| steps.extend(group(&format!("web-{n}"), n + 1)));
        steps.extend((0..60).map(|n| skipped(&format!("i-x{n}"), &format!("it is of the spot request sir-{n}"))));
        let made = made(&[("eu-west-1", steps)]);
        let said = text(&made, false);
        assert!(said.lines().count() < 12, "{said}");
        for words in [
            "stop-instances in eu-west-1: 935 to change, 60 left alone",
            "900 instances in no Auto Scaling group",
            "28 members of 7 Auto Scaling groups: web-6 (7), web-5 (6), web-4 (5), web-3 (4), web-2 (3), and 2 more",
            "left alone: 60: it is of the spot request … -- i-x0, i-x1, i-x2, ...",
            "to know: 900: its public address … will be another -- i-0, i-1, i-2, ...",
            "each of them: guardrails plan beta --at '100% actual' --all",
            "stopping: about 1 min; starting again: about 8 min at a share of 0.5",
        ] {
            assert!(said.contains(words), "{words}:\n{said}");
        }
        let whole = text(&made, true);
        assert!(whole.contains("i-899, t3.micro: running -> stopped") && whole.contains("i-x59"), "{whole}");
    }

    #[test]
    fn plan_says_refused_parts_and_closed_places() {
        let outcomes = [
            ("eu-west-1", Outcome::Refused("planning: not allowed".to_owned())),
            ("us-west-2", Outcome::Skipped("explicit deny".to_owned())),
        ];
        let mut parts: Vec<PartMade> = outcomes.into_iter().map(|(region, outcome)| part(region, outcome)).collect();
        parts[0].warnings = vec!["it TERMINATES".to_owned()];
        let made =
            Made { catalog: &CATALOG, parts, pace: Pace::default(), counted_tag: guardrails_model::config::Tags::default() };
        let said = text(&made, false);
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                "WARNING: it TERMINATES",
                "beta at 100% actual would:",
                "  REFUSED stop-instances in eu-west-1: planning: not allowed",
                "  SKIPPED stop-instances in us-west-2: the account's organisation lets nobody work there: explicit deny",
            ]
        );
    }
}
