//! How IAM is asked: by its own SDK, of an account that answers as IAM does.

use std::sync::Arc;
use std::time::Duration;

use guardrails_aws::error::FailureKind;
use guardrails_aws::iam_verify::{Asker, Question, Trouble};
use guardrails_model::clock::Clock;
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Ledger, Versioned};
use guardrails_model::principal::Principal;
use guardrails_model::record::Step;
use guardrails_model::verify::{Book, Changes, PROPAGATION, Standing, Verification};
use guardrails_model::wire::Verified;
use jiff::SignedDuration;
use serde_json::json;

use super::change::part;
use crate::world::{Account, Right, World};

pub(super) const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";

pub(super) fn user(name: &str) -> String {
    format!("arn:aws:iam::123456789012:user/{name}")
}

pub(super) fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn trust(principal: &serde_json::Value) -> String {
    json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}).to_string()
}

/// A group Beta with `members`, whose policy is swapped.
pub(super) fn beta(members: &[&str]) -> Arc<World> {
    let world = Arc::new(World::default());
    let mut account = world.account();
    account.policy(READ_ONLY).group("Beta", &[READ_ONLY]);
    account.groups.get_mut("Beta").unwrap().members = members.iter().map(|name| user(name)).collect();
    drop(account);
    world
}

pub(super) fn roles_of(account: &mut Account, roles: &[(&str, serde_json::Value)]) {
    account.trust.extend(roles.iter().map(|(name, principal)| ((*name).to_owned(), trust(principal))));
}

/// The changes of a run: Beta lost its full access.
pub(super) fn swapped() -> Changes {
    let mut changes = Changes::default();
    let step = json!({"format": 1, "run": "r-20261123-014653-7f3k9q", "part": 0, "token": "t", "label": "x",
        "facet": FacetId::new("group-policy", "Beta", FULL).unwrap(), "present": "attached", "wanted": "detached",
        "phase": "Applied", "attempt": 1, "since": "2026-11-23T00:00:00Z", "events": []});
    changes.add(&part("swap-group-policy", &json!({})), &serde_json::from_value::<Step>(step).unwrap());
    changes
}

pub(super) struct Asking {
    pub(super) world: Arc<World>,
    asker: Asker,
    ledger: Ledger,
    pub(super) run: RunId,
    /// The ledger's record after the last invocation.
    pub(super) known: Verification,
    of: Vec<Principal>,
    changes: Changes,
    /// How often an invocation was needed.
    rounds: usize,
}

impl Asking {
    fn of(world: &Arc<World>, of: &[Principal]) -> Self {
        let now = world.clock.now();
        let run = RunId::new(now);
        Self {
            world: Arc::clone(world),
            asker: Asker::at_pace(&world.config(), Duration::ZERO),
            ledger: Ledger::new(Arc::new(MemoryStore::default())),
            known: Verification::begin(&run, 1, now),
            run,
            of: of.to_vec(),
            changes: swapped(),
            rounds: 0,
        }
    }

    pub(super) fn beta(world: &Arc<World>) -> Self {
        Self::of(world, &[Principal::Group("Beta".to_owned())])
    }

    /// One invocation, which has so many seconds, and knows what the ledger says.
    pub(super) async fn once(&mut self, seconds: i64) -> Result<Verified, Trouble> {
        self.rounds += 1;
        let now = self.world.clock.now();
        let until = now + SignedDuration::from_secs(seconds);
        let clock = self.world.clock.as_ref();
        let question = Question { of: &self.of, changes: &self.changes, clock, until, heard: &|_| () };
        let fresh = || Versioned { rev: 0, value: Verification::begin(&self.run, 1, now) };
        let known = self.ledger.verification(&self.run).await?.unwrap_or_else(fresh);
        let mut book = Book::open(&self.ledger, known, now).await?;
        let answer = question.go(&self.asker, &mut book).await;
        drop(book);
        self.look().await;
        answer
    }

    /// Reads the ledger's record.
    pub(super) async fn look(&mut self) {
        if let Some(known) = self.ledger.verification(&self.run).await.unwrap() {
            self.known = known.value;
        }
    }

