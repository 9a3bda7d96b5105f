//! `guardrails doctor`: is the deployment well? Looks from outside, changes nothing, and says of each finding what to do.

mod alarms;
mod budgets;
mod code;
mod dead_letters;
mod finding;
mod functions;
mod keys;
mod names;
mod policy;
mod prices;
mod recheck;
pub(crate) mod reconciler;
mod rehearsals;
mod running;
mod runs;
mod site;
mod spends;
mod stack;
mod subscriptions;
mod topics;

use anyhow::Result;
use aws_config::SdkConfig;
use clap::Args;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::day;
use schemars::JsonSchema;
use serde::Serialize;

use self::finding::{Sheet, exit};
use self::site::Site;
use crate::args::Global;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Show also the checks that found nothing.
    #[arg(long)]
    pub(crate) all: bool,
    /// Hold the budgets' services and tag values against those that Cost Explorer has seen: AWS takes $0.01 for each question. Without it
    /// Cost Explorer is asked once, whether the tags are active.
    #[arg(long)]
    pub(crate) cost_explorer: bool,
}

/// The findings, part by part.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Examined<'a> {
    account: &'a str,
    region: &'a str,
    stack: &'a str,
    /// The worst of all findings, in words.
    verdict: &'static str,
    areas: &'a [Sheet],
}

pub(crate) async fn run(global: &Global, args: &Doctor) -> Result<Exit> {
    let site = Site::find(Deployment::find(global).await?).await?;
    let sheets = Box::pin(examine(&site, args.cost_explorer)).await;
    let exit = exit(&sheets);
    let Deployment { caller, stack, .. } = &site.deployment;
    let region = site.deployment.region();
    let value = Examined { account: &caller.account, region, stack, verdict: verdict(exit), areas: &sheets };
    output::result(global, &value, &text(&site.deployment.stack, &sheets, exit, args.all))?;
    Ok(exit)
}

/// Is anybody told of runs and failures? Words for the person who deployed it, when not.
pub(crate) async fn nobody_is_told(sdk: &SdkConfig, topic: &str) -> Option<String> {
    let mut sheet = Sheet::new("people");
    subscriptions::judge_people(&mut sheet, topic, &subscriptions::list(sdk, topic).await);
    let findings = sheet.findings.iter();
    let words: Vec<String> = findings
        .map(|finding| format!("{}: {}: {}\n  do: {}", finding.severity.words(), finding.found, finding.means, finding.remedy))
        .collect();
    (!words.is_empty()).then(|| words.join("\n"))
}

async fn examine(site: &Site, cost_explorer: bool) -> Vec<Sheet> {
    let now = SystemClock.now();
    let (topics, subscriptions, budgets, functions, letters, alarms, runs, reconciler, rehearsals, prices, stack) = tokio::join!(
        topics::look(site),
        subscriptions::look(site),
        budgets::look(site, now, cost_explorer),
        functions::look(site, now),
        dead_letters::look(site),
        alarms::look(site),
        runs::look(site, now),
        reconciler::look(site, now),
        rehearsals::look(site, now),
        prices::look(site),
        stack::look(site),
    );
    vec![
        topics::judge(&topics),
        subscriptions::judge(&subscriptions),
        budgets::judge(&budgets),
        functions::judge(&functions),
        dead_letters::judge(&letters),
        runs::judge(&runs),
        alarms::judge(&alarms),
        reconciler::judge(&reconciler),
        rehearsals::judge(&rehearsals, reconciler.made()),
        prices::judge(&prices, day(now)),
        stack::judge(&stack),
    ]
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::Unwell => "failures",
        Exit::NotChecked => "not all could be checked",
        Exit::Warned => "warnings",
        _ => "well",
    }
}

fn text(stack: &str, sheets: &[Sheet], exit: Exit, all: bool) -> String {
    let mut findings: Vec<_> = sheets.iter().flat_map(|sheet| &sheet.findings).collect();
    findings.sort_by_key(|finding| finding.severity);
    let mut lines = Vec::new();
    for finding in findings {
        lines.push(format!("{}  {}: {}", finding.severity.words(), finding.checked, finding.found));
        lines.push(format!("    means: {}\n    do:    {}\n", finding.means, finding.remedy));
    }
    for sheet in sheets {
        if all {
            lines.extend(sheet.well.iter().map(|checked| format!("well  {checked}")));
        } else {
            lines.push(format!(
                "{:<14} {} well, {}",
                sheet.area,
                sheet.well.len(),
                output::count(sheet.findings.len(), "finding")
            ));
        }
    }
    lines.push(format!("\nstack {stack}: {}", verdict(exit)));
    lines.join("\n")
}
