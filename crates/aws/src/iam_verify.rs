//! Asks IAM who can still launch: reads only. IAM's API is throttled for the whole account, so the calls are made one after
//! another, some time apart; what does not fit into one invocation goes on in the next.

mod ask;

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use guardrails_model::clock::Clock;
use guardrails_model::principal::Principal;
use guardrails_model::verify::{
    Assumable, Caller, Changes, Launching, Person, RoleAnswer, Verification, Way, Work, assumable, policy_words,
};
use guardrails_model::wire::Verified;
use jiff::Timestamp;

pub use ask::Asker;
use ask::Role;

use crate::error::{Failure, FailureKind};

/// Seconds after which somebody is asked about again whose answer does not show our change yet.
const SETTLES: i64 = 5;
/// Seconds that IAM is left alone after it asked to be asked less often.
const THROTTLED: i64 = 15;

/// Who is asked about, and until when.
pub struct Question<'a> {
    /// Whom the stage takes rights from.
    pub of: &'a [Principal],
    /// What the run changed: what does not show it yet is asked again.
    pub changes: &'a Changes,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Nobody is asked about after this, but one: however little time there is, it comes to an end.
    pub until: Timestamp,
}

/// Who may assume what: the account as it is in this invocation.
struct Account {
    /// Those asked about, with those through whom they are restricted.
    people: BTreeMap<String, Vec<Principal>>,
    /// The roles that some of them might assume.
    roles: Vec<Role>,
}

impl Question<'_> {
    /// Goes on asking where `known` was left, as far as the time goes. What was learned is in `known`, also when it fails.
    ///
    /// # Errors
    /// When IAM refuses, or does not answer.
    pub async fn go(&self, asker: &Asker, known: &mut Verification) -> Result<Verified, Failure> {
        match self.ask(asker, known).await {
            Err(failure) if failure.kind == FailureKind::Later => Ok(Verified::Settling { seconds: THROTTLED }),
            other => other,
        }
    }

    async fn ask(&self, asker: &Asker, known: &mut Verification) -> Result<Verified, Failure> {
        let (account, notes) = self.account(asker).await?;
        known.notes = notes;
        if !(self.ask_roles(asker, &account, known).await? && self.ask_people(asker, &account, known).await?) {
            known.at = self.clock.now();
            return Ok(Verified::Settling { seconds: 1 });
        }
        let again = known.end_round(self.clock.now());
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
                None => notes.push(format!("{principal}: there is none by that name any more")),
            }
        }
        let might = |role: &Role| people.keys().any(|arn| *arn != role.arn && !role.trust.of(&Caller { arn }).is_no());
        let roles = roles.into_iter().filter(|role| !role.trust.is_for_services_only() && might(role)).collect();
        Ok((Account { people, roles }, notes))
    }

    /// What each role could launch; were all of them asked about?
    async fn ask_roles(&self, asker: &Asker, account: &Account, known: &mut Verification) -> Result<bool, Failure> {
        let Some(work) = &mut known.work else { return Ok(true) };
        let mut begun = false;
        for role in &account.roles {
            if work.roles_to.as_ref().is_some_and(|to| *to >= role.arn) {
                continue;
            }
            if self.is_late(&mut begun) {
                return Ok(false);
            }
            let (arn, name) = (role.arn.clone(), Some(role.name.clone()));
            match found(asker.launching(&role.arn).await)? {
                Some(Launching::Can { actions, policies }) => {
                    let way = Some(way(name, actions, &policies, &arn));
                    work.roles.push(RoleAnswer { arn, way, untold: None });
                }
                Some(Launching::CannotTell(why)) => work.roles.push(RoleAnswer { arn, way: None, untold: Some(why) }),
                // It was deleted meanwhile.
                Some(Launching::Cannot) | None => {}
            }
            work.roles_to = Some(role.arn.clone());
        }
        Ok(true)
    }

    /// Is the time up, after the first?
    fn is_late(&self, begun: &mut bool) -> bool {
        std::mem::replace(begun, true) && self.clock.now() > self.until
    }

    /// What each person could launch, by themselves and through a role; were all of them asked about?
    async fn ask_people(&self, asker: &Asker, account: &Account, known: &mut Verification) -> Result<bool, Failure> {
        let mut begun = false;
        for (arn, by) in &account.people {
            let Some(work) = &known.work else { return Ok(true) };
            let is_over = work.people_to.as_ref().is_some_and(|to| to >= arn);
            if is_over || work.only.as_ref().is_some_and(|only| !only.contains(arn)) {
                continue;
            }
            if self.is_late(&mut begun) {
                return Ok(false);
            }
            let person = Person { arn: arn.clone(), by: by.clone(), ways: Vec::new(), more_ways: 0, untold: Vec::new() };
            if let Some(person) = found(person_s(asker, account, work, person).await)? {
                let stale = person.ways.iter().any(|way| self.changes.close(&person, way));
                known.learn(person, stale);
            }
        }
        Ok(true)
    }
}

/// What a person could launch.
async fn person_s(asker: &Asker, account: &Account, work: &Work, mut person: Person) -> Result<Person, Failure> {
    match asker.launching(&person.arn).await? {
        Launching::Can { actions, policies } => person.ways.push(way(None, actions, &policies, &person.arn)),
        Launching::CannotTell(why) => person.untold.push(why),
        Launching::Cannot => {}
    }
    let arn = person.arn.clone();
    let caller = Caller { arn: &arn };
    let trusted = work.roles.iter().filter(|answer| answer.arn != arn).filter_map(|answer| {
        let role = account.roles.iter().find(|role| role.arn == answer.arn)?;
        let trusted = role.trust.of(&caller);
        (!trusted.is_no()).then_some((answer, role, trusted))
    });
    let trusted: Vec<_> = trusted.collect();
    let arns: BTreeSet<&str> = trusted.iter().map(|(answer, ..)| answer.arn.as_str()).collect();
    let identity = asker.assuming(&arn, &arns).await?;
    for (answer, role, trusted) in trusted {
        let own = identity.iter().find(|simulated| simulated.resource == role.arn);
        let may = own.map_or_else(
            || Assumable::CannotTell("IAM said nothing of assuming it".to_owned()),
            |own| assumable(trusted, own, &caller),
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
    Ok(person)
}

fn way(through: Option<String>, actions: Vec<String>, policies: &[String], arn: &str) -> Way {
    Way { through, actions, policies: policies.iter().map(|id| policy_words(id, arn)).collect() }
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
