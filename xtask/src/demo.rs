//! `cargo demo`: the whole product at work on a local AWS, with the real template, functions and state machine. It shows
//! the walk-through's world before, enforced, denied and rolled back, and checks all that it shows.

mod checks;
mod follow;
mod keys;
mod programs;
mod services;
mod show;
mod watch;

use std::ops::Deref;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use guardrails_aws::error::Failure;
use guardrails_local_aws::walkthrough::{Snapshot, Walkthrough};
use guardrails_local_aws::{LocalAws, Options, SdkConfig, is_installed};
use guardrails_model::report::Report;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use follow::Follow;
use programs::Programs;
use services::{Services, States};
use show::Next;
use watch::{Seen, Watch};

/// The text that AWS's own walk-through tells people to publish.
const MOCK: &str = "This is a mock notification";
/// The file that is deployed.
const FILE: &str = "examples/demo.yaml";
/// Its guardrail.
const GUARDRAIL: &str = "project-beta";
/// Its second stage, which denies the ways that the first leaves open.
const SECOND: &str = "120% actual";
/// Long enough that an instance is seen while it is stopping.
const TRANSITION_SECONDS: f64 = 0.8;
/// The state machine looks again after seconds; here after tenths of them.
const WAIT_SCALE: f64 = 0.05;
/// As shells have it for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// The options of the demo.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the local AWS running, and print how to go on with it.
    #[arg(long)]
    keep: bool,
    /// How the result is printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// The same as data.
    Json,
}

/// All that was seen.
struct Story {
    world: Walkthrough,
    before: Moment,
    enforced: Moment,
    denied: Moment,
    rolled_back: Moment,
    /// The first stage's run, once it was enforced and once it was rolled back.
    run: Report,
    run_after: Report,
    /// The states that each instance was seen in, from before the alert to after the rollback.
    seen: Seen,
    rollback_succeeded: bool,
    keys: keys::Found,
    topic: String,
    seconds: f64,
}

/// The world at a moment.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Moment {
    #[serde(flatten)]
    world: Snapshot,
    /// The services beside the fleet.
    services: States,
}

impl Deref for Moment {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.world
    }
}

/// Runs the demo. Dropping the local AWS ends it, so that nothing is left running whichever way this ends.
///
/// # Errors
/// When it cannot go on. A check that does not hold is no error: it is shown, and the exit code says so.
pub async fn run(args: &Args) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    tokio::select! {
        result = demo(args) => result,
        _ = tokio::signal::ctrl_c() => Ok(interrupted()),
        _ = terminate.recv() => Ok(interrupted()),
    }
}

fn interrupted() -> ExitCode {
    say("interrupted: nothing is left running");
    ExitCode::from(INTERRUPTED)
}

async fn demo(args: &Args) -> Result<ExitCode> {
    let (programs, local) = tokio::try_join!(programs::build(), start(args))?;
    let story = Box::pin(play(&programs, &local)).await;
    let (environment, log) = (local.environment(), local.log_tail());
    let kept = if args.keep { Some(local.keep()) } else { None };
    let next = Next { programs: &programs, environment, kept };
    match story {
        Ok(story) => {
            let checks = checks::all(&story);
            show::result(args.output, &story, &checks, &next)?;
            Ok(if checks.iter().all(|check| check.holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            say(&format!("the end of the local AWS's log:\n{log}\n\n{}", next.words(None)));
            Err(error)
        }
    }
}

async fn start(args: &Args) -> Result<LocalAws> {
    let installed = tokio::task::spawn_blocking(is_installed).await.context("looking for the local AWS")?;
    if !installed {
        say("making a virtual environment with the local AWS (once; it takes a package index)");
    }
    let options =
        Options { wait_scale: WAIT_SCALE, transition_seconds: TRANSITION_SECONDS, keep: args.keep, ..Options::default() };
    let local = LocalAws::start(options).await?;
    say(&format!("the local AWS is at {}", local.endpoint()));
    Ok(local)
}

/// The story from the first instance to the last.
async fn play(programs: &Programs, local: &LocalAws) -> Result<Story> {
    let began = Instant::now();
    say("seeding AWS's walk-through: a group, a user with a key, a fleet, and bystanders");
    let world = Walkthrough::seed(local).await?;
    say("seeding beside it: a database, an ECS service and a Lambda function");
    let services = Services::seed(local).await?;
    let now = async || anyhow::Ok(Moment { world: world.snapshot().await?, services: services.states().await? });
    say(&format!("deploying the stack: guardrails deploy --file {FILE} --yes"));
    let outputs = programs.deploy(local).await?;
    let before = now().await?;

    let sdk = local.sdk_config().await?;
    let watch = Watch::start(world.clone());
    let mut follow = Follow::new(&sdk, outputs.ledger_table);
    say(&format!("publishing \"{MOCK}\" to {}", outputs.alert_topic));
    publish(&sdk, &outputs.alert_topic).await?;
    let run = follow.enforced().await?;
    let enforced = now().await?;
    let keys = keys::in_use(local, &world).await?;

    say(&format!("the second stage: guardrails simulate {GUARDRAIL} --at '{SECOND}' --yes"));
    programs.simulate(local).await?;
    let denied = now().await?;

    say(&format!("rolling back: guardrails rollback {GUARDRAIL} --yes"));
    let rollback_succeeded = programs.roll_back(local).await?;
    let run_after = follow.report(&run.run.id).await?;
    let rolled_back = now().await?;
    let seen = watch.end().await?;
    Ok(Story {
        world,
        before,
        enforced,
        denied,
        rolled_back,
        run,
        run_after,
        seen,
        rollback_succeeded,
        keys: keys::find(local, &keys).await?,
        topic: outputs.alert_topic,
        seconds: began.elapsed().as_secs_f64(),
    })
}

async fn publish(sdk: &SdkConfig, topic: &str) -> Result<()> {
    let sent = aws_sdk_sns::Client::new(sdk).publish().topic_arn(topic).message(MOCK).send().await;
    sent.map(|_| ()).map_err(|error| anyhow!("publishing to {topic}: {}", Failure::of(&error).message))
}

/// Progress, for people.
fn say(words: &str) {
    eprintln!("{words}");
}
