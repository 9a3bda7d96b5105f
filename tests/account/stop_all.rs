//! `stop-all`: one line of a stage becomes single actions when the file is read, and an upgrade adds none to it.

use std::collections::BTreeSet;

use guardrails_aws::actions::stop_databases::Databases;
use guardrails_aws::actions::stop_instances::StopInstances;
use guardrails_aws::actions::{CATALOG, stop_services::StopServices};
use guardrails_aws::catalog::Entry;
use guardrails_aws::declared::Joins;
use guardrails_aws::stop_all::{StopAll, table};
use guardrails_aws::switch::Switched;
use guardrails_model::config::Config;
use serde_json::{Value as Json, json};

const BETA: &str = "tag: { Project: Beta }";

fn read(lines: &str) -> Result<Config, String> {
    let text = format!(
        "version: 1\nguardrails:\n  beta:\n    budget: {{ amount: 2 USD, period: monthly, tag: {{ Project: Beta }} }}\n    stages:\n      \
         - at: 80% actual\n        do:\n{lines}"
    );
    CATALOG.parse("guardrails.yaml", &text).map_err(|error| error.to_string())
}

fn one(keys: &str) -> Result<Config, String> {
    read(&format!("          - stop-all: {{ {keys} }}\n"))
}

/// The waves of the only stage, each action with its parameters.
fn waves(config: &Config) -> Vec<Vec<(&str, Json)>> {
    let stage = &config.guardrails.values().next().unwrap().stages[0];
    stage.waves.iter().map(|wave| wave.iter().map(|spec| (spec.name.as_str(), spec.params.clone())).collect()).collect()
}

fn names(config: &Config) -> Vec<String> {
    waves(config).concat().into_iter().map(|(name, _)| name.to_owned()).collect()
}

fn params(config: &Config, action: &str) -> Json {
    waves(config).concat().into_iter().find(|(name, _)| *name == action).unwrap().1
}

#[test]
fn line_becomes_single_actions_side_by_side() {
    let config = one(&format!("{BETA}, set: 1")).unwrap();
    let all = waves(&config);
    assert_eq!(all.len(), 1, "they run side by side");
    let beta = json!({"tag": {"Project": "Beta"}});
    for action in ["stop-instances", "stop-databases", "stop-functions", "stop-services", "pause-clusters"] {
        assert!(all[0].contains(&(action, beta.clone())), "{action}: {all:?}");
    }
    assert!(!names(&config).contains(&"scale-group-to-zero".to_owned()), "it terminates");
}

/// Files name the set by its number: an action that is added here, or taken out, changes stacks that nobody touched.
#[test]
fn first_set_never_changes() {
    let first = ["pause-clusters", "stop-databases", "stop-functions", "stop-instances", "stop-services"];
    assert_eq!(names(&one(&format!("{BETA}, set: 1")).unwrap()), first);
}

#[test]
fn line_is_as_good_as_its_actions_written_out() {
    let names = names(&one(&format!("{BETA}, set: 1")).unwrap());
    let written: Vec<String> = names.iter().map(|name| format!("            - {name}: {{ {BETA} }}\n")).collect();
    let written = written.concat();
    let by_hand = read(&format!("          -\n{written}")).unwrap();
    let by_line = one(&format!("{BETA}, set: 1")).unwrap();
    assert_eq!(by_line, by_hand);
    for entry in CATALOG.entries() {
        assert_eq!(entry.is_used(&by_line), names.iter().any(|name| name == entry.name), "{}", entry.name);
        assert_eq!(entry.grants(&by_line).unwrap(), entry.grants(&by_hand).unwrap());
    }
}

