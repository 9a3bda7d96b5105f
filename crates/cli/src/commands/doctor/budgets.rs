//! The budgets: there, ours, as the guardrails say, watching the resources that carry the tag, and telling the alert topic.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::types::CostAllocationTagStatus;
use guardrails_aws::budgets::{Budgets, Inspected, Misdirected};
use guardrails_aws::error::chain;
use guardrails_model::config::Guardrail;
use guardrails_model::ids::GuardrailName;
use guardrails_model::spend::Spend;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::finding::{Read, Sheet, Unread};
use super::names::Names;
use super::site::Site;
use super::{names, running, spends};

/// Budgets computes spend up to three times a day; after so long there is a figure, if anything was spent.
const NEWS: SignedDuration = SignedDuration::from_hours(48);
/// The service of instances, as budgets filter by it.
const INSTANCES: &str = "Amazon Elastic Compute Cloud - Compute";

/// The guardrails and their budgets, as they were seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// As the ledger has them.
    pub(super) guardrails: Read<Vec<Guardrail>>,
    /// As the deployed template has them.
    pub(super) template: Read<BTreeMap<GuardrailName, Guardrail>>,
    /// Their budgets; none when there is no budget of that name.
    pub(super) budgets: BTreeMap<GuardrailName, Read<Option<Inspected>>>,
    /// The last known spend; none before the reconciler's first round.
    pub(super) spends: BTreeMap<GuardrailName, Read<Option<Spend>>>,
    /// Is the tag a cost allocation tag? Those that Cost Explorer does not know are left out.
    pub(super) tags: Read<BTreeMap<String, bool>>,
    pub(super) stack: String,
    /// How many instances run under the tag of a budget that shows no spend.
    pub(super) running: BTreeMap<GuardrailName, Read<usize>>,
    /// The names that Cost Explorer has seen, where it was asked.
    pub(super) names: Option<Names>,
    /// The account's number.
    pub(super) account: String,
    /// The alert topic's ARN.
    pub(super) topic: String,
    pub(super) now: Timestamp,
}

pub(super) async fn look(site: &Site, now: Timestamp, cost_explorer: bool) -> Seen {
    let config = site.deployment.ledger.config().await;
    let guardrails = config.map_err(|error| Unread::new("dynamodb:Query", chain(&error)));
    let guardrails: Read<Vec<Guardrail>> = guardrails.map(|config| config.guardrails.into_values().collect());
    let client = Budgets {
        client: aws_sdk_budgets::Client::new(site.sdk()),
        account: site.account().to_owned(),
        partition: site.partition.clone(),
        stack: site.stack_id.clone(),
        topic: site.name("AlertTopic").to_owned(),
    };
    let (mut budgets, mut spends, mut running) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut keys = Vec::new();
    for guardrail in guardrails.iter().flatten() {
        let inspected = client.inspect(guardrail).await;
        let needs = "budgets:ViewBudget and budgets:ListTagsForResource";
        if inspected.as_ref().is_ok_and(|found| found.as_ref().is_some_and(|budget| is_silent(budget, now)))
            && counts_instances(guardrail)
        {
            running.insert(guardrail.name.clone(), running::look(site, &guardrail.budget.tag, now).await);
        }
        budgets.insert(guardrail.name.clone(), inspected.map_err(|error| Unread::new(needs, chain(&error))));
        spends.insert(guardrail.name.clone(), spends::look(site, &guardrail.name).await);
        keys.extend(guardrail.budget.tag.iter().map(|(key, _)| key.to_owned()));
    }
    keys.sort();
    keys.dedup();
    let names = match &guardrails {
        Ok(guardrails) if cost_explorer => Some(names::look(site, guardrails, now).await),
        _ => None,
    };
    Seen {
        running,
        names,
        template: template(site).await,
        tags: tags(site, keys).await,
        guardrails,
        budgets,
        spends,
        stack: site.deployment.stack.clone(),
        account: client.account,
        topic: client.topic,
        now,
    }
}

async fn template(site: &Site) -> Read<BTreeMap<GuardrailName, Guardrail>> {
    let needs = "cloudformation:GetTemplate";
    let client = aws_sdk_cloudformation::Client::new(site.sdk());
    let body = client.get_template().stack_name(&site.deployment.stack).send().await.map_err(Unread::of(needs))?.template_body;
    definitions(&body.unwrap_or_default()).map_err(|why| Unread::new(needs, why))
}

