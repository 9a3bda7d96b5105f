//! `guardrails check`: is `guardrails.yaml` right, and what does it come to?

use anyhow::Result;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::iam::aws_policies;
use guardrails_model::belief;
use guardrails_model::config::{ActionSpec, Config, Guardrail, Stage, regions, scopes};
use guardrails_model::ids::Place;
use guardrails_model::pace::{Bucket, Pace};
use guardrails_template as template;
use rust_decimal::Decimal;

use crate::args::{Configuration, Global};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(global: &Global, args: &Configuration) -> Result<Exit> {
    let Some(config) = output::config(args.path())? else { return Ok(Exit::BadInput) };
    output::result(global, &config, &text(global, &config))?;
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
    let doubts = warnings(&config).into_iter().chain(unknown_regions(&config)).chain(misspelt_policies(&config));
    for words in doubts.chain(scopes(&config)).chain(figures(&config)).chain(pace(&config)) {
        output::tell(&words);
    }
    Ok(Exit::Done)
}

/// Warnings for people before they deploy this, for each stage.
fn warnings(config: &Config) -> Vec<String> {
    let stages = config.guardrails.values().flat_map(|guardrail| guardrail.stages.iter().map(move |stage| (guardrail, stage)));
    let warned = stages.flat_map(|(guardrail, stage)| {
        let of = |action: &ActionSpec| {
            let warning = CATALOG.find(action.name.as_str()).ok().and_then(|entry| entry.warning);
            let params = CATALOG.read(action).ok();
            let caution = params.as_ref().and_then(|params| params.caution());
            let more = params.map(|params| params.warnings()).unwrap_or_default();
            warning.into_iter().chain(caution).map(str::to_owned).chain(more)
        };
        let said = stage.waves.iter().flatten().flat_map(of);
        said.map(move |what| format!("WARNING: {} at {}: {what}", guardrail.name, stage.at))
    });
    let mut warnings: Vec<String> = warned.collect();
    warnings.dedup();
    warnings
}

/// The Regions that this version does not know: new ones, or misspelt.
fn unknown_regions(config: &Config) -> Vec<String> {
    let stages = config.guardrails.values().flat_map(|guardrail| guardrail.stages.iter().map(move |stage| (guardrail, stage)));
    let doubted = stages.flat_map(|(guardrail, stage)| {
        let of = |action: &ActionSpec| {
            let named = CATALOG.read(action).map(|params| params.regions().to_vec()).unwrap_or_default();
            let of_action = move |region: &Place| Some(format!("{}: {}", action.name, regions::doubt(region.as_str())?));
            named.iter().filter_map(of_action).collect::<Vec<_>>()
        };
        let said = stage.waves.iter().flatten().flat_map(of);
        said.map(move |what| format!("WARNING: {} at {}: {what}", guardrail.name, stage.at))
    });
    doubted.collect()
}

/// The policies of AWS whose names are nearly those of others.
fn misspelt_policies(config: &Config) -> Vec<String> {
    let stages = config.guardrails.values().flat_map(|guardrail| guardrail.stages.iter().map(move |stage| (guardrail, stage)));
    let doubted = stages.flat_map(|(guardrail, stage)| {
        let of = |action: &ActionSpec| {
            let desired = CATALOG.read(action).map(|params| params.desired()).unwrap_or_default();
            let doubts = desired.iter().filter_map(|(facet, _)| aws_policies::doubt(facet.as_str()));
            doubts.map(|what| format!("{}: {what}", action.name)).collect::<Vec<_>>()
        };
        let said = stage.waves.iter().flatten().flat_map(of);
        said.map(move |what| format!("WARNING: {} at {}: {what}", guardrail.name, stage.at))
    });
    doubted.collect()
}

