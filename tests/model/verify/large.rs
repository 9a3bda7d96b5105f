//! Large accounts: whatever there is of people, roles, policies and the lengths of their names, the record fits into the ledger,
//! who dies loses a few answers, and it comes to an end.

use std::sync::Arc;

use guardrails_aws::iam_verify::Trouble;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Key, Ledger, LedgerError, MOST_BYTES, Store, Versioned, Write};
use guardrails_model::principal::Principal;
use guardrails_model::verify::{Book, PROPAGATION, Person, RoleAnswer, Standing, Verification, Way};
use guardrails_model::wire::Verified;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::asking::{Asking, beta, role, roles_of, user};
use crate::world::{Fault, Kind, Right};

/// As long as IAM lets a path be, and a name.
fn long(kind: &str, number: usize) -> String {
    format!("arn:aws:iam::123456789012:{kind}/{}/{number:04}{}", "p".repeat(510), "n".repeat(60))
}

fn long_way(through: Option<usize>) -> Way {
    let policies = (0..40).map(|number| format!("{number:03}{}", "P".repeat(125))).collect();
    let actions = (0..7).map(|number| format!("autoscaling:CreateAutoScalingGroup{number}")).collect();
    Way { through: through.map(|number| format!("{number:04}{}", "n".repeat(60))), actions, policies, more_policies: 0 }
}

fn long_person(number: usize, ways: usize) -> Person {
    let by = (0..10).map(|group| Principal::Group(format!("{group}{}", "g".repeat(127)))).collect();
    let untold = (0..20).map(|number| format!("role {number:04}: {}", "it asks for something ".repeat(40))).collect();
    let ways = (0..ways).map(|number| long_way(Some(number).filter(|number| *number > 0))).collect();
    Person { ways, untold, ..Person::of(&long("user", number), by) }
}

/// A book over a ledger with the limits of DynamoDB.
async fn begin(ledger: &Ledger) -> (Book<'_>, RunId, Timestamp) {
    let now = SystemClock.now();
    let run = RunId::new(now);
    let known = Versioned { rev: 0, value: Verification::begin(&run, 1, now) };
    (Book::open(ledger, known, now).await.unwrap(), run, now)
}

async fn again<'a>(ledger: &'a Ledger, run: &RunId, now: Timestamp) -> Book<'a> {
    Book::open(ledger, ledger.verification(run).await.unwrap().unwrap(), now).await.unwrap()
}

#[tokio::test]
async fn answers_on_1500_people_and_2000_roles_fit_at_every_write() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let (mut book, run, now) = begin(&ledger).await;
    book.count(1500, (0..500).map(|number| format!("group {number:03}{}: there is none", "g".repeat(125))).collect());
    for number in 0..2000 {
        let arn = long("role", number);
        let untold = (number % 2 == 1).then(|| format!("it depends on {}", "aws:PrincipalTag/Something, ".repeat(200)));
        let way = (number % 2 == 0).then(|| long_way(Some(number)));
        book.learn_role(&arn, Some(RoleAnswer { arn: arn.clone(), way, untold }));
        book.keep(now).await.unwrap();
        if number % 500 == 499 {
            book.write(now).await.unwrap();
            book = again(&ledger, &run, now).await;
            assert_eq!(book.roles_after(None).len(), number + 1, "each answer is there, whoever comes next");
        }
    }
    // One in five can, each of them as late as can be; all of their answers came too soon to show a change.
    let can = |number: usize| number % 5 == 4;
    for number in 0..1500 {
        let person = if can(number) { long_person(number, 20) } else { Person::of(&long("user", number), Vec::new()) };
        book.learn_in_part(person.clone(), Some(long("role", 1999)));
        book.keep(now).await.unwrap();
        book.learn(person, can(number));
        book.keep(now).await.unwrap();
    }
    book.write(now).await.unwrap();
    let text = book.known().text();
    let counts = book.known().counts;
    assert_eq!((counts.of, counts.asked, counts.can), (1500, 1500, 300));
    let kept = book.known().people.len();
    assert!(kept >= 3 && book.known().people.iter().all(|person| person.standing() == Standing::Can), "{kept}");
    let more = format!("... and {} more, of whom {} can still launch\n", 1500 - kept, 300 - kept);
    assert!(text.contains(&more), "{more}: {}", text.len());
    assert!(text.contains("and 480 more of the kind"), "notes are counted too");
    assert_eq!(book.known().people[0].more_ways, 20 - 8);

    // Of so many whose answer does not show a change yet not all are kept by name: everybody is asked again.
    assert!(book.end_round(now));
    assert_eq!((book.known().counts.asked, book.known().counts.can, book.known().counts.of), (0, 0, 1500));
    assert!(book.work().unwrap().only.is_none() && book.roles_after(None).is_empty());
    book.write(now).await.unwrap();
    // The pages of the round before are written over, one after another, and never taken for this one's.
    let mut book = again(&ledger, &run, now).await;
    assert!(book.roles_after(None).is_empty());
    let arn = long("role", 7);
    book.learn_role(&arn, Some(RoleAnswer { arn: arn.clone(), way: None, untold: None }));
    book.write(now).await.unwrap();
    assert_eq!(again(&ledger, &run, now).await.roles_after(None).len(), 1);
}

