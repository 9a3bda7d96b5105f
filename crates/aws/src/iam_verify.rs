//! Asks IAM who can still launch: reads only. IAM's API is throttled for the whole account, so the calls are made one after
//! another, some time apart; calls that do not fit into one invocation are made in the next. Answers are written down every few
//! calls.

mod after;
mod ask;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_config::SdkConfig;
use guardrails_model::clock::Clock;
use guardrails_model::ledger::LedgerError;
use guardrails_model::principal::Principal;
use guardrails_model::verify::{
    Assumable, Book, Caller, Changes, Half, Launching, MOST_WAYS, Person, RoleAnswer, Trusted, Way, Work, assumable, policy_words,
};
use guardrails_model::wire::Verified;
use jiff::Timestamp;

pub use after::after;
pub use ask::Asker;
use ask::{AT_ONCE, Role};

use crate::error::{Failure, FailureKind};

/// Seconds after which somebody is asked about again whose answer does not show our change yet.
const SETTLES: i64 = 5;
/// Seconds that IAM is left alone after it asked to be asked less often.
const THROTTLED: i64 = 15;

/// Why asking ended too soon.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// IAM refused, or did not answer.
    #[error("{}", .0.message)]
    Iam(Failure),
    /// The answers cannot be written down.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Iam(failure)
    }
}

/// The principals to ask about, and the time until which it is asked.
pub struct Question<'a> {
    /// The principals that the stage takes rights from.
    pub of: &'a [Principal],
    /// The run's changes: an answer that does not show them yet is asked for again.
    pub changes: &'a Changes,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Nothing is asked after this, but once: however little time there is, it comes to an end.
    pub until: Timestamp,
    /// Is shown each person as a whole, before the parts are left out for which the book has no room.
    pub heard: &'a (dyn Fn(&Person) + Send + Sync),
}

/// The users and the roles that they may assume: the account as it is in this invocation.
struct Account {
    /// Those asked about, with those through whom they are restricted.
    people: BTreeMap<String, Vec<Principal>>,
    /// The roles that some of them might assume, by their ARNs.
    roles: BTreeMap<String, Role>,
}

/// A role by which somebody could launch, and how it trusts a person.
type Candidate<'a> = (Arc<RoleAnswer>, &'a Role, Trusted);

impl Question<'_> {
    /// Goes on asking where `book` was left, as far as the time goes. The answers are written down, also when it fails.
    ///
    /// # Errors
    /// When IAM refuses, or does not answer, or the ledger cannot be written.
    pub async fn go(&self, asker: &Asker, book: &mut Book<'_>) -> Result<Verified, Trouble> {
        let answer = self.ask(asker, book).await;
        if matches!(answer, Err(Trouble::Ledger(_))) {
            return answer;
        }
        book.write(self.clock.now()).await?;
        match answer {
            Err(Trouble::Iam(failure)) if failure.kind == FailureKind::Later => Ok(Verified::Settling { seconds: THROTTLED }),
            // It came further: a connection that breaks in the middle of thousands of calls is no reason to give up.
            Err(Trouble::Iam(failure)) if failure.kind == FailureKind::Unknown && book.answers() > 0 => {
                Ok(Verified::Settling { seconds: THROTTLED })
            }
            other => other,
        }
    }

    async fn ask(&self, asker: &Asker, book: &mut Book<'_>) -> Result<Verified, Trouble> {
        let (account, notes) = self.account(asker).await?;
        book.count(account.people.len(), notes);
        if !(self.ask_roles(asker, &account, book).await? && self.ask_people(asker, &account, book).await?) {
            return Ok(Verified::Settling { seconds: 1 });
        }
        let again = book.end_round(self.clock.now());
        Ok(if again { Verified::Settling { seconds: SETTLES } } else { Verified::Done })
    }

    async fn account(&self, asker: &Asker) -> Result<(Account, Vec<String>), Failure> {
        let roles = asker.roles().await?;
        let (mut people, mut notes) = (BTreeMap::<String, Vec<Principal>>::new(), Vec::new());
        for principal in self.of {
            let found = match principal {
                Principal::Group(name) => asker.members(name).await?,
                Principal::User(name) => asker.user(name).await?.map(|arn| vec![arn]),
                Principal::Role(name) => roles.iter().find(|role| role.name == *name).map(|role| vec![role.arn.clone()]),
            };
            match found {
                Some(found) => found.into_iter().for_each(|arn| people.entry(arn).or_default().push(principal.clone())),
                None => notes.push(format!("{principal}: there is none by that name")),
            }
        }
        let might = |role: &Role| people.keys().any(|arn| *arn != role.arn && !role.trust.of(&Caller { arn }).is_no());
        let roles = roles.into_iter().filter(|role| !role.trust.is_for_services_only() && might(role));
        let roles = roles.map(|role| (role.arn.clone(), role)).collect();
        Ok((Account { people, roles }, notes))
    }

    /// Asks which launches each role could make; were all of them asked about?
    async fn ask_roles(&self, asker: &Asker, account: &Account, book: &mut Book<'_>) -> Result<bool, Trouble> {
        let mut begun = false;
        for role in account.roles.values() {
            let Some(work) = book.work() else { return Ok(true) };
            if work.roles_to.as_ref().is_some_and(|to| *to >= role.arn) {
                continue;
            }
            if self.is_late(&mut begun) {
                return Ok(false);
            }
            let (arn, name) = (role.arn.clone(), Some(role.name.clone()));
            let answer = match found(asker.launching(&role.arn).await)? {
                Some(Launching::Can { actions, policies }) => {
                    let way = Some(way(name, actions, &policies, &arn));
                    Some(RoleAnswer { arn, way, untold: None })
                }
                Some(Launching::CannotTell(why)) => Some(RoleAnswer { arn, way: None, untold: Some(why) }),
                // It was deleted meanwhile.
                Some(Launching::Cannot) | None => None,
            };
            book.learn_role(&role.arn, answer);
            book.keep(self.clock.now()).await?;
        }
        Ok(true)
    }

    /// Is the time up, after the first?
    fn is_late(&self, begun: &mut bool) -> bool {
        std::mem::replace(begun, true) && self.clock.now() > self.until
    }

    /// Asks which launches each person could make, by themselves and through a role; were all of them asked about?
    async fn ask_people(&self, asker: &Asker, account: &Account, book: &mut Book<'_>) -> Result<bool, Trouble> {
        let mut begun = false;
        'people: for (arn, by) in &account.people {
            let Some(work) = book.work() else { return Ok(true) };
            let is_over = work.people_to.as_ref().is_some_and(|to| to >= arn);
            if is_over || work.only.as_ref().is_some_and(|only| !only.contains(arn)) {
                continue;
            }
            let half = work.half.clone().filter(|half| half.person.arn == *arn);
            let mut half = match half {
                Some(half) => half,
                None if self.is_late(&mut begun) => return Ok(false),
                None => {
                    let Some(launching) = found(asker.launching(arn).await)? else { continue };
                    Half { person: by_themselves(Person::of(arn, by.clone()), launching), roles_to: None }
                }
            };
            let mut left = candidates(account, book, &half);
            while !left.is_empty() && half.person.ways.len() < MOST_WAYS {
                if self.is_late(&mut begun) {
                    book.learn_in_part(half.person, half.roles_to);
                    return Ok(false);
                }
                let later = left.split_off(left.len().min(AT_ONCE));
                if found(through(asker, &mut half.person, &left).await)?.is_none() {
                    continue 'people;
                }
                half.roles_to = left.last().map(|(answer, ..)| answer.arn.clone());
                book.learn_in_part(half.person.clone(), half.roles_to.clone());
                book.keep(self.clock.now()).await?;
                left = later;
            }
            // A person with so many ways can launch; the next roles are counted, not asked about.
            half.person.unasked_roles = left.len();
            let stale = book.work().is_some_and(|work| self.is_stale(&half.person, work, book));
            (self.heard)(&half.person);
            book.learn(half.person, stale);
            book.keep(self.clock.now()).await?;
        }
        Ok(true)
    }

    /// Was it answered too soon to show our change?
    fn is_stale(&self, person: &Person, work: &Work, book: &Book<'_>) -> bool {
        let now = self.clock.now();
        person.ways.iter().any(|way| {
            let asked = if way.through.is_some() { work.round } else { now };
            !book.known().had_its_time(asked) && self.changes.close(person, way)
        })
    }
}

