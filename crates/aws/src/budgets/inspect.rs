//! Says where a guardrail's budget differs from what `ensure` would make of it. Changes nothing.

use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{Budget, CostTypes, HealthStatusValue, Notification, SubscriptionType};
use guardrails_model::config::{Guardrail, StageAt};
use jiff::Timestamp;

use super::{BudgetError, Budgets, agree, budget, failed, notification, same};

/// How a guardrail's budget stands in AWS Budgets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Does it carry this stack's tag?
    pub ours: bool,
    /// What of it is not as the guardrail says: what, what it is, what it should be.
    pub differences: Vec<String>,
    /// The stages that have no notification.
    pub unannounced: Vec<StageAt>,
    /// The stages whose notification does not go to the stack's topic.
    pub misdirected: Vec<StageAt>,
    /// Why Budgets itself says that it cannot compute it.
    pub unhealthy: Option<String>,
    /// Has anything been spent in this period, as far as Budgets knows?
    pub spent: bool,
    /// When it was last updated.
    pub updated: Option<Timestamp>,
}

impl Budgets {
    /// How the guardrail's budget stands; none when there is no budget of that name.
    ///
    /// # Errors
    /// When Budgets refuses, or does not answer.
    pub async fn inspect(&self, guardrail: &Guardrail) -> Result<Option<Inspected>, BudgetError> {
        let name = guardrail.name.as_str();
        let Some(present) = self.present(name).await? else { return Ok(None) };
        let ours = match self.check_ours(name).await {
            Ok(()) => true,
            Err(BudgetError::NotOurs { .. }) => false,
            Err(error) => return Err(error),
        };
        let health = present.health_status().filter(|health| health.status() == Some(&HealthStatusValue::Unhealthy));
        let mut inspected = Inspected {
            ours,
            differences: differences(&present, &budget(guardrail)?),
            unhealthy: health.map(|health| health.status_reason().map_or("no reason given", |why| why.as_str()).to_owned()),
            spent: present
                .calculated_spend()
                .and_then(|spend| spend.actual_spend())
                .is_some_and(|spend| spend.amount().chars().any(|digit| ('1'..='9').contains(&digit))),
            updated: present.last_updated_time().and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok()),
            ..Inspected::default()
        };
        let there = self.notifications(name).await?;
        for at in guardrail.stages.iter().map(|stage| stage.at) {
            let wanted = notification(at)?;
            match there.iter().find(|there| same(&wanted, there)) {
                None => inspected.unannounced.push(at),
                Some(there) if !self.is_told(name, there).await? => inspected.misdirected.push(at),
                Some(_) => {}
            }
        }
        Ok(Some(inspected))
    }

    pub(super) async fn notifications(&self, name: &str) -> Result<Vec<Notification>, BudgetError> {
        let call = self.client.describe_notifications_for_budget().account_id(&self.account).budget_name(name);
        let mut pages = call.into_paginator().send();
        let mut present = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("listing the budget's notifications", &error))?;
            present.extend(page.notifications.unwrap_or_default());
        }
        Ok(present)
    }

    /// Does the notification go to the stack's topic?
    async fn is_told(&self, name: &str, notification: &Notification) -> Result<bool, BudgetError> {
        let call = self.client.describe_subscribers_for_notification().account_id(&self.account).budget_name(name);
        let mut pages = call.notification(notification.clone()).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                // A notification without subscribers.
                Err(error) if error.code() == Some("NotFoundException") => return Ok(false),
                page => page.map_err(|error| failed("listing a notification's subscribers", &error))?,
            };
            let mut subscribers = page.subscribers().iter();
            if subscribers.any(|one| *one.subscription_type() == SubscriptionType::Sns && one.address() == self.topic) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn differences(present: &Budget, wanted: &Budget) -> Vec<String> {
    if agree(present, wanted) {
        return Vec::new();
    }
    let parts = |budget: &Budget| {
        [
            ("amount", amount(budget)),
            ("period", budget.time_unit().as_str().to_owned()),
            ("type", budget.budget_type().as_str().to_owned()),
            ("watches", filters(budget)),
            ("counts", costs(budget)),
        ]
    };
    let differing = parts(present).into_iter().zip(parts(wanted)).filter(|(present, wanted)| present != wanted);
    let said: Vec<String> = differing.map(|((what, is), (_, should))| format!("{what}: {is}, not {should}")).collect();
    // What differs may be one of the costs that are counted and not named above.
    if said.is_empty() { vec!["which costs it counts".to_owned()] } else { said }
}

fn amount(budget: &Budget) -> String {
    budget.budget_limit().map_or("no fixed amount".to_owned(), |limit| format!("{} {}", limit.amount(), limit.unit()))
}

fn filters(budget: &Budget) -> String {
    let filters = budget.cost_filters().into_iter().flatten();
    let mut filters: Vec<String> = filters.map(|(key, values)| format!("{key} {values:?}")).collect();
    filters.sort();
    if filters.is_empty() { "everything".to_owned() } else { filters.join(", ") }
}

fn costs(budget: &Budget) -> String {
    let costs = budget.cost_types();
    let credits = costs.and_then(CostTypes::include_credit).unwrap_or(true);
    let refunds = costs.and_then(CostTypes::include_refund).unwrap_or(true);
    format!("credits {credits}, refunds {refunds}")
}
