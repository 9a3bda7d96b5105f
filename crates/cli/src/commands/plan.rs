//! `guardrails plan`: what would a stage change now? The code of a run's own planning, and nothing is written. By a file it needs no
//! deployed stack.

mod beyond;
pub(crate) mod goes_on;
mod launch;
mod made;
mod savings;
mod scope;
mod shown;
mod survey;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use guardrails_aws::actions::CATALOG;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::{Config, Guardrail, StageAt};
use guardrails_model::decide::Target;
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::near;
use guardrails_model::prices::PriceList;
use jiff::tz::TimeZone;

use crate::args::{At, Global};
use crate::deployment::{self, Deployment, Standing, stage};
use crate::exit::Exit;
use crate::{output, prices};
pub use made::words_of;
pub(crate) use made::{Site, make};
use savings::Savings;
pub(crate) use shown::{GoesOnShown, Shown, SurveyShown};
pub use survey::before_deployment;
use survey::survey;

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The guardrail; all of them, with each stage, when left out.
    pub(crate) guardrail: Option<GuardrailName>,
    /// The stage, such as `100% actual`. When left out, the first that changes anything; before the first deployment, each.
    #[arg(long)]
    pub(crate) at: Option<At>,
    /// Plan by this file, which needs no deployed stack; by the deployed one when left out.
    #[arg(long, short)]
    pub(crate) file: Option<PathBuf>,
    /// Price the plan by this list, in place of the deployed one: YAML with US dollars an hour, `t3.micro: 0.0104` for
    /// every Region, or `us-east-1: {t3.micro: 0.0104, "m5.large Windows": 0.188}`.
    #[arg(long)]
    pub(crate) prices: Option<PathBuf>,
    /// Ask Cost Explorer which money of the budget goes to services that no action stops: AWS takes $0.01 for each page of its answer.
    #[arg(long)]
    pub(crate) cost_explorer: bool,
    /// Show each step and each person, however many there are.
    #[arg(long)]
    pub(crate) all: bool,
}

pub(crate) async fn run(global: &Global, args: &Plan) -> Result<Exit> {
    let from_file = match &args.file {
        Some(path) => {
            let Some(config) = output::config(path)? else { return Ok(Exit::BadInput) };
            Some(config)
        }
        None => None,
    };
    let prices = match &args.prices {
        Some(path) => {
            let Some(prices) = prices::read(path)? else { return Ok(Exit::BadInput) };
            prices::tell_age(&prices);
            Some(prices)
        }
        None => None,
    };
    if let Some(config) = from_file {
        let sdk = deployment::sdk(global).await?;
        let caller = deployment::caller(&sdk, global).await?;
        let standing = Standing::find(&sdk, &caller, global).await;
        if let Standing::There(deployment) = &standing {
            return of(global, args, &Site::from(&**deployment), &config, prices).await;
        }
        let empty = Ledger::new(Arc::new(MemoryStore::default()));
        let site = Site { sdk: &sdk, caller: &caller, stack: &global.stack_name, ledger: &empty, to_come: true };
        let targets = targets(&config, args.guardrail.as_ref(), args.at)?;
        let unread = if let Standing::Unread(why) = standing {
            vec![format!("the stack `{}`: {why}", global.stack_name)]
        } else {
            Vec::new()
        };
        return show(global, args, &site, &config, &targets, prices, unread).await;
    }
    let deployment = Deployment::find(global).await?;
    let config = deployed(&deployment, prices.is_none()).await?;
    of(global, args, &Site::from(&deployment), &config, prices).await
}

/// Plans by a deployed stack's ledger.
async fn of(global: &Global, args: &Plan, site: &Site<'_>, config: &Config, prices: Option<PriceList>) -> Result<Exit> {
    match &args.guardrail {
        Some(name) => one(global, args, site, config, name, prices).await,
        None => show(global, args, site, config, &targets(config, None, args.at)?, prices, Vec::new()).await,
    }
}

/// One stage of one guardrail.
async fn one(
    global: &Global,
    args: &Plan,
    site: &Site<'_>,
    config: &Config,
    name: &GuardrailName,
    prices: Option<PriceList>,
) -> Result<Exit> {
    let guardrail = named(config, name)?;
    let target = target(guardrail, stage(guardrail, args.at)?);
    let made = make(site, config, &target).await?;
    let savings = prices.or_else(|| config.prices.clone()).map(|prices| Savings::of(&made, &prices));
    let mut text = made.words(&target, args.all, savings.as_ref());
    let rule = guardrail.stage(target.stage).and_then(|stage| stage.verify.as_ref());
    let look = launch::look(site.sdk, rule, &made).await;
    if let Some(look) = &look {
        text = format!("{text}\n{}", look.text(args.all));
    }
    let mut value = made.shown(&target, savings.as_ref(), look.as_ref());
    if args.cost_explorer {
        let (words, found) = asked(site, guardrail).await;
        text = format!("{text}\n{words}");
        value.goes_on = Some(found);
    } else {
        tell_of_cost_explorer();
    }
    output::result(global, &value, &text)?;
    Ok(made.end())
}

