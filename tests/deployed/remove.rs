//! The end of a stack: refused while it holds something, and said afterwards with all that is left of it.

use guardrails_local_aws::walkthrough::GROUP;
use guardrails_model::record::RunState;
use serde_json::Value as Json;

use super::budgets::settled;
use super::lab::{EXAMPLE, Lab, real_alert, text};

const SWAP: &str = "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";

/// `guardrails remove ...` that must be refused with these words.
async fn refused(lab: &Lab, arguments: &[&str], words: &[&str]) {
    let output = lab.run(&[&["remove"], arguments].concat()).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    assert!(files(lab).is_empty(), "nothing is written: {:?}", files(lab));
}

/// The files with a history.
fn files(lab: &Lab) -> Vec<String> {
    let names = std::fs::read_dir(lab.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("history")).collect()
}

fn read(lab: &Lab, name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(lab.folder.path().join(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The kinds of things that are left, with their names. A function of the local AWS may write its log once more after its log group went.
fn left(said: &str) -> Vec<(String, String)> {
    let value: Json = serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let of = |one: &Json, key: &str| one[key].as_str().unwrap().to_owned();
    let all = value["left"].as_array().unwrap().iter().map(|one| (of(one, "kind"), of(one, "name")));
    all.filter(|(kind, _)| kind != "log group").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_is_removed_once_nothing_is_held_and_keeps_its_ledger() {
    let lab = Lab::new().await;
    let table = lab.outputs["LedgerTable"].clone();
    let client = aws_sdk_cloudformation::Client::new(&lab.root);
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let rollback = format!("guardrails rollback project-beta --run {}", run.id);
    let held = [run.id.as_str(), "AmazonEC2FullAccess of group ProjectBeta", "attached -> detached", rollback.as_str()];
    refused(&lab, &["--yes"], &held).await;
    assert_eq!(settled(&lab).await.as_deref(), Some("CREATE_COMPLETE"), "nothing was begun");
    // Another tool tried: this command waits for that, and says why the stack is still there.
    client.delete_stack().stack_name("budget-guardrails").send().await.unwrap();
    refused(&lab, &["--yes"], &held).await;
    assert_eq!(settled(&lab).await.as_deref(), Some("DELETE_FAILED"));
    lab.say(&["rollback", "project-beta", "--yes"]).await;

    let asked = lab.run(&["remove"]).await;
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(5), "{said}");
    for words in [
        "`budget-guardrails` (DELETE_FAILED)",
        "account   123456789012",
        "Region    us-east-1",
        &table,
        "1 guardrail: project-beta; the budget",
    ] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    assert!(files(&lab).is_empty());
    let file = lab.folder.path().join("history.json");
    std::fs::write(&file, "mine").unwrap();
    let taken = lab.run(&["remove", "--yes", "--history", "history.json"]).await;
    assert_eq!((taken.status.code(), std::fs::read_to_string(&file).unwrap().as_str()), (Some(1), "mine"));
    std::fs::remove_file(&file).unwrap();

    let removed = lab.say(&["remove", "--yes", "--history", "history.json", "--output", "json"]).await;
    assert_eq!(settled(&lab).await, None, "it is gone");
    let entries = read(&lab, "history.json");
    assert!(entries.iter().filter(|entry| entry["run"] == run.id.as_str()).count() > 5, "{entries:?}");
    assert!(entries.iter().any(|entry| entry["kind"] == "alert"), "{entries:?}");
    assert_eq!(lab.ledger.run(&run.id).await.unwrap().unwrap().value.state, RunState::RolledBack, "the ledger is kept");
    let kinds: Vec<String> = left(&removed).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["ledger", "queue", "bucket", "key of the topics"], "{removed}");
    assert!(left(&removed).contains(&("ledger".to_owned(), table.clone())));

    // Again: it is no error, and says the same.
    let again = lab.run(&["remove", "--yes", "--output", "json"]).await;
    assert!(again.status.success() && text(&again.stderr).contains("is removed already"), "{}", text(&again.stderr));
    assert_eq!(left(&text(&again.stdout)), left(&removed));
    assert_eq!(files(&lab), ["history.json"], "no history is written where nothing is removed");
    let never = lab.run(&["remove", "--yes", "--stack-name", "elsewhere"]).await;
    assert_eq!((never.status.code(), text(&never.stderr).contains("there is no stack `elsewhere`")), (Some(1), true));

    let whole = lab.say(&["remove", "--yes", "--delete-ledger", "--history", "last.json", "--output", "json"]).await;
    assert!(left(&whole).iter().all(|(kind, _)| kind != "ledger"), "{whole}");
    assert_eq!(read(&lab, "last.json"), entries);
    let tables = aws_sdk_dynamodb::Client::new(&lab.root).list_tables().send().await.unwrap();
    assert!(!tables.table_names().contains(&table), "{tables:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deny_policy_that_is_attached_by_hand_stops_the_removal() {
    let lab = Lab::with(&EXAMPLE.replace(SWAP, "deny-actions: { group: ProjectBeta }"), 0.1).await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let policies = iam.list_policies().send().await.unwrap().policies.unwrap_or_default();
    let deny = policies.iter().filter_map(|policy| policy.arn()).find(|arn| arn.contains("-deny-")).unwrap();
    iam.attach_group_policy().group_name(GROUP).policy_arn(deny).send().await.unwrap();
    let command = format!("aws iam detach-group-policy --group-name {GROUP} --policy-arn {deny}");
    refused(&lab, &["--yes"], &["no open run holds", &command]).await;
    iam.detach_group_policy().group_name(GROUP).policy_arn(deny).send().await.unwrap();

    // A later stack takes the ledger, and no removal of the first deletes it under its feet.
    let table = lab.outputs["LedgerTable"].clone();
    lab.say(&["remove", "--yes"]).await;
    lab.say(&["deploy", "--yes", "--stack-name", "second", "--adopt-ledger", &table]).await;
    let kept = lab.run(&["remove", "--yes", "--delete-ledger"]).await;
    let said = text(&kept.stderr);
    assert!(
        kept.status.code() == Some(1) && said.contains(&format!("the ledger {table} is not deleted: the stack `second`")),
        "{said}"
    );
    assert!(lab.say(&["remove", "--yes"]).await.contains("the stack `second` uses it"));
}
