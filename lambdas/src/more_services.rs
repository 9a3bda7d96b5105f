//! For `cargo xtask functions --more-services` only: the functions with the SDKs of seven more services linked in, to be weighed. Of
//! each service it can make the calls that an action makes: list, and set both ways. No function ever makes them.

use aws_config::SdkConfig;
use guardrails_aws::clients::{self, Options};

/// Set by nobody. The compiler cannot know that, so that it keeps the calls.
const ASKED: &str = "GUARDRAILS_CALL_MORE_SERVICES";

/// Makes all calls, where that is asked for.
pub async fn call_if_asked() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    if let Ok(sdk) = clients::load(Options::default()).await {
        Box::pin(call_all(&sdk)).await;
    }
}

/// Sends each call, whatever its answer.
macro_rules! calls {
    ($($client:expr => $($call:ident($($field:ident: $value:expr),*)),+;)+) => {
        $({
            let client = $client;
            $(let _ = client.$call()$(.$field($value))*.send().await;)+
        })+
    };
}

async fn call_all(sdk: &SdkConfig) {
    calls! {
        aws_sdk_rds::Client::new(sdk) => describe_db_instances(), stop_db_instance(db_instance_identifier: "x"),
            start_db_instance(db_instance_identifier: "x");
        aws_sdk_ecs::Client::new(sdk) => list_services(cluster: "x"), describe_services(cluster: "x", services: "x"),
            update_service(cluster: "x", service: "x", desired_count: 0);
        aws_sdk_redshift::Client::new(sdk) => describe_clusters(), pause_cluster(cluster_identifier: "x"),
            resume_cluster(cluster_identifier: "x");
        aws_sdk_lambda::Client::new(sdk) => list_functions(), get_function_concurrency(function_name: "x"),
            put_function_concurrency(function_name: "x", reserved_concurrent_executions: 0);
        aws_sdk_emr::Client::new(sdk) => list_clusters(), list_instance_groups(cluster_id: "x"), modify_instance_groups(cluster_id: "x");
        aws_sdk_glue::Client::new(sdk) => get_triggers(), stop_trigger(name: "x"), start_trigger(name: "x");
        aws_sdk_sagemaker::Client::new(sdk) => list_notebook_instances(), stop_notebook_instance(notebook_instance_name: "x"),
            start_notebook_instance(notebook_instance_name: "x");
    }
}
