//! Shows the result: the table and the checks on stdout, as text or as data; what to try next on stderr.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use guardrails_local_aws::Kept;
use guardrails_local_aws::walkthrough::FULL_ACCESS;
use serde_json::{Value, json};

use super::checks::{Check, READ_ONLY, is_deny};
use super::programs::Programs;
use super::{FILE, Format, GUARDRAIL, MOCK, Moment, Story, say};

/// The width of the table, so that every terminal and the README show it whole.
const COLUMNS: u16 = 80;

/// All that is needed to go on by hand.
pub struct Next<'a> {
    /// The command.
    pub programs: &'a Programs,
    /// The environment in which the command finds the local AWS.
    pub environment: Vec<(String, String)>,
    /// The local AWS, if it was left running.
    pub kept: Option<Kept>,
}

/// Shows all of it.
pub fn result(format: Format, story: &Story, checks: &[Check], next: &Next) -> Result<()> {
    let shown = match format {
        Format::Text => text(story, checks),
        Format::Json => serde_json::to_string_pretty(&data(story, checks, next)).context("writing the result as JSON")?,
    };
    writeln!(std::io::stdout().lock(), "{shown}").context("writing to stdout")?;
    say(&talk(story, checks, next));
    Ok(())
}

fn text(story: &Story, checks: &[Check]) -> String {
    let mut lines = vec![table(story), String::new()];
    for check in checks {
        lines.push(if check.holds {
            format!("  ok    {}", check.claim)
        } else {
            format!("  NOT   {}\n        seen: {}", check.claim, check.seen)
        });
    }
    lines.join("\n")
}

fn table(story: &Story) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table.set_header(["", "before", "swapped", "denied", "rolled back"]);
    let mut row = |what: String, cell: &dyn Fn(&Moment) -> String| {
        let worlds = [&story.before, &story.enforced, &story.denied, &story.rolled_back];
        table.add_row(std::iter::once(what).chain(worlds.map(cell)));
    };
    for group in story.before.groups.keys() {
        row(format!("group {group}"), &|world| world.groups.get(group).map(policies).unwrap_or_default());
    }
    for group in story.before.scaling.keys() {
        row(format!("suspended processes of {group}"), &|world| world.scaling.get(group).map_or(0, BTreeSet::len).to_string());
    }
    for call in story.before.user.keys() {
        row(format!("user: {call}"), &|world| world.user.get(call).map(ToString::to_string).unwrap_or_default());
    }
    for instance in &story.world.instances {
        row(format!("{} ({})", instance.name, instance.role), &|world| {
            world.instances.get(&instance.id).cloned().unwrap_or_else(|| "gone".to_owned())
        });
    }
    for service in story.before.services.keys() {
        row((*service).to_owned(), &|world| world.services.get(service).cloned().unwrap_or_default());
    }
    table.trim_fmt()
}

/// Their effect, one a line.
fn policies(attached: &BTreeSet<String>) -> String {
    let shown: BTreeSet<&str> = attached.iter().map(|name| effect(name)).collect();
    shown.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn effect(policy: &str) -> &str {
    match policy {
        FULL_ACCESS => "full access",
        READ_ONLY => "read only",
        _ if is_deny(policy) => "Deny",
        other => other,
    }
}

fn data(story: &Story, checks: &[Check], next: &Next) -> Value {
    json!({
        "holds": checks.iter().all(|check| check.holds),
        "seconds": story.seconds,
        "checks": checks,
        "before": story.before,
        "enforced": story.enforced,
        "denied": story.denied,
        "rolled_back": story.rolled_back,
        "instances": story.world.instances,
        "seen": story.seen,
        "run": story.run_after,
        "kept": next.kept.as_ref().map(|kept| json!({
            "pid": kept.pid,
            "scratch": kept.scratch,
            "log": kept.log,
            "environment": next.environment.iter().cloned().collect::<BTreeMap<_, _>>(),
            "try": next.commands(story),
            "end": end(kept),
        })),
    })
}

fn talk(story: &Story, checks: &[Check], next: &Next) -> String {
    let failed = checks.iter().filter(|check| !check.holds).count();
    let verdict = if failed == 0 { format!("all {} checks hold", checks.len()) } else { format!("{failed} checks do NOT hold") };
    format!("\n{verdict}; it took {:.1} s\n\n{}", story.seconds, next.words(Some(story)))
}

impl Next<'_> {
    /// The next things to try. A command for a part that was not deployed is not offered.
    pub fn words(&self, story: Option<&Story>) -> String {
        let Some(kept) = &self.kept else {
            return format!(
                "Try next:\n  \
                cargo demo --keep           leaves the local AWS running, to try it by hand\n  \
                cargo demo --output json    the same as data\n  \
                $EDITOR {FILE}  what is enforced, and when"
            );
        };
        let mut lines = vec!["The local AWS is left running. To go on with it:".to_owned(), String::new()];
        lines.extend(self.environment.iter().map(|(name, value)| format!("  export {name}={value}")));
        lines.push(String::new());
        if let Some(story) = story {
            lines.extend(self.commands(story).map(|command| format!("  {command}")));
            lines.push(String::new());
        }
        lines.push(format!("To end it:  {}", end(kept)));
        lines.push(format!("Its log:    {}", kept.log.display()));
        lines.join("\n")
    }

    /// Three commands: the alert again, its effect, and back.
    fn commands(&self, story: &Story) -> [String; 3] {
        let guardrails = self.programs.guardrails.display();
        [
            format!("aws sns publish --topic-arn {} --message '{MOCK}'", story.topic),
            format!("{guardrails} status"),
            format!("{guardrails} rollback {GUARDRAIL}"),
        ]
    }
}

fn end(kept: &Kept) -> String {
    format!("kill {}; rm -r {}", kept.pid, kept.scratch.display())
}
