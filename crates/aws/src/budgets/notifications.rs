//! The notifications of a budget and their subscribers. A notification has room for one topic and ten mail addresses, and a budget for
//! ten notifications. One that does not go to the stack's topic belongs to people, and stays as it is.

use aws_sdk_budgets::Client;
use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{Notification, Subscriber, SubscriptionType};
use guardrails_model::config::{Guardrail, StageAt};

use super::wanted::{built, notification, same};
use super::{BudgetError, Budgets, failed, ignore};

/// A stage whose notification does not go to the stack's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misdirected {
    /// The stage.
    pub at: StageAt,
    /// The topic that it goes to instead, if it goes to one.
    pub topic: Option<String>,
}

impl Misdirected {
    /// In words, such as `the notification at 100% actual goes to TOPIC, not to the alert topic`.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.topic {
            Some(topic) => format!("the notification at {} goes to {topic}, not to the alert topic", self.at),
            None => format!("the notification at {} does not go to the alert topic", self.at),
        }
    }
}

impl Budgets {
    /// Gives each stage a notification that goes to the stack's topic, and takes the topic from all others.
    pub(super) async fn ensure_notifications(&self, guardrail: &Guardrail) -> Result<(), BudgetError> {
        let name = guardrail.budget_name();
        let present = self.reader(name).notifications().await?;
        let stages = guardrail.stages.iter().map(|stage| stage.at);
        let wanted = stages.map(|at| Ok((at, notification(at)?))).collect::<Result<Vec<_>, BudgetError>>()?;
        // First of all, since a budget has room for ten.
        for there in present.iter().filter(|there| !wanted.iter().any(|(_, one)| same(one, there))) {
            self.unsubscribe(name, there).await?;
        }
        for (at, wanted) in wanted {
            match present.iter().find(|there| same(&wanted, there)) {
                None => {
                    let call = self.client.create_notification().account_id(&self.account).budget_name(name);
                    let sent = call.notification(wanted).subscribers(self.subscriber()?).send().await;
                    match sent {
                        Err(error) if error.code() == Some("CreationLimitExceededException") => {
                            return Err(BudgetError::NoRoom { budget: name.to_owned(), at });
                        }
                        sent => {
                            ignore(sent, "DuplicateRecordException").map_err(|error| failed("adding a notification", &error))?;
                        }
                    }
                }
                Some(there) => self.subscribe(guardrail, at, there).await?,
            }
        }
        Ok(())
    }

    /// Takes the stack's topic from every notification of the budget. The last subscriber takes its notification along.
    pub(super) async fn unsubscribe_all(&self, name: &str) -> Result<(), BudgetError> {
        for there in self.reader(name).notifications().await? {
            self.unsubscribe(name, &there).await?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, name: &str, there: &Notification) -> Result<(), BudgetError> {
        let ours = self.subscriber()?;
        if !self.reader(name).subscribers(there).await?.contains(&ours) {
            return Ok(());
        }
        let call = self.client.delete_subscriber().account_id(&self.account).budget_name(name);
        let sent = call.notification(there.clone()).subscriber(ours).send().await;
        ignore(sent, "NotFoundException").map_err(|error| failed("removing a notification", &error))
    }

    async fn subscribe(&self, guardrail: &Guardrail, at: StageAt, there: &Notification) -> Result<(), BudgetError> {
        let (name, ours) = (guardrail.budget_name(), self.subscriber()?);
        let subscribers = self.reader(name).subscribers(there).await?;
        if subscribers.contains(&ours) {
            return Ok(());
        }
        let Some(other) = subscribers.into_iter().find(|one| *one.subscription_type() == SubscriptionType::Sns) else {
            let call = self.client.create_subscriber().account_id(&self.account).budget_name(name);
            let sent = call.notification(there.clone()).subscriber(ours).send().await;
            return ignore(sent, "DuplicateRecordException").map_err(|error| failed("subscribing the topic", &error));
        };
        // Of a budget that was there before, the notification may be theirs.
        if guardrail.budget.adopt.is_some() {
            let (budget, topic) = (name.to_owned(), other.address().to_owned());
            return Err(BudgetError::Taken { budget, at, topic });
        }
        let call = self.client.update_subscriber().account_id(&self.account).budget_name(name).notification(there.clone());
        let sent = call.old_subscriber(other).new_subscriber(ours).send().await;
        ignore(sent, "DuplicateRecordException").map_err(|error| failed("giving the topic its subscription back", &error))
    }

    fn subscriber(&self) -> Result<Subscriber, BudgetError> {
        let subscriber = Subscriber::builder().subscription_type(SubscriptionType::Sns).address(&self.topic).build();
        subscriber.map_err(|error| built("the topic's subscription", &error))
    }

    /// Reads the notifications of a budget.
    pub(super) fn reader<'a>(&'a self, budget: &'a str) -> Reader<'a> {
        Reader { client: &self.client, account: &self.account, budget }
    }
}

/// Reads the notifications of one budget.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) account: &'a str,
    pub(super) budget: &'a str,
}

impl Reader<'_> {
    pub(super) async fn notifications(&self) -> Result<Vec<Notification>, BudgetError> {
        let call = self.client.describe_notifications_for_budget().account_id(self.account).budget_name(self.budget);
        let mut pages = call.into_paginator().send();
        let mut present = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("listing the budget's notifications", &error))?;
            present.extend(page.notifications.unwrap_or_default());
        }
        Ok(present)
    }

    /// The stage of the notification `there`, if that does not go to `topic`.
    pub(super) async fn misdirected(
        &self,
        at: StageAt,
        there: &Notification,
        topic: &str,
    ) -> Result<Option<Misdirected>, BudgetError> {
        let subscribers = self.subscribers(there).await?;
        let mut topics = subscribers.iter().filter(|one| *one.subscription_type() == SubscriptionType::Sns);
        if topics.clone().any(|one| one.address() == topic) {
            return Ok(None);
        }
        Ok(Some(Misdirected { at, topic: topics.next().map(|one| one.address().to_owned()) }))
    }

    async fn subscribers(&self, notification: &Notification) -> Result<Vec<Subscriber>, BudgetError> {
        let call = self.client.describe_subscribers_for_notification().account_id(self.account).budget_name(self.budget);
        let mut pages = call.notification(notification.clone()).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => found.extend(page.subscribers.unwrap_or_default()),
                // A notification without subscribers.
                Err(error) if error.code() == Some("NotFoundException") => break,
                Err(error) => return Err(failed("listing a notification's subscribers", &error)),
            }
        }
        Ok(found)
    }
}
