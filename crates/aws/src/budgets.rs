//! Makes AWS Budgets agree with a guardrail. A budget is ours when it carries our stack's tag: another of the same name is
//! neither changed nor deleted.

#![allow(
    deprecated,
    reason = "CostFilters and CostTypes: FilterExpression cannot be read back with them, and old budgets have them"
)]

mod inspect;
mod standing;

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_budgets::Client;
use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{
    Budget, BudgetType, ComparisonOperator, CostTypes, Notification, NotificationType, ResourceTag, Spend, Subscriber,
    SubscriptionType, ThresholdType, TimeUnit,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use guardrails_model::alert::AlertType;
use guardrails_model::config::{Guardrail, Period, StageAt};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

pub use self::inspect::Inspected;
pub use self::standing::Standings;
use crate::error::{Failure, FailureKind};

/// The tag that says whose a budget is: its value is the stack's id.
pub const STACK_TAG: &str = "guardrails:stack";

/// Budgets did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// A budget of that name is somebody else's.
    #[error(
        "there is a budget `{name}` already, and it is not of this stack: it stays as it is; rename the guardrail, or delete \
         that budget and deploy again"
    )]
    NotOurs {
        /// The budget's name.
        name: String,
    },
    /// Budgets refused, or did not answer.
    #[error("{doing}: {message}")]
    Failed {
        /// What was being done.
        doing: String,
        /// AWS's words.
        message: String,
        /// Is it worth trying again as it is?
        retryable: bool,
    },
}

/// The budgets of one stack.
pub struct Budgets {
    /// The client.
    pub client: Client,
    /// The account's number.
    pub account: String,
    /// The partition, such as `aws`.
    pub partition: String,
    /// The stack's id.
    pub stack: String,
    /// Where alerts go.
    pub topic: String,
}

impl Budgets {
    /// Creates or updates the budget and its notifications. May be called again at any point.
    ///
    /// # Errors
    /// When the budget is somebody else's, or Budgets refuses.
    pub async fn ensure(&self, guardrail: &Guardrail) -> Result<(), BudgetError> {
        let wanted = budget(guardrail)?;
        match self.present(guardrail.name.as_str()).await? {
            None => self.create(wanted).await?,
            Some(present) => {
                self.check_ours(guardrail.name.as_str()).await?;
                // An update zeroes the budget's spend until AWS computes it anew: only where something changed.
                if !agree(&present, &wanted) {
                    let call = self.client.update_budget().account_id(&self.account).new_budget(wanted);
                    call.send().await.map_err(|error| failed("updating the budget", &error))?;
                }
            }
        }
        self.ensure_notifications(guardrail).await
    }

