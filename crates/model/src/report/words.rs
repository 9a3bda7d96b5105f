//! A report in plain text.

use std::fmt::Write;

use super::remedy::{next, remedy};
use super::{Counts, Report, approval, unplanned, waits};
use crate::clock;
use crate::phase::Phase;
use crate::record::{Direction, Run, RunState, Step};
use crate::runs::NOTHING;
use crate::verify::Demand;

impl Report {
    /// One line: the guardrail, its state, the stage and the period.
    #[must_use]
    pub fn headline(&self) -> String {
        let run = &self.run;
        let simulated = if run.simulated { "[simulated] " } else { "" };
        let (still_on, unplanned) = (self.counts.still_on, self.counts.unplanned);
        let is_over = matches!(run.state, RunState::Enforced | RunState::ApplyFailed);
        let nothing = run.state == RunState::Enforced && self.counts.applied == 0 && still_on + unplanned > 0;
        let state = if nothing { NOTHING } else { run.state.words() };
        let mut line = format!("{simulated}{}: {state} at {} in {}", run.guardrail, run.stage, run.period);
        if is_over && still_on > 0 {
            let _ = write!(line, "; {still_on} in scope STILL ON");
        }
        if let Some(hourly) = self.hourly.as_ref().filter(|_| is_over) {
            // Failed and late ones run too.
            let run_on: usize = self.runs_on.values().sum();
            let counted = if run_on == still_on { String::new() } else { format!("; {run_on} still run") };
            let _ = write!(line, "{counted}, {}", hourly.words());
        }
        if is_over && unplanned > 0 {
            let _ = write!(line, "; {unplanned} could not be planned");
        }
        line
    }

    /// The targets that are left alone and go on costing money, by their kinds.
    fn what_is_still_on(&self) -> String {
        if self.counts.still_on == 0 || self.run.direction == Direction::Rollback || self.still_on.is_empty() {
            return String::new();
        }
        let kinds: Vec<String> = self.still_on.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        format!("Still on, and left alone: {}. Each reason stands below.\n", kinds.join(", "))
    }

    /// The cost of all that still runs, and the kinds of which the price list says nothing.
    fn costs(&self) -> String {
        let Some(hourly) = &self.hourly else { return String::new() };
        let run_on: usize = self.runs_on.values().sum();
        let unpriced = hourly.without_price().map(|kinds| format!(" Not in the price list: {kinds}."));
        format!("{run_on} still run: {}, on demand.{}\n", hourly.words(), unpriced.unwrap_or_default())
    }

    /// Words to put before the headline where people did not answer.
    #[must_use]
    pub fn urgency(&self) -> String {
        approval::urgency(&self.run)
    }

    /// The whole in plain text: the changes, the failures with their reasons, and the next commands.
    #[must_use]
    pub fn text(&self) -> String {
        let run = &self.run;
        let mut text = format!("{}\nrun {}, begun {}\n", self.headline(), run.id, clock::words(run.began));
        if run.simulated {
            text.push_str("This run was begun by a simulated alert. What it did is real.\n");
        }
        text.push_str(&remarks(run));
        text.push_str(&self.what_is_still_on());
        text.push_str(&self.costs());
        text.push_str(&approval::text(run));
        for why in run.parts.iter().filter_map(unplanned) {
            let _ = writeln!(text, "  {why}");
        }
        if !self.whole {
            text.push_str(&self.totals());
        }
        for step in &self.steps {
            let _ = writeln!(text, "  {}", line_of(run, step));
            let waits = self.holds.get(&step.facet).map(|hold| hold.waits(run, step, self.looked_at));
            for more in waits.into_iter().flatten().chain(remedy(run, step).filter(|_| step.phase == Phase::RollbackFailed)) {
                let _ = writeln!(text, "      {more}");
            }
        }
        text.push_str(&self.undone());
        if self.more > 0 {
            let _ = writeln!(text, "  ... and {} more: guardrails status --run {} --all", self.more, run.id);
        }
        if !self.whole {
            text.push_str(&section("left alone", &self.left_alone.lines()));
            text.push_str(&section("to know", &self.notes.lines()));
            text.push_str(&section("let go as it is", &self.let_go.lines()));
        }
        text.push_str(&section("fell due while it was held, and did not happen", &self.missed.lines()));
        // On the way back, rights come back too.
        if let Some(verified) = self.verified.as_ref().filter(|_| run.direction == Direction::Apply) {
            text.push_str(&verified.text());
            if verified.is_failure() && run.verify.as_ref().is_some_and(|rule| rule.demand == Demand::Fail) {
                text.push_str("  The stage demands that nobody can: what was enforced stays, and the run counts as failed.\n");
            }
        }
        if let Some(event) = run.events.latest() {
            let _ = writeln!(text, "{}", event.what);
        }
        if let Some(next) = self.next() {
            let _ = writeln!(text, "{next}");
        }
        text
    }

