//! The example in Python, run as the program that it is: one process for each call.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use guardrails_model::contract;
use serde_json::{Value as Json, json};

use super::{memory, of, open};
use crate::story::Story;
use crate::world::{Program, Said};

/// Queues in a file, which is deleted with this.
struct Queues(PathBuf);

impl Queues {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guardrails-queues-{name}-{}.json", std::process::id()));
        let queue = |name: &str, state: &str, project: &str| json!({"queue": name, "state": state, "tags": {"Project": project}});
        let queues = [queue("nightly", "running", "Beta"), queue("slow", "draining", "Beta"), queue("other", "running", "Gamma")];
        std::fs::write(&path, json!(queues).to_string()).unwrap();
        Self(path)
    }

    fn states(&self) -> Vec<String> {
        let queues: Vec<Json> = serde_json::from_slice(&std::fs::read(&self.0).unwrap()).unwrap();
        queues.iter().map(|queue| format!("{} {}", queue["queue"].as_str().unwrap(), queue["state"].as_str().unwrap())).collect()
    }

    /// The example as a program. It reads this machine's clock: a deadline that is not over by the story's clock is not over by that.
    fn program(&self) -> Program {
        let path = self.0.clone();
        Arc::new(move |_, call, now| {
            let deadline: jiff::Timestamp = call["deadline"].as_str().unwrap().parse().unwrap();
            let mut call = call.clone();
            call["deadline"] = json!(if now > deadline { "1970-01-01T00:00:00Z" } else { "9999-01-01T00:00:00Z" });
            ask(&path, &call)
        })
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        // Nothing else looks at it, and the folder is a temporary one.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn ask(queues: &Path, call: &Json) -> Said {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/run-function/pause_queues.py");
    let mut command = Command::new("python3");
    command.arg(example).env("QUEUES_FILE", queues).env_remove("QUEUES_TABLE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 on the PATH");
    child.stdin.take().unwrap().write_all(call.to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    if ended.status.success() {
        return Said::Text(String::from_utf8(ended.stdout).unwrap());
    }
    Said::Failed(String::from_utf8_lossy(&ended.stderr).into_owned())
}

fn beta() -> Json {
    json!({"tags": {"Project": "Beta"}})
}

#[tokio::test]
async fn example_pauses_queues_and_lets_them_go_on() {
    let queues = Queues::new("both-ways");
    let story = Story::of(of(queues.program()));
    let run = open(&story, "beta 80%", beta()).await;
    story.apply(&run).await;
    assert_eq!(story.told(&run).await, ["queue nightly: applied", "queue slow: applied"]);
    assert_eq!(queues.states(), ["nightly paused", "slow paused", "other running"]);
    story.put_back(&run).await;
    assert_eq!(story.told(&run).await, ["queue nightly: rolled back", "queue slow: rolled back"]);
    assert_eq!(queues.states(), ["nightly running", "slow draining", "other running"]);
}

#[tokio::test]
async fn example_refuses_a_call_that_comes_after_the_way_back() {
    let queues = Queues::new("late");
    let story = Story::of(of(queues.program()));
    let run = open(&story, "beta 80%", beta()).await;
    story.apply(&run).await;
    let calls = memory(&story).calls;
    let apply = calls.into_iter().find(|(_, call)| call["operation"] == "apply" && call["facet"] == "nightly").unwrap().1;
    story.put_back(&run).await;
    let late = |deadline: &str| {
        let mut late = apply.clone();
        late["deadline"] = json!(deadline);
        let Said::Text(said) = ask(&queues.0, &late) else { panic!("it failed") };
        serde_json::from_str::<Json>(&said).unwrap()
    };
    for (deadline, why) in [
        ("9999-01-01T00:00:00Z", "a newer call came before this one"),
        ("1970-01-01T00:00:00Z", "the deadline of the call is over"),
    ] {
        let said = late(deadline);
        assert_eq!((&said["outcome"], &said["reason"]), (&json!("superseded"), &json!(why)));
        assert_eq!(queues.states(), ["nightly running", "slow draining", "other running"]);
    }
}

#[tokio::test]
async fn example_says_that_a_queue_is_gone() {
    let queues = Queues::new("gone");
    let story = Story::of(of(queues.program()));
    let run = open(&story, "beta 80%", beta()).await;
    story.apply(&run).await;
    std::fs::write(&queues.0, "[]").unwrap();
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert_eq!(told[0], "queue nightly: rolled back (nothing to put back: there is no such queue)");
}

#[test]
fn example_fails_loudly_at_another_contract() {
    let queues = Queues::new("contract");
    let Said::Failed(why) = ask(&queues.0, &json!({"contract": contract::VERSION + 1, "operation": "plan"})) else {
        panic!("it answers")
    };
    assert!(why.contains("this program knows contract 1, and the call has 2"), "{why}");
}