/// The guardrails of a template that `guardrails package` made. Other tools, such as `sam deploy`, store it as YAML.
fn definitions(template: &str) -> Result<BTreeMap<GuardrailName, Guardrail>, String> {
    let read = serde_json::from_str(template).ok().or_else(|| serde_saphyr::from_str(template).ok());
    let template: Json = read.filter(Json::is_object).ok_or("the template is neither JSON nor YAML with keys")?;
    let resources = template["Resources"].as_object().into_iter().flatten();
    let definitions = resources.filter(|(_, resource)| resource["Type"] == "Custom::Guardrail").map(|(name, resource)| {
        let definition = resource["Properties"]["Definition"].as_str().unwrap_or_default();
        let guardrail: Guardrail =
            serde_json::from_str(definition).map_err(|error| format!("{name} in the template: {error}"))?;
        Ok((guardrail.name.clone(), guardrail))
    });
    definitions.collect()
}

async fn tags(site: &Site, keys: Vec<String>) -> Read<BTreeMap<String, bool>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let client = aws_sdk_costexplorer::Client::new(site.sdk());
    let answer = client.list_cost_allocation_tags().set_tag_keys(Some(keys)).send().await;
    let answer = answer.map_err(Unread::of("ce:ListCostAllocationTags (in an organisation: in its management account)"))?;
    let tags = answer.cost_allocation_tags().iter();
    Ok(tags.map(|tag| (tag.tag_key().to_owned(), *tag.status() == CostAllocationTagStatus::Active)).collect())
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("budgets");
    let Some(guardrails) = sheet.read("ledger: the guardrails", &seen.guardrails) else { return sheet };
    judge_definitions(&mut sheet, seen, guardrails);
    for guardrail in guardrails {
        let checked = format!("budget {}", guardrail.name);
        if let Some(read) = seen.budgets.get(&guardrail.name)
            && let Some(inspected) = sheet.read(&checked, read)
        {
            judge_budget(&mut sheet, &checked, inspected.as_ref(), seen);
        }
        if let Some(count) = seen.running.get(&guardrail.name) {
            running::judge(&mut sheet, &checked, &guardrail.budget.tag, count);
        }
        if let Some(names) = &seen.names {
            names::judge(&mut sheet, &checked, guardrail, names);
        }
        if let Some(spend) = seen.spends.get(&guardrail.name) {
            spends::judge(&mut sheet, &format!("{checked}: its spend"), spend, guardrail, seen.now);
        }
        for (key, _) in guardrail.budget.tag.iter() {
            judge_tag(&mut sheet, &format!("{checked}: its cost allocation tag {key}"), key, &seen.tags);
        }
    }
    sheet
}

fn redeploy(stack: &str) -> String {
    format!(
        "guardrails deploy --stack-name {stack}; CloudFormation changes only what differs from its template, so change the guardrail's line \
             first (its amount by a cent, and back) where it says that there is nothing to change"
    )
}

fn judge_definitions(sheet: &mut Sheet, seen: &Seen, guardrails: &[Guardrail]) {
    let checked = "ledger: the guardrails are the template's";
    let Some(template) = sheet.read(checked, &seen.template) else { return };
    let mut wrong = Vec::new();
    for (name, guardrail) in template {
        match guardrails.iter().find(|one| one.name == *name) {
            None => wrong.push(format!("`{name}` is not in the ledger")),
            Some(one) if one != guardrail => wrong.push(format!("`{name}` is another in the ledger")),
            Some(_) => {}
        }
    }
    wrong.extend(
        guardrails
            .iter()
            .filter(|one| !template.contains_key(&one.name))
            .map(|one| format!("`{}` is in the ledger only", one.name)),
    );
    if wrong.is_empty() {
        sheet.well(format!("{checked}: {} of them", template.len()));
    } else {
        let means = "alerts are judged by the ledger's, not by what was deployed";
        sheet.failure(checked, wrong.join(", "), means, redeploy(&seen.stack));
    }
}

fn judge_budget(sheet: &mut Sheet, checked: &str, inspected: Option<&Inspected>, seen: &Seen) {
    let (nothing, remedy) = ("no alert is sent, so nothing is enforced", redeploy(&seen.stack));
    let Some(budget) = inspected else { return sheet.failure(checked, "there is no such budget", nothing, remedy) };
    if !budget.ours {
        let found = "it does not carry this stack's tag `guardrails:stack`: it is somebody else's, or was taken from the stack";
        let remedy = "rename the guardrail, or delete that budget, and deploy again";
        return sheet.failure(checked, found, "it is not kept as the guardrail says", remedy);
    }
    let mut wrong = Vec::new();
    if !budget.differences.is_empty() {
        wrong.push((budget.differences.join("; "), "it watches something else than the guardrail says"));
    }
    let stages =
        |stages: &[guardrails_model::config::StageAt]| stages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !budget.unannounced.is_empty() {
        wrong.push((format!("there is no notification at {}", stages(&budget.unannounced)), nothing));
    }
    if wrong.is_empty() && budget.misdirected.is_empty() {
        sheet.well(format!("{checked}: ours, as the guardrail says, and each stage's notification goes to the alert topic"));
    }
    for (found, means) in wrong {
        sheet.failure(checked, found, means, &remedy);
    }
    for found in &budget.misdirected {
        sheet.failure(checked, found.words(), nothing, redirect(found, budget, seen).unwrap_or_else(|| remedy.clone()));
    }
    if let Some(why) = &budget.unhealthy {
        let remedy = "see the budget in the billing console: https://console.aws.amazon.com/billing/home#/budgets";
        sheet.failure(checked, format!("Budgets calls it unhealthy: {why}"), nothing, remedy);
    }
    if is_silent(budget, seen.now) {
        let means = "nothing was spent, or the budget watches nothing: its filter may fit no cost";
        let remedy =
            "compare with Cost Explorer, by the same service and tag; a tag counts only what was spent after it was activated";
        sheet.note(checked, "no spend is known, two days after it was last updated", means, remedy);
    }
}

