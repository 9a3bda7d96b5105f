//! An action's function and its log; and which functions a template has.

use guardrails_aws::actions::Entry;
use serde_json::{Value as Json, json};

/// The functions of `template`, by their names without the stack's, such as `master`.
#[must_use]
pub fn parts(template: &Json) -> Vec<&str> {
    let resources = template["Resources"].as_object().into_iter().flat_map(serde_json::Map::values);
    let functions = resources.filter(|resource| resource["Type"] == "AWS::Lambda::Function");
    functions.filter_map(|function| function["Properties"]["Handler"].as_str()).collect()
}

pub(super) fn log(name: &str) -> Json {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {
            "LogGroupName": {"Fn::Sub": format!("/aws/lambda/${{AWS::StackName}}-{name}")},
            "RetentionInDays": {"Ref": "LogRetentionDays"},
        },
    })
}

pub(super) fn function(action: &Entry, key: &str, logical: &str) -> Json {
    json!({
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": {"Fn::Sub": format!("${{AWS::StackName}}-{}", action.name)},
            "Description": format!("{}.", capitalised(action.changes)),
            "Runtime": "provided.al2023",
            "Architectures": [{"Ref": "Architecture"}],
            // The program refuses to be another part than this.
            "Handler": action.name,
            "MemorySize": 256,
            "Timeout": 120,
            "Role": {"Fn::GetAtt": [format!("{logical}Role"), "Arn"]},
            "LoggingConfig": {"LogGroup": {"Ref": format!("{logical}Log")}},
            "Code": {"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": key},
            "Environment": {"Variables": {
                "STACK_NAME": {"Ref": "AWS::StackName"},
                "TABLE_NAME": {"Ref": "Ledger"},
                "ACCOUNT_ID": {"Ref": "AWS::AccountId"},
                "PARTITION": {"Ref": "AWS::Partition"},
            }},
        },
    })
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
