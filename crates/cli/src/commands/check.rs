//! `guardrails check`: is `guardrails.yaml` right, and what does it come to?

use anyhow::Result;
use guardrails_model::config::{Config, Stage};

use crate::args::{File, Global};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(global: &Global, args: &File) -> Result<Exit> {
    let Some(config) = output::config(&args.file)? else { return Ok(Exit::BadInput) };
    output::result(global, &config, &text(&config))?;
    if config.operators.is_empty() {
        output::tell("hint: `operators` is empty: name those who run the guardrails, so that no guardrail can restrict them");
    }
    Ok(Exit::Done)
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