/// Does it show no spend, long after it was updated?
fn is_silent(budget: &Inspected, now: Timestamp) -> bool {
    !budget.spent && budget.updated.is_some_and(|at| now.duration_since(at) > NEWS)
}

/// Would instances with its tag count?
fn counts_instances(guardrail: &Guardrail) -> bool {
    let services = &guardrail.budget.service;
    !guardrail.budget.tag.is_empty() && (services.is_empty() || services.iter().any(|name| name == INSTANCES))
}

/// A notification has room for one topic, so the other one is replaced. Nothing of the budget is updated, which would zero its spend.
fn redirect(found: &Misdirected, budget: &Inspected, seen: &Seen) -> Option<String> {
    let (topic, name, at) = (found.topic.as_ref()?, &budget.name, found.at);
    let (account, ours) = (&seen.account, &seen.topic);
    Some(format!(
        "aws budgets update-subscriber --account-id {account} --budget-name '{name}' --notification \
         NotificationType={},ComparisonOperator=GREATER_THAN,Threshold={},ThresholdType=PERCENTAGE --old-subscriber \
         SubscriptionType=SNS,Address={topic} --new-subscriber SubscriptionType=SNS,Address={ours}; whoever reads {topic} can subscribe it to \
         a notification at another threshold",
        at.alert_type.as_str(),
        at.percent
    ))
}

