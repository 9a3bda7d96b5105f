//! An action's function and its log; and which functions a template has.

use std::collections::BTreeSet;

use guardrails_aws::catalog::Entry;
use guardrails_model::engine::INVOCATION;
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

/// `called` are the functions of the user's that the file calls.
pub(super) fn function(action: &Entry, key: &str, logical: &str, called: &BTreeSet<String>) -> Json {
    let mut function = json!({
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": {"Fn::Sub": format!("${{AWS::StackName}}-{}", action.name)},
            "Description": format!("{}.", capitalised(action.changes)),
            "Runtime": "provided.al2023",
            "Architectures": [{"Ref": "Architecture"}],
            // The program refuses to be another part than this.
            "Handler": action.name,
            "MemorySize": 256,
            "Timeout": INVOCATION.as_secs(),
            "Role": {"Fn::GetAtt": [format!("{logical}Role"), "Arn"]},
            "LoggingConfig": {"LogGroup": {"Ref": format!("{logical}Log")}},
            "Code": {"S3Bucket": {"Ref": "ArtifactBucket"}, "S3Key": key},
            "CodeSigningConfigArn": {"Fn::If": ["HasCodeSigning", {"Ref": "CodeSigningConfigArn"}, {"Ref": "AWS::NoValue"}]},
            "Environment": {"Variables": {
                "STACK_NAME": {"Ref": "AWS::StackName"},
                "TABLE_NAME": {"Ref": "Ledger"},
                "ACCOUNT_ID": {"Ref": "AWS::AccountId"},
                "PARTITION": {"Ref": "AWS::Partition"},
            }},
        },
    });
    if !called.is_empty() {
        let names = called.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        function["Properties"]["Environment"]["Variables"]["CALLED_FUNCTIONS"] = json!(names);
    }
    function
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
