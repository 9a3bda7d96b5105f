//! Reserved concurrency. At 0, Lambda refuses each invocation; those that run end as they would.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_lambda::types::AccountLimit;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;
use guardrails_model::principal::Principal;

use super::details::{self, Details};
use super::list::{NOT_FOUND, Own, Reader};
use super::{AsyncEvents, BATCH, CHANGES, CODES, DRIFT, FUNCTION, Keys, NONE, PATIENCE, number, room};
use crate::context::Context;
use crate::declared::{Counted, Priced};
use crate::error::{Codes, Failure};
use crate::switch::{Calling, Drift, Found, Member, Resource, Switch, Which};

/// "You can reserve concurrency for as many functions as you like, as long as you leave at least 100 simultaneous executions unreserved"
/// (API reference). In accounts with a low quota it is less. `GetAccountSettings` does not tell the minimum.
const UNRESERVED: i32 = 100;

const EACH: &str = "the own tags of a function decide whether it is in scope, and whether it still is";

/// The reserved concurrency of functions, in one Region.
pub struct Concurrency {
    reader: Arc<Reader>,
    changes: aws_sdk_lambda::Client,
    keys: Keys,
    operators: Vec<Principal>,
    /// Functions here that `run-function` calls.
    called: BTreeSet<String>,
}

/// A function.
pub struct Item {
    name: String,
    tags: Own,
    reserved: Option<i32>,
    /// All else that a check before the change needs, where it was asked for, or why Lambda did not say.
    details: Option<Result<Details, String>>,
    /// How much of the account's concurrency is not reserved, where it was asked for.
    unreserved: Option<i32>,
}

#[async_trait]
impl Switch for Concurrency {
    const TARGET: Counted = Counted {
        facet: "function-concurrency",
        noun: FUNCTION,
        doing: ("stopping", "giving back concurrency"),
        limits: Some((CHANGES, CHANGES)),
        price: Priced::Unknown("the invocations of", "that would be refused"),
    };
    const RESOURCE: Resource = Resource {
        service: "lambda",
        arn: "function:*",
        lists: &["lambda:GetAccountSettings"],
        reads: &["lambda:GetFunctionConcurrency", "lambda:ListTags"],
        wide: &[("lambda:GetFunctionConcurrency", EACH), ("lambda:ListTags", EACH)],
        turns: &["lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"],
    };
    /// A configuration has the function's environment variables, so it is read of functions in scope alone.
    const READS_BY_TAG: &'static [&'static str] =
        &["lambda:GetFunctionConfiguration", "lambda:ListAliases", "lambda:ListFunctionEventInvokeConfigs"];
    const CODES: Codes = CODES;
    const DRIFT: Drift = DRIFT;
    const PATIENCE: Patience = PATIENCE;
    const TAKES_TIME: bool = false;
    const BATCH: usize = BATCH;
    const TAGS_LAG: bool = true;
    const TAKES_ALONG: bool = true;
    /// An update is over in a minute. A function that is left alone in the plan would run on for as long as the run.
    const PLANS_BUSY: bool = true;
    const BACK: Option<u8> = Some(0);
    /// Its event sources would be disabled for nothing.
    const NEEDS_ALL: bool = true;
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        let operators = context.operators.iter().filter_map(|arn| Principal::of_arn(arn)).map(|of| of.folded()).collect();
        let changes = aws_sdk_lambda::Client::new(&context.sdk_for_changes());
        Self { reader: Reader::shared(context), changes, keys: *keys, operators, called: called(context) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let names = match which {
            Which::Tagged(tags) => self.reader.tagged(tags).await?,
            Which::Ids(ids) => (*ids).clone(),
        };
        let mut items = Vec::new();
        for (name, tags) in self.reader.tags(names.iter().map(String::as_str)).await? {
            let answer = self.reader.lambda.get_function_concurrency().function_name(&name).send().await;
            match answer.map_err(|error| Failure::of(&error)) {
                Err(failure) if failure.is(NOT_FOUND) => {}
                Err(failure) => return Err(failure.reading(&format!("asking for the concurrency of the function {name}"))),
                Ok(answer) => {
                    let reserved = answer.reserved_concurrent_executions;
                    items.push(Item { name, tags, reserved, details: None, unreserved: None });
                }
            }
        }
        Ok(items)
    }

    async fn closer(&self, mut items: Vec<Item>) -> Result<Vec<Item>, ActionError> {
        for item in &mut items {
            item.details = Some(details::of(&self.reader, &item.name, self.keys.async_events).await?);
        }
        if items.iter().any(|item| item.returns().is_some()) {
            let answer = self.reader.lambda.get_account_settings().send().await;
            let answer = answer.map_err(|error| Failure::of(&error).reading("asking for the account's concurrency"))?;
            let unreserved = answer.account_limit().and_then(AccountLimit::unreserved_concurrent_executions);
            for item in &mut items {
                item.unreserved = unreserved;
            }
        }
        Ok(items)
    }

    fn found(&self, item: &Item) -> Found {
        let value = item.reserved.map_or_else(|| NONE.to_owned(), |reserved| reserved.to_string());
        let details = item.details.as_ref().and_then(|details| details.as_ref().ok());
        Found {
            unit: Some(item.name.clone()),
            tags: item.tags.clone(),
            members: item.members(),
            kind: details.and_then(|details| details.memory).map(|memory| format!("{memory} MB")),
            note: item.note(self.keys.async_events),
            left_alone: self.left_alone(item),
            busy: details.and_then(|details| details.busy.clone()),
            ..Found::new(&item.name, format!("function {}", item.name), Seen::Is(Value::new(value)), Value::new("0"))
        }
    }

    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        if to.as_str() == NONE {
            let call = self.changes.delete_function_concurrency().function_name(name);
            return calling.make("lambda:DeleteFunctionConcurrency", call.send()).await.map(drop);
        }
        let call = self.changes.put_function_concurrency().function_name(name).reserved_concurrent_executions(number(to)?);
        calling.make("lambda:PutFunctionConcurrency", call.send()).await.map(drop).map_err(room)
    }

    /// A concurrency that others set meanwhile is theirs, or another function's under the name.
    async fn changed_by_others(&self, _: &str, _: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(Some(seen.clone()))
    }
}