/// The launches that a person could make by themselves.
fn by_themselves(mut person: Person, launching: Launching) -> Person {
    match launching {
        Launching::Can { actions, policies } => person.ways.push(way(None, actions, &policies, &person.arn)),
        Launching::CannotTell(why) => person.untold.push(why),
        Launching::Cannot => {}
    }
    person
}

/// The roles by which a person could launch, if they may assume them, that were not asked about yet.
fn candidates<'a>(account: &'a Account, book: &Book<'_>, half: &Half) -> Vec<Candidate<'a>> {
    let caller = Caller { arn: &half.person.arn };
    let answers = book.roles_after(half.roles_to.as_deref()).into_iter().filter(|answer| answer.arn != half.person.arn);
    let trusted = answers.filter_map(|answer| {
        let role = account.roles.get(&answer.arn)?;
        let trusted = role.trust.of(&caller);
        (!trusted.is_no()).then_some((answer, role, trusted))
    });
    trusted.collect()
}

/// The launches that a person could make through some of these roles.
async fn through(asker: &Asker, person: &mut Person, candidates: &[Candidate<'_>]) -> Result<(), Failure> {
    let arn = person.arn.clone();
    let caller = Caller { arn: &arn };
    let arns: BTreeSet<&str> = candidates.iter().map(|(answer, ..)| answer.arn.as_str()).collect();
    let identity = asker.assuming(&arn, &arns).await?;
    for (answer, role, trusted) in candidates {
        let own = identity.iter().find(|simulated| simulated.resource == role.arn);
        let may = own.map_or_else(
            || Assumable::CannotTell("IAM said nothing of assuming it".to_owned()),
            |own| assumable(trusted.clone(), own, &caller),
        );
        match (may, &answer.way) {
            (Assumable::No, _) => {}
            (Assumable::Yes, Some(way)) => person.ways.push(way.clone()),
            (Assumable::Yes, None) => {
                person.untold.push(format!("role {}: {}", role.name, answer.untold.as_deref().unwrap_or_default()));
            }
            (Assumable::CannotTell(why), _) => person.untold.push(format!("role {}: {why}", role.name)),
        }
    }
    Ok(())
}

fn way(through: Option<String>, actions: Vec<String>, policies: &[String], arn: &str) -> Way {
    let policies = policies.iter().map(|id| policy_words(id, arn)).collect();
    Way { through, actions, policies, more_policies: 0 }
}

/// Nothing of somebody who was deleted meanwhile.
fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is("NoSuchEntity") => Ok(None),
        Err(failure) => Err(failure),
    }
}

impl Asker {
    /// One that asks through the clients of `sdk`, at the usual pace.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self::at_pace(sdk, ask::APART)
    }
}
