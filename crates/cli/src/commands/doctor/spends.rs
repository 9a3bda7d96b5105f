//! The known spend, against the figures of AWS Budgets, which may be old, or were reset.

use guardrails_aws::error::chain;
use guardrails_model::clock;
use guardrails_model::config::Guardrail;
use guardrails_model::ids::GuardrailName;
use guardrails_model::spend::Spend;
use jiff::{SignedDuration, Timestamp};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;

/// Budgets computes spend up to three times a day: by then an update's zero is past.
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) async fn look(site: &Site, guardrail: &GuardrailName) -> Read<Option<Spend>> {
    let spend = site.deployment.ledger.spend(guardrail).await;
    spend.map(|spend| spend.map(|spend| spend.value)).map_err(|error| Unread::new("dynamodb:BatchGetItem", chain(&error)))
}

pub(super) fn judge(sheet: &mut Sheet, checked: &str, spend: &Read<Option<Spend>>, guardrail: &Guardrail, now: Timestamp) {
    // Before the first round nothing is known, which is said of the reconciler.
    let Some(Some(spend)) = sheet.read(checked, spend) else { return };
    // A new period's first figures are below the old one's: that is as it should be.
    let present = spend.period == guardrail.budget.period.present(now);
    match spend.below_since.filter(|since| present && now.duration_since(*since) > DAY) {
        Some(since) => {
            let found = format!(
                "since {} AWS Budgets shows less than the ${} that are known to be spent in {}",
                clock::words(since),
                spend.actual,
                spend.period
            );
            let means = "its figures are old, or an update of the budget reset them: its alerts may be late, and a raised budget lets nothing \
                         go meanwhile";
            let remedy = "compare the budget with Cost Explorer, by the same service and tag, and see whether somebody updates it again and \
                          again; after three days the lower figure is believed";
            sheet.warning(checked, found, means, remedy);
        }
        None => sheet.well(format!("{checked}: ${} of ${} are known in {}", spend.actual, spend.limit, spend.period)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::budgets::tests::guardrail;
    use crate::commands::doctor::finding::Severity;

    fn judged(period: &str, below_since: Option<&str>) -> Sheet {
        let spend = json!({"format": 1, "guardrail": "beta", "period": period, "actual": "2.31", "limit": "2",
            "seen": "2026-11-23T11:00:00Z", "below_since": below_since});
        judged_as(&Ok(Some(serde_json::from_value(spend).unwrap())))
    }

    fn judged_as(spend: &Read<Option<Spend>>) -> Sheet {
        let mut sheet = Sheet::new("budgets");
        judge(&mut sheet, "spend", spend, &guardrail("2 USD"), "2026-11-23T12:00:00Z".parse().unwrap());
        sheet
    }

    #[test]
    fn figures_low_for_more_than_a_day_are_found() {
        for (period, since) in
            [("2026-11", None), ("2026-11", Some("2026-11-22T12:00:00Z")), ("2026-10", Some("2026-11-21T12:00:00Z"))]
        {
            let sheet = judged(period, since);
            assert!(sheet.findings.is_empty(), "{sheet:?}");
            assert_eq!(sheet.well.len(), 1, "{sheet:?}");
        }
        let sheet = judged("2026-11", Some("2026-11-22T11:59:59Z"));
        assert_eq!((sheet.findings[0].severity, sheet.well.len()), (Severity::Warning, 0), "{sheet:?}");
        assert!(sheet.findings[0].found.contains("less than the $2.31"), "{sheet:?}");
    }

    #[test]
    fn unknown_spend_is_no_finding_and_unread_spend_is_not_well() {
        assert_eq!(judged_as(&Ok(None)), Sheet::new("budgets"));
        let sheet = judged_as(&Err(Unread::new("dynamodb:BatchGetItem", "no")));
        assert_eq!((sheet.findings[0].severity, sheet.well.len()), (Severity::CouldNotCheck, 0), "{sheet:?}");
    }
}
