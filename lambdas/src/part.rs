//! The part of this process. All functions of a stack run one program. Its part follows from the function's name without the
//! stack's, and from nothing else; a handler that names another part is refused.

use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::Entry;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::runtime::{Invocation, serve};
use crate::{action, custom_resource, master, notify, reconcile, verify};

/// The handler in templates from before one program served all functions. It names no part. CloudFormation changes a function's
/// code and its handler one after the other, so this program meets it during an upgrade.
const NO_PART: &str = "bootstrap";

/// One function of the stack.
#[derive(Clone, Copy)]
pub enum Part {
    /// Turns alerts into runs.
    Master,
    /// Tells people how runs ended.
    Notify,
    /// Asks IAM who can still launch.
    Verify,
    /// The custom resources.
    Budget,
    /// Compares AWS Budgets with the ledger.
    Reconcile,
    /// Carries out an action.
    Action(&'static Entry),
}

impl Part {
    /// The part that is called `name`, such as `master` or `stop-instances`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "master" => Self::Master,
            "notify" => Self::Notify,
            "verify" => Self::Verify,
            "budget" => Self::Budget,
            "reconcile" => Self::Reconcile,
            action => Self::Action(CATALOG.find(action).ok()?),
        })
    }

    /// Its name: the function's without the stack's.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Notify => "notify",
            Self::Verify => "verify",
            Self::Budget => "budget",
            Self::Reconcile => "reconcile",
            Self::Action(entry) => entry.name,
        }
    }

    /// The part that these names lead to.
    ///
    /// # Errors
    /// When they lead to none, or to two.
    pub fn of(names: &Names) -> Result<Self, String> {
        let Names { function, stack, handler } = names;
        let name = function.strip_prefix(stack.as_str()).and_then(|rest| rest.strip_prefix('-'));
        let name = name.filter(|_| !stack.is_empty()).ok_or_else(|| {
            format!("the function `{function}` is not named after its stack, which STACK_NAME says is `{stack}`: {HINT}")
        })?;
        let part = Self::find(name)
            .ok_or_else(|| format!("the function `{function}` would be `{name}`, and this program has no such part: {HINT}"))?;
        if handler != name && handler != NO_PART {
            return Err(format!("the function `{function}` is `{name}`, and its handler says `{handler}`: {HINT}"));
        }
        Ok(part)
    }

    async fn serve(self) -> Result<(), lambda_runtime::Error> {
        match self {
            Self::Master => master::main().await,
            Self::Notify => notify::main().await,
            Self::Verify => verify::main().await,
            Self::Budget => custom_resource::main().await,
            Self::Reconcile => reconcile::main().await,
            Self::Action(entry) => action::main(entry).await,
        }
    }
}

const HINT: &str = "deploy the stack's own template, with the code that belongs to it";

/// The names by which the part is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The function's name, without an alias or a version: `AWS_LAMBDA_FUNCTION_NAME`.
    pub function: String,
    /// The stack's name: `STACK_NAME`, which the template sets.
    pub stack: String,
    /// The function's handler: `_HANDLER`.
    pub handler: String,
}

impl Names {
    fn here() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        Self { function: text("AWS_LAMBDA_FUNCTION_NAME"), stack: text("STACK_NAME"), handler: text("_HANDLER") }
    }
}

/// Serves the part that the environment names, until Lambda ends the function. A function that is no part answers each invocation
/// with an error: one that ended at once would leave a stack waiting that asked for a custom resource.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    match Part::of(&Names::here()) {
        Ok(part) => part.serve().await,
        Err(why) => serve(|event: Json, _: Invocation| refuse(event, why.clone())).await,
    }
}

async fn refuse(event: Json, why: String) -> Result<(), Fault> {
    if event.get("ResponseURL").is_some() {
        custom_resource::answer(&event, Err(&why)).await?;
    }
    Err(Fault::failed(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(function: &str, stack: &str, handler: &str) -> Result<&'static str, String> {
        let names = Names { function: function.to_owned(), stack: stack.to_owned(), handler: handler.to_owned() };
        Part::of(&names).map(|part| part.name())
    }

    #[test]
    fn part_is_function_name_without_stack_name() {
        for (function, stack, name) in [
            ("budget-guardrails-master", "budget-guardrails", "master"),
            ("budget-guardrails-stop-instances", "budget-guardrails", "stop-instances"),
            // Stacks that are called like a part, or like the beginning or the end of one.
            ("master-master", "master", "master"),
            ("master-notify", "master", "notify"),
            ("stop-instances-stop-instances", "stop-instances", "stop-instances"),
            ("stop-stop-instances", "stop", "stop-instances"),
            ("swap-group-swap-policy", "swap-group", "swap-policy"),
            ("swap-swap-group-policy", "swap", "swap-group-policy"),
            ("a-b-c-verify", "a-b-c", "verify"),
        ] {
            assert_eq!(part(function, stack, name), Ok(name), "{function}");
        }
    }

    #[test]
    fn handler_of_older_templates_is_accepted() {
        assert_eq!(part("g-reconcile", "g", "bootstrap"), Ok("reconcile"));
    }

    #[test]
    fn handler_that_names_another_part_is_refused() {
        for handler in ["notify", "Master", "master-", "", "index.handler"] {
            let refused = part("g-master", "g", handler).unwrap_err();
            assert!(refused.contains("`g-master` is `master`") && refused.contains(&format!("`{handler}`")), "{refused}");
        }
    }

    #[test]
    fn unknown_part_is_refused() {
        for (function, stack, words) in [
            ("g-terminate", "g", "no such part"),
            ("g-", "g", "no such part"),
            ("g-x-master", "g", "no such part"),
            // Without the stack's name a part is not guessed.
            ("master", "g", "not named after its stack"),
            ("other-master", "g", "not named after its stack"),
            ("gmaster", "g", "not named after its stack"),
            ("g-master", "", "not named after its stack"),
            ("-master", "", "not named after its stack"),
        ] {
            let refused = part(function, stack, "bootstrap").unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
