//! A verification under way, as one invocation has it. Answers are written down every few questions, so that an invocation that
//! dies loses a few questions and no more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::person::Person;
use super::record::Verification;
use super::work::{Half, RoleAnswer, RolePage, Work};
use crate::ledger::{Ledger, LedgerError, MOST_WRITES, Versioned};

/// So many answers are written down together.
const TOGETHER: usize = 25;
/// Seconds after which fewer are, too.
const SECONDS: i64 = 10;
/// Answers about roles of one page: however long their names, it fits into an item of the ledger.
const PER_PAGE: usize = 40;
/// Pages of one write, beside the record.
const MOST_PAGES: usize = MOST_WRITES - 1;

/// The answers so far, and how much of them is written down.
pub struct Book<'a> {
    ledger: &'a Ledger,
    known: Versioned<Verification>,
    /// The answers about roles of this round.
    roles: BTreeMap<String, Arc<RoleAnswer>>,
    /// Those of them that are on no page yet.
    unwritten: VecDeque<Arc<RoleAnswer>>,
    /// The pages that are there, whichever round they are of.
    revs: BTreeMap<usize, u64>,
    /// When it was last written down.
    written: Timestamp,
    /// Answers since.
    since: usize,
    /// Answers of this invocation.
    answers: usize,
}

impl<'a> Book<'a> {
    /// Opens it where it was left.
    ///
    /// # Errors
    /// When the ledger cannot be read, or a page of it is missing.
    pub async fn open(ledger: &'a Ledger, known: Versioned<Verification>, now: Timestamp) -> Result<Self, LedgerError> {
        let pages = ledger.role_pages(&known.value.run).await?;
        let mut book = Self {
            ledger,
            known,
            roles: BTreeMap::new(),
            unwritten: VecDeque::new(),
            revs: pages.iter().map(|page| (page.value.page, page.rev)).collect(),
            written: now,
            since: 0,
            answers: 0,
        };
        let Some(work) = &mut book.known.value.work else { return Ok(book) };
        let of_this = |page: &&Versioned<RolePage>| {
            (page.value.try_number, page.value.round) == (book.known.value.try_number, work.round) && page.value.page < work.pages
        };
        let of_this: Vec<&Versioned<RolePage>> = pages.iter().filter(of_this).collect();
        if of_this.len() != work.pages {
            let key = format!("VERIFY#{}", book.known.value.run);
            let why = format!("of {} pages of answers about roles, {} are there", work.pages, of_this.len());
            return Err(LedgerError::Unreadable { key, why });
        }
        // An earlier version wrote them into the record itself: they get pages of their own.
        book.unwritten.extend(work.roles.drain(..).map(|answer| Arc::new(answer.kept())));
        let written = of_this.iter().flat_map(|page| page.value.roles.iter().cloned()).map(Arc::new);
        let all = written.chain(book.unwritten.iter().cloned());
        book.roles = all.map(|answer| (answer.arn.clone(), answer)).collect();
        Ok(book)
    }

    /// The answers so far.
    #[must_use]
    pub fn known(&self) -> &Verification {
        &self.known.value
    }

    /// How far it has come; nothing once it is over.
    #[must_use]
    pub fn work(&self) -> Option<&Work> {
        self.known.value.work.as_ref()
    }

    /// The roles by which somebody could launch, after one, in the order of their ARNs.
    #[must_use]
    pub fn roles_after(&self, after: Option<&str>) -> Vec<Arc<RoleAnswer>> {
        let is_after = |arn: &str| after.is_none_or(|after| arn > after);
        self.roles.values().filter(|answer| is_after(&answer.arn)).cloned().collect()
    }

    /// How much was learned since it was opened.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// The number of people to ask about, and notes for people.
    pub fn count(&mut self, people: usize, notes: Vec<String>) {
        self.known.value.count(people, notes);
    }

    /// Something was learned of a role: an answer, or that nobody could launch by it.
    pub fn learn_role(&mut self, arn: &str, answer: Option<RoleAnswer>) {
        if let Some(answer) = answer.map(|answer| Arc::new(answer.kept())) {
            self.roles.insert(answer.arn.clone(), Arc::clone(&answer));
            self.unwritten.push_back(answer);
        }
        if let Some(work) = &mut self.known.value.work {
            work.roles_to = Some(arn.to_owned());
        }
        self.learned();
    }

    /// Something was learned of somebody, and there is more to ask.
    pub fn learn_in_part(&mut self, person: Person, roles_to: Option<String>) {
        if let Some(work) = &mut self.known.value.work {
            work.half = Some(Half { person: person.kept(), roles_to });
        }
        self.learned();
    }

    /// All was learned of somebody; `stale` when it does not show our change yet.
    pub fn learn(&mut self, person: Person, stale: bool) {
        self.known.value.learn(person, stale);
        self.learned();
    }

    fn learned(&mut self) {
        self.since += 1;
        self.answers += 1;
    }

    /// A round is over: is there another?
    pub fn end_round(&mut self, now: Timestamp) -> bool {
        self.roles.clear();
        self.unwritten.clear();
        self.known.value.end_round(now)
    }

    /// Writes it down, if that is due.
    ///
    /// # Errors
    /// When the ledger cannot be written, or another invocation wrote meanwhile.
    pub async fn keep(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        let is_due = self.since >= TOGETHER || now >= self.written + SignedDuration::from_secs(SECONDS);
        if is_due && self.since > 0 { self.write(now).await } else { Ok(()) }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn write(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        self.known.value.at = now;
        let pages = self.next_pages();
        self.known = self.ledger.save_verification_with(self.known.clone(), &pages).await?;
        self.revs.extend(pages.iter().map(|page| (page.value.page, page.rev + 1)));
        (self.written, self.since) = (now, 0);
        Ok(())
    }

    /// The pages that are to be written next.
    fn next_pages(&mut self) -> Vec<Versioned<RolePage>> {
        let known = &mut self.known.value;
        let Some(work) = &mut known.work else { return Vec::new() };
        let mut pages = Vec::new();
        while !self.unwritten.is_empty() && pages.len() < MOST_PAGES {
            let size = self.unwritten.len().min(PER_PAGE);
            let answers: Vec<RoleAnswer> = self.unwritten.drain(..size).map(|answer| (*answer).clone()).collect();
            let page = RolePage::new(&known.run, work.pages, known.try_number, work.round, answers);
            pages.push(Versioned { rev: self.revs.get(&work.pages).copied().unwrap_or_default(), value: page });
            work.pages += 1;
        }
        // Answers for which one write has no room stay where they were.
        work.roles = self.unwritten.iter().map(|answer| (**answer).clone()).collect();
        pages
    }
}
