//! Instances that run under a budget's tag for longer than a day: without any spend beside them, the budget counts something else.

use std::sync::Arc;

use guardrails_aws::ec2::long_running;
use guardrails_model::clock::SystemClock;
use guardrails_model::config::Tags;
use guardrails_model::pace::{Levels, Pace, Pacer};
use jiff::{SignedDuration, Timestamp};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;

/// AWS Budgets shows what costs within a day or so.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How many instances with these tags have run for longer than a day, in all Regions.
pub(super) async fn look(site: &Site, tags: &Tags, now: Timestamp) -> Read<usize> {
    let pacer = Arc::new(Pacer::new(Pace::default(), Arc::new(SystemClock), Levels::default()));
    let counted = long_running::count(site.sdk(), &pacer, tags, now - DAY).await;
    counted.map_err(|error| Unread::new("ec2:DescribeInstances and ec2:DescribeRegions", error.to_string()))
}

/// Judges a budget that shows no spend, beside instances that run.
pub(super) fn judge(sheet: &mut Sheet, checked: &str, tags: &Tags, seen: &Read<usize>) {
    let Some(count) = sheet.read(&format!("{checked}: instances beside it"), seen) else { return };
    if *count == 0 {
        return;
    }
    let tags = tags.missing(|_| None).unwrap_or_default();
    let found = format!("no spend is known, and {count} running instances carry {tags}, each for more than a day");
    let means = "the budget does not count what they cost, so no alert of it is ever sent for them";
    let remedy = "compare the budget's services and tag with Cost Explorer, letter by letter: guardrails doctor --cost-explorer; credits or \
                  the free tier may pay for them too";
    sheet.warning(checked, found, means, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Severity;

    fn judged(seen: &Read<usize>) -> Sheet {
        let mut sheet = Sheet::new("budgets");
        judge(&mut sheet, "budget beta", &Tags::from([("Project", "Beta")]), seen);
        sheet
    }

    #[test]
    fn running_instances_beside_no_spend_are_a_warning() {
        assert!(judged(&Ok(0)).findings.is_empty());
        let sheet = judged(&Ok(3));
        assert_eq!(sheet.findings[0].severity, Severity::Warning);
        assert!(sheet.findings[0].found.contains("3 running instances carry Project=Beta"), "{sheet:?}");
        let sheet = judged(&Err(Unread::new("ec2:DescribeInstances", "UnauthorizedOperation: no")));
        assert_eq!(sheet.findings[0].severity, Severity::CouldNotCheck);
    }
}
