//! Makes AWS Budgets agree with a guardrail. A budget is ours when it carries our stack's tag: another of the same name is
//! neither changed nor deleted, unless the guardrail adopts it.

#![allow(
    deprecated,
    reason = "CostFilters and CostTypes: FilterExpression cannot be read back with them, and old budgets have them"
)]

mod inspect;
mod notifications;
mod standing;
mod wanted;

use aws_sdk_budgets::Client;
use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{Budget, ResourceTag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use guardrails_model::config::{Guardrail, StageAt};

pub use self::inspect::Inspected;
pub use self::notifications::Misdirected;
pub use self::standing::Standings;
use self::wanted::{agree, budget, built, differences};
use crate::error::{Failure, FailureKind};

/// The tag that says whose a budget is: its value is the stack's id.
pub const STACK_TAG: &str = "guardrails:stack";
/// The tag of a budget that was there before its stack, and is not deleted with it.
pub const ADOPTED_TAG: &str = "guardrails:adopted";

/// The conditions under which a member account may have budgets. AWS's own words name one of them at most.
const MEMBER_ACCOUNTS: &str = "In a member account of an organisation four things must hold: IAM users and roles may see billing (the \
     management account activates it), the management account has used AWS Budgets, the account is at least a day old, and no service \
     control policy denies budgets:ModifyBudget. Then deploy again";

/// Budgets did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// A budget of that name is somebody else's.
    #[error(
        "there is a budget `{name}` already, and it is not of this stack: it stays as it is; rename the guardrail, say `adopt: {name}` \
         in its `budget`, or delete that budget and deploy again"
    )]
    NotOurs {
        /// The budget's name.
        name: String,
    },
    /// The budget is another stack's.
    #[error("the budget `{name}` is of another stack, {stack}: it stays as it is; take it out of that one first")]
    OfAnother {
        /// The budget's name.
        name: String,
        /// The id of its stack.
        stack: String,
    },
    /// There is no budget to adopt.
    #[error("there is no budget `{name}` to adopt: write its name as AWS Budgets shows it, or leave `adopt` out")]
    NoneToAdopt {
        /// The name.
        name: String,
    },
    /// The budget that is to be adopted is not as the file says.
    #[error(
        "the budget `{name}` is not as the file says, and an adopted budget is not changed unseen: {differences}. Write into the file how \
         it is, deploy, and change it then"
    )]
    OtherThanAdopted {
        /// The budget's name.
        name: String,
        /// How it differs.
        differences: String,
    },
    /// The notification of an adopted budget goes to another topic.
    #[error(
        "the notification of the budget `{budget}` at {at} goes to {topic}, and a notification has room for one topic: move that one to \
         another threshold, or choose another for the stage"
    )]
    Taken {
        /// The budget's name.
        budget: String,
        /// The stage.
        at: StageAt,
        /// The topic.
        topic: String,
    },
    /// A budget has ten notifications at most.
    #[error("the budget `{budget}` has no room for a notification at {at}: AWS takes ten. Delete one that is not a stage's")]
    NoRoom {
        /// The budget's name.
        budget: String,
        /// The stage.
        at: StageAt,
    },
    /// Budgets refused, or did not answer.
    #[error("{doing}: {message}")]
    Failed {
        /// The task that failed.
        doing: String,
        /// AWS's words.
        message: String,
        /// Is it worth trying again as it is?
        retryable: bool,
    },
}

/// The owner of a budget, by its tags.
enum Owner {
    /// This stack made it.
    Stack,
    /// This stack adopted it.
    Adopted,
    /// Another stack.
    Other(String),
    /// No stack. One that is not there has no owner either.
    None,
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
    /// Creates, adopts or updates the budget and its notifications. May be called again at any point.
    ///
    /// # Errors
    /// When the budget is somebody else's, or Budgets refuses.
    pub async fn ensure(&self, guardrail: &Guardrail) -> Result<(), BudgetError> {
        let (name, adopts) = (guardrail.budget_name(), guardrail.budget.adopt.is_some());
        let wanted = budget(guardrail)?;
        match self.present(name).await? {
            None if adopts => return Err(BudgetError::NoneToAdopt { name: name.to_owned() }),
            None => self.create(wanted).await?,
            Some(present) => match self.owner(name).await? {
                Owner::None if adopts => self.adopt(&present, &wanted).await?,
                Owner::None => return Err(BudgetError::NotOurs { name: name.to_owned() }),
                Owner::Other(stack) => return Err(BudgetError::OfAnother { name: name.to_owned(), stack }),
                // An update zeroes the budget's spend until AWS computes it anew: only where something changed.
                Owner::Stack | Owner::Adopted if !agree(&present, &wanted) => {
                    let call = self.client.update_budget().account_id(&self.account).new_budget(wanted);
                    call.send().await.map_err(|error| failed("updating the budget", &error))?;
                }
                Owner::Stack | Owner::Adopted => {}
            },
        }
        self.ensure_notifications(guardrail).await
    }

