//! The reads of the program from the ledger. Lists that may be long are read page by page.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::typed::{
    ALERTS, Definition, alert_key, facet_key, read, read_own, run_key, slot_key, slot_partition, step_key, step_partition,
    step_place, step_prefix,
};
use super::{Item, Key, Ledger, LedgerError, Page, Versioned};
use crate::config::{Config, Guardrail};
use crate::ids::{FacetId, GuardrailName, Nonce, RunId, Value};
use crate::phase::Phase;
use crate::record::{AlertEntry, AlertRecord, Facet, Listed, PartPlan, Run, StageState, Step, Target};

/// Steps of a page: as many as DynamoDB reads in one go.
pub const PAGE: usize = 500;

impl Ledger {
    /// The run called `id`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn run(&self, id: &RunId) -> Result<Option<Versioned<Run>>, LedgerError> {
        let items = self.store.get(&[run_key(id)]).await?;
        items.into_iter().flatten().next().map(own_run).transpose()
    }

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn runs(&self, limit: Option<usize>) -> Result<Vec<Versioned<Run>>, LedgerError> {
        let page = Page { newest_first: true, limit, ..Page::whole("RUN") };
        self.store.list(&page).await?.into_iter().map(own_run).collect()
    }

    /// The newest `limit` runs, newest first; of one guardrail, or of all.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn newest_runs(&self, guardrail: Option<&GuardrailName>, limit: usize) -> Result<Vec<Run>, LedgerError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = Page { newest_first: true, after, limit: Some(limit.min(PAGE)), ..Page::whole("RUN") };
            let runs = self.store.list(&page).await?.into_iter().map(own_run);
            let runs: Vec<Versioned<Run>> = runs.collect::<Result<_, _>>()?;
            let last = runs.last().map(|run| run.value.id.to_string());
            found.extend(runs.into_iter().map(|run| run.value).filter(|run| guardrail.is_none_or(|name| *name == run.guardrail)));
            if found.len() >= limit || last.is_none() {
                found.truncate(limit);
                return Ok(found);
            }
            after = last;
        }
    }

    /// The runs that hold something, newest first; of one guardrail, or of all. The cost does not grow with the runs that are
    /// over.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn open_runs(&self, guardrail: Option<&GuardrailName>) -> Result<Vec<Run>, LedgerError> {
        // An open run is always the latest of its slot.
        let mut keys: Vec<Key> = Vec::new();
        for definition in self.definitions().await? {
            let name = &definition.guardrail.name;
            if guardrail.is_none_or(|guardrail| guardrail == name) {
                let slots = self.store.list(&Page::whole(slot_partition(name))).await?.into_iter().map(read::<StageState>);
                let slots: Vec<Versioned<StageState>> = slots.collect::<Result<_, _>>()?;
                keys.extend(slots.iter().filter(|slot| !slot.value.over).map(|slot| run_key(&slot.value.run)));
            }
        }
        let runs = self.store.get(&keys).await?.into_iter().flatten().map(own_run);
        let runs: Vec<Versioned<Run>> = runs.collect::<Result<_, _>>()?;
        let mut open: Vec<Run> = runs.into_iter().map(|run| run.value).filter(|run| run.state.is_open()).collect();
        open.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(open)
    }

    /// The state of a stage in a period.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn stage_state(&self, target: &Target) -> Result<Option<Versioned<StageState>>, LedgerError> {
        self.one(&slot_key(target)).await
    }

    /// The steps of one part of a run, as its plan has them, and those that came later.
    ///
    /// # Errors
    /// When there are more or fewer than the plan says.
    pub async fn steps(&self, run: &Run, part: usize) -> Result<Vec<Versioned<Step>>, LedgerError> {
        let found = Mutex::new(Vec::new());
        self.visit_part(run, part, &|step| found.lock().unwrap_or_else(PoisonError::into_inner).push(step)).await?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// All steps of a run, in the order of its parts.
    ///
    /// # Errors
    /// When the ledger cannot be read, or a part's steps are not as its plan says.
    pub async fn all_steps(&self, run: &Run) -> Result<Vec<Step>, LedgerError> {
        let parts = try_join_all((0..run.parts.len()).map(|part| self.steps(run, part))).await?;
        Ok(parts.into_iter().flatten().map(|step| step.value).collect())
    }

    /// Shows every step of a run to `visit`, in no certain order, keeping none of them.
    ///
    /// # Errors
    /// As [`Self::all_steps`].
    pub async fn visit(&self, run: &Run, visit: impl FnMut(Step) + Send) -> Result<(), LedgerError> {
        let visit = Mutex::new(visit);
        let show = |step: Versioned<Step>| visit.lock().unwrap_or_else(PoisonError::into_inner)(step.value);
        try_join_all((0..run.parts.len()).map(|part| self.visit_part(run, part, &show))).await?;
        Ok(())
    }

    async fn visit_part(
        &self,
        run: &Run,
        part: usize,
        visit: &(dyn Fn(Versioned<Step>) + Send + Sync),
    ) -> Result<(), LedgerError> {
        let Some(PartPlan::Written(written)) = run.parts.get(part).map(|part| &part.plan) else { return Ok(()) };
        let (mut planned, mut after) = (0, None);
        loop {
            let page = self.steps_after(&run.id, part, &written.token, after.as_deref(), PAGE).await?;
            let whole = page.len() == PAGE;
            planned += page.iter().filter(|step| !step.value.late).count();
            after = page.last().map(|step| step_place(&step.value));
            page.into_iter().for_each(visit);
            if !whole {
                break;
            }
        }
        if planned == written.steps {
            return Ok(());
        }
        let why = format!("part {part} was planned with {} steps, and {planned} are there", written.steps);
        Err(LedgerError::Unreadable { key: run.id.to_string(), why })
    }

    /// The steps that stand under a token, whether or not the run opened with them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps_under(&self, run: &RunId, part: usize, token: &Nonce) -> Result<Vec<Versioned<Step>>, LedgerError> {
        let page = Page { prefix: step_prefix(part, token), ..Page::whole(step_partition(run)) };
        self.store.list(&page).await?.into_iter().map(own_step).collect()
    }

    /// At most `limit` steps that stand under a token, from the first one after the place `after` on.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps_after(
        &self,
        run: &RunId,
        part: usize,
        token: &Nonce,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Versioned<Step>>, LedgerError> {
        let prefix = step_prefix(part, token);
        let after = after.map(|place| format!("{prefix}{place}"));
        let page = Page { prefix, after, limit: Some(limit), ..Page::whole(step_partition(run)) };
        self.store.list(&page).await?.into_iter().map(own_step).collect()
    }

    /// The changes of one plan that nothing was begun of.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn changes(&self, run: &RunId, part: usize, token: &Nonce) -> Result<Vec<Step>, LedgerError> {
        let steps = self.steps_under(run, part, token).await?.into_iter().map(|step| step.value);
        Ok(steps.filter(|step| step.phase == Phase::Planned && step.present != step.wanted).collect())
    }

    /// The changes on a list: read from the plans that it names, which stay in the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn listed(&self, run: &RunId, list: &Listed) -> Result<BTreeSet<(FacetId, Value)>, LedgerError> {
        let mut listed = BTreeSet::new();
        for part in &list.parts {
            let changes = self.changes(run, part.part, &part.token).await?;
            listed.extend(changes.into_iter().map(|step| (step.facet, step.wanted)));
        }
        Ok(listed)
    }

    /// The facets that are known to the ledger, of those named.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn facets(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Versioned<Facet>>, LedgerError> {
        let keys: Vec<Key> = facets.iter().map(facet_key).collect();
        let items = self.store.get(&keys).await?;
        let known = items.into_iter().flatten().map(|item| read_own::<Facet>(item, |facet| facet_key(&facet.facet)));
        known.map(|facet| facet.map(|facet| (facet.value.facet.clone(), facet))).collect()
    }

    /// The alert with this digest, as it came.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn alert(&self, digest: &str) -> Result<Option<AlertRecord>, LedgerError> {
        Ok(self.one(&alert_key(digest)).await?.map(|alert| alert.value))
    }

    /// The newest `limit` alerts that were received since, with their digests, newest first. Those that versions before this
    /// one received are known by their digests only.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn alerts(&self, since: Option<Timestamp>, limit: usize) -> Result<Vec<(String, AlertRecord)>, LedgerError> {
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() < limit {
            let page = Page { newest_first: true, after, limit: Some(limit.min(PAGE)), ..Page::whole(ALERTS) };
            let items = self.store.list(&page).await?;
            after = items.last().map(|item| item.key.sk.clone());
            let entries: Vec<AlertEntry> =
                items.into_iter().map(|item| read(item).map(|entry| entry.value)).collect::<Result<_, _>>()?;
            let keys: Vec<Key> = entries.iter().map(|entry| alert_key(&entry.digest)).collect();
            let alerts =
                self.store.get(&keys).await?.into_iter().zip(entries).filter_map(|(item, entry)| Some((entry.digest, item?)));
            for (digest, item) in alerts {
                let alert = read::<AlertRecord>(item)?.value;
                if since.is_some_and(|since| alert.at < since) {
                    return Ok(found);
                }
                found.push((digest, alert));
            }
            if after.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The deployed guardrails.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn config(&self) -> Result<Config, LedgerError> {
        let mut config = Config::default();
        for definition in self.definitions().await?.into_iter().filter(|definition| !definition.removed) {
            config.operators.extend(definition.operators);
            // One deployment gives the same to all.
            config.pace = definition.pace;
            config.guardrails.insert(definition.guardrail.name.clone(), definition.guardrail);
        }
        config.operators.sort();
        config.operators.dedup();
        Ok(config)
    }

    /// The guardrails that were ever deployed, also those that were taken out again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn former_guardrails(&self) -> Result<Vec<Guardrail>, LedgerError> {
        Ok(self.definitions().await?.into_iter().map(|definition| definition.guardrail).collect())
    }

    async fn definitions(&self) -> Result<Vec<Definition>, LedgerError> {
        let items = self.store.list(&Page::whole("GUARDRAIL")).await?.into_iter();
        items.map(|item| read::<Definition>(item).map(|definition| definition.value)).collect()
    }

    pub(super) async fn one<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Versioned<T>>, LedgerError> {
        let items = self.store.get(std::slice::from_ref(key)).await?;
        items.into_iter().flatten().next().map(read).transpose()
    }
}

fn own_run(item: Item) -> Result<Versioned<Run>, LedgerError> {
    read_own(item, |run: &Run| run_key(&run.id))
}

fn own_step(item: Item) -> Result<Versioned<Step>, LedgerError> {
    read_own(item, step_key)
}
