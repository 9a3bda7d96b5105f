//! `guardrails remove`: takes a deployed stack away, once it holds nothing, and says what is left and what that costs. Each step
//! may die: the same command goes on where the last one stopped.

mod attached;
mod held;
mod history_file;
mod ledger;
mod left;
mod remains;
mod stack;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use clap::Args;
use guardrails_aws::store::DynamoStore;
use guardrails_model::ledger::Ledger;
use schemars::JsonSchema;
use serde::Serialize;

use self::history_file::HistoryFile;
use self::remains::Remains;
use self::stack::{Found, Stacks};
use crate::args::{Consent, Global};
use crate::commands::deploy::caller_rights;
use crate::deployment::{self, Caller};
use crate::exit::Exit;
use crate::{first_call, output};

/// A stack that is gone, and all that is left of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Removed<'a> {
    stack: &'a str,
    account: &'a str,
    region: &'a str,
    /// The file with the history, where it was written.
    history: Option<&'a Path>,
    left: &'a [left::Left],
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The file that the history is written to first. It must not be there yet. `guardrails-history-STACK-TIME.json` when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Delete the ledger too. No later stack can adopt it then, and the file with the history is the only record.
    #[arg(long)]
    pub(crate) delete_ledger: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// A removal on its way.
struct Removal<'a> {
    global: &'a Global,
    args: &'a Remove,
    sdk: SdkConfig,
    caller: Caller,
    history: HistoryFile,
    /// A person agreed to all that the arguments ask for.
    agreed: bool,
}

pub(crate) async fn run(global: &Global, args: &Remove) -> Result<Exit> {
    let history = HistoryFile::free(args.history.clone(), &global.stack_name)?;
    let sdk = deployment::sdk(global).await?;
    let caller = deployment::caller(&sdk, global).await?;
    let stacks = Stacks::new(&sdk, &global.stack_name);
    let mut removal = Removal { global, args, sdk: sdk.clone(), caller, history, agreed: false };
    let id = match stacks.find().await? {
        Found::Never => {
            let account = Some(removal.caller.account.as_str());
            return Err(anyhow!(first_call::no_stack(&global.stack_name, account, global, &sdk)));
        }
        Found::Deleted(id) => {
            output::tell(&format!("the stack `{}` is removed already", global.stack_name));
            id
        }
        Found::Present(stack) if stack.stack_status == Some(StackStatus::DeleteInProgress) => {
            output::tell(&format!("the stack `{}` is being deleted already: this command waits for it", global.stack_name));
            let id = stack.stack_id.clone().unwrap_or_default();
            removal.settle(&stacks, stacks.follow(&id).await?, &stack).await?;
            id
        }
        Found::Present(stack) => {
            if !removal.take_down(&stacks, &stack).await? {
                return Ok(Exit::Declined);
            }
            stack.stack_id.unwrap_or_default()
        }
    };
    removal.say_what_is_left(&stacks, &id).await
}

