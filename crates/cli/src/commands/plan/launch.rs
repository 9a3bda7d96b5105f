//! The people who can launch now, and those who still could after the plan. IAM is asked twice: as it is, and without the
//! policies that the plan takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use guardrails_aws::iam_verify::{Asker, Question, Trouble, after};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Ledger, Versioned};
use guardrails_model::principal::Principal;
use guardrails_model::verify::{BY, Book, Changes, Counts, Left, Person, Rule, Verification};
use guardrails_model::wire::Verified;
use jiff::SignedDuration;

use super::made::Made;

/// Seconds for which a person waits for an account of many people and roles.
const LONGEST: i64 = 300;
/// People that are shown, one line each, unless all are asked for.
const MOST_SHOWN: usize = 100;

/// IAM's answers about those whom the stage restricts.
pub(super) enum Look {
    /// Of each of them, those who could still launch first.
    Asked(Vec<(Person, Left)>, Vec<String>),
    /// It could not be asked.
    NotAsked(String),
}

/// Looks, if the stage restricts anybody.
pub(super) async fn look(sdk: &SdkConfig, rule: Option<&Rule>, made: &Made) -> Option<Look> {
    let rule = rule?;
    let mut changes = Changes::default();
    for part in &made.parts {
        part.steps().iter().for_each(|step| changes.add(&part.part, step));
    }
    Some(ask(sdk, &rule.of, &changes).await.unwrap_or_else(|trouble| Look::NotAsked(trouble.to_string())))
}

async fn ask(sdk: &SdkConfig, of: &[Principal], changes: &Changes) -> Result<Look, Trouble> {
    let now = SystemClock.now();
    let until = now + SignedDuration::from_secs(LONGEST);
    let people = Mutex::new(Vec::new());
    let heard = |person: &Person| people.lock().unwrap_or_else(PoisonError::into_inner).push(person.clone());
    // Nothing is changed yet, so nothing is waited for; and nothing is written in the account.
    let nothing = Changes::default();
    let question = Question { of, changes: &nothing, clock: &SystemClock, until, heard: &heard };
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let fresh = Versioned { rev: 0, value: Verification::begin(&RunId::new(now), 0, now) };
    let mut book = Book::open(&ledger, fresh, now).await?;
    let asker = Asker::new(sdk);
    loop {
        match question.go(&asker, &mut book).await? {
            Verified::Done => break,
            Verified::Settling { .. } if SystemClock.now() > until => {
                let Counts { of, asked, .. } = book.known().counts;
                return Ok(Look::NotAsked(format!("IAM answered for {asked} of {of} people within {LONGEST} s")));
            }
            Verified::Settling { seconds } => {
                tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())).await;
            }
        }
    }
    let mut notes = book.known().notes.clone();
    let people = people.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (both, note) = after(&asker, people, changes, &SystemClock, until).await;
    notes.extend(note);
    Ok(Look::of(both, notes))
}

impl Look {
    fn of(mut both: Vec<(Person, Left)>, notes: Vec<String>) -> Self {
        both.sort_by(|(_, a), (_, b)| (a.person.standing(), &a.person.arn).cmp(&(b.person.standing(), &b.person.arn)));
        Self::Asked(both, notes)
    }

    /// One line a person; of many, those who could still launch, unless `all` are asked for.
    pub(super) fn text(&self, all: bool) -> String {
        let (both, notes) = match self {
            Self::NotAsked(why) => {
                return format!(
                    "Who can launch was not asked: {why}\nhint: it takes iam:SimulatePrincipalPolicy, iam:GetGroup, iam:GetUser and \
                     iam:ListRoles; a run asks with rights of its own"
                );
            }
            Self::Asked(both, notes) => (both, notes),
        };
        let (now, then) = counts(both);
        let untold = if then.untold == 0 { String::new() } else { format!(", and of {} it cannot be told", then.untold) };
        let mut lines = vec![format!("who can launch: now {} of {}; then {} still can{untold}", now.can, now.asked, then.can)];
        let most = if all { both.len() } else { MOST_SHOWN };
        lines.extend(both.iter().take(most).map(|(now, left)| format!("  {}", left.line_from(now))));
        let more = then.without(both.iter().take(most).map(|(_, left)| &left.person));
        if more.asked > 0 {
            lines.push(format!("  ... and {}: --all shows each", more.words_of_more()));
        }
        lines.extend(notes.iter().map(|note| format!("  {note}")));
        lines.push(format!("  ({BY})"));
        lines.join("\n")
    }