/// Where the budget of a guardrail and its actions are of different resources.
fn scopes(config: &Config) -> Vec<String> {
    let of = |guardrail: &Guardrail| {
        let specs = guardrail.stages.iter().flat_map(|stage| stage.waves.iter().flatten());
        let selected = specs.filter_map(|spec| {
            let action = CATALOG.read(spec).ok()?;
            Some((spec.name.as_str(), action.selects()?.clone()))
        });
        let mut selected: Vec<_> = selected.collect();
        selected.dedup();
        let found = scopes::compare(guardrail, &selected);
        let warnings = found.warnings.into_iter().map(|words| format!("WARNING: {}: {words}", guardrail.name));
        let notes = found.notes.into_iter().map(|words| format!("hint: {}: {words}", guardrail.name));
        warnings.chain(notes).collect::<Vec<_>>()
    };
    config.guardrails.values().flat_map(of).collect()
}

/// The figures that wait for a person, and the stages at which every figure would.
fn figures(config: &Config) -> Vec<String> {
    let of = |guardrail: &Guardrail| {
        let (name, bound) = (&guardrail.name, belief::bound(guardrail));
        let alone = match guardrail.plausibility.when_unreachable.after() {
            Some(after) => format!("an alert counts alone after {after}, if the last figure was believed"),
            None => "an alert waits for a person".to_owned(),
        };
        let factor = Decimal::from(guardrail.plausibility.factor);
        let (budget, usual) = (guardrail.budget.amount.dollars(), guardrail.budget.amount.dollars() * factor);
        let always = guardrail.stages.iter().filter(move |stage| stage.changes_something()).filter_map(move |stage| {
            let most = if stage.lossy { usual } else { bound };
            let threshold = stage.at.threshold(budget);
            (threshold >= most).then(|| {
                format!(
                    "WARNING: {name} at {}: every alert would wait for a person, since ${threshold:.2} is no less than ${most:.2}; \
                     raise `plausibility.factor` or `enforce-up-to`",
                    stage.at
                )
            })
        });
        let said = format!(
            "{name}: figures above ${bound:.2} wait for a person, unless evidence lets them pass; where AWS Budgets cannot be asked, \
             {alone}"
        );
        [said].into_iter().chain(always).collect::<Vec<_>>()
    };
    config.guardrails.values().flat_map(of).collect()
}

/// How fast runs go, where that is not as usual.
fn pace(config: &Config) -> Option<String> {
    let (pace, usual) = (&config.pace, Pace::default());
    if *pace == usual {
        return None;
    }
    let bucket =
        |(name, bucket): (&String, &Bucket)| format!("; {name} holds {} and gets {} a second", bucket.capacity, bucket.refill);
    let buckets: String = pace.buckets.iter().map(bucket).collect();
    Some(format!("pace: a share of {} of AWS's limits, where {} is usual{buckets}", pace.share, usual.share))
}

fn text(global: &Global, config: &Config) -> String {
    let rows = config.guardrails.values().flat_map(|guardrail| {
        guardrail.stages.iter().enumerate().map(|(index, stage)| {
            let budget = format!("{} {}", guardrail.budget.amount, serde_name(&guardrail.budget.period));
            let first = |words: String| if index == 0 { words } else { String::new() };
            vec![first(guardrail.name.to_string()), first(budget), stage.at.to_string(), threshold(guardrail, stage), what(stage)]
        })
    });
    output::table(global.wide, &["guardrail", "budget", "at", "is", "does"], rows)
}

fn threshold(guardrail: &guardrails_model::config::Guardrail, stage: &Stage) -> String {
    format!("${:.2}", stage.at.threshold(guardrail.budget.amount.dollars()))
}

fn what(stage: &Stage) -> String {
    let wave = |wave: &Vec<guardrails_model::config::ActionSpec>| {
        wave.iter().map(|action| action.name.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let waves: Vec<String> = stage.waves.iter().map(wave).chain(["notify".to_owned()]).collect();
    let names: Vec<&str> = stage.meanwhile.iter().map(guardrails_model::ids::ActionName::as_str).collect();
    let meanwhile = if names.is_empty() { String::new() } else { format!("; while a person is asked: {}", names.join(" and ")) };
    format!("{}{meanwhile}", waves.join(", then "))
}

fn serde_name<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
