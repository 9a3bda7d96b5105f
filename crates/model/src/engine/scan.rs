//! A part's steps, read page by page and handed out in lots, so that a step's cost does not grow with the number of others.

use std::collections::VecDeque;

use crate::ids::{Nonce, RunId};
use crate::ledger::{Ledger, LedgerError, PAGE, Versioned, step_place};
use crate::record::{PartPlan, Run, Step};

/// Steps that are worked on together: whole units, and those that stand for themselves.
pub(super) struct Lot {
    pub(super) steps: Vec<Versioned<Step>>,
    /// The place of the last of them.
    pub(super) last: String,
}

/// Reads on where it was left.
pub(super) struct Scan<'a> {
    ledger: &'a Ledger,
    run: RunId,
    part: usize,
    token: Option<Nonce>,
    after: Option<String>,
    read: VecDeque<Versioned<Step>>,
    page: usize,
}

/// Steps of the first page: a round that has room for few reads few. Each page is twice as long as the one before.
const FIRST_PAGE: usize = 128;

impl<'a> Scan<'a> {
    /// The steps of a part after the place `after`.
    pub(super) fn new(ledger: &'a Ledger, run: &Run, part: usize, after: Option<String>) -> Self {
        let token = match run.parts.get(part).map(|part| &part.plan) {
            Some(PartPlan::Written(written)) => Some(written.token.clone()),
            _ => None,
        };
        Self { ledger, run: run.id.clone(), part, token, after, read: VecDeque::new(), page: FIRST_PAGE }
    }

    /// The next steps: about `size`, and more only to keep a unit whole. Nothing at the end.
    pub(super) async fn next(&mut self, size: usize) -> Result<Option<Lot>, LedgerError> {
        let mut steps: Vec<Versioned<Step>> = Vec::new();
        while let Some(next) = self.peek().await? {
            let belongs = steps.last().is_some_and(|last| last.value.unit.is_some() && same_unit(&last.value, next));
            if steps.len() >= size && !belongs {
                break;
            }
            steps.extend(self.read.pop_front());
        }
        Ok(steps.last().map(|last| step_place(&last.value)).map(|last| Lot { steps, last }))
    }

    async fn peek(&mut self) -> Result<Option<&Step>, LedgerError> {
        if let (true, Some(token)) = (self.read.is_empty(), &self.token) {
            let page = self.ledger.steps_after(&self.run, self.part, token, self.after.as_deref(), self.page).await?;
            self.after = page.last().map(|step| step_place(&step.value)).or(self.after.take());
            if page.len() < self.page {
                self.token = None;
            }
            self.page = (self.page * 2).min(PAGE);
            self.read = page.into();
        }
        Ok(self.read.front().map(|step| &step.value))
    }
}

fn same_unit(one: &Step, other: &Step) -> bool {
    one.unit.as_ref().map(|unit| &unit.name) == other.unit.as_ref().map(|unit| &unit.name)
}