    /// Why IAM was not asked, if so.
    pub(super) fn not_asked(&self) -> Option<&str> {
        if let Self::NotAsked(why) = self { Some(why) } else { None }
    }
}

/// How many stand how: now, and then.
pub(super) fn counts(both: &[(Person, Left)]) -> (Counts, Counts) {
    let (mut now, mut then) = (Counts::default(), Counts::default());
    for (person, left) in both {
        now.add(person);
        then.add(&left.person);
    }
    (now, then)
}

#[cfg(test)]
mod tests {
    use guardrails_model::ids::FacetId;
    use guardrails_model::record::{Part, Step};
    use guardrails_model::verify::Way;
    use serde_json::json;

    use super::*;

    const POWER: &str = "arn:aws:iam::aws:policy/Power";

    fn person(name: &str, policies: &[&str]) -> Person {
        let policies: Vec<String> = policies.iter().map(|policy| (*policy).to_owned()).collect();
        let way = Way { through: None, actions: vec!["ec2:RunInstances".to_owned()], policies, more_policies: 0 };
        let ways = if way.policies.is_empty() { Vec::new() } else { vec![way] };
        let by = vec![Principal::Group("Beta".to_owned())];
        Person { ways, ..Person::of(&format!("arn:aws:iam::123456789012:user/{name}"), by) }
    }

    /// The plan takes the policy Power from Beta.
    fn taken() -> Changes {
        let part = json!({"group": 0, "action": "swap-group-policy", "params": {}, "plan": {"is": "missing"}});
        let step = json!({"format": 1, "run": "r-20261123-014653-7f3k9q", "part": 0, "token": "t", "label": "x",
            "facet": FacetId::new("group-policy", "Beta", POWER).unwrap(), "present": "attached", "wanted": "detached",
            "phase": "Planned", "attempt": 1, "since": "2026-11-23T00:00:00Z", "events": []});
        let mut changes = Changes::default();
        let part: Part = serde_json::from_value(part).unwrap();
        changes.add(&part, &serde_json::from_value::<Step>(step).unwrap());
        changes
    }

    fn worked_out(people: Vec<Person>) -> Vec<(Person, Left)> {
        people.into_iter().map(|now| (now.clone(), taken().left(&now))).collect()
    }

    #[test]
    fn each_person_is_one_line_and_those_who_can_launch_come_first() {
        let mut people: Vec<Person> = (0..150).map(|number| person(&format!("user-{number:03}"), &["Power"])).collect();
        people.extend([person("xavier", &["Shadow"]), person("yves", &[]), person("zoe", &["Power", "Shadow"])]);
        let look = Look::of(worked_out(people), vec!["group Gone: there is none by that name any more".to_owned()]);
        let text = look.text(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "who can launch: now 152 of 153; then 2 still can",
                "  user xavier: CAN STILL LAUNCH as now by Shadow (ec2:RunInstances)",
                "  user zoe: can launch by Power, Shadow (ec2:RunInstances) -> CAN STILL LAUNCH by Shadow (ec2:RunInstances)",
                "  user user-000: can launch by Power (ec2:RunInstances) -> cannot launch, unless they have Power from elsewhere too",
            ]
        );
        assert_eq!(lines[101], "  ... and 53 more: --all shows each");
        assert!(lines[102].contains("group Gone") && lines.len() == 104, "{text}");
        let all = look.text(true);
        assert!(all.contains("user yves: cannot launch, as now") && all.lines().count() == 156, "{all}");
    }

    #[test]
    fn people_not_shown_are_counted_if_they_could_still_launch() {
        let people = (0..150).map(|number| person(&format!("user-{number:03}"), &["Shadow"]));
        let text = Look::of(worked_out(people.collect()), Vec::new()).text(false);
        assert!(text.contains("... and 50 more, of whom 50 can still launch: --all shows each"), "{text}");
    }
}
