//! A fleet of hundreds in two Regions: people's view of it stays small, and each Region can be put back for itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use guardrails_local_aws::REGION;
use guardrails_model::record::RunState;
use serde_json::Value as Json;

use super::fleets::Fleet;
use super::lab::{EXAMPLE, Lab, guardrails, real_alert, text};

const ELSEWHERE: &str = "eu-west-1";
const HERE: i32 = 180;
const THERE: i32 = 120;
/// The walk-through's own running fleet, with the member of its group.
const BESIDE: i32 = 5;
/// The processes of that group, which are suspended meanwhile.
const PROCESSES: i32 = 7;
/// Its one member enters Standby.
const STANDBY: i32 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn fleet_of_hundreds_is_summed_up_and_put_back_by_region() {
    let lab = Lab::with(EXAMPLE, 0.5).await;
    let (here, there) = (fleet(&lab, REGION, HERE).await, fleet(&lab, ELSEWHERE, THERE).await);
    let before = (lab.snapshot().await, there.states().await);

    planned(&lab).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let id = run.id.as_str();
    assert!(there.states().await.values().all(|state| state == "stopped"));
    let (_, message) = lab.told().await;
    assert!(message.lines().count() < 40, "{message}");
    assert!(message.contains(&format!("stop-instances in {ELSEWHERE}: {THERE} applied")), "{message}");
    assert!(message.contains(&format!("guardrails rollback project-beta --run {id}")), "{message}");
    seen(&lab, id).await;

    let only = format!("instance-power/{ELSEWHERE}/");
    let back = lab.run(&["rollback", "project-beta", "--only", &only, "--yes"]).await;
    let said = text(&back.stderr);
    assert!(back.status.success(), "{said}");
    assert!(said.contains(&format!("stop-instances in {ELSEWHERE}: {THERE}\nsuch as\n")), "{said}");
    assert!(said.contains(&format!("... and {} more: guardrails status --run {id} --all", THERE - 20)), "{said}");
    assert!(said.lines().count() < 60, "{said}");
    assert_eq!(there.states().await, before.1);
    assert!(here.states().await.values().filter(|state| *state == "running").count() < 3, "the other Region stays stopped");
    lab.run_when(RunState::Enforced).await;

    let wrong = lab.run(&["rollback", "project-beta", "--only", "instance-power/eu-west-2/", "--yes"]).await;
    assert!(text(&wrong.stderr).contains("no open run of `project-beta` has the facet"), "{}", text(&wrong.stderr));
    interrupted(&lab, id);
    let only = format!("instance-power/{REGION}/");
    let narrowed = lab.run(&["rollback", "project-beta", "--only", &only, "--yes"]).await;
    let said = text(&narrowed.stderr);
    assert!(narrowed.status.success(), "{said}");
    assert!(said.contains("and what this does not ask for of 1 Auto Scaling group is still held: beta-web\n"), "{said}");
    assert!(said.contains("a rollback of all of it was under way, asked for by arn:aws:iam::"), "{said}");
    assert!(said.contains(&format!("goes by this request: {only}. What only the other asked for")), "{said}");
    let run = lab.run_when(RunState::Enforced).await;
    assert!(lab.steps(&run).await.iter().any(|step| !step.phase.is_final()), "the group's policy is held yet");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!((lab.snapshot().await, there.states().await), before);
    let over = json(&lab.say(&["status", "--all", "--limit", "1", "--output", "json"]).await);
    assert_eq!((over[0]["run"]["state"].as_str(), over[0]["steps"].as_array()), (Some("RolledBack"), None));
}

