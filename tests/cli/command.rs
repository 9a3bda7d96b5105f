//! The command where no AWS is needed: bad input gets a clear error that says what was expected, where, and what to do next.

use std::path::Path;
use std::process::{Command, Output};

use guardrails_aws::actions::CATALOG;

use crate::deployed::guardrails;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(guardrails()).args(arguments).current_dir(folder).env_remove("AWS_ENDPOINT_URL").output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const GOOD: &str = include_str!("../../examples/guardrails.yaml");

/// The file with `old` replaced is refused: at this line, with these words, and nothing is deployed.
fn refused(old: &str, new: &str, line: usize, words: &[&str]) {
    assert!(GOOD.contains(old), "{old}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), GOOD.replacen(old, new, 1)).unwrap();
    let output = run(folder.path(), &["check"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    assert!(said.contains(&format!("guardrails.yaml:{line}:")) && said.contains('^'), "no place at line {line} in:\n{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    // Deploying the same file stops before AWS is even asked.
    let deployed = run(folder.path(), &["deploy", "--yes"]);
    assert_eq!((deployed.status.code(), err(&deployed)), (Some(2), said));
}

#[test]
fn the_example_is_right() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), GOOD).unwrap();
    let output = run(folder.path(), &["check"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("project-beta") && text.contains("$1.60") && text.contains("stop-instances"), "{text}");
}

#[test]
fn meanwhile_names_the_actions_of_its_stage() {
    let at = "      - at: 100% actual\n";
    assert!(GOOD.contains(at));
    let config = CATALOG.parse("guardrails.yaml", &GOOD.replace(at, &format!("{at}        meanwhile: swap\n"))).unwrap();
    let stages: Vec<_> = config.guardrails.values().flat_map(|guardrail| &guardrail.stages).collect();
    let meanwhile: Vec<&str> =
        stages.iter().flat_map(|stage| &stage.meanwhile).map(guardrails_model::ids::ActionName::as_str).collect();
    assert_eq!(meanwhile, ["swap-group-policy"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), GOOD.replace(at, &format!("{at}        meanwhile: swap\n"))).unwrap();
    let output = run(folder.path(), &["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("while a person is asked: swap-group-policy"), "{text}");
}

#[test]
fn a_bad_file_is_refused_with_line_caret_and_what_was_expected() {
    refused("version: 1", "version: 2", 2, &["version 2 is not known", "version 1"]);
    refused("2 USD", "2 EUR", 10, &["`2 EUR`", "`100 USD`"]);
    refused("period: monthly", "period: quarterly", 11, &["quarterly", "monthly"]);
    refused("80% forecasted", "80% forecast", 15, &["`80% forecast`", "`80% forecasted`"]);
    refused("stop-instances: {", "stop-instance: {", 20, &["stop-instance", "stop-instances"]);
    refused("do: [notify]", "do: [notfy]", 16, &["notfy", "`notify`"]);
    refused("group: ProjectBeta", "grup: ProjectBeta", 19, &["grup", "group"]);
    refused("stop-instances: { tag: { Project: Beta } }", "stop-instances: { tag: {} }", 20, &["`tag` is empty"]);
    refused("[AmazonEC2ReadOnlyAccess]", "[AmazonEC2FullAccess]", 19, &["stands there twice"]);
    refused("80% forecasted", "100% actual", 17, &["there is a stage at `100% actual` already"]);
    refused("user/finops", "group/finops", 5, &["not an operator", "IAM user or role"]);
    refused("project-beta:", "Project Beta:", 8, &["Project Beta", "lower-case"]);
}

#[test]
fn senseless_approval_or_plausibility_is_refused() {
    let stage = "      - at: 100% actual\n";
    let asks = |rule: &str| format!("{stage}        approval: {rule}\n");
    refused(stage, &asks("{ within: 8d }"), 18, &["`within: 8d` is too long", "`7d`"]);
    refused(stage, &asks("{ within: a day }"), 18, &["`a day`", "`90m`"]);
    refused(stage, &asks("{ otherwise: wait }"), 18, &["wait", "reject"]);
    refused(stage, &asks("{ beyond: 10 }"), 18, &["10"]);
    refused(stage, &asks("{ by: ann }"), 18, &["by", "within"]);
    refused("        do: [notify]\n", "        do: [notify]\n        approval: {}\n", 17, &["only notifies"]);
    for (word, action) in [("deny", "deny-actions"), ("swap", "swap-group-policy")] {
        let stage = format!("        do: [notify]\n        meanwhile: {word}\n");
        refused("        do: [notify]\n", &stage, 17, &[&format!("`meanwhile: {word}`"), action]);
    }
    refused("    stages:\n", "    plausibility: { factor: 1 }\n    stages:\n", 14, &["a factor of 1", "from 2 on"]);
    let silence = "    plausibility: { approval: { otherwise: approve } }\n    stages:\n";
    refused("    stages:\n", silence, 14, &["would enforce an alert that is not believed"]);
    refused("    stages:\n", "    plausibility: { approval: { within: 30d } }\n    stages:\n", 14, &["too long"]);
}

#[test]
fn verify_on_a_stage_that_restricts_nobody_is_refused() {
    let demand = |stage: &str, word: &str| format!("{stage}        verify: {word}\n");
    let (first, second) = ("      - at: 80% forecasted\n", "      - at: 100% actual\n");
    refused(first, &demand(first, "fail"), 16, &["takes rights from nobody", "leave `verify` out", "^"]);
    refused(second, &demand(second, "shout"), 18, &["shout", "report", "fail"]);
    let swap = "          - swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }\n";
    let file = GOOD.replace(second, &demand(second, "fail"));
    let parse = |text: &str| guardrails_aws::actions::CATALOG.parse("guardrails.yaml", text);
    let rule = |text: &str| parse(text).unwrap().guardrails.into_values().next().unwrap().stages.remove(1).verify;
    assert_eq!(serde_json::json!(rule(&file)), serde_json::json!({"demand": "fail", "of": [{"group": "ProjectBeta"}]}));
    assert_eq!(serde_json::json!(rule(GOOD).unwrap().demand), "report", "when left out");
    assert!(GOOD.contains(swap) && rule(&GOOD.replace(swap, "")).is_none());
}

#[test]
fn stages_that_alerts_could_not_tell_apart_are_refused() {
    refused("80% forecasted", "99.6% actual", 17, &["a cent or less apart", "`99.6% actual`"]);
}

#[test]
fn opposite_wishes_of_two_guardrails_are_refused() {
    let other = "\n  project-gamma:\n    budget: { amount: 1 USD, period: daily }\n    stages:\n      - at: 50% actual\n        do: \
        [swap-group-policy: { group: ProjectBeta, attach: [AmazonEC2FullAccess] }]\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), GOOD.to_owned() + other).unwrap();
    let output = run(folder.path(), &["check"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("opposite") && said.contains("`project-beta`") && said.contains("`project-gamma`"), "{said}");
}

#[test]
fn an_operator_that_an_action_names_is_refused_where_it_stands() {
    let swap = "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";
    let spared = &["`project-beta` would restrict the operator arn:aws:iam::123456789012:user/finops", "not roll back"];
    refused(swap, "deny-actions: { user: finops }", 19, spared);
    refused(swap, "deny-actions: { group: ProjectBeta, user: [bea, finops] }", 19, spared);
    refused(swap, "swap-policy: { user: finops, attach: [ReadOnlyAccess] }", 19, spared);
    refused(swap, "deny-actions: { user: FinOps }", 19, spared);
    let role = GOOD.replace("user/finops", "role/team/FinOps");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), role.replace(swap, "deny-actions: { role: FinOps }")).unwrap();
    let said = err(&run(folder.path(), &["check"]));
    assert!(
        said.contains("guardrails.yaml:19:13") && said.contains("the operator arn:aws:iam::123456789012:role/team/FinOps"),
        "{said}"
    );
}

#[test]
fn one_group_that_is_written_in_two_ways_is_refused() {
    let stop = "stop-instances: { tag: { Project: Beta } }";
    let words = &["`group projectbeta` is written `group ProjectBeta` elsewhere", "write it as IAM does"];
    refused(stop, "deny-actions: { group: projectbeta }", 17, words);
}

#[test]
fn an_operator_who_is_a_pattern_of_many_is_refused() {
    let name = "user/finops";
    for pattern in ["user/*", "user/finops?", "user/$finops", "user/", "role/team/*/FinOps", "role/team//FinOps", "user/fin ops"]
    {
        refused(name, pattern, 5, &["is not one operator", "name each operator"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = GOOD.replace(name, "role/aws-reserved/sso.amazonaws.com/a+b=c.d@e_f-g");
    std::fs::write(folder.path().join("guardrails.yaml"), file).unwrap();
    let output = run(folder.path(), &["check"]);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn unsupported_partitions_are_rejected() {
    let gov = &["partition `aws-us-gov` is not supported", "has no budgets there", "of the partition `aws`"];
    refused("arn:aws:iam::123456789012:user/finops", "arn:aws-us-gov:iam::123456789012:user/finops", 5, gov);
    let policy = "arn:aws-cn:iam::aws:policy/AmazonEC2FullAccess";
    refused("detach: [AmazonEC2FullAccess]", &format!("detach: [\"{policy}\"]"), 19, &[policy, "`aws-cn`", "in yuan"]);
}

#[test]
fn deny_that_is_empty_too_long_or_unknown_to_iam_is_refused() {
    let swap = "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";
    let deny = |params: &str, words: &[&str]| refused(swap, &format!("deny-actions: {{ {params} }}"), 19, words);
    deny("actions: [ec2:RunInstances]", &["it denies nobody anything", "`group`, `user` or `role`"]);
    deny("group: ProjectBeta, actions: []", &["it denies nothing"]);
    deny("group: ProjectBeta, actions: [RunInstances]", &["`RunInstances` is not an action", "`ec2:RunInstances`"]);
    deny(
        "group: ProjectBeta, policy: ReadOnlyAccess, also: [iam:PassRole]",
        &["leave out `actions`, `usage` and `also`, or leave out"],
    );
    deny("group: ProjectBeta, policy: ReadOnlyAccess, usage: true", &["leave out `actions`, `usage` and `also`, or leave out"]);
    deny("group: [Beta, Beta]", &["the group Beta stands there twice"]);
    deny("user: a/path", &["`a/path` is not the name of an IAM user"]);
    let many: Vec<String> = (0..900).map(|number| format!("service:AnActionThatIsLong{number}")).collect();
    deny(&format!("group: ProjectBeta, also: [{}]", many.join(", ")), &["its list would take"]);
    refused(swap, "swap-policy: { attach: [ReadOnlyAccess] }", 19, &["one of `user` and `role`", "`swap-group-policy`"]);
}

#[test]
fn no_client_is_made_without_an_endpoint_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["status", "--region", "us-east-1"][..],
        &["status", "--region", "us-east-1", "--endpoint-url", "https://dynamodb.us-east-1.amazonaws.com"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains("GUARDRAILS_LOCAL_ONLY"), "{}", err(&output));
    }
}

#[test]
fn schema_takes_the_example_and_refuses_as_the_program_does() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../examples/guardrails.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let read = |text: &str| -> serde_json::Value { serde_saphyr::from_str(text).unwrap() };
    assert!(schema.is_valid(&read(GOOD)));
    for (old, new) in
        [("2 USD", "2 EUR"), ("monthly", "weekly"), ("80% forecasted", "80%"), ("group:", "grup:"), ("notify", "shout")]
    {
        assert!(!schema.is_valid(&read(&GOOD.replacen(old, new, 1))), "{new}");
    }
}

#[test]
fn terminating_action_and_unusual_pace_are_said_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let action = "          - scale-group-to-zero: { tag: { Project: Beta }, members-are-disposable: true }\n";
    let pace = "pace: { share: 0.25, buckets: { start-instances: { capacity: 2000, refill: 4 } } }\nguardrails:";
    let file = GOOD.replacen("guardrails:\n", &format!("{pace}\n"), 1) + action;
    std::fs::write(folder.path().join("guardrails.yaml"), file).unwrap();
    let output = run(folder.path(), &["check"]);
    let said = err(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("WARNING: project-beta at 100% actual: scale-group-to-zero TERMINATES the groups' members"), "{said}");
    let pace = "pace: a share of 0.25 of AWS's limits, where 0.5 is usual; start-instances holds 2000 and gets 4 a second";
    assert!(said.contains(pace), "{said}");

    std::fs::write(folder.path().join("guardrails.yaml"), GOOD).unwrap();
    let said = err(&run(folder.path(), &["check"]));
    assert!(!said.contains("TERMINATES") && !said.contains("pace"), "{said}");
    let data = "WARNING: project-beta at 100% actual: stop-instances leaves alone every type with instance-store volumes";
    assert!(said.contains(data), "{said}");
    let lose = GOOD.replace(
        "stop-instances: { tag: { Project: Beta }",
        "stop-instances: { instance-store-data: lose, tag: { Project: Beta }",
    );
    assert_ne!(lose, GOOD);
    std::fs::write(folder.path().join("guardrails.yaml"), lose).unwrap();
    let said = err(&run(folder.path(), &["check"]));
    assert!(!said.contains("WARNING"), "{said}");
}

#[test]
fn wrong_price_list_is_refused_before_aws_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prices.yaml"), "us-east-1:\n  t3.micro: cheap\n").unwrap();
    let output = run(folder.path(), &["plan", "project-beta", "--prices", "prices.yaml"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("prices.yaml:2:") && said.contains("`cheap` is not a price in US dollars an hour"), "{said}");
    let missing = run(folder.path(), &["plan", "project-beta", "--prices", "none.yaml"]);
    assert!(err(&missing).contains("`t3.micro: 0.0104`"), "{}", err(&missing));
}

#[test]
fn price_list_of_the_file_is_read_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let write = |prices: &str| std::fs::write(folder.path().join("prices.yaml"), prices).unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), format!("{GOOD}\nprices: prices.yaml\n")).unwrap();
    let missing = run(folder.path(), &["check"]);
    assert!(err(&missing).contains("cannot read the price list prices.yaml") && !missing.status.success(), "{}", err(&missing));
    write("us-east-1:\n  t3.micro: cheap\n");
    for command in [&["check"][..], &["deploy", "--yes"], &["package"], &["plan", "project-beta", "--file", "guardrails.yaml"]] {
        let wrong = run(folder.path(), command);
        assert_eq!(wrong.status.code(), Some(2), "{command:?}: {}", err(&wrong));
        assert!(err(&wrong).contains("prices.yaml:2:"), "{command:?}: {}", err(&wrong));
    }
    let long: Vec<String> = (0..4_000).map(|number| format!("  m5.{number}xlarge Windows: 1\n")).collect();
    write(&format!("us-east-1:\n{}", long.concat()));
    let refused = run(folder.path(), &["check"]);
    assert!(err(&refused).contains("4000 prices") && err(&refused).contains("a stack takes 100000"), "{}", err(&refused));
    write("date: 2020-01-01\nus-east-1: { t3.micro: 0.0104 }\n");
    let old = run(folder.path(), &["check"]);
    assert!(old.status.success() && err(&old).contains("WARNING: the price list is of 2020-01-01"), "{}", err(&old));
    write("us-east-1: { t3.micro: 0.0104 }\n");
    let undated = run(folder.path(), &["check"]);
    assert!(undated.status.success() && err(&undated).contains("hint: the price list has no date"), "{}", err(&undated));
}

