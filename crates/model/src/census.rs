//! The instances that run in a guardrail's scope now, and their cost an hour. The actions' own functions list them, by the plans that
//! they would make: they have the rights to read, and know the scope. So the caller needs no more than the right to call them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::belief::{Running, Sight};
use crate::config::{Config, Guardrail};
use crate::ids::{FacetId, Place};
use crate::prices::Hourly;
use crate::reconcile::chain;
use crate::record::{Run, Step, Target};
use crate::runs::Runs;
use crate::wire::scope_digest;

/// Resources of one kind in one place that run and cost money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfKind {
    /// The place, such as a Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The key of a price list, such as `m5.large Windows`.
    pub kind: String,
    /// Their facets: two stages may select the same resource.
    pub facets: BTreeSet<FacetId>,
}

/// Lists the resources of a part of a run that there is not.
#[async_trait]
pub trait Census: Send + Sync {
    /// The resources of a part of `draft` that run, in all places that its action works in. Nothing where the action's resources have no
    /// price by the hour. Nothing is written.
    async fn running(&self, draft: &Run, part: usize) -> Listed;
}

/// The resources of a part that could be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// These; nothing where the action's resources have no price by the hour.
    pub running: Option<Vec<OfKind>>,
    /// Why not all of them.
    pub failed: Option<String>,
}

impl OfKind {
    /// Those of `steps`, planned in `place`, that have a kind and are not as the stage wants them: they run, left alone or not.
    #[must_use]
    pub fn of(steps: &[Step], place: Option<&Place>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for step in steps.iter().filter(|step| step.present != step.wanted) {
            let Some(kind) = &step.kind else { continue };
            if let Some(same) = found.iter_mut().find(|one| one.kind == *kind) {
                same.facets.insert(step.facet.clone());
            } else {
                let facets = BTreeSet::from([step.facet.clone()]);
                found.push(Self { place: place.cloned(), kind: kind.clone(), facets });
            }
        }
        found
    }
}

/// The cost of the resources that run, by the deployed price list.
pub struct Priced<'a> {
    /// The ledger with the list, and the clock.
    pub runs: Runs<'a>,
    /// Lists the resources.
    pub census: &'a dyn Census,
}

#[async_trait]
impl Running for Priced<'_> {
    async fn hourly(&self, config: &Config, guardrail: &Guardrail) -> Sight {
        let prices = match self.runs.ledger.prices().await {
            Ok(Some(prices)) => prices,
            Ok(None) => return Sight::default(),
            Err(error) => return Sight { hourly: None, failed: vec![format!("reading the price list: {}", chain(&error))] },
        };
        let (mut asked, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut sight = Sight::default();
        for stage in guardrail.stages.iter().filter(|stage| !stage.waves.is_empty()).map(|stage| stage.at) {
            let period = guardrail.budget.period.present(self.runs.clock.now());
            let target = Target { guardrail: guardrail.name.clone(), stage, period, simulated: false };
            let draft = self.runs.draft(&target, config, guardrail, "");
            for (index, part) in draft.parts.iter().enumerate() {
                if !asked.insert(scope_digest(part.action.as_str(), &part.params)) {
                    continue;
                }
                let listed = self.census.running(&draft, index).await;
                sight.failed.extend(listed.failed);
                let Some(running) = listed.running else { continue };
                let hourly = sight.hourly.get_or_insert_with(Hourly::default);
                for OfKind { place, kind, facets } in running {
                    let new = facets.into_iter().filter(|facet| seen.insert(facet.clone())).count();
                    hourly.add(&prices, place.as_ref(), &kind, new);
                }
            }
        }
        sight
    }
}