    /// Asks to the end, waiting as the state machine does.
    pub(super) async fn all(&mut self) -> &Verification {
        for _ in 0..100 {
            match self.once(60).await.unwrap() {
                Verified::Done => return &self.known,
                Verified::Settling { seconds } => self.world.clock.advance(seconds),
            }
        }
        panic!("it comes to no end: {:?}", self.known);
    }

    async fn lines(&mut self) -> Vec<String> {
        let asked = self.all().await;
        asked.people.iter().map(guardrails_model::verify::Person::line).chain(asked.notes.iter().cloned()).collect()
    }
}

#[tokio::test]
async fn each_person_is_told_with_policies_and_roles_to_launch_by() {
    let world = beta(&["ann", "bob", "cleo", "dora"]);
    {
        let mut account = world.account();
        account.rights.insert(user("bob"), vec![Right::to("ec2:RunInstances", "user_bob_shadow")]);
        account.rights.insert(user("cleo"), vec![Right::to("sts:AssumeRole", "user_cleo_deploy").on(&role("Deploy"))]);
        account.rights.insert(user("dora"), vec![Right::to("ec2:", "Conditional").under("ec2:InstanceType")]);
        let root = json!({"AWS": "arn:aws:iam::123456789012:root"});
        roles_of(
            &mut account,
            &[
                ("Deploy", root.clone()),
                ("Named", json!({"AWS": user("ann")})),
                ("OfEc2", json!({"Service": "ec2.amazonaws.com"})),
                ("Reader", root),
            ],
        );
        account.rights.insert(role("Deploy"), vec![Right::to("ec2:", "AdministratorAccess")]);
        account.rights.insert(role("Named"), vec![Right::to("autoscaling:", "role_Named_scale")]);
        account.rights.insert(role("OfEc2"), vec![Right::to("ec2:", "AdministratorAccess")]);
    }
    let mut asking = Asking::beta(&world);
    assert_eq!(
        asking.lines().await,
        [
            "user ann: CAN STILL LAUNCH through role Named by inline policy scale (autoscaling:CreateAutoScalingGroup and 1 more)",
            "user bob: CAN STILL LAUNCH by inline policy shadow (ec2:RunInstances)",
            "user cleo: CAN STILL LAUNCH through role Deploy by AdministratorAccess (ec2:RunInstances and 4 more)",
            "user dora: cannot be told: it depends on ec2:InstanceType",
        ]
    );
    assert_eq!((asking.known.counts.asked, asking.known.counts.can, asking.known.counts.untold), (4, 3, 1));
    // A role is asked about once, whoever might assume it; one of a service, never.
    let asked_of = |name: &str| {
        world.requests_of("SimulatePrincipalPolicy").iter().filter(|form| form.contains(&format!("role%2F{name}"))).count()
    };
    assert!(asked_of("Deploy") > 0 && asked_of("OfEc2") == 0, "{}", asked_of("OfEc2"));
}

#[tokio::test]
async fn it_asks_what_its_role_lets_it_ask_and_nothing_else() {
    let world = beta(&["ann"]);
    world.account().rights.insert(user("eve"), Vec::new());
    roles_of(&mut world.account(), &[("Deploy", json!({"AWS": user("ann")}))]);
    Asking::of(&world, &[Principal::Group("Beta".to_owned()), Principal::User("eve".to_owned())]).all().await;
    let asked: Vec<String> = world.account().calls.keys().map(|operation| format!("iam:{operation}")).collect();
    let template: serde_json::Value = serde_saphyr::from_str(include_str!("../../../infra/guardrails.yaml")).unwrap();
    let statements = &template["Resources"]["VerifyRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let granted = statements.as_array().unwrap().iter().flat_map(|statement| match &statement["Action"] {
        serde_json::Value::Array(actions) => actions.clone(),
        action => vec![action.clone()],
    });
    let mut granted: Vec<String> =
        granted.filter_map(|action| action.as_str().filter(|action| action.starts_with("iam:")).map(str::to_owned)).collect();
    granted.sort();
    assert_eq!(granted, asked);
}