    /// Deletes the budget, if it is there and ours. One that was adopted only loses the stack's subscriptions and tags.
    ///
    /// # Errors
    /// When Budgets refuses.
    pub async fn remove(&self, name: &str) -> Result<(), BudgetError> {
        match self.owner(name).await? {
            Owner::None | Owner::Other(_) => Ok(()),
            Owner::Adopted => self.leave(name).await,
            Owner::Stack => {
                let call = self.client.delete_budget().account_id(&self.account).budget_name(name);
                ignore(call.send().await, "NotFoundException").map_err(|error| failed("deleting the budget", &error))
            }
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
        let tag = tag(STACK_TAG, &self.stack)?;
        let call = self.client.create_budget().account_id(&self.account).budget(budget).resource_tags(tag);
        match call.send().await {
            Ok(_) => Ok(()),
            // Ours, if the answer to an earlier try was lost; somebody's, if they were quicker.
            Err(error) if error.code() == Some("DuplicateRecordException") => match self.owner(&name).await? {
                Owner::Stack => Ok(()),
                Owner::Adopted | Owner::Other(_) | Owner::None => Err(BudgetError::NotOurs { name }),
            },
            Err(error) => Err(refused_to_members(failed("creating the budget", &error))),
        }
    }

    /// Both tags come in one call: a budget of the stack without the second would be deleted with it.
    async fn adopt(&self, present: &Budget, wanted: &Budget) -> Result<(), BudgetError> {
        let name = wanted.budget_name();
        let differences = differences(present, wanted);
        if !differences.is_empty() {
            return Err(BudgetError::OtherThanAdopted { name: name.to_owned(), differences: differences.join("; ") });
        }
        let call = self.client.tag_resource().resource_arn(self.arn(name));
        let call = call.resource_tags(tag(STACK_TAG, &self.stack)?).resource_tags(tag(ADOPTED_TAG, "true")?);
        call.send().await.map_err(|error| failed("adopting the budget", &error))?;
        Ok(())
    }

    /// The tags go last: as long as they are there, this is tried again.
    async fn leave(&self, name: &str) -> Result<(), BudgetError> {
        self.unsubscribe_all(name).await?;
        let call = self.client.untag_resource().resource_arn(self.arn(name));
        let sent = call.resource_tag_keys(STACK_TAG).resource_tag_keys(ADOPTED_TAG).send().await;
        ignore(sent, "NotFoundException").map_err(|error| failed("leaving the adopted budget", &error))
    }

    async fn owner(&self, name: &str) -> Result<Owner, BudgetError> {
        match self.client.list_tags_for_resource().resource_arn(self.arn(name)).send().await {
            Ok(answer) => {
                let value = |key: &str| answer.resource_tags().iter().find(|tag| tag.key() == key).map(ResourceTag::value);
                Ok(match value(STACK_TAG) {
                    None => Owner::None,
                    Some(stack) if stack != self.stack => Owner::Other(stack.to_owned()),
                    Some(_) if value(ADOPTED_TAG).is_some() => Owner::Adopted,
                    Some(_) => Owner::Stack,
                })
            }
            Err(error) if error.code() == Some("NotFoundException") => Ok(Owner::None),
            Err(error) => Err(failed("reading the budget's tags", &error)),
        }
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:{}:budgets::{}:budget/{name}", self.partition, self.account)
    }
}

fn tag(key: &str, value: &str) -> Result<ResourceTag, BudgetError> {
    ResourceTag::builder().key(key).value(value).build().map_err(|error| built("the budget's tag", &error))
}

/// AWS refuses budgets to a member account for reasons that its own words do not name.
fn refused_to_members(error: BudgetError) -> BudgetError {
    match error {
        BudgetError::Failed { doing, message, retryable: false }
            if message.contains("linked account") || message.contains("AccessDenied") =>
        {
            BudgetError::Failed { doing, message: format!("{message}. {MEMBER_ACCOUNTS}"), retryable: false }
        }
        other => other,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_to_a_member_account_names_all_conditions() {
        let refused = |message: &str, retryable: bool| {
            let error = BudgetError::Failed { doing: "creating the budget".to_owned(), message: message.to_owned(), retryable };
            refused_to_members(error).to_string()
        };
        let linked = "AccessDeniedException: Account 123456789012 is a linked account. To enable budgets for your account, ask the payer \
                      account to enable budgets first.";
        for message in [linked, "AccessDeniedException: not allowed with an explicit deny in a service control policy"] {
            let said = refused(message, false);
            assert!(said.starts_with("creating the budget: AccessDenied") && said.contains(message), "{said}");
            assert!(said.contains("four things must hold") && said.contains("at least a day old"), "{said}");
        }
        assert!(!refused("ThrottlingException: Rate exceeded", true).contains("member account"));
    }
}