#[test]
fn fetch_never_replaces_a_list_that_people_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let list = "us-east-1: { t3.micro: 0.0104 }\n";
    std::fs::write(folder.path().join("prices.yaml"), list).unwrap();
    let output = run(folder.path(), &["prices", "fetch", "--in", "us-east-1", "--type", "t3.micro"]);
    let said = err(&output);
    assert!(!output.status.success() && said.contains("was not written by `guardrails prices fetch`"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.path().join("prices.yaml")).unwrap(), list);
}

#[test]
fn check_says_which_figures_wait_for_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str| {
        std::fs::write(folder.path().join("guardrails.yaml"), file).unwrap();
        let output = run(folder.path(), &["check"]);
        assert!(output.status.success(), "{}", err(&output));
        err(&output)
    };
    let said = check(GOOD);
    assert!(said.contains("project-beta: figures above $10000.00 wait for a person"), "{said}");
    assert!(said.contains("an alert counts alone after 1h") && !said.contains("every alert"), "{said}");
    let rule = "    plausibility: { factor: 2, enforce-up-to: 5 USD, when-unreachable: never }\n    stages:\n";
    let said = check(&GOOD.replacen("    stages:\n", rule, 1).replacen("at: 100% actual", "at: 250% actual", 1));
    assert!(said.contains("figures above $5.00") && said.contains("cannot be asked, an alert waits for a person"), "{said}");
    assert!(said.contains("WARNING: project-beta at 250% actual: every alert would wait for a person"), "{said}");
}

#[test]
fn removal_never_writes_its_history_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("history.json"), "mine").unwrap();
    for (file, words) in
        [("history.json", "there is a file history.json already"), ("none/history.json", "there is no folder none")]
    {
        let output = run(folder.path(), &["remove", "--yes", "--history", file]);
        let said = err(&output);
        assert!(output.status.code() == Some(1) && said.contains(words) && said.contains("--history"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("history.json")).unwrap(), "mine");
}