/// All targets, and the resources that none of them reaches.
async fn show(
    global: &Global,
    args: &Plan,
    site: &Site<'_>,
    config: &Config,
    targets: &[Target],
    prices: Option<PriceList>,
    unread: Vec<String>,
) -> Result<Exit> {
    if site.to_come {
        output::tell(&format!(
            "{}: the stack `{}` is not there: this is the plan of its first deployment",
            deployment::place(site.caller, site.sdk),
            site.stack
        ));
    }
    let prices = prices.or_else(|| config.prices.clone());
    if prices.is_none() {
        output::tell(
            "hint: savings are not known without a price list: `guardrails prices fetch` makes one, and `--prices` reads it",
        );
    }
    let mut surveyed = survey(site, config, targets, prices.as_ref(), args.all).await?;
    surveyed.unread.splice(0..0, unread);
    let (mut text, mut value) = (surveyed.text(), surveyed.shown(site));
    if args.cost_explorer {
        let mut all = BTreeMap::new();
        for guardrail in surveyed.guardrails(config) {
            let (words, found) = asked(site, guardrail).await;
            text = format!("{text}\n{words}");
            all.insert(guardrail.name.to_string(), found);
        }
        value.goes_on = Some(all);
    } else {
        tell_of_cost_explorer();
    }
    output::result(global, &value, &text)?;
    if let (true, Some(file)) = (site.to_come, &args.file) {
        output::tell(&format!("next: guardrails deploy --file {} shows what it would make, and asks first", file.display()));
    }
    Ok(surveyed.end())
}

/// Cost Explorer's answer about a guardrail's budget, for people and for programs.
async fn asked(site: &Site<'_>, guardrail: &Guardrail) -> (String, GoesOnShown) {
    let found = goes_on::goes_on(site.sdk, &CATALOG, &guardrail.budget, SystemClock.now()).await;
    let words = goes_on::goes_on_words(&found, &guardrail.budget);
    (words, found.into())
}

fn tell_of_cost_explorer() {
    output::tell("hint: money may go to services that no action stops: `--cost-explorer` asks AWS which, for $0.01 a page");
}

/// The stages to plan: of one guardrail or of all, at one threshold or at each.
fn targets(config: &Config, name: Option<&GuardrailName>, at: Option<At>) -> Result<Vec<Target>> {
    if let Some(name) = name {
        let guardrail = named(config, name)?;
        let stages = match at {
            Some(at) => vec![stage(guardrail, Some(at))?],
            None => guardrail.stages.iter().map(|stage| stage.at).collect(),
        };
        return Ok(stages.into_iter().map(|at| target(guardrail, at)).collect());
    }
    let of = |guardrail: &Guardrail| {
        let stages = guardrail.stages.iter().map(|stage| stage.at).filter(|stage| at.is_none_or(|at| at.means(*stage)));
        stages.map(|at| target(guardrail, at)).collect::<Vec<_>>()
    };
    let targets: Vec<Target> = config.guardrails.values().flat_map(of).collect();
    match at {
        Some(at) if targets.is_empty() => Err(anyhow!("no guardrail has a stage at `{at}`")),
        _ => Ok(targets),
    }
}

fn named<'a>(config: &'a Config, name: &GuardrailName) -> Result<&'a Guardrail> {
    config.guardrails.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.guardrails.keys().map(GuardrailName::as_str).collect();
        anyhow!("there is no guardrail `{name}`; {}", near::among(name.as_str(), &known))
    })
}

fn target(guardrail: &Guardrail, stage: StageAt) -> Target {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    Target { guardrail: guardrail.name.clone(), stage, period: guardrail.budget.period.of_alert(today), simulated: false }
}

/// The deployed guardrails, with the deployed price list where it counts.
async fn deployed(deployment: &Deployment, priced: bool) -> Result<Config> {
    let mut config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    if priced {
        config.prices = deployment.ledger.prices().await.context("reading the deployed price list")?;
        config.prices.iter().for_each(prices::tell_age);
    }
    Ok(config)
}
