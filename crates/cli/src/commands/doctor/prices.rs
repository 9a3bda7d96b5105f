//! The deployed price list: prices change, and an old list weighs figures wrongly.

use guardrails_aws::error::chain;
use guardrails_model::prices::PriceList;
use jiff::civil::Date;

use super::finding::{Read, Sheet, Unread};
use super::site::Site;
use crate::prices::FETCH;

/// The list as the ledger has it.
pub(super) async fn look(site: &Site) -> Read<Option<PriceList>> {
    let prices = site.deployment.ledger.prices().await;
    prices.map_err(|error| Unread::new("dynamodb:BatchGetItem", chain(&error)))
}

/// Judges it on the day `today`.
pub(super) fn judge(prices: &Read<Option<PriceList>>, today: Date) -> Sheet {
    let mut sheet = Sheet::new("prices");
    let checked = "the price list";
    match sheet.read(checked, prices) {
        Some(Some(list)) => match list.age(today) {
            Some(old) => {
                let means = "the cost an hour in plans and messages may be wrong, and so may be the evidence for a large figure";
                sheet.warning(checked, old, means, format!("{FETCH}, then guardrails deploy"));
            }
            None => sheet.well(checked),
        },
        Some(None) => sheet.well("no price list is deployed, and none has to be"),
        None => {}
    }
    sheet
}

#[cfg(test)]
mod tests {
    use guardrails_model::prices::parse;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    #[test]
    fn list_older_than_ninety_days_is_a_warning() {
        let today: Date = "2026-11-30".parse().unwrap();
        let of = |text: Option<&str>| judge(&Ok(text.map(|text| parse("prices", text).unwrap())), today);
        let old = of(Some("date: 2026-08-01\nt3.micro: 0.01\n"));
        assert_eq!(old.findings.len(), 1);
        assert_eq!(old.findings[0].severity, Severity::Warning);
        assert!(old.findings[0].found.contains("of 2026-08-01, 121 days ago"), "{old:?}");
        for well in [None, Some("t3.micro: 0.01\n"), Some("date: 2026-11-01\nt3.micro: 0.01\n")] {
            assert_eq!((of(well).findings.len(), of(well).well.len()), (0, 1), "{well:?}");
        }
        assert_eq!(judge(&Err(Unread::new("x", "no")), today).findings[0].severity, Severity::CouldNotCheck);
    }
}