impl Removal<'_> {
    /// Deletes the stack, once it may go. False when a person said no.
    async fn take_down(&mut self, stacks: &Stacks<'_>, stack: &Stack) -> Result<bool> {
        stack::may_be_deleted(stack)?;
        caller_rights::check(&self.sdk, Some(stack), &self.caller, "removal").await?;
        let table = stack::working_ledger(stack);
        let ledger = table.as_deref().map(|table| self.ledger(table));
        let mut guardrails = Vec::new();
        if let Some(ledger) = &ledger {
            held::refuse(ledger).await?;
            guardrails.extend(ledger.config().await?.guardrails.into_keys());
        }
        attached::refuse(&self.sdk, stacks, stack).await?;
        if let Some(table) = table.as_deref().filter(|_| self.args.delete_ledger) {
            ledger::is_of_no_other(stacks, table, stack.stack_id()).await?;
        }
        self.announce(stack, table.as_deref(), &guardrails.iter().map(ToString::to_string).collect::<Vec<_>>());
        let question = format!(
            "Remove the stack `{}` in account {}, Region {}?",
            self.global.stack_name,
            self.caller.account,
            self.region()
        );
        self.agreed = output::agreed(&self.args.consent, &question)?;
        if !self.agreed {
            return Ok(false);
        }
        if let Some(ledger) = &ledger {
            self.history.write(ledger).await?;
        }
        let ended = stacks.delete(stack).await?;
        self.settle(stacks, ended, stack).await?;
        Ok(true)
    }

    /// The removal as a person is asked about it.
    fn announce(&self, stack: &Stack, table: Option<&str>, guardrails: &[String]) {
        let status = stack.stack_status().map_or("", StackStatus::as_str);
        let history = format!("history   is written to {} first", self.history.path().display());
        let kept = match (table, self.args.delete_ledger) {
            (None, _) => "stays     the bucket: the stack was never whole, and holds nothing".to_owned(),
            (Some(table), false) => {
                format!("stays     the ledger {table}, the dead letters, and the code in the bucket\n  {history}")
            }
            (Some(table), true) => format!(
                "DELETED   the ledger {table}: no later stack can adopt it, and the history file is the only record\n  \
                 stays     the dead letters, and the code in the bucket\n  {history}"
            ),
        };
        let goes = match guardrails {
            [] => "no guardrail".to_owned(),
            some => format!("{}: {}; the budgets of these", output::count(some.len(), "guardrail"), some.join(", ")),
        };
        output::tell(&format!(
            "to be removed: the stack `{}` ({status})\n  account   {}, as {}\n  Region    {}\n  goes      {goes}; all functions, roles, \
             topics and alarms\n  {kept}\nAn alert that arrives meanwhile is enforced as long as its guardrail is there, and the \
             removal stops then. Once its guardrail is gone, no alert is enforced.",
            self.global.stack_name,
            self.caller.account,
            self.caller.arn,
            self.region(),
        ));
    }

    /// Nothing, when the stack is gone. Otherwise the resources that are still there, and the next step.
    async fn settle(&self, stacks: &Stacks<'_>, ended: crate::operation::Ended, stack: &Stack) -> Result<()> {
        if ended.state == "DELETE_COMPLETE" {
            return Ok(());
        }
        if let Some(table) = stack::working_ledger(stack) {
            // An alert came while the stack was being deleted.
            held::refuse(&self.ledger(&table)).await?;
        }
        let name = &self.global.stack_name;
        let left = stacks.not_deleted(stack.stack_id().unwrap_or(name)).await?;
        Err(anyhow!(not_whole(name, &ended.state, left.into_iter().chain(ended.failures))))
    }

    /// Deletes the ledger where that was asked for, and says what is left of the stacks of this name.
    async fn say_what_is_left(&mut self, stacks: &Stacks<'_>, id: &str) -> Result<Exit> {
        let mut remains = Remains::of(stacks, id).await?;
        if self.args.delete_ledger {
            for table in remains.tables.clone() {
                if !self.delete_ledger(stacks, &table).await? {
                    return Ok(Exit::Declined);
                }
            }
        }
        for other in stacks.deleted().await?.iter().filter(|other| *other != id) {
            remains.add(Remains::of(stacks, other).await?);
        }
        let left = left::of(&self.sdk, stacks, &self.caller, &remains).await?;
        let value = Removed {
            stack: &self.global.stack_name,
            account: &self.caller.account,
            region: self.region(),
            history: self.history.written(),
            left: &left,
        };
        let text = format!("the stack `{}` is removed\n{}", self.global.stack_name, left::text(self.global.wide, &left));
        output::result(self.global, &value, &text)?;
        Ok(Exit::Done)
    }

    /// Deletes the table, with its history in the file. False when a person said no.
    async fn delete_ledger(&mut self, stacks: &Stacks<'_>, table: &str) -> Result<bool> {
        if !ledger::is_there(&self.sdk, table).await? {
            return Ok(true);
        }
        ledger::is_of_no_other(stacks, table, None).await?;
        let ledger = self.ledger(table);
        held::refuse(&ledger).await?;
        let question = format!("Delete the ledger {table} in account {}, Region {}?", self.caller.account, self.region());
        if !self.agreed && !output::agreed(&self.args.consent, &question)? {
            return Ok(false);
        }
        // Once more: now that the stack is gone, nothing is added.
        self.history.write(&ledger).await?;
        ledger::delete(&self.sdk, table).await?;
        Ok(true)
    }

    fn ledger(&self, table: &str) -> Ledger {
        Ledger::new(Arc::new(DynamoStore::new(aws_sdk_dynamodb::Client::new(&self.sdk), table.to_owned())))
    }

    fn region(&self) -> &str {
        self.sdk.region().map_or("", aws_config::Region::as_ref)
    }
}

/// The error about a stack that could not be deleted whole.
fn not_whole(stack: &str, state: &str, left: impl Iterator<Item = String>) -> String {
    format!(
        "the stack `{stack}` is {state}, since not all of it could be deleted:\n  {}\nhint: mend the causes, and then guardrails remove \
         goes on from here. A guardrail whose budget is gone guards no more",
        left.collect::<Vec<_>>().join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_that_stays_is_said_with_its_resources_and_next_step() {
        let left = ["AlertTopic (AWS::SNS::Topic) arn is still there", "AlertTopic: not authorized"].map(str::to_owned);
        let words = not_whole("beta", "DELETE_FAILED", left.into_iter());
        assert!(words.starts_with("the stack `beta` is DELETE_FAILED"), "{words}");
        assert!(words.contains("\n  AlertTopic: not authorized\n") && words.contains("guardrails remove goes on"), "{words}");
    }
}
