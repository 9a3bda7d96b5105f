//! The scenarios of the sweep: for every action a small account with things in scope, things nearly in scope, and things that are
//! nobody's business.

use serde_json::{Value as Json, json};

use super::lab::{Meets, Place, Scenario};
use crate::world::{
    Account, Database, Does, EcsService, Group, HOME, Instance, LambdaFunction, Mapping, Power, ScalableTarget, Schedule, Spot,
    UserFunction, Warehouse, keeping,
};

/// A scenario or more for every action of the catalog, and one with several actions in a stage.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = stop_instances();
    all.push(stop_databases());
    all.push(stop_functions());
    all.extend(groups());
    all.push(stop_services());
    all.push(pause_clusters());
    all.extend(swap_group_policy());
    all.extend(attaching());
    all.push(run_function());
    all.push(both());
    all
}

/// How many seconds listings lag behind where they do.
pub const LAG: i64 = 3;

/// The same where listings lag behind the world, as those of IAM and EC2 do.
pub fn lagging() -> Vec<Scenario> {
    let meets = Meets::Different;
    let instances = Scenario { place: || lag(instances), meets, ..stop_instances().remove(0) };
    let group = Scenario { place: || lag(group), meets, ..swap_group_policy().remove(0) };
    let held = Scenario { place: || lag(fleet), meets: Meets::Hidden, ..groups().remove(0) };
    let size = Scenario { place: || lag(fleet), meets, ..groups().remove(1) };
    let denied = Scenario { place: || lag(people), meets, ..attaching().remove(1) };
    let services = Scenario { place: || lag(services), meets, ..stop_services() };
    let databases = Scenario { place: || lag(databases), meets, ..stop_databases() };
    let functions = Scenario { place: || lag(functions), meets, ..stop_functions() };
    let clusters = Scenario { place: || lag(clusters), meets, ..pause_clusters() };
    vec![instances, group, held, size, denied, services, databases, functions, clusters]
}

fn lag(fill: fn(&mut Account)) -> Place {
    Place::world(|account| {
        fill(account);
        account.lag = LAG;
    })
}

const STOPPED: &str = "Stopped";

fn instances(account: &mut Account) {
    let instance = |id: &str, power, tags: &str| Instance::new(id, power, tags);
    account
        .instance(instance("i-1", Power::Running, "Project=Beta Name=web-1"))
        .instance(instance("i-2", Power::Running, "Project=Beta"))
        .instance(instance("i-3", Power::Stopped, "Project=Beta"))
        .instance(instance("i-4", Power::Running, "Project=Gamma"))
        .instance(instance("i-5", Power::Running, "Project=Beta").in_group("fleet"))
        .instance(instance("i-8", Power::Running, "").in_group("fleet"))
        .instance(instance("i-6", Power::Running, ""))
        .instance(instance("i-7", Power::Terminated, "Project=Beta"));
}