#[tokio::test]
async fn how_a_run_ends_never_depends_on_what_is_left_out() {
    // Those who can are more than are kept, and the only one of whom it is known last, too.
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let (mut book, _, now) = begin(&ledger).await;
    for number in 0..1500 {
        book.learn(if number == 1499 { long_person(number, 1) } else { Person::of(&long("user", number), Vec::new()) }, false);
    }
    assert!(!book.end_round(now + SignedDuration::from_secs(PROPAGATION)));
    assert!(book.known().is_failure() && book.known().counts.can == 1);
    assert_eq!(book.known().people[0].arn, long("user", 1499), "and they are told of first");
}

#[tokio::test]
async fn the_ledger_of_these_tests_takes_no_more_than_dynamodb() {
    let store = MemoryStore::default();
    let write = |bytes: usize| Write {
        key: Key { pk: "VERIFY#x".to_owned(), sk: "VERIFY".to_owned() },
        expect: 0,
        doc: json!("x".repeat(bytes)),
    };
    let nonce = guardrails_model::ids::Nonce::fresh();
    assert!(matches!(store.commit(&nonce, &[write(MOST_BYTES)]).await, Err(LedgerError::Refused(_))));
    store.commit(&nonce, &[write(MOST_BYTES - 2)]).await.unwrap();
}

#[tokio::test]
async fn a_page_that_is_missing_is_never_taken_for_an_answer() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let (mut book, run, now) = begin(&ledger).await;
    book.write(now).await.unwrap();
    let mut known = ledger.verification(&run).await.unwrap().unwrap();
    known.value.work.as_mut().unwrap().pages = 1;
    let Err(error) = Book::open(&ledger, known, now).await else { panic!("it was opened") };
    assert!(error.to_string().contains("of 1 pages of answers about roles, 0 are there"), "{error}");
}

#[tokio::test]
async fn verification_of_an_earlier_version_is_gone_on_with() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let way = |name: &str| json!({"through": name, "actions": ["ec2:RunInstances"], "policies": ["Power"]});
    let roles: Vec<_> = (0..900)
        .map(|number| json!({"arn": role(&format!("r-{number:03}")), "way": way(&format!("r-{number:03}")), "untold": null}))
        .collect();
    let old = json!({"format": 1, "run": "r-20261123-014653-7f3k9q", "try": 1, "began": now, "at": now, "finished": false,
        "counts": {"asked": 1, "can": 1, "untold": 0},
        "people": [{"arn": user("ann"), "by": [{"group": "Beta"}], "ways": [way("r-000")]}],
        "work": {"round": now, "roles_to": role("r-899"), "roles": roles, "people_to": user("ann"), "only": null,
            "stale": [user("ann")]}});
    let old: Verification = serde_json::from_value(old).unwrap();
    let run = old.run.clone();
    ledger.save_verification(Versioned { rev: 0, value: old }).await.unwrap();
    let mut book = again(&ledger, &run, now).await;
    assert_eq!(book.roles_after(Some(&role("r-449"))).len(), 450);
    book.learn(Person::of(&user("bob"), Vec::new()), false);
    book.write(now).await.unwrap();
    let book = again(&ledger, &run, now).await;
    assert_eq!((book.roles_after(None).len(), book.known().counts.asked), (900, 2));
    let work = book.work().unwrap();
    assert!(work.roles.is_empty() && work.pages == 23 && work.stale.contains(&user("ann")), "{} pages", work.pages);
}