    /// Deletes the budget, if it is there and ours.
    ///
    /// # Errors
    /// When Budgets refuses.
    pub async fn remove(&self, name: &str) -> Result<(), BudgetError> {
        match self.check_ours(name).await {
            Ok(()) => {}
            Err(BudgetError::NotOurs { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let call = self.client.delete_budget().account_id(&self.account).budget_name(name);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NotFoundException") => Ok(()),
            Err(error) => Err(failed("deleting the budget", &error)),
        }
    }

    async fn present(&self, name: &str) -> Result<Option<Budget>, BudgetError> {
        match self.client.describe_budget().account_id(&self.account).budget_name(name).send().await {
            Ok(answer) => Ok(answer.budget),
            Err(error) if error.code() == Some("NotFoundException") => Ok(None),
            Err(error) => Err(failed("looking for the budget", &error)),
        }
    }

    async fn create(&self, budget: Budget) -> Result<(), BudgetError> {
        let name = budget.budget_name().to_owned();
        let tag = ResourceTag::builder().key(STACK_TAG).value(&self.stack).build();
        let tag = tag.map_err(|error| built("the budget's tag", &error))?;
        let call = self.client.create_budget().account_id(&self.account).budget(budget).resource_tags(tag);
        match call.send().await {
            Ok(_) => Ok(()),
            // Ours, if the answer to an earlier try was lost; somebody's, if they were quicker.
            Err(error) if error.code() == Some("DuplicateRecordException") => self.check_ours(&name).await,
            Err(error) => Err(failed("creating the budget", &error)),
        }
    }

    /// Is the budget there and of this stack? One that is not there is not ours either.
    async fn check_ours(&self, name: &str) -> Result<(), BudgetError> {
        let arn = format!("arn:{}:budgets::{}:budget/{name}", self.partition, self.account);
        let not_ours = || BudgetError::NotOurs { name: name.to_owned() };
        match self.client.list_tags_for_resource().resource_arn(arn).send().await {
            Ok(answer) => {
                let ours = answer.resource_tags().iter().any(|tag| tag.key() == STACK_TAG && tag.value() == self.stack);
                if ours { Ok(()) } else { Err(not_ours()) }
            }
            Err(error) if error.code() == Some("NotFoundException") => Err(not_ours()),
            Err(error) => Err(failed("reading the budget's tags", &error)),
        }
    }

    async fn ensure_notifications(&self, guardrail: &Guardrail) -> Result<(), BudgetError> {
        let name = guardrail.name.as_str();
        let present = self.notifications(name).await?;
        let wanted = guardrail.stages.iter().map(|stage| notification(stage.at)).collect::<Result<Vec<_>, _>>()?;
        for surplus in present.iter().filter(|there| !wanted.iter().any(|one| same(one, there))) {
            let call = self.client.delete_notification().account_id(&self.account).budget_name(name);
            let sent = call.notification(surplus.clone()).send().await;
            ignore(sent, "NotFoundException").map_err(|error| failed("removing a notification", &error))?;
        }
        for missing in wanted.iter().filter(|one| !present.iter().any(|there| same(one, there))) {
            let call = self.client.create_notification().account_id(&self.account).budget_name(name);
            let sent = call.notification(missing.clone()).subscribers(self.subscriber()?).send().await;
            ignore(sent, "DuplicateRecordException").map_err(|error| failed("adding a notification", &error))?;
        }
        for there in present.iter().filter(|there| wanted.iter().any(|one| same(one, there))) {
            let call = self.client.create_subscriber().account_id(&self.account).budget_name(name);
            let sent = call.notification(there.clone()).subscriber(self.subscriber()?).send().await;
            ignore(sent, "DuplicateRecordException").map_err(|error| failed("subscribing the topic", &error))?;
        }
        Ok(())
    }

    fn subscriber(&self) -> Result<Subscriber, BudgetError> {
        let subscriber = Subscriber::builder().subscription_type(SubscriptionType::Sns).address(&self.topic).build();
        subscriber.map_err(|error| built("the topic's subscription", &error))
    }
}

fn budget(guardrail: &Guardrail) -> Result<Budget, BudgetError> {
    let amount = guardrail.budget.amount.dollars().to_string();
    let limit = Spend::builder().amount(amount).unit("USD").build().map_err(|error| built("the amount", &error))?;
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    if !guardrail.budget.service.is_empty() {
        filters.insert("Service".to_owned(), guardrail.budget.service.clone());
    }
    // Without the prefix `user:` Budgets takes the filter and silently watches nothing.
    let tags = guardrail.budget.tag.iter().flat_map(|(key, values)| values.into_iter().map(move |v| format!("user:{key}${v}")));
    let tags: Vec<String> = tags.collect();
    if !tags.is_empty() {
        filters.insert("TagKeyValue".to_owned(), tags);
    }
    // Credits and refunds would hide spending: the budget would stay at zero while they last.
    let cost_types = CostTypes::builder()
        .include_credit(false)
        .include_refund(false)
        .include_tax(true)
        .include_subscription(true)
        .include_upfront(true)
        .include_recurring(true)
        .include_other_subscription(true)
        .include_support(true)
        .include_discount(true)
        .use_blended(false)
        .use_amortized(false)
        .build();
    let budget = Budget::builder()
        .budget_name(guardrail.name.as_str())
        .budget_type(BudgetType::Cost)
        .budget_limit(limit)
        .time_unit(match guardrail.budget.period {
            Period::Daily => TimeUnit::Daily,
            Period::Monthly => TimeUnit::Monthly,
        })
        .cost_types(cost_types)
        .set_cost_filters((!filters.is_empty()).then_some(filters));
    budget.build().map_err(|error| built("the budget", &error))
}

fn notification(at: StageAt) -> Result<Notification, BudgetError> {
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

fn same(one: &Notification, other: &Notification) -> bool {
    one.notification_type() == other.notification_type()
        && one.comparison_operator() == other.comparison_operator()
        && (one.threshold() - other.threshold()).abs() < 1e-6
        // Budgets' own default.
        && other.threshold_type().unwrap_or(&ThresholdType::Percentage) == &ThresholdType::Percentage
}

fn agree(present: &Budget, wanted: &Budget) -> bool {
    let amount = |budget: &Budget| budget.budget_limit().and_then(|limit| Decimal::from_str(limit.amount()).ok());
    let filters = |budget: &Budget| budget.cost_filters().cloned().unwrap_or_default();
    amount(present) == amount(wanted)
        && present.time_unit() == wanted.time_unit()
        && present.budget_type() == wanted.budget_type()
        && filters(present) == filters(wanted)
        && present.cost_types() == wanted.cost_types()
}

#[allow(clippy::result_large_err, reason = "the SDK's own error, passed on")]
fn ignore<T, E: ProvideErrorMetadata>(
    sent: Result<T, SdkError<E, HttpResponse>>,
    code: &str,
) -> Result<(), SdkError<E, HttpResponse>> {
    match sent {
        Err(error) if error.code() != Some(code) => Err(error),
        _ => Ok(()),
    }
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(doing: &str, error: &SdkError<E, HttpResponse>) -> BudgetError {
    let failure = Failure::of(error);
    BudgetError::Failed { doing: doing.to_owned(), retryable: failure.kind != FailureKind::Refused, message: failure.message }
}

fn built(what: &str, error: &aws_smithy_types::error::operation::BuildError) -> BudgetError {
    BudgetError::Failed { doing: format!("putting together {what}"), message: error.to_string(), retryable: false }
}