fn stop_instances() -> Vec<Scenario> {
    let actions = || vec![("stop-instances", json!({"tag": {"Project": "Beta"}}))];
    vec![
        Scenario {
            name: "stop-instances",
            actions: actions(),
            scope: &["i-1", "i-2"],
            enforced: &[("i-1", STOPPED), ("i-2", STOPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || Place::world(instances),
        },
        Scenario {
            name: "stop-instances, some refuse",
            actions: actions(),
            scope: &["i-1", "i-3"],
            enforced: &[("i-1", STOPPED), ("i-3", STOPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || {
                Place::world(|account| {
                    let running = |id: &str, more: &str| Instance::new(id, Power::Running, &format!("Project=Beta {more}"));
                    account
                        .instance(running("i-1", ""))
                        .instance(running("i-2", "").protected())
                        .instance(running("i-3", ""))
                        .instance(running("i-4", "").one_time_spot())
                        .instance(running("i-5", "").spot(Spot::Cancelled))
                        .instance(running("i-6", "").instance_store_root())
                        .instance(running("i-7", "").of_type("m5d.large"))
                        .instance(running("i-8", "").managed_by("lambda.amazonaws.com"))
                        .instance(running("i-9", "guardrails:exempt="))
                        .instance(running("j-1", "karpenter.sh/nodepool=default aws:ec2:fleet-id=f-1"))
                        .page = 50;
                })
            },
        },
    ]
}

/// An instance and a cluster in scope, one that is stopped already, one that RDS does not stop, and one of another project.
fn databases(account: &mut Account) {
    let beta = |name: &str| Database::instance(name, "mysql", "Project=Beta");
    account
        .database(beta("orders"))
        .database(Database::cluster("shop", "aurora-mysql", "Project=Beta"))
        .database(Database::instance("shop-1", "aurora-mysql", "Project=Beta").member_of("shop"))
        .database(beta("resting").in_status("stopped"))
        .database(Database { source: Some("orders-of-gamma".to_owned()), ..beta("copy") })
        .database(Database::instance("other", "mysql", "Project=Gamma"))
        .page = 50;
}

fn stop_databases() -> Scenario {
    const STOPPED: &str = "stopped";
    Scenario {
        name: "stop-databases",
        actions: vec![("stop-databases", json!({"tag": {"Project": "Beta"}}))],
        scope: &["orders", "shop"],
        enforced: &[("orders", STOPPED), ("shop", STOPPED), ("shop-1", STOPPED)],
        refused: 0,
        disposable: &[],
        meets: Meets::All,
        place: || Place::world(databases),
    }
}

/// A function with all settings, one with none, one that would lose events, and one of another project. An alarm asks for provisioned
/// concurrency all the time. Everything is quick, and comes in one page.
fn functions(account: &mut Account) {
    let beta = |name: &str| LambdaFunction::new(name, "Project=Beta");
    let mapping = |uuid: &str, function: &str| Mapping { takes: 4, ..Mapping::of_queue(uuid, "queue", function) };
    account
        .lambda_function(beta("orders").reserving(20).alias("live", "1").provisions("live", 5))
        .scalable_function("orders:live", ScalableTarget::new(2, 8).suspended([true, false, false]))
        .mapping(mapping("u-1", "orders:live"))
        .lambda_function(beta("mailer"))
        .lambda_function(beta("hooks").unguarded())
        .mapping(mapping("u-2", "hooks"))
        .lambda_function(LambdaFunction::new("other", "Project=Gamma").reserving(7));
    account.lambda.alarms.insert((HOME.to_owned(), "orders:live".to_owned()), 4);
    (account.page, account.takes) = (50, 4);
}

fn stop_functions() -> Scenario {
    Scenario {
        name: "stop-functions",
        actions: vec![("stop-functions", json!({"tag": {"Project": "Beta"}}))],
        scope: &["orders", "orders:live", "source u-1", "mailer"],
        enforced: &[
            ("mailer reserved", "0"),
            ("orders reserved", "0"),
            ("orders:live provisioned", "none"),
            ("orders:live scaling", "min 0, max 8, in suspended, out suspended, scheduled suspended"),
            ("source u-1", "Disabled"),
        ],
        refused: 0,
        disposable: &[],
        meets: Meets::Different,
        place: || Place::world(functions),
    }
}

/// A group of two of which an operator has suspended a process, and an instance beside it. Everything is quick, and comes in
/// one page: every call more meets faults.
fn fleet(account: &mut Account) {
    let member = |id: &str| Instance::new(id, Power::Running, "Project=Beta").in_group("fleet");
    account.fleet(Group::new("fleet", 1, 2, 3).suspended(&["AZRebalance"]).tag("Project=Beta"));
    account.instance(member("i-1")).instance(member("i-2")).instance(Instance::new("i-8", Power::Running, "Project=Beta"));
    (account.page, account.takes, account.initializing, account.activity) = (50, 4, 1, 5);
}

fn groups() -> Vec<Scenario> {
    const HELD: &str =
        "AZRebalance, AlarmNotification, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, Terminate";
    vec![
        Scenario {
            name: "stop-instances, a group",
            actions: vec![("stop-instances", json!({"tag": {"Project": "Beta"}}))],
            scope: &["fleet", "i-1", "i-2", "i-8"],
            enforced: &[
                ("i-1", STOPPED),
                ("i-2", STOPPED),
                ("i-8", STOPPED),
                ("fleet processes", HELD),
                ("fleet size", "0 <= 0 <= 3"),
                ("fleet members", "0"),
            ],
            refused: 0,
            disposable: &[],
            meets: Meets::Different,
            place: || Place::world(fleet),
        },
        Scenario {
            name: "scale-group-to-zero",
            actions: vec![("scale-group-to-zero", json!({"tag": {"Project": "Beta"}, "members-are-disposable": true}))],
            scope: &["fleet"],
            enforced: &[("fleet size", "0 <= 0 <= 0"), ("fleet members", "0")],
            refused: 0,
            disposable: &["i-1", "i-2"],
            meets: Meets::All,
            place: || Place::world(fleet),
        },
    ]
}

/// A service that is scaled and one that is not in scope, one without tasks, one that has no count, and one of another project. An
/// alarm asks for tasks of the first, all the time.
fn services(account: &mut Account) {
    let beta = |name: &str, count| EcsService { takes: 4, ..EcsService::new(name, count, "Project=Beta") };
    account
        .ecs_service(EcsService { alarm: Some(1), ..beta("beta/web", 5) })
        .scalable("beta/web", ScalableTarget::new(2, 6).suspended([true, false, false]))
        .ecs_service(beta("beta/worker", 3))
        .ecs_service(beta("beta/idle", 0))
        .ecs_service(EcsService { strategy: "DAEMON", ..beta("beta/agent", 2) })
        .ecs_service(EcsService::new("beta/other", 4, "Project=Gamma"))
        .page = 50;
}

fn stop_services() -> Scenario {
    Scenario {
        name: "stop-services",
        actions: vec![("stop-services", json!({"tag": {"Project": "Beta"}}))],
        scope: &["beta/web", "beta/worker"],
        enforced: &[
            ("beta/web tasks", "0 of 0"),
            ("beta/web scaling", "min 0, max 6, in suspended, out suspended, scheduled suspended"),
            ("beta/worker tasks", "0 of 0"),
        ],
        refused: 0,
        disposable: &[],
        meets: Meets::Different,
        place: || Place::world(services),
    }
}

/// A cluster with a schedule, one that is paused and would be resumed, one that Redshift does not pause, and one of another project.
fn clusters(account: &mut Account) {
    let beta = |name: &str| Warehouse::new(name, "Project=Beta");
    account
        .warehouse(beta("orders"))
        .schedule(Schedule::new("orders-resume", "orders", Does::Resume))
        .warehouse(beta("resting").in_status("paused"))
        .schedule(Schedule::new("resting-resume", "resting", Does::Resume))
        .schedule(Schedule::new("resting-resize", "resting", Does::Resize).in_state("DISABLED"))
        .warehouse(Warehouse { multi_az: true, ..beta("two-zones") })
        .schedule(Schedule::new("two-zones-resume", "two-zones", Does::Resume))
        .warehouse(Warehouse::new("other", "Project=Gamma"))
        .page = 50;
}

fn pause_clusters() -> Scenario {
    const DISABLED: &str = "DISABLED";
    Scenario {
        name: "pause-clusters",
        actions: vec![("pause-clusters", json!({"tag": {"Project": "Beta"}}))],
        scope: &["orders", "orders-resume", "resting-resume"],
        enforced: &[("orders", "paused"), ("orders-resume schedule", DISABLED), ("resting-resume schedule", DISABLED)],
        refused: 0,
        disposable: &[],
        meets: Meets::Different,
        place: || Place::world(clusters),
    }
}

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
const LOGS: &str = "arn:aws:iam::123456789012:policy/Logs";

fn group(account: &mut Account) {
    account.policy(READ_ONLY).group("ProjectBeta", &[FULL, LOGS]).group("ProjectGamma", &[FULL]);
}

fn swap() -> Json {
    json!({"group": "ProjectBeta", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]})
}

const SWAPPED: &str = "{\"arn:aws:iam::123456789012:policy/Logs\", \"arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess\"}";

fn swap_group_policy() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "swap-group-policy",
            actions: vec![("swap-group-policy", swap())],
            scope: &["ProjectBeta"],
            enforced: &[("group ProjectBeta", SWAPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || Place::world(group),
        },
        Scenario {
            name: "swap-group-policy, no slot is free",
            actions: vec![(
                "swap-group-policy",
                json!({"group": "Full", "detach": ["P0", "P1", "Gone"], "attach": ["N0", "P9"]}),
            )],
            scope: &["Full"],
            enforced: &[("group Full", FULL_SWAPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::Different,
            place: || {
                Place::world(|account| {
                    let arn = |name: String| format!("arn:aws:iam::aws:policy/{name}");
                    let ten: Vec<String> = (0..10).map(|n| arn(format!("P{n}"))).collect();
                    account.group("Full", &ten.iter().map(String::as_str).collect::<Vec<_>>());
                    account.policy(&arn("N0".into())).policy(&arn("Gone".into())).page = 6;
                })
            },
        },
    ]
}

const FULL_SWAPPED: &str = "{\"arn:aws:iam::aws:policy/N0\", \"arn:aws:iam::aws:policy/P2\", \"arn:aws:iam::aws:policy/P3\", \
    \"arn:aws:iam::aws:policy/P4\", \"arn:aws:iam::aws:policy/P5\", \"arn:aws:iam::aws:policy/P6\", \
    \"arn:aws:iam::aws:policy/P7\", \"arn:aws:iam::aws:policy/P8\", \"arn:aws:iam::aws:policy/P9\"}";

const CLOSING: &str = "arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-c6ab1f991f";
const LISTED: &str = "arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-a0d1ab21b0";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A group, a user and a role to restrict; beside them the administrators, and others of the same names.
fn people(account: &mut Account) {
    account.policy(READ_ONLY).policy(CLOSING).policy(LISTED);
    account.group("ProjectBeta", &[FULL]).members("ProjectBeta", &["bea"]).group("Admins", &[ADMINISTRATOR]);
    account.members("Admins", &["root-of-all"]).user("bea", &[FULL]).user("bert", &[FULL]).role("beta-ci", &[FULL, LOGS]);
    account.role("bert", &[FULL]);
}

fn attaching() -> Vec<Scenario> {
    let everybody = json!({"group": "ProjectBeta", "user": ["bert"], "role": "beta-ci", "actions": ["ec2:RunInstances"]});
    vec![
        Scenario {
            name: "swap-policy",
            actions: vec![(
                "swap-policy",
                json!({"role": "beta-ci", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]}),
            )],
            scope: &["beta-ci"],
            enforced: &[("role beta-ci", SWAPPED)],
            refused: 0,
            disposable: &[],
            meets: Meets::All,
            place: || Place::world(people),
        },
        Scenario {
            name: "deny-actions",
            actions: vec![("deny-actions", everybody)],
            scope: &["ProjectBeta", "bert", "beta-ci"],
            enforced: &[("group ProjectBeta", DENIED), ("user bert", DENIED), ("role beta-ci", DENIED_TOO)],
            refused: 0,
            disposable: &[],
            meets: Meets::Different,
            place: || Place::world(people),
        },
    ]
}

const DENIED: &str = "{\"arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-a0d1ab21b0\", \
    \"arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-c6ab1f991f\", \
    \"arn:aws:iam::aws:policy/AmazonEC2FullAccess\"}";
const DENIED_TOO: &str = "{\"arn:aws:iam::123456789012:policy/Logs\", \
    \"arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-a0d1ab21b0\", \
    \"arn:aws:iam::123456789012:policy/guardrails-us-east-1-deny-c6ab1f991f\", \
    \"arn:aws:iam::aws:policy/AmazonEC2FullAccess\"}";

fn user_functions(account: &mut Account) {
    let targets = [("hourly", "running"), ("nightly", "slow"), ("weekly", "paused")];
    account.user_functions.insert("pauser".to_owned(), UserFunction::of(&targets).publish("one", keeping()));
    let others = UserFunction::of(&[("other", "running")]).publish("one", keeping());
    account.user_functions.insert("others".to_owned(), others);
}

fn run_function() -> Scenario {
    Scenario {
        name: "run-function",
        actions: vec![("run-function", json!({"function": "pauser"}))],
        scope: &["hourly", "nightly"],
        enforced: &[("hourly", "paused"), ("nightly", "paused")],
        refused: 0,
        disposable: &[],
        meets: Meets::Different,
        place: || Place::world(user_functions),
    }
}

fn both() -> Scenario {
    Scenario {
        name: "swap-group-policy, then stop-instances",
        actions: vec![("swap-group-policy", swap()), ("stop-instances", json!({"tag": {"Project": "Beta"}}))],
        scope: &["ProjectBeta", "i-1", "i-2"],
        enforced: &[("group ProjectBeta", SWAPPED), ("i-1", STOPPED), ("i-2", STOPPED)],
        refused: 0,
        disposable: &[],
        meets: Meets::All,
        place: || {
            Place::world(|account| {
                group(account);
                instances(account);
            })
        },
    }
}

/// Lamps in three batches: quick enough for faults in pairs.
pub fn lamps() -> Scenario {
    Scenario {
        name: "lamps",
        actions: vec![("toy", json!("a: off, b: off, c: off"))],
        scope: &["a", "b"],
        enforced: &[("a", "off"), ("b", "off")],
        refused: 0,
        disposable: &[],
        meets: Meets::All,
        place: || Place::lamps("a: on, b: dim, c: off, d: on"),
    }
}
