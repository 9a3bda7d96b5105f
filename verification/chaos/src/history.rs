//! Histories of spend on the deployed stack: an alert's figures, the spend that AWS Budgets shows, and limits that people set. They are
//! those of the corpus (tests/fixtures/histories and histories-unseen) that need no more than minutes, and each stands by its label.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_sdk_budgets::types::Spend;
use aws_sdk_dynamodb::types::AttributeValue;
use guardrails_aws::error::Failure;
use guardrails_local_aws::ACCOUNT;
use guardrails_model::record::RunState;
use guardrails_model::runs::execution_name;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::proxy::POLL;
use crate::stack::{GUARDRAIL, Stack, today};

/// The stage that the histories are about.
const STAGE: &str = "100% actual";
/// The budget between histories.
const AMOUNT: Decimal = Decimal::TWO;
const REST_LIMIT: Duration = Duration::from_mins(4);
const WORLD_LIMIT: Duration = Duration::from_secs(30);

/// One history, as far as it can be played here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Its name in the corpus.
    pub name: String,
    is: Label,
    wanted: Wanted,
    budget: Decimal,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Label {
    TrueBreach,
    FalseFigure,
    CannotBeTold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wanted {
    Enforced,
    Asked,
    Reported,
    Quiet,
}

/// A history as it is written down.
#[derive(Deserialize)]
struct Written {
    name: String,
    is: Label,
    wanted: Wanted,
    budget: String,
    period: Option<IgnoredAny>,
    at: Option<IgnoredAny>,
    plausibility: Option<IgnoredAny>,
    events: Vec<WrittenEvent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEvent {
    on: String,
    shows: Option<String>,
    alert: Option<String>,
    limit: Option<String>,
    expects: Option<IgnoredAny>,
    dated: Option<IgnoredAny>,
    budgeted: Option<IgnoredAny>,
    lamp: Option<IgnoredAny>,
    budgets: Option<IgnoredAny>,
    runs: Option<IgnoredAny>,
    says: Option<IgnoredAny>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    shows: Option<Decimal>,
    alert: Option<Decimal>,
    limit: Option<Decimal>,
}

impl WrittenEvent {
    fn playable(&self) -> Option<Event> {
        let others = [&self.expects, &self.dated, &self.budgeted, &self.lamp, &self.budgets, &self.runs, &self.says];
        if others.iter().any(|other| other.is_some()) {
            return None;
        }
        let read = |text: &Option<String>| text.as_ref().map(|text| text.parse::<Decimal>()).transpose().ok();
        Some(Event { shows: read(&self.shows)?, alert: read(&self.alert)?, limit: read(&self.limit)? })
    }
}

impl Written {
    /// The history, if it has no other events, is of one month after its first days, and its spend only rises: then a day may be a second.
    fn playable(self) -> Option<History> {
        if self.period.is_some() || self.at.is_some() || self.plausibility.is_some() {
            return None;
        }
        let month = self.events.first()?.on.get(..7)?.to_owned();
        let is_late = |event: &WrittenEvent| event.on.get(8..10).and_then(|day| day.parse::<u8>().ok()) > Some(3);
        if !self.events.iter().all(|event| event.on.starts_with(&month) && is_late(event)) {
            return None;
        }
        let events = self.events.iter().map(WrittenEvent::playable).collect::<Option<Vec<Event>>>()?;
        let shown: Vec<Decimal> = events.iter().filter_map(|event| event.shows).collect();
        let budget: Decimal = self.budget.strip_suffix(" USD")?.parse().ok()?;
        // Of less than that, the thresholds of both stages are one.
        if budget <= Decimal::new(2, 2) {
            return None;
        }
        let Self { name, is, wanted, .. } = self;
        shown.is_sorted().then_some(History { name, is, wanted, budget, events })
    }
}

/// All histories that can be played here, in a fixed order.
///
/// # Errors
/// When the corpus cannot be read.
pub fn all() -> Result<Vec<History>> {
    let mut histories = Vec::new();
    for set in ["histories", "histories-unseen"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(set);
        let listed = std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
        let mut files = listed.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let found: Vec<Written> = serde_saphyr::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
            histories.extend(found.into_iter().filter_map(Written::playable));
        }
    }
    Ok(histories)
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the history {}", self.name)
    }
}