    /// How the steps of each part stand. Most Regions of an account are empty: those are only named.
    fn totals(&self) -> String {
        let (empty, full): (Vec<_>, Vec<_>) = self.parts.iter().partition(|part| part.counts.all() == 0);
        let mut text = String::new();
        for part in full {
            let _ = writeln!(text, "  {}: {}", part.title, part.counts.words());
        }
        let planned = |title: &&str| !self.run.parts.iter().any(|part| part.title() == **title && unplanned(part).is_some());
        let empty: Vec<&str> = empty.iter().map(|part| part.title.as_str()).filter(planned).collect();
        if !empty.is_empty() && self.run.state != RunState::Opening {
            let _ = writeln!(text, "  nothing in scope: {}", empty.join(", "));
        }
        text
    }

    /// The command that comes next, where one does.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        next(&self.run, self.released)
    }
}

impl Counts {
    /// In words; a count of zero is left out.
    #[must_use]
    pub fn words(&self) -> String {
        let waiting = if self.waiting == 0 { String::new() } else { format!(" ({} wait for AWS to have room)", self.waiting) };
        let late = if self.late == 0 { String::new() } else { format!(" ({} came after the plan)", self.late) };
        let said = [
            (self.applied, format!("applied{late}")),
            (self.rolled_back, "put back".to_owned()),
            (self.abandoned, "settled by hand".to_owned()),
            (self.pending, format!("under way{waiting}")),
            (self.failed, "FAILED".to_owned()),
            (self.skipped, "left alone".to_owned()),
            (self.unplanned, "could not be planned".to_owned()),
        ];
        let said: Vec<String> =
            said.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        said.join(", ")
    }
}

/// The unusual facts about the figure, with the way back first.
fn remarks(run: &Run) -> String {
    if run.remarks.is_empty() || run.direction == Direction::Rollback {
        return String::new();
    }
    let mut text = format!("If this figure is wrong, undo it: guardrails rollback {} --run {}\n", run.guardrail, run.id);
    for remark in &run.remarks {
        let _ = writeln!(text, "  - {remark}");
    }
    text
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    lines.iter().fold(format!("  {title}:\n"), |text, line| text + "    " + line + "\n")
}

/// A step in one line. Nothing is planned any more in a run that is over.
fn line_of(run: &Run, step: &Step) -> String {
    if step.phase == Phase::Planned && !run.state.is_open() {
        return format!("{}: it was not begun", step.label);
    }
    line(step)
}

/// A step in one line, as its phase says.
#[must_use]
pub fn line(step: &Step) -> String {
    let before = step.before.as_ref().unwrap_or(&step.present);
    let change = match step.phase {
        Phase::Skipped => format!("{before}"),
        Phase::Planned if *before == step.wanted => format!("{before} already"),
        // It was so, and is held so that others' change of it stays theirs.
        _ if *before == step.wanted => format!("{before}"),
        Phase::RolledBack | Phase::RollingBack | Phase::RollbackFailed => format!("{} -> {before}", step.wanted),
        _ => format!("{before} -> {}", step.wanted),
    };
    let reason = step.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mark = if step.phase.is_failure() { "FAILED  " } else { "" };
    if step.unplanned && step.phase == Phase::Skipped {
        return format!("NOT PLANNED  {}{reason}", step.label);
    }
    let again = step.again_at.filter(|_| waits(step)).map(|at| format!("; asked for again at {}", at.strftime("%H:%M:%S UTC")));
    let late = if step.late { "; it came after the plan" } else { "" };
    let asked = if step.phase == Phase::Planned && step.awaits.is_some() { "; it was not on the approved list" } else { "" };
    let note = step.note.as_ref().filter(|_| !step.phase.is_final()).map(|note| format!("; {note}"));
    let (again, note) = (again.unwrap_or_default(), note.unwrap_or_default());
    format!("{mark}{}: {change}: {}{reason}{again}{late}{asked}{note}", step.label, step.phase)
}
