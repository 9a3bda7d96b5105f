//! The money of a guardrail's budget that goes to services which no action stops, by Cost Explorer. AWS takes a cent for each page of
//! its answer, so it is asked only on request.

use aws_config::SdkConfig;
use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, Group, GroupDefinition, GroupDefinitionType, ResultByTime,
    TagValues,
};
use guardrails_aws::catalog::Catalog;
use guardrails_aws::error::Failure;
use guardrails_aws::unstoppable;
use guardrails_model::config::{Budget, Costs, Counts, day};
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

/// Days that Cost Explorer is asked about.
const DAYS: i32 = 30;
/// The costs that a budget counts, by whether an action stops them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GoesOn {
    /// The services that no action stops, the largest sum first.
    pub services: Vec<Costly>,
    /// US dollars of all other costs in the last 30 days. Of these nothing is known here.
    pub others: Decimal,
}

/// A service that costs money, and that nothing stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Costly {
    /// The service.
    pub service: &'static str,
    /// US dollars in the last 30 days.
    pub dollars: Decimal,
    /// Why nothing stops it.
    pub why: &'static str,
    /// The remedy.
    pub help: &'static str,
}

/// The costs of the last 30 days that no action stops, and the sum of all others.
///
/// # Errors
/// When Cost Explorer does not answer; in words.
pub async fn goes_on(sdk: &SdkConfig, catalog: &Catalog, budget: &Budget, now: Timestamp) -> Result<GoesOn, String> {
    let costs = costs(&Client::new(sdk), budget, now).await?;
    let sums = unstoppable::sums(catalog, &costs).into_iter();
    let services: Vec<Costly> =
        sums.map(|(one, dollars)| Costly { service: one.name, dollars, why: one.why, help: one.help }).collect();
    let all: Decimal = costs.iter().map(|(.., dollars)| dollars).sum();
    let others = all - services.iter().map(|one| one.dollars).sum::<Decimal>();
    Ok(GoesOn { services, others })
}

/// The same for people.
#[must_use]
pub fn goes_on_words(found: &Result<GoesOn, String>, budget: &Budget) -> String {
    let tags: Vec<String> = budget.tag.iter().map(|(key, values)| format!("{key}={}", values.join(" or "))).collect();
    let of = if tags.is_empty() { "the account".to_owned() } else { tags.join(" and ") };
    match found {
        Err(why) => format!("NOT KNOWN, which money goes to services that no action stops: {why}"),
        Ok(GoesOn { services, others }) => {
            let others = format!("${others:.2} went to other services: docs/services.md has those that an action stops");
            if services.is_empty() {
                return format!("of the services which no action stops, {of} had no cost in the last {DAYS} days; {others}");
            }
            let line = |one: &Costly| format!("\n  ${:.2} {}: {} {}", one.dollars, one.service, one.why, one.help);
            let lines: String = services.iter().map(line).collect();
            format!("no action stops these costs, which {of} had in the last {DAYS} days:{lines}\n  {others}")
        }
    }
}

/// Service, usage type and US dollars of all costs that the budget counts by its tag and its services.
async fn costs(client: &Client, budget: &Budget, now: Timestamp) -> Result<Vec<(String, String, Decimal)>, String> {
    let by = |key: &str| GroupDefinition::builder().r#type(GroupDefinitionType::Dimension).key(key).build();
    let today = day(now);
    // The end is the first day that does not count.
    let (first, end) = (today.checked_sub((DAYS - 1).days()).unwrap_or(today), today.checked_add(1.day()).unwrap_or(today));
    let days = DateInterval::builder().start(first.to_string()).end(end.to_string()).build();
    let days = days.map_err(|error| format!("asking Cost Explorer: {error}"))?;
    // Amortized costs spread a fee over its term. Unblended ones stand on the day on which they arise.
    let metric = if budget.counts.costs == Costs::Amortized { "AmortizedCost" } else { "UnblendedCost" };
    let (mut costs, mut token) = (Vec::new(), None);
    loop {
        let call = client.get_cost_and_usage().time_period(days.clone()).granularity(Granularity::Monthly).metrics(metric);
        let call = call.group_by(by("SERVICE")).group_by(by("USAGE_TYPE")).set_filter(filter(budget));
        let page = call.set_next_page_token(token).send().await;
        let page = page.map_err(|error| format!("ce:GetCostAndUsage: {}", Failure::of(&error).message))?;
        for group in page.results_by_time().iter().flat_map(ResultByTime::groups) {
            costs.push(cost(group, metric)?);
        }
        token = page.next_page_token;
        if token.is_none() {
            return Ok(costs);
        }
    }
}

fn cost(group: &Group, metric: &str) -> Result<(String, String, Decimal), String> {
    let [service, usage] = group.keys() else { return Err(format!("Cost Explorer groups by {:?}", group.keys())) };
    let amount = group.metrics().and_then(|metrics| metrics.get(metric)).and_then(|metric| metric.amount()).unwrap_or("0");
    // Tiny amounts come with an exponent.
    let dollars = amount.parse().or_else(|_| Decimal::from_scientific(amount));
    let dollars = dollars.map_err(|error| format!("Cost Explorer says that {service} costs `{amount}`: {error}"))?;
    Ok((service.clone(), usage.clone(), dollars))
}

/// The costs that the budget counts: by its tag, its services and the kinds of charges. None when it counts everything.
fn filter(budget: &Budget) -> Option<Expression> {
    let tags = budget.tag.iter().map(|(key, values)| {
        let values = values.into_iter().map(str::to_owned).collect();
        Expression::builder().tags(TagValues::builder().key(key).set_values(Some(values)).build()).build()
    });
    let services = (!budget.service.is_empty()).then(|| {
        let values = DimensionValues::builder().key(Dimension::Service).set_values(Some(budget.service.clone())).build();
        Expression::builder().dimensions(values).build()
    });
    let Counts { credits, refunds, tax, support, .. } = budget.counts;
    let kinds = [(credits, "Credit"), (refunds, "Refund"), (tax, "Tax"), (support, "Support")];
    let without: Vec<String> = kinds.iter().filter(|(counts, _)| !counts).map(|(_, kind)| (*kind).to_owned()).collect();
    let without = (!without.is_empty()).then(|| {
        let values = DimensionValues::builder().key(Dimension::RecordType).set_values(Some(without)).build();
        Expression::builder().not(Expression::builder().dimensions(values).build()).build()
    });
    let mut all: Vec<Expression> = tags.chain(services).chain(without).collect();
    // `And` takes two or more.
    if all.len() < 2 { all.pop() } else { Some(Expression::builder().set_and(Some(all)).build()) }
}