impl History {
    /// Plays it to its end, and holds the outcome against its label. At each event its alert arrives, and then a round passes.
    pub(crate) async fn play(&self, stack: &Stack) -> Result<&'static str> {
        let before = stack.world().await?;
        stack.forget().await?;
        self.deployed(stack, self.budget).await?;
        let mut limit = self.budget;
        for (number, event) in self.events.iter().enumerate() {
            if let Some(other) = event.limit {
                limit = other;
                stack.set_limit(limit).await?;
            }
            if let Some(shows) = event.shows {
                stack.local.spend(GUARDRAIL, &shows.to_string(), None).await?;
            }
            if let Some(amount) = event.alert {
                stack.publish(&text(limit, amount), false).await?;
                self.rest(stack).await?;
            }
            stack.round().await?;
            self.rest(stack).await?;
            let is = self.stands(stack).await?;
            ensure!(self.is != Label::FalseFigure || is != Wanted::Enforced, "event {number} enforced a false figure");
        }
        let is = self.stands(stack).await?;
        ensure!(self.fits(is), "it is {is:?}, and is labelled {:?}: {:?} is wanted", self.is, self.wanted);
        let output = stack.roll_back().await?;
        ensure!(output.status.success(), "the rollback failed: {}", String::from_utf8_lossy(&output.stderr));
        self.rest(stack).await?;
        self.deployed(stack, AMOUNT).await?;
        stack.forget().await?;
        let began = Instant::now();
        while stack.world().await? != before {
            ensure!(began.elapsed() < WORLD_LIMIT, "the world is not as before: {:#?}", stack.world().await?);
            tokio::time::sleep(POLL).await;
        }
        Ok(match (self.is, is) {
            (Label::TrueBreach, _) => "history: true, enforced",
            (Label::FalseFigure, Wanted::Asked) => "history: false, a person is asked",
            (Label::FalseFigure, _) => "history: false, nothing is begun",
            (Label::CannotBeTold, Wanted::Enforced) => "history: cannot be told, enforced by the table",
            (Label::CannotBeTold, _) => "history: cannot be told, a person is asked or nothing is begun",
        })
    }

    fn fits(&self, is: Wanted) -> bool {
        // Whether people are told of an alert that begins nothing, the ledger's slot does not say.
        let nothing = |wanted: Wanted| matches!(wanted, Wanted::Reported | Wanted::Quiet);
        is == self.wanted || nothing(is) && nothing(self.wanted)
    }

    /// How the stage stands.
    async fn stands(&self, stack: &Stack) -> Result<Wanted> {
        let slot = stack.ledger.stage_state(&stack.target(STAGE, false).await?).await?;
        let Some(slot) = slot else { return Ok(Wanted::Quiet) };
        let run = stack.ledger.run(&slot.value.run).await?.context("a slot without its run")?.value;
        match run.state {
            RunState::Enforced => Ok(Wanted::Enforced),
            RunState::Waiting => Ok(Wanted::Asked),
            other => bail!("run {} is {}", run.id, other.words()),
        }
    }

    async fn deployed(&self, stack: &Stack, amount: Decimal) -> Result<()> {
        let output = stack.deploy_amount(amount).await?;
        ensure!(output.status.success(), "deploying {amount} USD: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    async fn rest(&self, stack: &Stack) -> Result<()> {
        ensure!(stack.settles(REST_LIMIT).await?, "it did not come to rest within {REST_LIMIT:?}");
        Ok(())
    }
}

