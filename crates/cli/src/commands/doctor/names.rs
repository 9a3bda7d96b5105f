//! The names that a budget filters by, held against those that Cost Explorer has seen. Each question costs a cent.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::types::{DateInterval, Dimension};
use guardrails_model::config::Guardrail;
use guardrails_model::config::day;
use jiff::{Timestamp, ToSpan};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;

/// Days that Cost Explorer is asked about: as far as it looks back by default.
const DAYS: i32 = 365;
/// Values that are named.
const NAMED: usize = 10;

/// The names that Cost Explorer has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// The values of each tag, by its key.
    pub(super) values: BTreeMap<String, Read<BTreeSet<String>>>,
    /// The services. None when no budget names one.
    pub(super) services: Option<Read<BTreeSet<String>>>,
}

pub(super) async fn look(site: &Site, guardrails: &[Guardrail], now: Timestamp) -> Names {
    let client = Client::new(site.sdk());
    let mut names = Names::default();
    for (key, _) in guardrails.iter().flat_map(|guardrail| guardrail.budget.tag.iter()) {
        if !names.values.contains_key(key) {
            names.values.insert(key.to_owned(), values(&client, key, now).await);
        }
    }
    if guardrails.iter().any(|guardrail| !guardrail.budget.service.is_empty()) {
        names.services = Some(services(&client, now).await);
    }
    names
}

fn days(now: Timestamp) -> Read<DateInterval> {
    let today = day(now);
    let first = today.checked_sub(DAYS.days()).unwrap_or(today);
    let days = DateInterval::builder().start(first.to_string()).end(today.to_string()).build();
    days.map_err(|error| Unread::new("Cost Explorer", error.to_string()))
}

async fn values(client: &Client, key: &str, now: Timestamp) -> Read<BTreeSet<String>> {
    let (mut found, mut token) = (BTreeSet::new(), None);
    loop {
        let call = client.get_tags().tag_key(key).time_period(days(now)?).set_next_page_token(token);
        let answer = call.send().await.map_err(Unread::of("ce:GetTags"))?;
        found.extend(answer.tags);
        token = answer.next_page_token;
        if token.is_none() {
            return Ok(found);
        }
    }
}

async fn services(client: &Client, now: Timestamp) -> Read<BTreeSet<String>> {
    let (mut found, mut token) = (BTreeSet::new(), None);
    loop {
        let call = client.get_dimension_values().dimension(Dimension::Service).time_period(days(now)?);
        let answer = call.set_next_page_token(token).send().await.map_err(Unread::of("ce:GetDimensionValues"))?;
        found.extend(answer.dimension_values.into_iter().filter_map(|value| value.value));
        token = answer.next_page_token;
        if token.is_none() {
            return Ok(found);
        }
    }
}

pub(super) fn judge(sheet: &mut Sheet, checked: &str, guardrail: &Guardrail, names: &Names) {
    for (key, wanted) in guardrail.budget.tag.iter() {
        let checked = format!("{checked}: the values of its tag {key}");
        if let Some(seen) = names.values.get(key).and_then(|read| sheet.read(&checked, read)) {
            compare(sheet, &checked, &wanted, seen);
        }
    }
    let checked = format!("{checked}: its services");
    let wanted: Vec<&str> = guardrail.budget.service.iter().map(String::as_str).collect();
    if let Some(seen) = names.services.as_ref().filter(|_| !wanted.is_empty()).and_then(|read| sheet.read(&checked, read)) {
        compare(sheet, &checked, &wanted, seen);
    }
}

fn compare(sheet: &mut Sheet, checked: &str, wanted: &[&str], seen: &BTreeSet<String>) {
    let unseen: Vec<&str> = wanted.iter().copied().filter(|name| !seen.contains(*name)).collect();
    if unseen.is_empty() {
        return sheet.well(format!("{checked}: Cost Explorer has seen costs of all of them"));
    }
    let mut known: Vec<&str> = seen.iter().map(String::as_str).filter(|name| !name.is_empty()).take(NAMED).collect();
    if known.is_empty() {
        known.push("none");
    }
    let found = format!("Cost Explorer has seen no cost of {} in {DAYS} days", unseen.join(", "));
    let means = "the budget does not count what the file means, unless nothing of it has cost money yet";
    let remedy = format!("compare letter by letter with those that it has seen: {}", known.join(", "));
    sheet.warning(checked, found, means, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::budgets::tests::guardrail;
    use crate::commands::doctor::finding::Severity;

    fn judged(values: Read<BTreeSet<String>>) -> Sheet {
        let mut sheet = Sheet::new("budgets");
        let names = Names { values: [("Project".to_owned(), values)].into(), services: None };
        judge(&mut sheet, "budget beta", &guardrail("2 USD"), &names);
        sheet
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tag_value_that_cost_explorer_has_never_seen_is_found() {
        let sheet = judged(Ok(set(&["", "Beta", "Gamma"])));
        assert!(sheet.findings.is_empty() && sheet.well.len() == 1, "{sheet:?}");
        let sheet = judged(Ok(set(&["", "beta", "Gamma"])));
        assert_eq!((sheet.findings[0].severity, sheet.well.len()), (Severity::Warning, 0));
        assert!(sheet.findings[0].found.contains("no cost of Beta in 365 days"), "{sheet:?}");
        assert!(sheet.findings[0].remedy.ends_with("Gamma, beta"), "{sheet:?}");
    }

    #[test]
    fn right_that_is_missing_is_a_line_and_not_the_end() {
        let sheet = judged(Err(Unread::new("ce:GetTags", "AccessDeniedException: no")));
        assert_eq!(sheet.findings[0].severity, Severity::CouldNotCheck, "{sheet:?}");
        assert!(sheet.findings[0].remedy.contains("ce:GetTags"), "{sheet:?}");
    }

    #[test]
    fn service_that_cost_explorer_has_never_seen_is_found() {
        let mut beta = guardrail("2 USD");
        beta.budget.service = vec!["Amazon Elastic Compute Cloud - Compute".to_owned()];
        let names = |seen: &[&str]| Names { services: Some(Ok(set(seen))), ..Names::default() };
        let (mut well, mut other) = (Sheet::new("budgets"), Sheet::new("budgets"));
        judge(&mut well, "budget beta", &beta, &names(&["Amazon Elastic Compute Cloud - Compute"]));
        judge(&mut other, "budget beta", &beta, &names(&["EC2 - Other"]));
        assert_eq!((well.findings.len(), other.findings.len()), (0, 1), "{other:?}");
    }
}
