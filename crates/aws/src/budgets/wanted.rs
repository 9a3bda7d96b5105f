//! A guardrail's budget and notifications, as they are to be in AWS Budgets, and whether those that are there agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use aws_sdk_budgets::types::{
    Budget, BudgetType, ComparisonOperator, CostTypes, Notification, NotificationType, Spend, ThresholdType, TimePeriod, TimeUnit,
};
use aws_smithy_types::DateTime;
use guardrails_model::alert::AlertType;
use guardrails_model::config::{Costs, Counts, Guardrail, Period, StageAt};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::BudgetError;

/// AWS's own tags begin so. AWS Budgets filters by them as they are, and by others under a prefix.
const OF_AWS: &str = "aws:";

pub(super) fn budget(guardrail: &Guardrail) -> Result<Budget, BudgetError> {
    let wanted = &guardrail.budget;
    let amount = wanted.amount.dollars().to_string();
    let limit = Spend::builder().amount(amount).unit("USD").build().map_err(|error| built("the amount", &error))?;
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    if !wanted.service.is_empty() {
        filters.insert("Service".to_owned(), wanted.service.clone());
    }
    // Without the prefix `user:` Budgets takes the filter and silently watches nothing.
    let prefix = |key: &str| if key.starts_with(OF_AWS) { "" } else { "user:" };
    let tags = wanted.tag.iter().flat_map(|(key, values)| values.into_iter().map(move |v| format!("{}{key}${v}", prefix(key))));
    let tags: Vec<String> = tags.collect();
    if !tags.is_empty() {
        filters.insert("TagKeyValue".to_owned(), tags);
    }
    let budget = Budget::builder()
        .budget_name(guardrail.budget_name())
        .budget_type(BudgetType::Cost)
        .budget_limit(limit)
        .time_unit(match wanted.period {
            Period::Daily => TimeUnit::Daily,
            Period::Monthly => TimeUnit::Monthly,
            Period::Custom { .. } => TimeUnit::Custom,
        })
        .set_time_period(time_period(wanted.period))
        .cost_types(cost_types(wanted.counts))
        .set_cost_filters((!filters.is_empty()).then_some(filters));
    budget.build().map_err(|error| built("the budget", &error))
}

/// Only a custom period is given: AWS begins the others by itself. Whether AWS counts the end's own day was not tried on AWS, so it is the
/// first moment after the last day.
fn time_period(period: Period) -> Option<TimePeriod> {
    let Period::Custom { first, last } = period else { return None };
    let midnight = |date: Date| Some(DateTime::from_secs(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()));
    let end = last.tomorrow().ok().and_then(midnight);
    Some(TimePeriod::builder().set_start(midnight(first)).set_end(end).build())
}

fn cost_types(counts: Counts) -> CostTypes {
    CostTypes::builder()
        .include_credit(counts.credits)
        .include_refund(counts.refunds)
        .include_tax(counts.tax)
        .include_subscription(true)
        .include_upfront(counts.upfront)
        .include_recurring(true)
        .include_other_subscription(counts.subscriptions)
        .include_support(counts.support)
        .include_discount(true)
        .use_blended(false)
        .use_amortized(counts.costs == Costs::Amortized)
        .build()
}

pub(super) fn notification(at: StageAt) -> Result<Notification, BudgetError> {
    let kind = match at.alert_type {
        AlertType::Actual => NotificationType::Actual,
        AlertType::Forecasted => NotificationType::Forecasted,
    };
    let notification = Notification::builder()
        .notification_type(kind)
        .comparison_operator(ComparisonOperator::GreaterThan)
        .threshold(at.percent.to_f64().unwrap_or_default())
        .threshold_type(ThresholdType::Percentage);
    notification.build().map_err(|error| built("a notification", &error))
}

pub(super) fn same(one: &Notification, other: &Notification) -> bool {
    one.notification_type() == other.notification_type()
        && one.comparison_operator() == other.comparison_operator()
        && (one.threshold() - other.threshold()).abs() < 1e-6
        // Budgets' own default.
        && other.threshold_type().unwrap_or(&ThresholdType::Percentage) == &ThresholdType::Percentage
}

