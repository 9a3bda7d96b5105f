//! An action's function and its log.

use guardrails_aws::actions::Entry;
use serde_json::{Value as Json, json};

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
            "Handler": "bootstrap",
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
