//! The text of `guardrails.yaml`: it is accepted or refused, never a panic; an accepted file is kept as it was read, and its
//! stages are told apart by the alerts of AWS.

use guardrails_model::config::file::{self, Actions};
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::decide::{Decision, decide, simulated_text};
use guardrails_model::envelope::Message;
use jiff::civil::Date;

use crate::alert::ACCOUNT;

const NAME: &str = "guardrails.yaml";

/// Reads `text` as `guardrails check` does. Answers with the accepted configuration.
///
/// # Panics
/// When an accepted file cannot be kept or watched, or a refusal does not say where.
#[must_use]
pub fn check<A: Actions>(text: &str) -> Option<Config> {
    let config = match file::parse::<A>(NAME, text) {
        Ok(config) => config,
        Err(error) => {
            refused(&error.to_string(), text);
            return None;
        }
    };
    let kept = serde_json::to_string(&config).expect("a configuration is kept as JSON");
    assert_eq!(serde_json::from_str::<Config>(&kept).expect("what was kept is read"), config, "{kept}");
    for guardrail in config.guardrails.values() {
        stages_are_told_apart(&config, guardrail);
    }
    Some(config)
}

/// A refusal names the file, and the place in it where there is one.
fn refused(error: &str, text: &str) {
    assert!(!error.trim().is_empty(), "a refusal says why: {text:?}");
    let Some((_, place)) = error.split_once(&format!("--> {NAME}:")) else {
        return assert!(error.contains(NAME), "{error:?} names no file");
    };
    let numbers: Vec<usize> = place.split([':', '\n', ' ']).take(2).filter_map(|number| number.parse().ok()).collect();
    let [line, column] = numbers[..] else { panic!("no line and column in {error:?}") };
    assert!(
        line >= 1 && column >= 1 && line <= text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1,
        "{error}"
    );
}

/// The alert of each stage, as Budgets words it, means just that stage.
fn stages_are_told_apart(config: &Config, guardrail: &Guardrail) {
    let today = Date::constant(2026, 11, 23);
    for stage in &guardrail.stages {
        let text = simulated_text(guardrail, stage.at, ACCOUNT, today);
        let message = Message { text, ..Message::default() };
        match decide(&message, &config.guardrails, ACCOUNT, today) {
            Decision::Enforce { target, .. } => {
                assert_eq!((&target.guardrail, target.stage), (&guardrail.name, stage.at), "{message:?}");
            }
            Decision::Report { why, .. } => panic!("the stage {} is never reached: {why}: {message:?}", stage.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeCatalog;

    #[test]
    fn refusal_names_the_file_when_yaml_reader_knows_no_place() {
        for text in ["", "pace: {}\n!a b: {}\n!a b: {}", include_str!("../../corpus/config/refusal-without-a-place")] {
            assert_eq!(check::<FakeCatalog>(text), None);
        }
    }
}
