//! `guardrails prices fetch`: writes a dated price list from AWS's own, for the instances that there are.

mod file;
mod products;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use guardrails_aws::actions::CATALOG;
use guardrails_aws::context::Context;
use guardrails_aws::ec2::billing::{self, Billed, LINUX_OPERATION, Otherwise};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::{Config, day};
use guardrails_model::ids::Place;
use guardrails_model::prices::PriceList;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::products::{Fetched, Question, fetched};
use crate::args::{File, Global};
use crate::deployment::{self, Deployment};
use crate::exit::Exit;
use crate::{output, prices};

/// The file that is written where nothing names one.
const USUAL: &str = "prices.yaml";

#[derive(Debug, Args)]
pub(crate) struct Prices {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes the on-demand prices of the instances that there are, from AWS's Price List API.
    Fetch(Fetch),
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) file: File,
    /// The prices of this Region; may be given more than once. Those that the actions of guardrails.yaml, or of the stack, work in when left
    /// out.
    #[arg(long = "in", value_name = "REGION")]
    pub(crate) within: Vec<Place>,
    /// The prices of this type too, besides those of the instances that there are; may be given more than once.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Where to write. The file that guardrails.yaml names, or prices.yaml, when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) async fn run(global: &Global, args: &Prices) -> Result<Exit> {
    let Command::Fetch(args) = &args.command;
    fetch(global, args).await
}

async fn fetch(global: &Global, args: &Fetch) -> Result<Exit> {
    let config = if args.file.file.exists() {
        let Some(config) = output::config_alone(&args.file.file) else { return Ok(Exit::BadInput) };
        Some(config)
    } else {
        None
    };
    let out = args.out.clone().unwrap_or_else(|| {
        let named = config.as_ref().and_then(|config| config.price_file.as_deref());
        prices::beside(&args.file.file, named.unwrap_or(USUAL))
    });
    file::refuse_others(&out)?;
    let sdk = deployment::sdk(global).await?;
    let regions = regions(global, args, config, &sdk).await?;
    let mut questions = BTreeSet::new();
    let mut unlisted = BTreeSet::new();
    for region in &regions {
        output::tell(&format!("looking at the instances in {region}"));
        let there = billing::in_region(&sdk, region).await;
        let there = there.map_err(|error| {
            anyhow!("looking at the instances in {region}: {error}\nhint: it takes ec2:DescribeInstances there; --in names other Regions")
        })?;
        unlisted.extend(there.iter().filter(|one| is_unlisted(one)).map(|one| format!("{region} {}", one.key())));
        questions.extend(asked(region, &there, &args.types));
    }
    if questions.is_empty() {
        return Err(anyhow!(
            "there is no instance in {}, so there is no type to ask for\nhint: --type TYPE asks for one",
            names(&regions)
        ));
    }
    output::tell(&format!("asking AWS for {}", output::count(questions.len(), "price")));
    let Fetched { regions: found, refused } = fetched(&sdk, &questions).await?;
    if found.is_empty() {
        return Err(anyhow!("AWS lists no price that can be taken, and nothing was written: {}", lines(&refused).join("; ")));
    }
    let list = PriceList {
        date: Some(day(SystemClock.now())),
        source: Some(file::SOURCE.to_owned()),
        regions: found,
        ..PriceList::default()
    };
    file::replace(&out, &file::text(&list)).with_context(|| format!("writing {}", out.display()))?;
    tell(global, &out, &list, &refused, &unlisted)?;
    Ok(if refused.is_empty() { Exit::Done } else { Exit::PartlyFailed })
}

/// The Regions whose prices are asked for.
async fn regions(global: &Global, args: &Fetch, config: Option<Config>, sdk: &SdkConfig) -> Result<BTreeSet<Place>> {
    if !args.within.is_empty() {
        return Ok(args.within.iter().cloned().collect());
    }
    let config = if let Some(config) = config {
        config
    } else {
        let deployment = Deployment::find(global).await;
        let deployment = deployment.with_context(|| {
            format!("there is no {}, and no stack says which Regions are meant (hint: --in names them)", args.file.file.display())
        })?;
        deployment.ledger.config().await.context("reading the deployed guardrails")?
    };
    let mut regions = BTreeSet::new();
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    for spec in stages.flat_map(|stage| stage.waves.iter().flatten()) {
        let context = Context::new(sdk, &[], Arc::new(SystemClock));
        let places = CATALOG.make(spec, &context)?.places().await;
        regions
            .extend(places.map_err(|error| anyhow!("asking for the Regions of {}: {error}\nhint: --in names them", spec.name))?);
    }
    if regions.is_empty() {
        let home = sdk.region().map(ToString::to_string).unwrap_or_default();
        regions.insert(home.parse().map_err(|error| anyhow!("{error}"))?);
    }
    Ok(regions)
}

/// Each type and platform that is there, and the types that were asked for: on Linux, and as they are there.
fn asked(region: &Place, there: &BTreeSet<Billed>, types: &[String]) -> BTreeSet<Question> {
    let question = |of_type: &str, platform: Option<&String>, operation: &str| Question {
        region: region.clone(),
        of_type: of_type.to_owned(),
        platform: platform.cloned(),
        operation: operation.to_owned(),
        dedicated: there
            .iter()
            .any(|one| one.of_type == of_type && one.operation == operation && one.otherwise == Some(Otherwise::Dedicated)),
    };
    let seen = there.iter().filter(|one| !is_unlisted(one));
    let seen = seen.map(|one| question(&one.of_type, one.platform.as_ref(), &one.operation));
    seen.chain(types.iter().map(|of_type| question(of_type, None, LINUX_OPERATION))).collect()
}

fn is_unlisted(billed: &Billed) -> bool {
    matches!(billed.otherwise, Some(Otherwise::Unlisted(_)))
}

/// The price list that was written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Written<'a> {
    file: &'a Path,
    prices: &'a PriceList,
    /// The questions that AWS refused, with its reasons.
    refused: &'a BTreeMap<String, String>,
    /// The kinds that AWS does not list.
    unlisted: &'a BTreeSet<String>,
}

fn tell(
    global: &Global,
    out: &Path,
    list: &PriceList,
    refused: &BTreeMap<String, String>,
    unlisted: &BTreeSet<String>,
) -> Result<()> {
    let count: usize = list.regions.values().map(BTreeMap::len).sum();
    let mut text =
        format!("{}: {} in {}", out.display(), output::count(count, "price"), output::count(list.regions.len(), "Region"));
    for line in lines(refused) {
        text = format!("{text}\nREFUSED  {line}");
    }
    if !unlisted.is_empty() {
        let kinds: Vec<&str> = unlisted.iter().map(String::as_str).collect();
        text = format!("{text}\nNOT LISTED by AWS, so a plan counts these apart: {}", kinds.join(", "));
    }
    for trap in file::TRAPS {
        text = format!("{text}\n- {trap}");
    }
    let value = Written { file: out, prices: list, refused, unlisted };
    output::result(global, &value, &text)?;
    output::tell(&format!("next: `prices: {}` in guardrails.yaml deploys it too", out.file_name().unwrap_or_default().display()));
    Ok(())
}

fn lines(refused: &BTreeMap<String, String>) -> Vec<String> {
    refused.iter().map(|(key, why)| format!("{key}: {why}")).collect()
}

fn names(regions: &BTreeSet<Place>) -> String {
    regions.iter().map(Place::as_str).collect::<Vec<_>>().join(", ")
}