#[tokio::test]
async fn deny_wins_and_users_and_roles_are_asked_about_themselves() {
    let world = beta(&["ann"]);
    {
        let mut account = world.account();
        account.rights.insert(user("team/eve"), vec![Right::to("ec2:", "Power"), Right::to("ec2:", "Closed").denied()]);
        account.rights.insert(role("Ops"), vec![Right::to("ec2:StartInstances", "Power")]);
        roles_of(&mut account, &[("Ops", json!({"Service": "ec2.amazonaws.com"}))]);
    }
    let of = [Principal::User("eve".to_owned()), Principal::Role("Ops".to_owned()), Principal::Group("Gone".to_owned())];
    assert_eq!(
        Asking::of(&world, &of).lines().await,
        [
            "role Ops: CAN STILL LAUNCH by Power (ec2:StartInstances)",
            "user eve: cannot launch",
            "group Gone: there is none by that name",
        ]
    );
}

#[tokio::test]
async fn stale_answer_is_asked_again_and_believed_after_its_time() {
    // IAM lags behind by twenty seconds.
    let world = beta(&["ann", "bob"]);
    world.account().group("Beta", &[FULL]).groups.get_mut("Beta").unwrap().members = vec![user("ann"), user("bob")];
    world.account().lag = 20;
    assert_eq!(
        world.ask("us-east-1", &format!("Action=DetachGroupPolicy&Version=2010-05-08&GroupName=Beta&PolicyArn={FULL}")),
        200
    );
    let mut asking = Asking::beta(&world);
    let began = world.clock.now();
    assert_eq!(asking.lines().await, ["user ann: cannot launch", "user bob: cannot launch"]);
    assert!(asking.rounds > 3, "it was asked again: {}", asking.rounds);
    assert!(world.clock.now().duration_since(began) < SignedDuration::from_secs(PROPAGATION));

    // Ann has it through another group too: that is no lag, and is said after its time.
    let world = beta(&["ann", "bob"]);
    world.account().group("Others", &[FULL]);
    world.account().groups.get_mut("Others").unwrap().members = vec![user("ann")];
    let mut asking = Asking::beta(&world);
    let began = world.clock.now();
    let lines = asking.lines().await;
    assert_eq!(lines[0], "user ann: CAN STILL LAUNCH by AmazonEC2FullAccess (ec2:RunInstances and 6 more)");
    assert_eq!((lines[1].as_str(), asking.known.counts.asked), ("user bob: cannot launch", 2));
    let waited = world.clock.now().duration_since(began);
    assert!(waited >= SignedDuration::from_secs(PROPAGATION) && waited < SignedDuration::from_secs(PROPAGATION + 30), "{waited}");
}

#[tokio::test]
async fn throttling_is_waited_out_and_next_invocation_goes_on() {
    let names: Vec<String> = (0..40).map(|number| format!("user-{number:02}")).collect();
    let world = beta(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.account().throttled.insert("SimulatePrincipalPolicy".to_owned(), 3);
    world.account().throttled.insert("GetGroup".to_owned(), 1);
    let mut asking = Asking::beta(&world);
    asking.all().await;
    assert_eq!((asking.rounds, asking.known.counts.asked), (5, 40));

    // Each invocation has no time for more than to begin.
    let mut asking = Asking::beta(&world);
    let verified = asking.once(-1).await.unwrap();
    let learned = (verified, asking.known.finished, asking.known.counts.asked);
    assert_eq!(learned, (Verified::Settling { seconds: 1 }, false, 1), "one at least, or it would never end");
    assert!(asking.all().await.people.iter().all(|person| person.standing() == Standing::Cannot));
    assert_eq!(asking.known.counts.asked, 40);
}

#[tokio::test]
async fn person_deleted_meanwhile_is_skipped_and_refusal_is_an_error() {
    let world = beta(&["ann", "bob"]);
    world.account().gone.insert(user("ann"));
    assert_eq!(Asking::beta(&world).lines().await, ["user bob: cannot launch"]);

    let mut asking = Asking::beta(&world);
    world.account().refused.insert("ListRoles".to_owned());
    let Err(Trouble::Iam(failure)) = asking.once(60).await else { panic!("it is refused") };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.message.contains("iam:ListRoles: AccessDenied"), "{}", failure.message);
}

