//! The actions. One action is one file here, and two lines in this one: its module, and its place in the list. All else
//! that depends on which actions there are (functions, roles, the schema, the tables in docs/) is made from the list.

pub mod deny_actions;
#[cfg(feature = "redshift")]
pub mod pause_clusters;
pub mod run_function;
#[cfg(any(feature = "ecs", feature = "lambda"))]
mod scalable_target;
pub mod scale_group_to_zero;
#[cfg(feature = "rds")]
pub mod stop_databases;
#[cfg(feature = "lambda")]
pub mod stop_functions;
pub mod stop_instances;
#[cfg(feature = "ecs")]
pub mod stop_services;
mod swap;
pub mod swap_group_policy;
pub mod swap_policy;

crate::catalog! {
    /// The product's actions.
    CATALOG:
    deny_actions::DenyActions,
    #[cfg(feature = "redshift")]
    pause_clusters::PauseClusters,
    run_function::RunFunction,
    scale_group_to_zero::ScaleGroupToZero,
    #[cfg(feature = "rds")]
    stop_databases::StopDatabases,
    #[cfg(feature = "lambda")]
    stop_functions::StopFunctions,
    stop_instances::StopInstances,
    #[cfg(feature = "ecs")]
    stop_services::StopServices,
    swap_group_policy::SwapGroupPolicy,
    swap_policy::SwapPolicy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_in_the_file_is_the_action_s_stable_name() {
        let schema = CATALOG.schema().to_value().to_string();
        for entry in CATALOG.entries() {
            assert!(schema.contains(&format!("\"{}\"", entry.name)), "{} is not in {schema}", entry.name);
        }
    }

    #[test]
    fn names_are_distinct_and_were_not_changed() {
        let names: Vec<&str> = CATALOG.entries().iter().map(|entry| entry.name).collect();
        assert_eq!(
            names,
            [
                "deny-actions",
                "pause-clusters",
                "run-function",
                "scale-group-to-zero",
                "stop-databases",
                "stop-functions",
                "stop-instances",
                "stop-services",
                "swap-group-policy",
                "swap-policy"
            ],
            "a stored name is kept: add, never rename"
        );
    }

    const ALL_ACTIONS: &str = include_str!("../../../../examples/all-actions.yaml");

    #[test]
    fn file_with_all_actions_asks_for_each() {
        let config = CATALOG.parse("all-actions.yaml", ALL_ACTIONS).unwrap();
        for entry in CATALOG.entries() {
            assert!(!entry.grants(&config).unwrap().is_empty(), "examples/all-actions.yaml lacks {}", entry.name);
        }
    }

    #[test]
    fn right_on_everything_says_why() {
        let config = CATALOG.parse("all-actions.yaml", ALL_ACTIONS).unwrap();
        for entry in CATALOG.entries() {
            for grant in entry.grants(&config).unwrap() {
                let any = grant.resources.iter().any(|resource| resource == "*");
                assert_eq!(any, grant.why_any.is_some(), "{}: {}", entry.name, grant.sid);
            }
        }
    }
}
