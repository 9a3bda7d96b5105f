//! The changes of guardrails.yaml against the deployed guardrails: pure, and in the words of the file.

mod parts;
mod stages;

use std::collections::BTreeSet;

use guardrails_model::config::{Config, Duration, Guardrail};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json};

use self::parts::differing;

/// The deployed guardrails, as far as they can be read back.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    /// The guardrails, the price list, and the operators. The last deployer is among the operators.
    pub(super) config: Config,
    /// The last deployer, who is an operator without being named in the file.
    pub(super) deployer: Option<String>,
    /// The interval of the reconciler's rounds; none where it is not known.
    pub(super) every: Option<Duration>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Change {
    /// The guardrail; none where the change is of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    guardrail: Option<String>,
    /// The change in words.
    change: String,
}

impl Change {
    fn of_file(change: String) -> Self {
        Self { guardrail: None, change }
    }
}

/// The changes from `deployed` to `file`: those of the whole file first, then by guardrail.
pub(super) fn between(deployed: &Deployed, file: &Config) -> Vec<Change> {
    let mut changes: Vec<Change> = operators(deployed, file).into_iter().map(Change::of_file).collect();
    let (before, now) = (json!(deployed.config.pace), json!(file.pace));
    changes.extend(differing("pace", &before, &now).into_iter().map(Change::of_file));
    if let Some(every) = deployed.every.filter(|every| *every != file.reconcile.every) {
        changes.push(Change::of_file(format!("rounds of the reconciler every {every} -> {}", file.reconcile.every)));
    }
    match (&deployed.config.prices, &file.prices) {
        (None, Some(_)) => changes.push(Change::of_file("price list added".to_owned())),
        (Some(_), None) => changes.push(Change::of_file("price list removed".to_owned())),
        (Some(before), Some(now)) if before != now => changes.push(Change::of_file("price list changed".to_owned())),
        _ => {}
    }
    let names: BTreeSet<_> = deployed.config.guardrails.keys().chain(file.guardrails.keys()).collect();
    for name in names {
        let all = match (deployed.config.guardrails.get(name), file.guardrails.get(name)) {
            (Some(before), Some(now)) => of_guardrail(before, now),
            (None, Some(now)) => vec![added(now)],
            (Some(_), None) => vec!["guardrail removed, and its budget with it".to_owned()],
            (None, None) => Vec::new(),
        };
        changes.extend(all.into_iter().map(|change| Change { guardrail: Some(name.to_string()), change }));
    }
    changes
}

/// The changes for people.
pub(super) fn text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "guardrails.yaml: no change in the file".to_owned();
    }
    let line = |change: &Change| {
        let of = change.guardrail.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        format!("  {of}{}", change.change)
    };
    format!("guardrails.yaml, against the deployed guardrails:\n{}", changes.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// The deployer is an operator too, so it is not known whether the deployed file named them.
fn operators(deployed: &Deployed, file: &Config) -> Vec<String> {
    let (before, now) = (&deployed.config.operators, &file.operators);
    let gone = before.iter().filter(|arn| !now.contains(arn) && deployed.deployer.as_ref() != Some(arn));
    let new = now.iter().filter(|arn| !before.contains(arn)).map(|arn| format!("operator {arn} added"));
    gone.map(|arn| format!("operator {arn} removed")).chain(new).collect()
}

fn added(guardrail: &Guardrail) -> String {
    let stages: Vec<String> = guardrail.stages.iter().map(stages::words).collect();
    let period = json!(guardrail.budget.period);
    format!("guardrail added: budget {} {}; {}", guardrail.budget.amount, parts::shown(Some(&period)), stages.join("; "))
}

fn of_guardrail(before: &Guardrail, now: &Guardrail) -> Vec<String> {
    let mut changes = Vec::new();
    if before.budget.amount != now.budget.amount {
        changes.push(format!("budget {} -> {}", before.budget.amount, now.budget.amount));
    }
    changes.extend(differing("budget", &without(&json!(before.budget), "amount"), &without(&json!(now.budget), "amount")));
    changes.extend(stages::between(&before.stages, &now.stages));
    changes.extend(differing("plausibility", &json!(before.plausibility), &json!(now.plausibility)));
    changes.extend(differing("release", &json!(before.release), &json!(now.release)));
    changes
}

fn without(value: &Json, key: &str) -> Json {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove(key);
    }
    value
}

#[cfg(test)]
mod tests {
    use guardrails_aws::actions::CATALOG;

    use super::*;

    const FILE: &str = include_str!("../../../../../examples/guardrails.yaml");
    const DEPLOYER: &str = "arn:aws:iam::123456789012:user/deployer";

    fn read(text: &str) -> Config {
        CATALOG.parse("guardrails.yaml", text).unwrap()
    }

