//! docs/peers.md.

use std::fmt::Write as _;

use anyhow::Result;

use super::Outcome;

/// The page with both outcomes.
pub fn write(version: &str, theirs: &Outcome, ours: &Outcome) -> Result<String> {
    let mut page = INTRODUCTION.replace("VERSION", version);
    writeln!(page, "\n## Stopped\n")?;
    table(&mut page, theirs, ours, |outcome| &outcome.stopped)?;
    writeln!(page, "\n## And back\n\nA cell is bold where the resource is not as it was before.\n")?;
    table(&mut page, theirs, ours, |outcome| &outcome.back)?;
    writeln!(page, "\n## Said of the rest\n\n{SAID}\n")?;
    writeln!(page, "| resource that was not stopped | Cloud Custodian | Budget Guardrails |\n| --- | --- | --- |")?;
    for name in ["worker", "archive", "ledger", "ledger-read", "carts-1"] {
        writeln!(page, "| `{name}` | {} | {} |", line(&theirs.output, name), reason(&ours.output, name))?;
    }
    page.push_str(NOTES);
    Ok(page)
}

const INTRODUCTION: &str = "\
# Beside Cloud Custodian

`cargo xtask peers` writes this page. [Cloud Custodian](https://cloudcustodian.io) (c7n) VERSION and this product stop the same
resources and bring them back. Each works on a local AWS of its own. The local AWS refuses the stops that RDS refuses, and keeps
a service's count within the bounds of its scaling.

Cloud Custodian runs the policies that its documentation shows: [stop.yml](../xtask/src/peers/stop.yml), and
[start.yml](../xtask/src/peers/start.yml) for the way back. This product enforces a stage of
[guardrails.yaml](../xtask/src/peers/guardrails.yaml), and rolls it back.
[world.py](../xtask/src/peers/world.py) makes the resources and reads their states. It uses no code of either program.

Before that, an operator suspended the scheduled scaling of `web` and the process `AZRebalance` of `fleet`. The operator also
stopped the database `archive`, and one member of `fleet` in Standby.

It compares one way there and back. Cloud Custodian does many tasks that this product does not. Nothing here was tried on AWS.
";

const SAID: &str = "\
Cloud Custodian ran with `--verbose`. Its log counts the resources that its filters chose, such as `action:stop resources:5`. The
table has the first line of the log that names the resource, and the reason that this product gave.";
const NOTHING: &str = "nothing";

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

/// The first line of a log that names the resource.
fn line(output: &str, name: &str) -> String {
    output.lines().find(|line| names(line, name)).map_or_else(|| NOTHING.to_owned(), |line| format!("`{line}`"))
}

/// The reason for which the resource was skipped.
fn reason(output: &str, name: &str) -> String {
    let reason = output.lines().filter(|line| names(line, name)).find_map(|line| line.split_once("skipped ("));
    reason.map_or_else(|| NOTHING.to_owned(), |(_, reason)| reason.trim_end_matches(')').to_owned())
}

fn names(line: &str, name: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == name)
}