/// `people` and `roles`, each of which trusts the account; whoever may assume any may assume all.
fn account(people: usize, roles: usize, may: bool) -> Asking {
    let names: Vec<String> = (0..people).map(|number| format!("user-{number:04}")).collect();
    let world = beta(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut account = world.account();
    account.page = 1000;
    let root = json!({"AWS": "arn:aws:iam::123456789012:root"});
    let of_roles: Vec<String> = (0..roles).map(|number| format!("role-{number:04}")).collect();
    roles_of(&mut account, &of_roles.iter().map(|name| (name.as_str(), root.clone())).collect::<Vec<_>>());
    account.rights.extend(of_roles.iter().map(|name| (role(name), vec![Right::to("ec2:", "Power")])));
    if may {
        account.rights.extend(names.iter().map(|name| (user(name), vec![Right::to("sts:", "Assume")])));
    }
    drop(account);
    Asking::beta(&world)
}

fn simulated(asking: &Asking) -> usize {
    asking.world.requests_of("SimulatePrincipalPolicy").len()
}

#[tokio::test]
async fn no_more_roles_are_asked_about_than_settle_a_person() {
    let mut asking = account(150, 400, true);
    asking.all().await;
    let counts = asking.known.counts;
    assert_eq!((counts.of, counts.asked, counts.can), (150, 150, 150));
    let line = "user user-0000: CAN STILL LAUNCH through role role-0000 by Power (ec2:RunInstances and 4 more); through role \
                role-0001 by Power (ec2:RunInstances and 4 more); through role role-0002 by Power (ec2:RunInstances and 4 more); \
                in 47 more ways; 350 more roles were not asked about";
    assert_eq!(asking.known.people[0].line(), line);
    assert_eq!(simulated(&asking), 400 + 150 * 2);
    assert!(asking.known.text().contains("... and 50 more, of whom 50 can still launch"));
}

#[tokio::test]
async fn an_invocation_that_dies_loses_a_few_answers_and_no_more() {
    let mut asking = account(60, 60, false);
    let world = Arc::clone(&asking.world);
    // Two calls list, sixty ask about roles, three about each person.
    for (died_at, roles, people) in [(2 + 40, 25, 0), (2 + 35 + 48, 60, 13), (2 + 97, 60, 38)] {
        world.gate.arm(Fault { at: died_at, kind: Kind::DieAfter });
        assert!(world.gate.until_death(asking.once(3600)).await.is_none(), "{:?}", world.gate.calls());
        world.gate.disarm();
        asking.look().await;
        let work = asking.known.work.as_ref().unwrap();
        assert_eq!(work.roles_to, Some(role(&format!("role-{:04}", roles - 1))), "{died_at}");
        assert_eq!(asking.known.counts.asked, people, "{died_at}");
    }
    asking.all().await;
    assert_eq!((asking.known.counts.asked, asking.known.counts.can), (60, 0));
    assert!(simulated(&asking) <= 60 + 60 * 3 + 3 * 25, "{}", simulated(&asking));
}

#[tokio::test]
async fn time_passes_too_and_what_was_learned_slowly_is_kept() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let (mut book, run, now) = begin(&ledger).await;
    let kept = || async { ledger.verification(&run).await.unwrap().map(|known| known.value.counts.asked) };
    book.learn(Person::of(&user("ann"), Vec::new()), false);
    book.keep(now + SignedDuration::from_secs(9)).await.unwrap();
    assert_eq!(kept().await, None);
    book.keep(now + SignedDuration::from_secs(10)).await.unwrap();
    assert_eq!(kept().await, Some(1));
}

#[tokio::test]
async fn person_with_too_many_roles_is_asked_about_over_invocations() {
    // Each invocation has time for one question; the last of the roles is the only one that they may assume.
    let mut asking = account(1, 130, false);
    let may = vec![Right::to("sts:", "Assume").on(&role("role-0129"))];
    asking.world.account().rights.insert(user("user-0000"), may);
    let mut rounds = 0;
    while asking.once(-1).await.unwrap() != Verified::Done {
        rounds += 1;
        assert!(rounds < 150, "{:?}", asking.known.work);
    }
    assert_eq!(simulated(&asking), 130 + 1 + 3, "nothing was asked twice");
    let line = "user user-0000: CAN STILL LAUNCH through role role-0129 by Power (ec2:RunInstances and 4 more)";
    assert_eq!(asking.known.people[0].line(), line);
}

#[tokio::test]
async fn broken_connection_is_no_failure_and_dead_one_is() {
    let mut asking = account(30, 30, false);
    let world = Arc::clone(&asking.world);
    world.gate.arm(Fault { at: 40, kind: Kind::LostAnswer });
    assert_eq!(asking.once(3600).await.unwrap(), Verified::Settling { seconds: 15 });
    assert_eq!(asking.known.work.as_ref().unwrap().roles_to, Some(role("role-0029")));
    world.gate.arm(Fault { at: 3, kind: Kind::LostAnswer });
    assert!(matches!(asking.once(3600).await, Err(Trouble::Iam(_))), "it came no further: the state machine counts how often");
    world.gate.disarm();
    assert_eq!(asking.all().await.counts.asked, 30);
}
