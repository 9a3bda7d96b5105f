//! The rules for the single parts of a file.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde_saphyr::Spanned;

use super::{Actions, Problem};
use crate::config::{ActionSpec, ApprovalRule, Budget, Demand, Meanwhile, Rule, Stage, StageAt, Tags, regions, services};
use crate::ids::ActionName;
use crate::partition;
use crate::principal::Principal;

/// The roles that Identity Center makes of permission sets are named so.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";

pub(super) fn check_operator(arn: &str) -> Result<(), String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, who]
            if account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && (who.starts_with("user/") || who.starts_with("role/")) =>
        {
            partition::check(partition).map_err(|why| format!("`{arn}`: {why}"))?;
            check_operator_name(arn, who)
        }
        _ => Err(format!(
            "`{arn}` is not an operator: expected the ARN of an IAM user or role, such as \
            `arn:aws:iam::123456789012:role/FinOps`"
        )),
    }
}

/// In the stack's policies an operator's ARN is a pattern: one that means many would close others out, and protect nobody.
fn check_operator_name(arn: &str, who: &str) -> Result<(), String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "+=,.@_-".contains(letter);
    let is_named = who.split('/').all(|part| !part.is_empty() && part.chars().all(is_letter));
    if is_named {
        return Ok(());
    }
    Err(format!(
        "`{arn}` is not one operator: expected the whole name of a user or role, in letters, digits and `+=,.@_-`, without `*`, `?` \
         or `${{`; name each operator"
    ))
}

pub(super) fn check_approval(approval: &Spanned<ApprovalRule>, groups: &[Vec<ActionSpec>]) -> Result<ApprovalRule, Problem> {
    let problem = |what| Problem::at(approval.referenced, what);
    if groups.is_empty() {
        return Err(problem("the stage only notifies, so there is nothing to approve: leave `approval` out".to_owned()));
    }
    approval.value.check().map(|()| approval.value).map_err(problem)
}

/// The names of the stage's own actions that are carried out while a person is asked.
pub(super) fn check_meanwhile(
    asked: Option<&Spanned<Meanwhile>>,
    cheap: Vec<(Meanwhile, ActionName)>,
) -> Result<Vec<ActionName>, Problem> {
    let Some(asked) = asked else { return Ok(Vec::new()) };
    let mut names: Vec<ActionName> = cheap.into_iter().filter(|(kind, _)| *kind == asked.value).map(|(_, name)| name).collect();
    names.dedup();
    if names.is_empty() {
        let (word, example) = match asked.value {
            Meanwhile::Deny => ("deny", "deny-actions"),
            Meanwhile::Swap => ("swap", "swap-group-policy"),
        };
        let what = format!(
            "`meanwhile: {word}` carries out the stage's own actions of that kind, and it has none: add one to its `do`, such as \
             `{example}`, or leave `meanwhile` out"
        );
        return Err(Problem::at(asked.referenced, what));
    }
    Ok(names)
}

pub(super) fn check_verify(demand: Option<&Spanned<Demand>>, restricted: BTreeSet<Principal>) -> Result<Option<Rule>, Problem> {
    match demand {
        Some(demand) if restricted.is_empty() => {
            let what = "the stage takes rights from nobody, so there is nobody to ask IAM about: leave `verify` out, or add an \
                        action that does, such as `swap-group-policy`";
            Err(Problem::at(demand.referenced, what.to_owned()))
        }
        _ if restricted.is_empty() => Ok(None),
        demand => {
            let demand = demand.map(|demand| demand.value).unwrap_or_default();
            Ok(Some(Rule { demand, of: restricted.into_iter().collect() }))
        }
    }
}

/// The path of the price list, where the file names one.
pub(super) fn check_price_file(path: Option<Spanned<String>>) -> Result<Option<String>, Problem> {
    match path {
        Some(path) if path.value.trim().is_empty() => {
            let what = "`prices` is empty: expected the path of a price list, such as `prices.yaml`".to_owned();
            Err(Problem::at(path.referenced, what))
        }
        path => Ok(path.map(|path| path.value)),
    }
}

pub(super) fn check_budget(budget: &Budget) -> Result<(), String> {
    budget.tag.check()?;
    if budget.tag.iter().count() > 1 {
        return Err("a budget filters by one tag key: expected one key, with one value or a list of them".to_owned());
    }
    budget.tag.check_new()?;
    budget.service.iter().try_for_each(|service| services::check(service))
}

/// The actions of a stage so far: a line that stands for several must not ask for one again.
#[derive(Default)]
pub(super) struct Asked(Vec<(ActionName, Option<Tags>, bool)>);

impl Asked {
    /// Adds the actions of one line of the file, which may be one for `several`.
    pub(super) fn add<A: Actions>(&mut self, line: &[A], several: bool) -> Result<(), String> {
        for action in line {
            let (name, tags) = (super::spec(action)?.name, action.selects().cloned());
            let again = |(other, of, in_several): &&(ActionName, Option<Tags>, bool)| {
                *other == name && *of == tags && (several || *in_several)
            };
            if self.0.iter().any(|other| again(&other)) {
                return Err(format!(
                    "the stage asks for `{name}` with these tags twice, once by `stop-all`: leave one out, or write `without: [{name}]` in \
                     `stop-all`"
                ));
            }
            self.0.push((name, tags, several));
        }
        Ok(())
    }
}

/// Budgets' messages give thresholds in cents, so stages of one type must lie further apart than that.
pub(super) fn apart(stages: &[Stage], at: StageAt, budgeted: Decimal) -> Result<(), String> {
    let near = |other: &&Stage| {
        let distance = (other.at.threshold(budgeted) - at.threshold(budgeted)).abs();
        other.at.alert_type == at.alert_type && distance <= Decimal::new(1, 2)
    };
    match stages.iter().find(near) {
        Some(other) if other.at == at => Err(format!("there is a stage at `{at}` already: put all that it does into one `do`")),
        Some(other) => Err(format!(
            "the stages `{}` and `{at}` are a cent or less apart, so AWS's alerts do not tell one \
            from the other: move them apart",
            other.at
        )),
        None => Ok(()),
    }
}

/// The mistakes that a stored action may have, and a file may not.
pub(super) fn check_new<A: Actions>(action: &A) -> Result<(), String> {
    action.selects().map_or(Ok(()), Tags::check_new)?;
    action.regions().iter().try_for_each(|region| regions::check(region.as_str()))?;
    let of_identity_center =
        |principal: &Principal| matches!(principal, Principal::Role(_)) && principal.name().starts_with(IDENTITY_CENTER);
    action.restricts().iter().find(|one| of_identity_center(one)).map_or(Ok(()), |role| {
        Err(format!(
            "the role `{}` is one of Identity Center, and IAM lets nobody attach a policy to it: change its permission set instead, as \
             docs/living-with.md says under \"You sign in by Identity Center\"",
            role.name()
        ))
    })
}