fn judge_tag(sheet: &mut Sheet, checked: &str, key: &str, tags: &Read<BTreeMap<String, bool>>) {
    let Some(tags) = sheet.read(checked, tags) else { return };
    let means = "the budget watches nothing: its spend stays at zero, and no alert is ever sent";
    let remedy = format!(
        "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status TagKey={key},Status=Active (in an organisation: in its \
         management account), or Billing console, Cost allocation tags; it takes up to a day, and counts from then on only"
    );
    match tags.get(key) {
        Some(true) => sheet.well(format!("{checked} is active")),
        Some(false) => sheet.failure(checked, "it is not active", means, remedy),
        None => {
            let found = "Cost Explorer does not know it: no resource carries it, or it was put on one less than a day ago";
            sheet.failure(checked, found, means, format!("put the tag on a resource, wait for a day, then {remedy}"));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::doctor::finding::Severity;

    pub(crate) fn guardrail(amount: &str) -> Guardrail {
        let text = format!(
            "version: 1\nguardrails:\n  beta:\n    budget: {{ amount: {amount}, period: monthly, tag: {{ Project: Beta }} }}\n    stages: \
             [{{ at: 100% actual, do: [notify] }}]\n"
        );
        let config = guardrails_aws::actions::CATALOG.parse("test", &text).unwrap();
        config.guardrails.into_values().next().unwrap()
    }

    fn well() -> Seen {
        let beta = guardrail("2 USD");
        let inspected = inspected();
        Seen {
            template: Ok([(beta.name.clone(), beta.clone())].into()),
            budgets: [(beta.name.clone(), Ok(Some(inspected)))].into(),
            spends: [(beta.name.clone(), Ok(None))].into(),
            guardrails: Ok(vec![beta]),
            tags: Ok([("Project".to_owned(), true)].into()),
            running: BTreeMap::new(),
            names: None,
            stack: "budget-guardrails".to_owned(),
            account: "123456789012".to_owned(),
            topic: "arn:ours".to_owned(),
            now: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100),
        }
    }

    fn inspected() -> Inspected {
        Inspected { name: "beta".to_owned(), ours: true, spent: true, ..Inspected::default() }
    }

    fn with(change: impl FnOnce(&mut Inspected)) -> Seen {
        let mut seen = well();
        let mut inspected = inspected();
        change(&mut inspected);
        *seen.budgets.values_mut().next().unwrap() = Ok(Some(inspected));
        seen
    }

    #[test]
    fn a_budget_that_agrees_and_watches_something_is_well() {
        let sheet = judge(&well());
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(sheet.well.len(), 3);
    }

    #[test]
    fn each_thing_that_silences_a_budget_is_found() {
        let stage = guardrail("2 USD").stages[0].at;
        let name = guardrail("2 USD").name;
        let seen = |budget: Read<Option<Inspected>>| Seen { budgets: [(name.clone(), budget)].into(), ..well() };
        let table = [
            (seen(Ok(None)), Severity::Failure, "no such budget"),
            (with(|budget| budget.ours = false), Severity::Failure, "this stack's tag"),
            (
                with(|budget| budget.differences = vec!["amount: 3 USD, not 2 USD".to_owned()]),
                Severity::Failure,
                "3 USD, not 2 USD",
            ),
            (with(|budget| budget.unannounced = vec![stage]), Severity::Failure, "no notification at 100% actual"),
            (
                with(|budget| budget.misdirected = vec![Misdirected { at: stage, topic: None }]),
                Severity::Failure,
                "does not go to the alert topic",
            ),
            (with(|budget| budget.unhealthy = Some("FILTER_INVALID".to_owned())), Severity::Failure, "FILTER_INVALID"),
            (with(|budget| (budget.spent, budget.updated) = (false, Some(Timestamp::UNIX_EPOCH))), Severity::Note, "no spend"),
            (seen(Err(Unread::new("budgets:ViewBudget", "AccessDeniedException: no"))), Severity::CouldNotCheck, "no"),
            (Seen { tags: Ok([("Project".to_owned(), false)].into()), ..well() }, Severity::Failure, "not active"),
            (Seen { tags: Ok(BTreeMap::new()), ..well() }, Severity::Failure, "does not know it"),
            (
                Seen { tags: Err(Unread::new("ce:ListCostAllocationTags", "AccessDeniedException: no")), ..well() },
                Severity::CouldNotCheck,
                "no",
            ),
            (
                Seen { guardrails: Err(Unread::new("dynamodb:Query", "AccessDeniedException: no")), ..well() },
                Severity::CouldNotCheck,
                "no",
            ),
            (Seen { guardrails: Ok(vec![guardrail("3 USD")]), ..well() }, Severity::Failure, "another in the ledger"),
            (Seen { template: Ok(BTreeMap::new()), ..well() }, Severity::Failure, "in the ledger only"),
        ];
        for (seen, severity, words) in table {
            let sheet = judge(&seen);
            assert_eq!(sheet.findings.len(), 1, "{words}: {sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity, "{sheet:?}");
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
        }
        let fresh =
            with(|budget| (budget.spent, budget.updated) = (false, Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(60))));
        assert!(judge(&fresh).findings.is_empty());
    }

    #[test]
    fn other_topic_is_named_with_the_call_that_replaces_it() {
        let at = guardrail("2 USD").stages[0].at;
        let sheet = judge(&with(|budget| budget.misdirected = vec![Misdirected { at, topic: Some("arn:theirs".to_owned()) }]));
        let finding = &sheet.findings[0];
        assert!(finding.found.contains("at 100% actual goes to arn:theirs, not to the alert topic"), "{finding:?}");
        let old = "--budget-name 'beta' --notification NotificationType=ACTUAL,ComparisonOperator=GREATER_THAN,Threshold=100";
        assert!(finding.remedy.contains(old) && finding.remedy.contains("Address=arn:theirs --new-subscriber"), "{finding:?}");
    }

    #[test]
    fn a_guardrail_that_is_not_in_the_ledger_is_found() {
        let seen = Seen { guardrails: Ok(Vec::new()), ..well() };
        assert!(judge(&seen).findings[0].found.contains("`beta` is not in the ledger"));
    }

    #[test]
    fn definitions_are_read_from_the_template_as_it_was_packaged() {
        let beta = guardrail("2 USD");
        let definition = serde_json::to_string(&beta).unwrap();
        let template = json!({"Resources": {"A": {"Type": "AWS::SNS::Topic"},
            "B": {"Type": "Custom::Guardrail", "Properties": {"Definition": definition}}}});
        assert_eq!(definitions(&template.to_string()).unwrap(), [(beta.name.clone(), beta)].into());
        let yaml = format!(
            "Resources:\n  Topic: {{ Type: AWS::SNS::Topic, Properties: {{ KmsMasterKeyId: !GetAtt Key.Arn, TopicName: !Sub '${{A}}-x' }} }}\n  \
             Beta:\n    Type: Custom::Guardrail\n    Properties:\n      ServiceToken: !Ref Function\n      Definition: {}\n",
            template["Resources"]["B"]["Properties"]["Definition"]
        );
        assert_eq!(definitions(&yaml).unwrap().keys().map(GuardrailName::as_str).collect::<Vec<_>>(), ["beta"], "{yaml}");
        assert_eq!(definitions("Resources: {}").unwrap(), BTreeMap::new());
        assert!(definitions("no template").is_err() && definitions("Resources: [").is_err());
    }
}
