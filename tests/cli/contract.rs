//! `guardrails contract` against a program on this machine.

use std::path::Path;
use std::process::{Command, Output};

use crate::deployed::guardrails;

const QUEUES: &str = r#"[{"queue": "nightly", "state": "running", "tags": {"Project": "Beta"}}]"#;

fn contract(folder: &Path, program: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(guardrails());
    command.args(["contract", "--tag", "Project=Beta", "--program"]).arg(program).args(more);
    command.current_dir(folder).env("QUEUES_FILE", "queues.json").env_remove("QUEUES_TABLE").output().unwrap()
}

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/run-function/pause_queues.py")
}

#[test]
fn example_keeps_every_point_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queues.json"), QUEUES).unwrap();
    let output = contract(folder.path(), &example(), &["--change", "nightly"]);
    let (said, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && talk.contains("12 of 12 points hold"), "{said}\n{talk}");
    let queues = std::fs::read_to_string(folder.path().join("queues.json")).unwrap();
    assert!(queues.contains(r#""state": "running""#), "{queues}");
}

#[test]
fn broken_program_is_told_with_its_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let output = contract(folder.path(), &example(), &[]);
    let (said, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(4), "{said}\n{talk}");
    assert!(said.contains("BROKEN") && said.contains("`plan` keeps the schema"), "{said}");
    let missing = contract(folder.path(), Path::new("./nowhere"), &["--output", "json"]);
    assert!(String::from_utf8_lossy(&missing.stdout).contains("cannot run ./nowhere"), "{missing:?}");
}