#[tokio::test]
async fn hundreds_are_all_counted_and_those_who_can_launch_are_kept() {
    let names: Vec<String> = (0..300).map(|number| format!("user-{number:03}")).collect();
    let world = beta(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.account().page = 1000;
    world.account().rights.insert(user("user-299"), vec![Right::to("ec2:", "Power")]);
    let mut asking = Asking::beta(&world);
    let asked = asking.all().await;
    assert_eq!((asked.counts.asked, asked.counts.can, asked.people.len()), (300, 1, 100));
    assert_eq!(asked.people[0].arn, user("user-299"));
    assert!(asked.text().contains("... and 200 more\n"));
}

#[tokio::test]
async fn keys_that_no_launch_has_are_no_doubt_and_region_is_said() {
    let world = beta(&["ann", "bob", "cleo", "dora", "eve"]);
    {
        let mut account = world.account();
        let mfa = "aws:MultiFactorAuthPresent";
        let elsewhere = [("s3:GetObject", "s3:prefix"), ("iam:PassRole", "iam:PassedToService"), ("sts:", "sts:ExternalId")];
        account.rights.insert(user("ann"), elsewhere.map(|(action, key)| Right::to(action, "Files").under(key)).to_vec());
        account.rights.insert(user("bob"), vec![Right::to("ec2:RunInstances", "Here").in_region("us-east-1")]);
        account.rights.insert(user("cleo"), vec![Right::to("ec2:RunInstances", "There").in_region("eu-west-1")]);
        let closed = |by: &str| vec![Right::to("ec2:", "Power").under(mfa), Right::to("", by).denied()];
        account.rights.insert(user("dora"), closed("guardrails-us-east-1-deny-0123456789"));
        account.rights.insert(user("eve"), closed("Closed"));
    }
    assert_eq!(
        Asking::beta(&world).lines().await,
        [
            "user bob: CAN STILL LAUNCH by Here (ec2:RunInstances)",
            "user eve: cannot be told: it depends on aws:MultiFactorAuthPresent",
            "user ann: cannot launch",
            "user cleo: cannot launch",
            "user dora: cannot launch",
        ]
    );
}

#[tokio::test]
async fn organization_denial_is_unclear_unless_our_own_deny_closes_it() {
    let world = beta(&["ann", "bob"]);
    let closed = vec![Right::to("ec2:", "Power"), Right::to("", "guardrails-us-east-1-deny-0123456789").denied()];
    world.account().rights.extend([(user("ann"), vec![Right::to("ec2:RunInstances", "Power")]), (user("bob"), closed)]);
    world.account().limits.region = Some("us-east-1".to_owned());
    let here = ["user ann: CAN STILL LAUNCH by Power (ec2:RunInstances)", "user bob: cannot launch"];
    assert_eq!(Asking::beta(&world).lines().await, here, "a lock on this Region denies nothing here");
    world.account().limits.region = Some("eu-central-1".to_owned());
    assert_eq!(
        Asking::beta(&world).lines().await,
        ["user ann: cannot be told: the organisation's policies deny it as simulated", "user bob: cannot launch"]
    );
}

#[tokio::test]
async fn statement_of_the_organization_that_denies_is_a_plain_no() {
    let world = beta(&["ann", "eve"]);
    let phone = Right::to("ec2:RunInstances", "Phone").under("aws:MultiFactorAuthPresent");
    world.account().rights.extend([(user("ann"), vec![Right::to("ec2:RunInstances", "Power")]), (user("eve"), vec![phone])]);
    world.account().limits.region = Some("eu-central-1".to_owned());
    world.account().limits.by_statement = true;
    assert_eq!(
        Asking::beta(&world).lines().await,
        ["user eve: cannot be told: it depends on aws:MultiFactorAuthPresent", "user ann: cannot launch"]
    );
}

#[tokio::test]
async fn boundary_on_one_role_forbids_nothing_on_another() {
    let world = beta(&[]);
    {
        let mut account = world.account();
        let ops = json!({"AWS": role("Ops")});
        roles_of(&mut account, &[("Ops", json!({"Service": "ec2.amazonaws.com"})), ("Inside", ops.clone()), ("Outside", ops)]);
        for name in ["Inside", "Outside"] {
            account.rights.insert(role(name), vec![Right::to("ec2:RunInstances", "Power")]);
        }
        account.limits.boundaries.insert(role("Ops"), role("Inside"));
    }
    assert_eq!(
        Asking::of(&world, &[Principal::Role("Ops".to_owned())]).lines().await,
        ["role Ops: CAN STILL LAUNCH through role Inside by Power (ec2:RunInstances)"]
    );
}
