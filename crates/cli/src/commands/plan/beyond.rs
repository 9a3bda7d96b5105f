//! The resources that carry a budget's tag and that no stage reaches: those that no action stops, and those that another action would.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::unstoppable::{self, Unstoppable};
use guardrails_model::config::{Guardrail, Tags};
use guardrails_model::ids::Place;
use schemars::JsonSchema;
use serde::Serialize;

use crate::tagged::{self, Found, STOPPABLE, Tagged};

/// Other kinds that are named.
const MOST_OTHERS: usize = 8;

/// The resources beyond a guardrail's reach.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Beyond {
    guardrail: String,
    /// The budget's tag, for people.
    tag: String,
    /// Kinds that no stage can stop.
    goes_on: Vec<Kind>,
    /// Kinds that another action would stop.
    unreached: Vec<Kind>,
    /// How many there are of each other kind.
    others: BTreeMap<String, usize>,
    /// Reads that failed; in words.
    #[serde(skip)]
    pub(super) unread: Vec<String>,
}

/// A kind of resource.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Kind {
    name: &'static str,
    count: usize,
    /// The reason, with the remedy or the action.
    why: String,
}

/// Looks at the resources that carry the budget's tag. Nothing where the budget counts by no tag.
pub(super) async fn look(sdk: &SdkConfig, regions: &[Place], guardrail: &Guardrail) -> Option<Beyond> {
    let tag = &guardrail.budget.tag;
    if tag.is_empty() {
        return None;
    }
    Some(of(guardrail, tagged::list(sdk, regions, &[], tag).await))
}

fn of(guardrail: &Guardrail, found: Found) -> Beyond {
    let scopes = scopes(guardrail);
    let mut beyond: BTreeMap<&str, Vec<&Tagged>> = BTreeMap::new();
    for one in &found.resources {
        if !scopes.iter().any(|scope| scope.reaches(one)) {
            beyond.entry(&one.kind).or_default().push(one);
        }
    }
    let mut goes_on: BTreeMap<&str, (usize, &Unstoppable)> = BTreeMap::new();
    let (mut unreached, mut others) = (Vec::new(), BTreeMap::new());
    for (kind, resources) in beyond {
        let count = resources.len();
        if let Some(one) = unstoppable::of_kind(&CATALOG, kind) {
            goes_on.entry(one.name).or_insert((0, one)).0 += count;
        } else if let Some(one) = STOPPABLE.iter().find(|one| one.kind == kind) {
            let name = if count == 1 { one.noun.one } else { one.noun.many };
            let is_asked = scopes.iter().any(|scope| scope.action == one.action);
            let which = if is_asked { " by their tags in their Region" } else { "" };
            unreached.push(Kind { name, count, why: format!("no stage asks for `{}`{which}, which stops them", one.action) });
        } else {
            others.insert(kind.to_owned(), count);
        }
    }
    let goes_on = goes_on.into_iter().map(|(name, (count, one))| Kind { name, count, why: format!("{} {}", one.why, one.help) });
    Beyond {
        guardrail: guardrail.name.to_string(),
        tag: guardrail.budget.tag.missing(|_| None).unwrap_or_default(),
        goes_on: goes_on.collect(),
        unreached,
        others,
        unread: found.unread,
    }
}

/// The resources that one action of a stage works on.
struct Scope {
    action: &'static str,
    tags: Tags,
    /// Every one where there is none.
    regions: Vec<Place>,
}

/// The scopes of all actions that select by tags, of every stage.
fn scopes(guardrail: &Guardrail) -> Vec<Scope> {
    let specs = guardrail.stages.iter().flat_map(|stage| stage.waves.iter().flatten());
    let scopes = specs.filter_map(|spec| {
        let (entry, declared) = (CATALOG.find(spec.name.as_str()).ok()?, CATALOG.read(spec).ok()?);
        Some(Scope { action: entry.name, tags: declared.selects()?.clone(), regions: declared.regions().to_vec() })
    });
    scopes.collect()
}

impl Scope {
    fn reaches(&self, one: &Tagged) -> bool {
        let of_kind = STOPPABLE.iter().any(|stoppable| stoppable.kind == one.kind && stoppable.action == self.action);
        let value_of = |key: &str| one.tags.iter().find(|(of, _)| of == key).map(|(_, value)| value.as_str());
        let there = self.regions.is_empty() || self.regions.contains(&one.region);
        of_kind && there && self.tags.missing(value_of).is_none()
    }
}