    /// As the ledger has the file: with the deployer among the operators, and no interval.
    fn deployed(text: &str) -> Deployed {
        let mut config = read(text);
        config.operators.push(DEPLOYER.to_owned());
        let every = Some(config.reconcile.every);
        Deployed { config, deployer: Some(DEPLOYER.to_owned()), every }
    }

    /// The changes of the example with each `old` replaced by its `new`.
    fn changed(replaced: &[(&str, &str)]) -> Vec<String> {
        let mut text = FILE.to_owned();
        for (old, new) in replaced {
            assert!(text.contains(old), "{old}");
            text = text.replacen(old, new, 1);
        }
        let changes = between(&deployed(FILE), &read(&text)).into_iter();
        changes
            .map(|change| format!("{}{}", change.guardrail.map(|name| format!("{name}: ")).unwrap_or_default(), change.change))
            .collect()
    }

    #[test]
    fn same_file_has_no_change() {
        assert_eq!(changed(&[]), Vec::<String>::new());
        assert_eq!(text(&[]), "guardrails.yaml: no change in the file");
    }

    #[test]
    fn stage_at_another_threshold_is_the_same_stage_moved() {
        assert_eq!(changed(&[("at: 100% actual", "at: 130% actual")]), ["project-beta: stage 100% actual -> 130% actual"]);
    }

    #[test]
    fn budget_is_compared_key_by_key() {
        assert_eq!(changed(&[("2 USD", "3 USD")]), ["project-beta: budget 2 USD -> 3 USD"]);
        let daily = changed(&[("period: monthly", "period: daily"), ("at: 80% forecasted", "at: 80% actual")]);
        assert_eq!(daily[0], "project-beta: budget.period monthly -> daily");
        assert_eq!(daily[1], "project-beta: stage 80% forecasted -> 80% actual");
    }

    #[test]
    fn actions_are_named_with_their_stage() {
        let stop = "          - stop-instances: { tag: { Project: Beta } }\n";
        assert_eq!(changed(&[(stop, "")]), ["project-beta: `stop-instances` removed at 100% actual"]);
        let other = changed(&[("stop-instances: { tag: { Project: Beta } }", "stop-instances: { tag: { Project: Gamma } }")]);
        assert_eq!(other, ["project-beta: `stop-instances` at 100% actual: tag.Project Beta -> Gamma"]);
        let early = ("do: [notify]", "do: [stop-instances: { tag: { Project: Beta } }]");
        assert_eq!(changed(&[early]), ["project-beta: `stop-instances` added at 80% forecasted"]);
    }

    #[test]
    fn settings_of_a_stage_are_compared() {
        let asks = ("      - at: 100% actual\n", "      - at: 100% actual\n        approval: { within: 2h }\n");
        let changes = changed(&[asks]);
        assert!(changes.contains(&"project-beta: at 100% actual: approval.within not set -> 2h".to_owned()), "{changes:?}");
    }

    #[test]
    fn operators_come_and_go_and_the_deployer_is_none_of_the_file() {
        let name = "arn:aws:iam::123456789012:user/finops";
        let other = name.replace("finops", "ann");
        assert_eq!(changed(&[(name, &other)]), [format!("operator {name} removed"), format!("operator {other} added")]);
        assert_eq!(changed(&[(name, DEPLOYER)]), [format!("operator {name} removed")]);
    }

    #[test]
    fn guardrails_come_and_go() {
        let gamma = "guardrails:\n  project-gamma:\n    budget: { amount: 5 USD, period: daily }\n    stages: [{ at: 50% actual, do: [notify] }]\n";
        let added = changed(&[("guardrails:\n", gamma)]);
        assert_eq!(added, ["project-gamma: guardrail added: budget 5 USD daily; 50% actual: notify"]);
        let renamed = changed(&[("project-beta:", "project-delta:")]);
        assert_eq!(renamed[0], "project-beta: guardrail removed, and its budget with it");
        assert!(
            renamed[1].starts_with("project-delta: guardrail added: budget 2 USD monthly; 80% forecasted: notify; 100% actual: ")
        );
    }

    #[test]
    fn interval_and_pace_are_of_the_whole_file() {
        let file = "reconcile: { every: 30m }\npace: { share: 0.25 }\nguardrails:\n";
        assert_eq!(changed(&[("guardrails:\n", file)]), ["pace.share 0.5 -> 0.25", "rounds of the reconciler every 1h -> 30m"]);
    }

    #[test]
    fn changes_for_programs_have_guardrail_and_words() {
        let changes = between(&deployed(FILE), &read(&FILE.replace("2 USD", "3 USD")));
        assert_eq!(json!(changes), json!([{"guardrail": "project-beta", "change": "budget 2 USD -> 3 USD"}]));
    }
}
