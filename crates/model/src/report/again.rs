//! Changes that others undid: how often, and the call that names them.

use super::Report;
use crate::record::{Direction, Step};

/// Steps whose history is pointed at.
const POINTED_AT: usize = 3;

impl Report {
    /// One line for each of the steps that others undid most often.
    pub(super) fn undone(&self) -> String {
        if self.run.direction == Direction::Rollback {
            return String::new();
        }
        let mut undone: Vec<(u32, &Step)> = self
            .steps
            .iter()
            .filter(|step| !step.phase.is_final())
            .filter_map(|step| Some((step.enforced_again()?.0, step)))
            .collect();
        undone.sort_by(|(more, a), (less, b)| less.cmp(more).then_with(|| a.facet.cmp(&b.facet)));
        let lines = undone.into_iter().take(POINTED_AT).map(|(times, step)| {
            let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            let asked = step.undone_by.as_ref().map(|by| format!("{}; ", by.words())).unwrap_or_default();
            format!("  others undid {} {times}; by whom: {asked}{}\n", step.label, by_whom(step))
        });
        lines.collect()
    }
}

/// The event history of `CloudTrail` keeps the calls on a resource for 90 days, also without a trail. IAM's history is in one Region.
fn by_whom(step: &Step) -> String {
    let (kind, target, switch) = step.facet.parts();
    let (region, name) = if kind.ends_with("-policy") { ("us-east-1", target) } else { (target, switch) };
    let asked = format!("--lookup-attributes AttributeKey=ResourceName,AttributeValue={name}");
    format!(
        "aws cloudtrail lookup-events --region {region} {asked} --query 'Events[].[EventTime,EventName,Username]' --output text"
    )
}