impl Beyond {
    /// For people; nothing where nothing is beyond reach.
    pub(super) fn words(&self) -> Option<String> {
        let Self { guardrail, tag, goes_on, unreached, others, .. } = self;
        if goes_on.is_empty() && unreached.is_empty() && others.is_empty() {
            return None;
        }
        let mut lines =
            vec![format!("no stage of {guardrail} reaches these resources that carry {tag}, by AWS's index of tags:")];
        lines.extend(unreached.iter().map(|one| format!("  {} {}: {}", one.count, one.name, one.why)));
        lines.extend(goes_on.iter().map(|one| format!("  {} of {}: {}", one.count, one.name, one.why)));
        if !others.is_empty() {
            let kinds: Vec<String> =
                others.iter().take(MOST_OTHERS).map(|(kind, count)| format!("{count} {}", shown(kind))).collect();
            let more = others.len().saturating_sub(MOST_OTHERS);
            let more = if more > 0 { format!(", and {more} kinds more") } else { String::new() };
            lines.push(format!("  of kinds whose cost is not known here: {}{more}", kinds.join(", ")));
        }
        Some(lines.join("\n"))
    }
}

/// `s3` of a kind without a type, which is `s3:` in the index.
fn shown(kind: &str) -> &str {
    kind.strip_suffix(':').unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1
guardrails:
  beta:
    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }
    stages: [{ at: 100% actual, do: [stop-instances: { tag: { Project: Beta } }] }]
";

    fn guardrail(stop: &str) -> Guardrail {
        let file = FILE.replace("stop-instances: { tag: { Project: Beta } }", stop);
        CATALOG.parse("guardrails.yaml", &file).unwrap().guardrails.into_values().next().unwrap()
    }

    fn one(kind: &str, region: &str) -> Tagged {
        let tags = vec![("Project".to_owned(), "Beta".to_owned())];
        Tagged { kind: kind.to_owned(), region: region.parse().unwrap(), tags }
    }

    fn said(guardrail: &Guardrail, resources: Vec<Tagged>) -> Option<String> {
        of(guardrail, Found { resources, unread: Vec::new() }).words()
    }

    #[test]
    fn kinds_that_no_stage_stops_are_counted_with_reason_or_action() {
        let guardrail = guardrail("stop-instances: { tag: { Project: Beta } }");
        let kinds = ["ec2:instance", "ec2:natgateway", "ec2:natgateway", "s3:", "rds:db", "rds:db", "glue:job"];
        let said_of_all = said(&guardrail, kinds.map(|kind| one(kind, "eu-west-1")).to_vec()).unwrap();
        let lines: Vec<&str> = said_of_all.lines().collect();
        assert_eq!(lines[0], "no stage of beta reaches these resources that carry Project=Beta, by AWS's index of tags:");
        assert_eq!(lines[1], "  2 DB instances: no stage asks for `stop-databases`, which stops them");
        assert!(lines[2].starts_with("  2 of NAT gateways: AWS has no stop."), "{said_of_all}");
        assert!(lines[3].starts_with("  1 of S3: "), "{said_of_all}");
        assert_eq!(lines[4..], ["  of kinds whose cost is not known here: 1 glue:job"]);
        assert_eq!(said(&guardrail, vec![one("ec2:instance", "eu-west-1")]), None);
    }

    #[test]
    fn resources_beyond_a_narrow_stage_are_counted() {
        let words = "  1 instance: no stage asks for `stop-instances` by their tags in their Region, which stops them";
        let in_region = guardrail("stop-instances: { tag: { Project: Beta }, regions: [eu-west-1] }");
        let told = said(&in_region, vec![one("ec2:instance", "eu-west-1"), one("ec2:instance", "us-east-1")]).unwrap();
        assert_eq!(told.lines().nth(1), Some(words));
        let narrow = guardrail("stop-instances: { tag: { Project: Beta, Stage: dev } }");
        assert_eq!(said(&narrow, vec![one("ec2:instance", "us-east-1")]).unwrap().lines().nth(1), Some(words));
    }
}
