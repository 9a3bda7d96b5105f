//! The declarations of an action on one kind of resource: its rights, and how it is made.

use guardrails_model::action::Action;
use guardrails_model::config::Tags;

use super::acting::Acting;
use super::{Resource, Switch, Switched};
use crate::context::Context;
use crate::declared::{About, ActionType, Declared, alike};
use crate::grants::{self, Grant, Use};

impl<S: Switch> ActionType for Switched<S> {
    const ABOUT: About = About { counts: &[S::TARGET], ..S::ABOUT };

    fn checked(self) -> Result<Self, String> {
        self.check().map(|()| self)
    }
}

impl<S: Switch> Declared for Switched<S> {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        Box::new(Acting::<S>::new(self.clone(), context))
    }

    fn selects(&self) -> Option<&Tags> {
        Some(&self.tag)
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        let Resource { service, arn, lists, reads, wide, turns } = S::RESOURCE;
        let scopes: Vec<_> = alike::<Self>(all).into_iter().map(|one| (&one.tag, one.regions.arns(service, arn))).collect();
        let look = |name: &str, actions, resources, why_any| Grant {
            sid: name.to_owned(),
            uses: &[Use::Plan, Use::Apply, Use::Rollback],
            actions,
            resources,
            why_any,
            ..Grant::default()
        };
        let everything = || vec!["*".to_owned()];
        let mut grants =
            vec![look("Regions", &["ec2:DescribeRegions"], everything(), Some("AWS has no resource for the list of Regions"))];
        if !lists.is_empty() {
            grants.push(look("Look", lists, everything(), Some("AWS has no resource for these calls, which list")));
        }
        if !reads.is_empty() {
            let all = grants::widest(scopes.iter().flat_map(|(_, arns)| arns.clone()));
            grants.push(Grant { wide, ..look("Read", reads, all, None) });
        }
        grants.extend(S::more_grants());
        grants.extend(grants::by_tag("Turn", turns, scopes));
        grants
    }
}
