//! The plan's answer about afterwards: IAM is asked as if the policies that the plan takes were attached to nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardrails_aws::iam_verify::{Asker, Question, after};
use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Ledger, Versioned};
use guardrails_model::principal::Principal;
use guardrails_model::verify::{Book, Changes, Person, Verification};
use guardrails_model::wire::Verified;
use jiff::{SignedDuration, Timestamp};

use super::asking::{FULL, beta, swapped, user};
use crate::world::{Right, World};

/// Before the plan: the members of Beta have full access by their group, of which the plan takes it.
fn full(members: &[&str]) -> Arc<World> {
    let world = beta(members);
    world.account().policy(FULL).groups.get_mut("Beta").unwrap().attached = vec![FULL.to_owned()];
    world
}

fn asker(world: &Arc<World>) -> Asker {
    Asker::at_pace(&world.config(), Duration::ZERO)
}

fn later(world: &World) -> Timestamp {
    world.clock.now() + SignedDuration::from_secs(60)
}

/// IAM's answers before the plan.
async fn now(world: &Arc<World>, of: Principal) -> Vec<Person> {
    let heard = Mutex::new(Vec::new());
    let hear = |person: &Person| heard.lock().unwrap().push(person.clone());
    let (began, nothing, of) = (world.clock.now(), Changes::default(), [of]);
    let question = Question { of: &of, changes: &nothing, clock: world.clock.as_ref(), until: later(world), heard: &hear };
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let fresh = Versioned { rev: 0, value: Verification::begin(&RunId::new(began), 0, began) };
    let mut book = Book::open(&ledger, fresh, began).await.unwrap();
    assert_eq!(question.go(&asker(world), &mut book).await.unwrap(), Verified::Done);
    drop(book);
    heard.into_inner().unwrap()
}

async fn members_now(world: &Arc<World>) -> Vec<Person> {
    now(world, Principal::Group("Beta".to_owned())).await
}

/// A line for each of them, and the note.
async fn then(world: &Arc<World>, people: Vec<Person>, until: Timestamp) -> (Vec<String>, Option<String>) {
    let (both, note) = after(&asker(world), people, &swapped(), world.clock.as_ref(), until).await;
    (both.iter().map(|(now, left)| left.line_from(now)).collect(), note)
}

/// The requests that leave policies out.
fn excluding(world: &World) -> Vec<String> {
    let requests = world.requests_of("SimulatePrincipalPolicy").into_iter();
    requests.filter(|form| form.contains("PolicyExclusionList")).collect()
}

#[tokio::test]
async fn plan_names_calls_that_are_left_without_the_taken_policy() {
    let world = full(&["ann", "bob", "cleo"]);
    // Cleo's is another policy of that name.
    let another = Right::to("ec2:RunInstances", "AmazonEC2FullAccess");
    world.account().rights.extend([(user("bob"), vec![Right::to("autoscaling:", "Shadow")]), (user("cleo"), vec![another])]);
    let people = members_now(&world).await;
    assert_eq!(excluding(&world), Vec::<String>::new(), "how it is now is asked with all policies");
    let worked_out = swapped().left(&people[1]).words();
    assert_eq!(worked_out, "CAN STILL LAUNCH by Shadow (ec2:RunInstances and 6 more)", "names do not say the calls");
    let (lines, note) = then(&world, people, later(&world)).await;
    let closed = "cannot launch, unless they have AmazonEC2FullAccess from elsewhere too";
    let before = "can launch by AmazonEC2FullAccess (ec2:RunInstances and 6 more)";
    assert_eq!(
        lines,
        [
            format!("user ann: {before} -> {closed}"),
            "user bob: can launch by AmazonEC2FullAccess, Shadow (ec2:RunInstances and 6 more) -> CAN STILL LAUNCH by Shadow \
             (autoscaling:CreateAutoScalingGroup and 1 more)"
                .to_owned(),
            format!("user cleo: {before} -> {closed}"),
        ]
    );
    assert_eq!(note, None);
}

