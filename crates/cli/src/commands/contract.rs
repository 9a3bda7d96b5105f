//! `guardrails contract`: tries out a program of `run-function`, and prints which points of the contract hold.

mod local;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;
use guardrails_aws::error::Failure;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::contract::kit::{Holds, Kit, Point, Program};
use guardrails_model::contract::{Call, Operation};
use guardrails_model::ids::RunId;
use serde_json::Value as Json;

use self::local::Local;
use crate::args::Global;
use crate::exit::Exit;
use crate::{deployment, output};

/// Longer than the longest timeout of a function that `run-function` takes.
const LONGEST_CALL: Duration = Duration::from_secs(75);
/// Between two looks at a change.
const REST: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Contract {
    /// The Lambda function to try out.
    #[arg(long, required_unless_present = "program", conflicts_with = "program")]
    function: Option<String>,
    /// Its version or alias.
    #[arg(long, default_value = "$LATEST", conflicts_with = "program")]
    qualifier: String,
    /// A program on this machine, called once for each call: it reads the call from stdin, and prints its answer.
    #[arg(long)]
    program: Option<PathBuf>,
    /// A tag that the program is told, as `KEY=VALUE`. May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
    /// The input that the program is told, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    input: Option<Json>,
    /// The place that the program is told.
    #[arg(long)]
    place: Option<String>,
    /// A facet of its plan that is changed and changed back. Nothing is changed without it. Name one that no run holds.
    #[arg(long, value_name = "FACET")]
    change: Option<String>,
}

fn tag(words: &str) -> Result<(String, String), String> {
    let (key, value) = words.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn json(words: &str) -> Result<Json, String> {
    serde_json::from_str(words).map_err(|error| error.to_string())
}

pub(crate) async fn run(global: &Global, args: &Contract) -> Result<Exit> {
    let program: Box<dyn Program> = match (&args.program, &args.function) {
        (Some(path), _) => Box::new(Local::new(path.clone())),
        (None, Some(name)) => {
            let client = Client::new(&deployment::sdk(global).await?);
            Box::new(Function { client, name: name.clone(), qualifier: args.qualifier.clone() })
        }
        (None, None) => return Err(anyhow!("name a function, or a program")),
    };
    let now = SystemClock.now();
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in &args.tag {
        tags.entry(key.clone()).or_default().push(value.clone());
    }
    let like = Call {
        place: args.place.clone(),
        tags,
        input: args.input.clone().unwrap_or_default(),
        ..Call::new(Operation::Places, now)
    };
    let kit = Kit {
        program: &*program,
        clock: &SystemClock,
        like,
        run: RunId::new(now),
        target: args.change.clone(),
        // As the guardrails count: their numbers go on above these.
        fencing: u64::try_from(now.as_millisecond()).unwrap_or_default(),
    };
    let points = kit.run().await;
    output::result(global, &points, &text(global, &points))?;
    let broken = points.iter().filter(|point| point.holds == Holds::No).count();
    output::tell(&format!("{} of {} points hold", points.iter().filter(|point| point.holds == Holds::Yes).count(), points.len()));
    Ok(if broken == 0 { Exit::Done } else { Exit::PartlyFailed })
}

fn text(global: &Global, points: &[Point]) -> String {
    let row = |point: &Point| {
        let holds = match point.holds {
            Holds::Yes => "holds",
            Holds::No => "BROKEN",
            Holds::NotTried => "not tried",
        };
        vec![holds.to_owned(), point.point.to_owned(), point.why.clone().unwrap_or_default()]
    };
    output::table(global.wide, &["", "point", "why"], points.iter().map(row))
}

/// A Lambda function.
struct Function {
    client: Client,
    name: String,
    qualifier: String,
}

#[async_trait]
impl Program for Function {
    async fn call(&self, call: &Call) -> Result<Vec<u8>, String> {
        let payload = serde_json::to_vec(call).map_err(|error| error.to_string())?;
        // A call that the SDK sent again would be tried twice unasked.
        let patient = Builder::default()
            .timeout_config(TimeoutConfig::builder().operation_timeout(LONGEST_CALL).build())
            .retry_config(RetryConfig::disabled());
        let invoke = self.client.invoke().function_name(&self.name).qualifier(&self.qualifier).payload(Blob::new(payload));
        let answer = invoke.customize().config_override(patient).send().await.map_err(|error| Failure::of(&error).message)?;
        let said = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() { Err(String::from_utf8_lossy(&said).into_owned()) } else { Ok(said) }
    }

    async fn rest(&self) {
        tokio::time::sleep(REST).await;
    }
}