impl Concurrency {
    /// Why the function is left alone, if it is.
    fn left_alone(&self, item: &Item) -> Option<String> {
        let details = match item.details.as_ref()? {
            Ok(details) => details,
            Err(why) => return Some(format!("its configuration cannot be read ({why})")),
        };
        let is_operator = |role: &&String| Principal::of_arn(role).is_some_and(|of| self.operators.contains(&of.folded()));
        if let Some(role) = details.role.as_ref().filter(is_operator) {
            return Some(format!("its role is an operator's ({role})"));
        }
        if self.called.contains(&item.name) {
            return Some("`run-function` calls it, and could roll nothing back without it".to_owned());
        }
        // Also where nothing is reserved for it already: another run may hold it, and let it go.
        let lost = || {
            let of = details.unguarded.as_ref()?;
            Some(format!(
                "asynchronous events of {of} would be lost: it has no dead-letter queue, and no destination for those that fail \
                 (`async-events: lose` stops it all the same)"
            ))
        };
        details.kind.clone().or_else(lost)
    }
}

/// The functions in the Region of `context` that `run-function` calls. They are where the stack is.
fn called(context: &Context<'_>) -> BTreeSet<String> {
    let is_home = context.own_sdk().region() == context.sdk.region();
    if is_home { context.called.iter().cloned().collect() } else { BTreeSet::new() }
}

impl Item {
    /// Its provisioned concurrency has to go first, so a part that is exempt exempts all of it.
    fn members(&self) -> Vec<Member> {
        let details = self.details.iter().flatten();
        let ids = details.flat_map(|details| &details.provisioned);
        ids.map(|id| Member { id: id.clone(), tags: self.tags.clone() }).collect()
    }

    /// How much concurrency the change returns to the account's pool, if it does.
    fn returns(&self) -> Option<i32> {
        self.reserved.filter(|reserved| *reserved > 0)
    }

    fn note(&self, events: AsyncEvents) -> Option<String> {
        let returned = self.returns().map(|reserved| {
            let full = self.unreserved.filter(|unreserved| *unreserved < UNRESERVED).map(|unreserved| {
                format!(
                    ", and may not be there on the way back: the account has {unreserved} unreserved, fewer than {UNRESERVED}"
                )
            });
            format!(
                "its {reserved} reserved executions return to the account, where others may take them{}",
                full.unwrap_or_default()
            )
        });
        let lost = (events == AsyncEvents::Lose).then(|| "asynchronous events without a dead-letter queue are lost".to_owned());
        let notes: Vec<String> = returned.into_iter().chain(lost).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}