#[tokio::test]
async fn each_page_is_asked_without_the_taken_policy() {
    let world = full(&["ann"]);
    let people = members_now(&world).await;
    let pages_before = world.requests_of("SimulatePrincipalPolicy").len();
    then(&world, people, later(&world)).await;
    let forms = excluding(&world);
    assert!(forms.len() > 1 && forms.len() == pages_before, "{} of {pages_before}", forms.len());
    let form = "&PolicyExclusionList.member.1.PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FAmazonEC2FullAccess";
    for (page, sent) in forms.iter().enumerate() {
        assert_eq!(sent.matches("PolicyExclusionList").count(), 1, "{sent}");
        assert!(sent.contains(form) && sent.contains("&Marker=") == (page > 0), "{sent}");
    }
}

#[tokio::test]
async fn user_from_whom_nothing_is_taken_is_not_asked_again() {
    let world = full(&[]);
    world.account().rights.insert(user("eve"), vec![Right::to("ec2:RunInstances", "Power")]);
    let people = now(&world, Principal::User("eve".to_owned())).await;
    let asked = world.requests_of("SimulatePrincipalPolicy").len();
    let expected = "user eve: CAN STILL LAUNCH as now by Power (ec2:RunInstances)";
    for until in [later(&world), Timestamp::UNIX_EPOCH] {
        assert_eq!(then(&world, people.clone(), until).await, (vec![expected.to_owned()], None));
    }
    assert_eq!(world.requests_of("SimulatePrincipalPolicy").len(), asked);
}

#[tokio::test]
async fn unanswered_question_leaves_the_rest_worked_out_and_says_so() {
    let world = full(&["ann", "bob"]);
    let people = members_now(&world).await;
    let worked_out = |now: &Person| swapped().left(now).line_from(now);
    let expected: Vec<String> = people.iter().map(worked_out).collect();

    let (lines, note) = then(&world, people.clone(), Timestamp::UNIX_EPOCH).await;
    let time = "IAM was not asked how 2 of these would stand then, which is worked out from names: the time was up";
    assert_eq!((lines, note.as_deref()), (expected.clone(), Some(time)));
    assert_eq!(excluding(&world).len(), 0);

    world.account().refused.insert("SimulatePrincipalPolicy".to_owned());
    let (lines, note) = then(&world, people.clone(), later(&world)).await;
    let note = note.unwrap();
    assert!(note.contains("how 2 of these") && note.contains("iam:SimulatePrincipalPolicy: AccessDenied"), "{note}");
    assert_eq!((lines, excluding(&world).len()), (expected.clone(), 1), "a second refusal is not asked for");

    // A person who was deleted meanwhile is no refusal.
    world.account().refused.clear();
    world.account().gone.insert(user("ann"));
    assert_eq!(then(&world, people, later(&world)).await, (expected, None));
}

#[tokio::test]
async fn double_refuses_what_identifies_no_policy() {
    let world = full(&["ann"]);
    let ask = |excluded: &str| {
        let form = "Action=SimulatePrincipalPolicy&Version=2010-05-08&ActionNames.member.1=ec2:RunInstances";
        world.ask("us-east-1", &format!("{form}&PolicySourceArn={}&PolicyExclusionList.member.{excluded}", user("ann")))
    };
    assert_eq!(ask(&format!("1.PolicyArn={FULL}")), 200);
    assert_eq!(ask("1.PolicyArn=arn:aws:iam::123456789012:policy/Unattached"), 200, "it is ignored");
    assert_eq!(ask(&format!("1.member={FULL}")), 400, "as the SDK writes it");
    assert_eq!(ask(&format!("1={FULL}")), 400);
    assert_eq!(ask("1.PolicyArn=AmazonEC2FullAccess"), 400);
    let many: Vec<String> = (1..=257).map(|index| format!("{index}.PolicyArn={FULL}")).collect();
    assert_eq!(ask(&many[..256].join("&PolicyExclusionList.member.")), 200);
    assert_eq!(ask(&many.join("&PolicyExclusionList.member.")), 400);
}