/// The plan is a summary, with its duration and its savings.
async fn planned(lab: &Lab) {
    std::fs::write(lab.folder.path().join("prices.yaml"), "us-east-1: { t3.micro: 0.0104 }\n").unwrap();
    let plan = lab.say(&["plan", "project-beta", "--prices", "prices.yaml"]).await;
    assert!(plan.lines().count() < 30, "{plan}");
    for words in [
        format!("stop-instances in {REGION}: {} to change", HERE + BESIDE + PROCESSES + STANDBY),
        "1 member of 1 Auto Scaling group: beta-web (1)".to_owned(),
        format!("stop-instances in {ELSEWHERE}: {THERE} to change"),
        "nothing in scope: stop-instances in eu-central-1, stop-instances in us-west-2".to_owned(),
        "stopping: under a minute; starting again: under a minute at a share of 0.5".to_owned(),
        format!("stops costing $1.924 an hour on demand, for {} instances that the price list has", HERE + BESIDE),
        format!("{THERE} instances: {THERE} t3.micro in {ELSEWHERE}"),
    ] {
        assert!(plan.contains(&words), "{words}:\n{plan}");
    }
    let whole = lab.say(&["plan", "project-beta", "--all"]).await;
    assert_eq!(whole.matches(", t3.micro: running -> stopped").count(), usize::try_from(HERE + BESIDE + THERE).unwrap());
    let data = json(&lab.say(&["plan", "project-beta", "--output", "json"]).await);
    assert!(data["steps"].as_array().unwrap().len() > usize::try_from(HERE + THERE).unwrap());
    std::fs::write(lab.folder.path().join("prices.yaml"), "us-east-1: { t3.micro: cheap }\n").unwrap();
    let wrong = lab.run(&["plan", "project-beta", "--prices", "prices.yaml"]).await;
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
}

/// Status, run by run, and one run.
async fn seen(lab: &Lab, id: &str) {
    let status = lab.say(&["status"]).await;
    assert!(status.lines().count() < 30, "{status}");
    assert!(status.contains(&format!("stop-instances in {ELSEWHERE}: {THERE} applied")), "{status}");
    let listed = json(&lab.say(&["status", "--output", "json"]).await);
    assert_eq!(listed[0]["steps"].as_array().unwrap().len(), 0, "nothing failed, nothing waits");
    assert!(listed[0]["counts"]["applied"].as_u64().unwrap() > 300);
    let whole = json(&lab.say(&["status", "--run", id, "--output", "json"]).await);
    assert!(whole[0]["steps"].as_array().unwrap().len() > 300);
    let each = lab.say(&["status", "--run", id, "--all"]).await;
    assert!(each.lines().count() > 300);
    assert!(lab.say(&["status", "--run", id]).await.lines().count() < 30);
    let history = lab.run(&["history"]).await;
    assert!(text(&history.stderr).contains(&format!("steps: guardrails history --run {id}")), "{}", text(&history.stderr));
    assert!(text(&history.stdout).lines().count() < 20);
    assert!(lab.say(&["history", "--run", id]).await.lines().count() > 300);
}

/// A person who waits no longer is told that the run goes on.
fn interrupted(lab: &Lab, id: &str) {
    let mut command: Command = lab.local.command(guardrails());
    command.args(["rollback", "project-beta", "--yes"]).current_dir(lab.folder.path());
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap) {
        said.push_str(&line);
        said.push('\n');
        if line.contains("steps to go") && !said.contains("goes on by itself") {
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains(&format!("run {id} goes on by itself")), "{said}");
    assert!(said.contains(&format!("guardrails rollback project-beta --run {id} --only instance-power/REGION/")), "{said}");
}

async fn fleet(lab: &Lab, region: &str, instances: i32) -> Fleet {
    let fleet = Fleet::new(&lab.local.fleet_config(region).await.unwrap());
    let tag = Tag::builder().key("Project").value("Beta").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
    let call = fleet.ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(InstanceType::T3Micro);
    call.min_count(instances).max_count(instances).tag_specifications(tags).send().await.unwrap();
    lab.eventually("the fleet", || async { fleet.states().await.values().all(|state| state != "pending").then_some(()) }).await;
    fleet
}

fn json(output: &str) -> Json {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}
