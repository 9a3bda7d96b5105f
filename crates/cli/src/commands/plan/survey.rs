//! The plan of several stages in one answer: the changes of each, the resources that no stage reaches, and the reads that failed.
//! A denied read is a line, and never the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use aws_config::SdkConfig;
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::decide::Target;
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::prices::PriceList;
use serde_json::Value as Json;

use super::beyond::{self, Beyond};
use super::launch::{self, Look};
use super::made::{Made, Site, make};
use super::savings::Savings;
use super::shown::{StackShown, SurveyShown};
use crate::deployment::Caller;
use crate::exit::Exit;
use crate::{operators, tagged};

/// The rights that it takes to ask who can launch.
const TO_ASK: &str = "iam:SimulatePrincipalPolicy, iam:GetGroup, iam:GetUser and iam:ListRoles";

/// The plans of several stages.
pub(super) struct Surveyed {
    plans: Vec<Planned>,
    beyond: Vec<Beyond>,
    /// The faults of the file's operators.
    operators: Vec<String>,
    /// The reads that failed, beside those of the plans; in words.
    pub(super) unread: Vec<String>,
}

/// The plan of one stage.
struct Planned {
    made: Made,
    target: Target,
    savings: Option<Savings>,
    look: Option<Look>,
    text: String,
}

/// Plans each of `targets`, and looks at the resources that carry the budgets' tags and at the operators. Changes nothing.
///
/// # Errors
/// When the file asks for an action that this version does not have.
pub(super) async fn survey(
    site: &Site<'_>,
    config: &Config,
    targets: &[Target],
    prices: Option<&PriceList>,
    all: bool,
) -> Result<Surveyed> {
    let mut surveyed = Surveyed { plans: Vec::new(), beyond: Vec::new(), operators: Vec::new(), unread: Vec::new() };
    for target in targets {
        let made = make(site, config, target).await?;
        let savings = prices.map(|prices| Savings::of(&made, prices));
        let mut text = made.words(target, all, savings.as_ref());
        let stage = config.guardrails.get(&target.guardrail).and_then(|guardrail| guardrail.stage(target.stage));
        let look = launch::look(site.sdk, stage.and_then(|stage| stage.verify.as_ref()), &made).await;
        match look.as_ref().map(|look| (look, look.not_asked())) {
            Some((_, Some(why))) => surveyed.unread.push(format!("who can launch: {why}; needs the rights {TO_ASK}")),
            Some((look, None)) => text = format!("{text}\n{}", look.text(all)),
            None => {}
        }
        surveyed.plans.push(Planned { made, target: target.clone(), savings, look, text });
    }
    let guardrails = surveyed.guardrails(config);
    if guardrails.iter().any(|guardrail| !guardrail.budget.tag.is_empty()) {
        let (regions, why) = tagged::regions(site.sdk).await;
        surveyed.unread.extend(why);
        for guardrail in guardrails {
            let Some(beyond) = beyond::look(site.sdk, &regions, guardrail).await else { continue };
            surveyed.unread.extend(beyond.unread.iter().cloned());
            surveyed.beyond.push(beyond);
        }
    }
    let looked = operators::look(site.sdk, site.caller, &config.operators).await;
    surveyed.operators = looked.warnings;
    surveyed.unread.extend(looked.unread);
    // Two stages of a guardrail ask the same.
    let mut told = BTreeSet::new();
    surveyed.unread.retain(|line| told.insert(line.clone()));
    Ok(surveyed)
}

/// The plan of every stage of `config`, whose stack `stack` is not there yet: for people, for programs, and the end.
///
/// # Errors
/// When the file asks for an action that this version does not have.
pub async fn before_deployment(sdk: &SdkConfig, arn: &str, config: &Config, stack: &str) -> Result<(String, Json, Exit)> {
    let caller = Caller::of(arn);
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let site = Site { sdk, caller: &caller, stack, ledger: &ledger, to_come: true };
    let surveyed = survey(&site, config, &super::targets(config, None, None)?, config.prices.as_ref(), false).await?;
    Ok((surveyed.text(), serde_json::to_value(surveyed.shown(&site))?, surveyed.end()))
}

impl Surveyed {
    /// The guardrails that were planned, each once.
    pub(super) fn guardrails<'a>(&self, config: &'a Config) -> Vec<&'a Guardrail> {
        let planned: BTreeSet<&GuardrailName> = self.plans.iter().map(|one| &one.target.guardrail).collect();
        planned.into_iter().filter_map(|name| config.guardrails.get(name)).collect()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let plans = self.plans.iter().map(|one| one.text.clone());
        let beyond = self.beyond.iter().filter_map(Beyond::words);
        let operators = self.operators.iter().map(|words| format!("WARNING: {words}"));
        let unread = self.unread.iter().map(|words| format!("could not be read: {words}"));
        plans.chain(beyond).chain(operators).chain(unread).collect::<Vec<_>>().join("\n")
    }

    /// For programs.
    pub(super) fn shown<'a>(&'a self, site: &Site<'a>) -> SurveyShown<'a> {
        let plans = self.plans.iter().map(|one| one.made.shown(&one.target, one.savings.as_ref(), one.look.as_ref()));
        SurveyShown {
            stack: StackShown { name: site.stack, deployed: !site.to_come },
            plans: plans.collect(),
            beyond: &self.beyond,
            operators: &self.operators,
            unread: &self.unread,
            goes_on: None,
        }
    }

    /// A refusal counts most. One that was not read may hide a refusal.
    pub(super) fn end(&self) -> Exit {
        let ends: Vec<Exit> = self.plans.iter().map(|one| one.made.end()).collect();
        if ends.contains(&Exit::PartlyFailed) {
            Exit::PartlyFailed
        } else if ends.contains(&Exit::NotChecked) || !self.unread.is_empty() {
            Exit::NotChecked
        } else {
            Exit::Done
        }
    }
}