#[test]
fn keys_are_handed_to_each_action() {
    let keys = "regions: [eu-west-1], exempt: { tag: { Keep: x }, id: [orders, i-0123456789abcdef0] }";
    let options = "options: { stop-services: { volume-data: lose }, stop-instances: { hibernate: true } }";
    let config = one(&format!("{BETA}, set: 1, {keys}, {options}")).unwrap();
    let all = json!({"tag": {"Keep": "x"}, "id": ["orders", "i-0123456789abcdef0"]});
    for action in ["stop-databases", "stop-functions", "stop-services", "pause-clusters"] {
        let params = params(&config, action);
        assert_eq!((&params["regions"], &params["exempt"]), (&json!(["eu-west-1"]), &all), "{action}");
    }
    let instances = params(&config, "stop-instances");
    assert_eq!(instances["exempt"], json!({"tag": {"Keep": "x"}, "id": ["i-0123456789abcdef0"]}), "only ids of instances");
    assert_eq!((&instances["hibernate"], instances.get("volume-data")), (&json!(true), None));
    assert_eq!(params(&config, "stop-services")["volume-data"], "lose");
}

#[test]
fn actions_are_left_out_by_name() {
    let all = names(&one(&format!("{BETA}, set: 1")).unwrap());
    let some = names(&one(&format!("{BETA}, set: 1, without: [stop-databases, pause-clusters]")).unwrap());
    let left: BTreeSet<_> = all.iter().filter(|name| !some.contains(name)).map(String::as_str).collect();
    assert_eq!(left, BTreeSet::from(["pause-clusters", "stop-databases"]));
}

#[test]
fn mistake_is_named_with_the_way_to_write_it() {
    for (keys, words) in [
        ("", vec!["`stop-all` lacks `set`: write `set: 1` for `", "`stop-databases`"]),
        (", set: 0", vec!["this version knows no set 0 of `stop-all`: expected `set: 1`"]),
        (", set: 9", vec!["this version knows no set 9 of `stop-all`"]),
        (", set: 1, without: [stop-database]", vec!["`stop-database` is not in set 1 of `stop-all`, which has `"]),
        (", set: 1, without: [scale-group-to-zero]", vec!["`scale-group-to-zero` is not in set 1"]),
        (", set: 1, options: { swap-policy: {} }", vec!["`swap-policy` is not in set 1"]),
        (
            ", set: 1, without: [stop-databases], options: { stop-databases: { pending-changes: lose } }",
            vec!["`stop-databases` has `options`, and `without` leaves it out"],
        ),
        (
            ", set: 1, options: { stop-services: { volume-data: burn } }",
            vec!["`stop-services` of `stop-all`: unknown variant `burn`"],
        ),
        (", set: 1, options: { stop-databases: { hibernate: true } }", vec!["unknown field `hibernate`"]),
        (
            ", set: 1, options: { stop-databases: { exempt: { id: [a] } } }",
            vec!["`options` of `stop-databases` has `exempt`: write it beside `set`, for all actions"],
        ),
        (", set: 1, exemption: {}", vec!["exemption"]),
    ] {
        let error = one(&format!("{BETA}{keys}")).unwrap_err();
        assert!(error.contains("guardrails.yaml:8:"), "{keys}: no place in {error}");
        for word in words {
            assert!(error.contains(word), "{keys}: no {word:?} in\n{error}");
        }
    }
    assert!(one("tag: {}, set: 1").unwrap_err().contains("`tag` is empty"));
    let others = "without: [pause-clusters, stop-databases, stop-functions, stop-services], exempt: { id: [orders] }";
    let untaken = one(&format!("{BETA}, set: 1, {others}")).unwrap_err();
    assert!(
        untaken.contains("the exempt id `orders` is none of any action that is left of set 1, which are `stop-instances`"),
        "{untaken}"
    );
    let everything = names(&one(&format!("{BETA}, set: 1")).unwrap()).join(", ");
    let nothing = one(&format!("{BETA}, set: 1, without: [{everything}]")).unwrap_err();
    assert!(nothing.contains("`without` leaves out all of set 1"), "{nothing}");
}