impl Stack {
    /// The same, where executions may wait for a person.
    async fn settles(&self, limit: Duration) -> Result<bool> {
        let rest = async {
            loop {
                let delivered = self.proxy.deliveries().await? == 0;
                let running = self.running().await?;
                let open = self.ledger.open_runs(None).await?;
                let waiting: BTreeSet<String> =
                    open.iter().filter(|run| run.state == RunState::Waiting).map(execution_name).collect();
                if delivered && running.iter().all(|one| waiting.contains(&one.name)) && self.proxy.is_quiet() {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(limit, rest).await.map_or(Ok(false), |rest: Result<()>| rest.map(|()| true))
    }

    /// A round of the reconciler. That there is trouble is no error here.
    async fn round(&self) -> Result<()> {
        self.run(&["reconcile"]).await.map(drop)
    }

    /// Somebody sets the budget's limit in AWS Budgets.
    async fn set_limit(&self, limit: Decimal) -> Result<()> {
        let budgets = aws_sdk_budgets::Client::new(&self.root);
        let found = budgets.describe_budget().account_id(ACCOUNT).budget_name(GUARDRAIL).send().await;
        let found = found.map_err(|error| anyhow!("looking at the budget: {}", Failure::of(&error).message))?;
        let mut budget = found.budget.context("there is no budget")?;
        budget.budget_limit = Some(Spend::builder().amount(limit.to_string()).unit("USD").build()?);
        let set = budgets.update_budget().account_id(ACCOUNT).new_budget(budget).send().await;
        set.map(drop).map_err(|error| anyhow!("setting the limit: {}", Failure::of(&error).message))
    }

    /// The ledger forgets how the guardrail's stages stand, and all that was known of its spend.
    async fn forget(&self) -> Result<()> {
        let table = aws_sdk_dynamodb::Client::new(&self.root);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        for (pk, sk) in
            [(format!("STAGE#{GUARDRAIL}"), None), (format!("POINTS#{GUARDRAIL}"), None), ("SPEND".to_owned(), Some(GUARDRAIL))]
        {
            let call = table.query().table_name(&self.outputs["LedgerTable"]).key_condition_expression("pk = :pk");
            let found = call.expression_attribute_values(":pk", text(&pk)).send().await;
            let found = found.map_err(|error| anyhow!("reading the ledger: {}", Failure::of(&error).message))?;
            let keys = found.items.unwrap_or_default().into_iter().filter_map(|item| item.get("sk")?.as_s().ok().cloned());
            for key in keys.filter(|key| sk.is_none_or(|sk| sk == key)) {
                let call =
                    table.delete_item().table_name(&self.outputs["LedgerTable"]).key("pk", text(&pk)).key("sk", text(&key));
                let deleted = call.send().await;
                deleted.map_err(|error| anyhow!("deleting from the ledger: {}", Failure::of(&error).message))?;
            }
        }
        Ok(())
    }
}

/// An alert of the stage, as AWS Budgets writes it.
fn text(limit: Decimal, amount: Decimal) -> String {
    let date = today().strftime("%B %d, %Y");
    format!(
        "AWS Budget Notification {date}\nAWS Account {ACCOUNT}\n\nDear AWS Customer,\n\nYou requested that we alert you when the ACTUAL Cost \
         associated with your {GUARDRAIL} budget is greater than ${limit:.2} for the current month. The ACTUAL Cost associated with this \
         budget is ${amount:.2}.\n\nBudget Name: {GUARDRAIL}\nBudget Type: Cost\nBudgeted Amount: ${limit:.2}\nAlert Type: ACTUAL\nAlert \
         Threshold: > ${limit:.2}\nACTUAL Amount: ${amount:.2}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn played_histories_are_of_each_label_and_some_edit_limits() {
        let all = all().unwrap();
        for label in [Label::TrueBreach, Label::FalseFigure, Label::CannotBeTold] {
            assert!(all.iter().any(|history| history.is == label), "{label:?}");
        }
        let edits = all.iter().filter(|history| history.events.iter().any(|event| event.limit.is_some()));
        assert!(all.len() > 30 && edits.count() > 1, "{}", all.len());
    }

    #[test]
    fn alert_is_read_as_the_one_of_its_limit() {
        let text = text("50".parse().unwrap(), "1102.40".parse().unwrap());
        let guardrails_model::alert::Reading::Budget(alert) = guardrails_model::alert::read(&text) else { panic!("{text}") };
        let said = [alert.budgeted, alert.threshold, alert.amount].map(|amount| amount.to_string());
        assert_eq!((said, alert.budget.as_str()), (["50.00", "50.00", "1102.40"].map(str::to_owned), GUARDRAIL));
    }
}
