//! `guardrails check`: is `guardrails.yaml` right, and what does it come to?

use anyhow::Result;
use guardrails_aws::actions;
use guardrails_model::config::{Config, Stage};
use guardrails_model::pace::{Bucket, Limit, Pace};
use guardrails_template as template;

use crate::args::{File, Global};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(global: &Global, args: &File) -> Result<Exit> {
    let Some(config) = output::config(&args.file)? else { return Ok(Exit::BadInput) };
    output::result(global, &config, &text(&config))?;
    if config.operators.is_empty() {
        output::tell("hint: `operators` is empty: name those who run the guardrails, so that no guardrail can restrict them");
    }
    match template::room(&config) {
        Ok(room) => output::tell(&room.words()),
        Err(error) => {
            output::tell(&format!("{error:#}"));
            return Ok(Exit::BadInput);
        }
    }
    for words in warnings(&config).into_iter().chain(pace(&config)) {
        output::tell(&words);
    }
    Ok(Exit::Done)
}

/// What people must know before they deploy this, for each stage.
fn warnings(config: &Config) -> Vec<String> {
    let stages = config.guardrails.values().flat_map(|guardrail| guardrail.stages.iter().map(move |stage| (guardrail, stage)));
    let warned = stages.flat_map(|(guardrail, stage)| {
        let entries = stage.groups.iter().flatten().filter_map(|action| actions::find(action.name.as_str()).ok());
        entries.filter_map(move |entry| Some(format!("WARNING: {} at {}: {}", guardrail.name, stage.at, entry.warning?)))
    });
    let mut warnings: Vec<String> = warned.collect();
    warnings.dedup();
    warnings
}

/// How fast runs go, where that is not as usual.
fn pace(config: &Config) -> Option<String> {
    let (pace, usual) = (&config.pace, Pace::default());
    if *pace == usual {
        return None;
    }
    let bucket = |(limit, bucket): (&Limit, &Bucket)| {
        format!("; {} holds {} and gets {} a second", serde_name(limit), bucket.capacity, bucket.refill)
    };
    let buckets: String = pace.buckets.iter().map(bucket).collect();
    Some(format!("pace: a share of {} of AWS's limits, where {} is usual{buckets}", pace.share, usual.share))
}

fn text(config: &Config) -> String {
    let rows = config.guardrails.values().flat_map(|guardrail| {
        guardrail.stages.iter().enumerate().map(|(index, stage)| {
            let budget = format!("{} {}", guardrail.budget.amount, serde_name(&guardrail.budget.period));
            let first = |words: String| if index == 0 { words } else { String::new() };
            vec![first(guardrail.name.to_string()), first(budget), stage.at.to_string(), threshold(guardrail, stage), what(stage)]
        })
    });
    output::table(&["guardrail", "budget", "at", "is", "does"], rows)
}

fn threshold(guardrail: &guardrails_model::config::Guardrail, stage: &Stage) -> String {
    format!("${:.2}", stage.at.threshold(guardrail.budget.amount.dollars()))
}

fn what(stage: &Stage) -> String {
    let group = |group: &Vec<guardrails_model::config::ActionSpec>| {
        group.iter().map(|action| action.name.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let groups: Vec<String> = stage.groups.iter().map(group).chain(["notify".to_owned()]).collect();
    groups.join(", then ")
}

fn serde_name<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