/// Is the budget as it is wanted?
pub(super) fn agree(present: &Budget, wanted: &Budget) -> bool {
    differences(present, wanted).is_empty()
}

/// The properties that are not as they are wanted: each with its value and the wanted one.
pub(super) fn differences(present: &Budget, wanted: &Budget) -> Vec<String> {
    let same_amount = match (amount(present), amount(wanted)) {
        (Some((is, unit)), Some((should, other))) => is == should && unit == other,
        (None, None) => true,
        _ => false,
    };
    let parts = |budget: &Budget| {
        [
            ("period", said_period(budget)),
            ("type", budget.budget_type().as_str().to_owned()),
            ("watches", filters(budget)),
            ("counts", costs(budget)),
        ]
    };
    let amounts = (!same_amount).then(|| ("amount", said_amount(present), said_amount(wanted)));
    let others = parts(present).into_iter().zip(parts(wanted)).map(|((what, is), (_, should))| (what, is, should));
    let differing = amounts.into_iter().chain(others.filter(|(_, is, should)| is != should));
    differing.map(|(what, is, should)| format!("{what}: {is}, not {should}")).collect()
}

fn said_period(budget: &Budget) -> String {
    let unit = budget.time_unit().as_str();
    let Some(period) = budget.time_period().filter(|_| *budget.time_unit() == TimeUnit::Custom) else { return unit.to_owned() };
    let said = |at: Option<&DateTime>| {
        at.and_then(|at| Timestamp::from_second(at.secs()).ok()).map_or_else(String::new, |at| at.to_string())
    };
    format!("{unit} {} to {}", said(period.start()), said(period.end()))
}

fn amount(budget: &Budget) -> Option<(Decimal, &str)> {
    let limit = budget.budget_limit()?;
    Some((Decimal::from_str(limit.amount()).ok()?, limit.unit()))
}

fn said_amount(budget: &Budget) -> String {
    budget.budget_limit().map_or("no fixed amount".to_owned(), |limit| format!("{} {}", limit.amount(), limit.unit()))
}

/// AWS Budgets keeps the values of a filter in no order.
fn filters(budget: &Budget) -> String {
    if budget.filter_expression().is_some() {
        return "a filter expression".to_owned();
    }
    let sets: BTreeMap<&String, BTreeSet<&String>> =
        budget.cost_filters().into_iter().flatten().map(|(key, values)| (key, values.iter().collect())).collect();
    let said: Vec<String> = sets.iter().map(|(key, values)| format!("{key} {values:?}")).collect();
    if said.is_empty() { "everything".to_owned() } else { said.join(", ") }
}

/// The costs that count beside usage. A switch that is not shown stands as AWS Budgets has it by default.
fn costs(budget: &Budget) -> String {
    let costs = budget.cost_types();
    let is = |get: fn(&CostTypes) -> Option<bool>, default: bool| costs.and_then(get).unwrap_or(default);
    let included: [(&str, bool); 9] = [
        ("subscription", is(CostTypes::include_subscription, true)),
        ("recurring", is(CostTypes::include_recurring, true)),
        ("discounts", is(CostTypes::include_discount, true)),
        ("upfront", is(CostTypes::include_upfront, true)),
        ("subscriptions", is(CostTypes::include_other_subscription, true)),
        ("support", is(CostTypes::include_support, true)),
        ("tax", is(CostTypes::include_tax, true)),
        ("credits", is(CostTypes::include_credit, true)),
        ("refunds", is(CostTypes::include_refund, true)),
    ];
    let rate = match (is(CostTypes::use_amortized, false), is(CostTypes::use_blended, false)) {
        (true, _) => "amortized",
        (false, true) => "blended",
        (false, false) => "unblended",
    };
    let without: Vec<&str> = included.iter().filter(|(_, counts)| !counts).map(|(name, _)| *name).collect();
    if without.is_empty() { format!("{rate} costs") } else { format!("{rate} costs without {}", without.join(", ")) }
}

pub(super) fn built(what: &str, error: &aws_smithy_types::error::operation::BuildError) -> BudgetError {
    BudgetError::Failed { doing: format!("putting together {what}"), message: error.to_string(), retryable: false }
}
