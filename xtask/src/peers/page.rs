//! docs/peers.md.

use std::fmt::Write as _;

use anyhow::Result;

use super::Outcome;

/// The page with both outcomes.
pub fn write(version: &str, theirs: &Outcome, ours: &Outcome) -> Result<String> {
    let mut page = INTRODUCTION.replace("VERSION", version);
    writeln!(page, "\n## Stopped\n\nA cell is bold where the resource is not as it was before.\n")?;
    table(&mut page, theirs, ours, |outcome| &outcome.stopped)?;
    writeln!(page, "\n## And back\n")?;
    table(&mut page, theirs, ours, |outcome| &outcome.back)?;
    writeln!(page, "\n## Left alone, and said\n\n{SAID}\n")?;
    writeln!(page, "| resource | Cloud Custodian | Budget Guardrails |\n| --- | --- | --- |")?;
    for name in ["worker", "archive", "ledger", "ledger-read"] {
        writeln!(page, "| `{name}` | {} | {} |", said(theirs, name, line), said(ours, name, reason))?;
    }
    page.push_str(NOTES);
    Ok(page)
}

const INTRODUCTION: &str = "\
# Beside Cloud Custodian

`cargo xtask peers` writes this page. [Cloud Custodian](https://cloudcustodian.io) (c7n) VERSION and this product stop the same
resources and bring them back. Each works on a local AWS of its own. The local AWS refuses the stops that RDS refuses, and keeps
a service's count within the bounds of its scaling.

Cloud Custodian runs policies with the actions that its documentation shows: [stop.yml](../xtask/src/peers/stop.yml), and
[start.yml](../xtask/src/peers/start.yml) for the way back. This product enforces a stage of
[guardrails.yaml](../xtask/src/peers/guardrails.yaml), and rolls it back.
[world.py](../xtask/src/peers/world.py) makes the resources and reads their states. It uses no code of either program.

Before, an operator suspended the scheduled scaling of `web` and the process `AZRebalance` of `fleet`. The operator also
stopped the database `archive`, and one member of `fleet` in Standby.

It compares one way there and back. Cloud Custodian does many tasks that this product does not. Nothing here was tried on AWS.
";

const SAID: &str = "\
The table has the first line of Cloud Custodian's log that names the resource, and the reason that this product gave. The log is
the verbose one. It counts the resources that the filters chose, such as `action:stop resources:5`.";

const NOTES: &str = "
## Notes

- A policy of Cloud Custodian can tag the resources that it stops, and start only those with the tag. Its documented examples do
  not. With such a tag, `archive` would stay stopped.
- `resume` resumes every process, unless its `exclude` lists one. The list is fixed in the policy. It starts every member.
- `resize` works on the services that have a scalable target. `modify` sets the count of any service, and saves no value.
- `resize` names only the suspensions that it changes. AWS does not document the effect on the others. The local AWS clears them,
  as moto does. The way back ends with all three cleared in either case.
- `resize` leaves its tag on the resource. The next stop writes it anew.
- `resume` waits 30 seconds before it resumes the processes. Here it waits one.
- The members of `batch` are terminated by both programs, and new ones are launched.
- A member that is set aside by this product is in Standby until the rollback.
";

fn table(page: &mut String, theirs: &Outcome, ours: &Outcome, of: fn(&Outcome) -> &super::States) -> Result<()> {
    writeln!(page, "| resource | before | Cloud Custodian | Budget Guardrails |\n| --- | --- | --- | --- |")?;
    for (((resource, before), (_, theirs)), (_, ours)) in ours.before.iter().zip(of(theirs)).zip(of(ours)) {
        writeln!(page, "| {resource} | {before} | {} | {} |", marked(before, theirs), marked(before, ours))?;
    }
    Ok(())
}

fn marked(before: &str, now: &str) -> String {
    if before == now { now.to_owned() } else { format!("**{now}**") }
}

/// "stopped", or the words of the output about the resource.
fn said(outcome: &Outcome, name: &str, words: fn(&str, &str) -> Option<String>) -> String {
    let state = |states: &super::States| {
        let found = states.iter().find(|(resource, _)| resource.contains(&format!("`{name}`")));
        found.map(|(_, state)| state.clone())
    };
    if state(&outcome.before) == state(&outcome.stopped) {
        words(&outcome.output, name).unwrap_or_else(|| "nothing".to_owned())
    } else {
        "stopped".to_owned()
    }
}

/// The first line of a log that names the resource.
fn line(output: &str, name: &str) -> Option<String> {
    output.lines().find(|line| names(line, name)).map(|line| format!("`{line}`"))
}

/// The reason for which the resource was skipped. The resource stands before the colon, and may be named in other reasons.
fn reason(output: &str, name: &str) -> Option<String> {
    let mut lines = output.lines().filter_map(|line| line.split_once(':')).filter(|(label, _)| names(label, name));
    let (_, reason) = lines.find_map(|(_, rest)| rest.split_once("skipped ("))?;
    Some(reason.trim_end_matches(')').to_owned())
}

fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == name)
}
