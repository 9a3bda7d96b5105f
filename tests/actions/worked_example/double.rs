//! The double of App Runner, which the world does not know: a table.

use serde_json::{Value as Json, json};

use crate::world::{Table, Thing, Turn};

/// App Runner.
pub static APP_RUNNER: Table = Table {
    target: "AppRunner",
    service: "apprunner",
    named_by: &["ServiceArn", "ResourceArn"],
    list: ("ListServices", "ServiceSummaryList", summary),
    reads: &[("DescribeService", described), ("ListTagsForResource", tags)],
    turns: &[
        Turn { operation: "PauseService", from: "RUNNING", via: "OPERATION_IN_PROGRESS", to: "PAUSED" },
        Turn { operation: "ResumeService", from: "PAUSED", via: "OPERATION_IN_PROGRESS", to: "RUNNING" },
    ],
    missing: "ResourceNotFoundException",
    wrong_state: "InvalidStateException",
};

/// A service of half a processor and a gigabyte.
pub fn service(region: &str, name: &str, state: &'static str, tags: &str) -> Thing {
    let arn = format!("arn:aws:apprunner:{region}:123456789012:service/{name}/8fe1e10304f84fd2b0df550fe98a71fa");
    Thing::new(name, &arn, state, tags).with(json!({"Cpu": "512", "Memory": "1024"}))
}

fn summary(service: &Thing, state: &'static str) -> Json {
    json!({"ServiceName": service.name, "ServiceArn": service.arn, "Status": state})
}

fn described(service: &Thing, state: &'static str) -> Json {
    let id = service.arn.rsplit('/').next();
    let mut shown = summary(service, state);
    shown["ServiceId"] = json!(id);
    shown["InstanceConfiguration"] = service.detail.clone();
    json!({"Service": shown, "OperationId": "op"})
}

fn tags(service: &Thing, _: &'static str) -> Json {
    let tags = service.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
    json!({"Tags": tags.collect::<Vec<_>>()})
}