#[test]
fn same_action_beside_it_with_the_same_tags_is_refused() {
    let twice = "the stage asks for `stop-databases` with these tags twice, once by `stop-all`: leave one out, or write `without: \
                 [stop-databases]` in `stop-all`";
    let all = format!("          - stop-all: {{ {BETA}, set: 1 }}\n");
    let databases = format!("          - stop-databases: {{ {BETA} }}\n");
    for lines in [format!("{all}{databases}"), format!("{databases}{all}")] {
        let error = read(&lines).unwrap_err();
        assert!(error.contains(twice) && error.contains("guardrails.yaml:9:"), "{error}");
    }
    assert!(read(&format!("{all}{all}")).unwrap_err().contains("twice, once by `stop-all`"));
    let side_by_side = format!("          - [ stop-databases: {{ {BETA} }}, stop-all: {{ {BETA}, set: 1 }} ]\n");
    assert!(read(&side_by_side).unwrap_err().contains(twice));
    // With other tags, or left out of the line, it is another wish.
    let other = "          - stop-databases: { tag: { Project: Beta, Stage: dev } }\n";
    assert_eq!(waves(&read(&format!("{all}{other}")).unwrap()).len(), 2);
    let without = all.replace("set: 1", "set: 1, without: [stop-databases]");
    assert!(read(&format!("{without}{databases}")).is_ok());
    // Files of before may ask twice.
    assert!(read(&format!("{databases}{databases}")).is_ok());
}

/// A later version: two actions of the first set, and one that joined the second.
fn later() -> Vec<Entry> {
    let mut entries = vec![Entry::of::<Switched<Databases>>(), Entry::of::<StopInstances>(), Entry::of::<StopServices>()];
    entries[0].about.joins_stop_all = Some(Joins::set(2));
    entries
}

#[test]
fn later_version_adds_no_action_to_an_older_file() {
    let stop_all = |set: Json| -> StopAll { serde_json::from_value(json!({"tag": {"Project": "Beta"}, "set": set})).unwrap() };
    let names = |set: u32| -> Vec<String> {
        let actions = stop_all(json!(set)).actions(&later()).unwrap();
        actions.iter().map(|action| action.as_object().unwrap().keys().next().unwrap().clone()).collect()
    };
    assert_eq!(names(1), ["stop-instances", "stop-services"]);
    assert_eq!(names(2), ["stop-databases", "stop-instances", "stop-services"]);
    let unset = stop_all(Json::Null).actions(&later()).unwrap_err();
    let newest = "write `set: 2` for `stop-databases`, `stop-instances`, `stop-services`";
    assert!(unset.ends_with(newest), "a new file is told the newest: {unset}");
    let unknown = stop_all(json!(3)).actions(&later()).unwrap_err();
    assert!(unknown.ends_with("expected `set` from 1 to 2"), "{unknown}");
    let rows = table(&later());
    assert!(
        rows.contains("| 1 | [`stop-instances`](actions.md#stop-instances), [`stop-services`](actions.md#stop-services) |"),
        "{rows}"
    );
    assert!(rows.contains("| 2 | [`stop-databases`]"), "{rows}");
}

#[test]
fn schema_requires_tag_and_set() {
    let schema = CATALOG.schema().to_value();
    let all = &schema["$defs"]["StopAll"];
    assert_eq!(all["required"], json!(["tag", "set"]), "{all}");
}

#[test]
fn example_stops_all_services_by_one_line() {
    let config = CATALOG.parse("stop-all.yaml", include_str!("../../examples/stop-all.yaml")).unwrap();
    let stage = &config.guardrails.values().next().unwrap().stages[1];
    let names: BTreeSet<&str> = stage.waves[0].iter().map(|spec| spec.name.as_str()).collect();
    let joined = CATALOG.entries().iter().filter(|entry| entry.joins_stop_all.is_some_and(|joins| joins.set == 1));
    assert_eq!(names, joined.map(|entry| entry.name).collect(), "the example says that it is everything");
}
