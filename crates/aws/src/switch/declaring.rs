//! The declarations of an action on resources: its rights, and how it is made.

use std::collections::BTreeSet;

use guardrails_model::action::Action;
use guardrails_model::config::Tags;
use guardrails_model::ids::Place;
use serde_json::{Value as Json, json};

use super::params::Scope;
use super::parts::{Parts, Switches};
use super::together::Together;
use super::{Resource, Switch, Switched};
use crate::context::Context;
use crate::declared::{About, ActionType, Declared, alike};
use crate::ec2::regions::Regions;
use crate::grants::{self, Grant, Use, sid};

impl<S: Switches> ActionType for Switched<S> {
    const ABOUT: About = About { counts: S::Parts::COUNTS, ..S::ABOUT };

    fn checked(self) -> Result<Self, String> {
        self.check().map(|()| self)
    }
}

impl<S: Switches> Declared for Switched<S> {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        let parts = S::Parts::make(&self.scope, &self.options, context);
        Box::new(Together::new(parts, self.scope.regions.clone(), context))
    }

    fn selects(&self) -> Option<&Tags> {
        Some(&self.scope.tag)
    }

    fn regions(&self) -> &[Place] {
        self.scope.regions.named()
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        let scopes: Vec<&Scope> = alike::<Self>(all).into_iter().map(|one| &one.scope).collect();
        let regions = ["ec2:DescribeRegions"].as_slice();
        let mut grants = vec![reading("Regions", regions, everything(), Some("AWS has no resource for the list of Regions"))];
        for grant in S::Parts::grants(&scopes) {
            // Parts may need the same.
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        grants
    }
}

/// The Regions of an action's stages, as its rights reach into them.
pub struct Reach<'a> {
    scopes: &'a [&'a Scope],
}

impl Reach<'_> {
    /// The ARNs of all resources of a kind, such as `cluster/*`.
    #[must_use]
    pub fn arns(&self, service: &str, kind: &str) -> Vec<String> {
        grants::widest(self.scopes.iter().flat_map(|scope| scope.regions.arns(service, kind)))
    }

    /// The condition for a call of which IAM knows no resource: its Region. Nothing where a stage is for all Regions.
    #[must_use]
    pub fn condition(&self) -> Json {
        let mut regions = BTreeSet::new();
        for scope in self.scopes {
            let Regions::Named(named) = &scope.regions else { return Json::Null };
            regions.extend(named.iter().map(Place::as_str));
        }
        json!({"StringEquals": {"aws:RequestedRegion": regions}})
    }
}

/// The uses of a read: the plan, and the looks before and after each change.
const READING: &[Use] = &[Use::Plan, Use::Apply, Use::Rollback];

/// The rights of one part, by the stages' scopes. Where there are `several` parts, each right has the name of its part.
pub(super) fn grants_of<S: Switch>(scopes: &[&Scope], several: bool) -> Vec<Grant> {
    let Resource { service, arn, lists, reads, wide, turns } = S::RESOURCE;
    let more = S::more_grants(&Reach { scopes });
    let scopes: Vec<_> = scopes.iter().map(|scope| (&scope.tag, scope.regions.arns(service, arn))).collect();
    let kind: Vec<&str> = S::TARGET.facet.split('-').filter(|_| several).collect();
    let name = |verb: &'static str| sid(&[vec![verb], kind.clone()].concat());
    let mut grants = Vec::new();
    if !lists.is_empty() {
        grants.push(reading(&name("Look"), lists, everything(), Some("AWS has no resource for these calls, which list")));
    }
    if !reads.is_empty() {
        let all = grants::widest(scopes.iter().flat_map(|(_, arns)| arns.clone()));
        grants.push(Grant { wide, ..reading(&name("Read"), reads, all, None) });
    }
    grants.extend(more);
    if !S::READS_BY_TAG.is_empty() {
        let reads = grants::by_tag(&name("ReadTagged"), S::READS_BY_TAG, scopes.iter().cloned());
        grants.extend(reads.into_iter().map(|grant| Grant { uses: READING, narrow: true, ..grant }));
    }
    if !turns.is_empty() {
        grants.extend(grants::by_tag(&name("Turn"), turns, scopes));
    }
    grants
}

fn reading(name: &str, actions: &'static [&'static str], resources: Vec<String>, why_any: Option<&'static str>) -> Grant {
    Grant { sid: name.to_owned(), uses: READING, actions, resources, why_any, ..Grant::default() }
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}
