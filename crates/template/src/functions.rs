//! An action's function and its log; and which functions a template has.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use guardrails_aws::catalog::Entry;
use guardrails_model::engine::INVOCATION;
use serde_json::{Value as Json, json};

/// Characters for the names of the user's functions. Lambda gives all variables of a function 4 KB, and the others take some 300.
const ROOM_FOR_NAMES: usize = 3_500;

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
pub(super) fn function(action: &Entry, key: &str, logical: &str, called: &BTreeSet<String>) -> Result<Json> {
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
        function["Properties"]["Environment"]["Variables"]["CALLED_FUNCTIONS"] = json!(listed(called)?);
    }
    Ok(function)
}

/// The names of the user's functions in one variable.
fn listed(called: &BTreeSet<String>) -> Result<String> {
    let names = called.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    ensure!(
        names.len() <= ROOM_FOR_NAMES,
        "the {} functions that `run-function` calls have names of {} characters together, and a function's variables have room for \
         {ROOM_FOR_NAMES}\nhint: put some of the guardrails into a file and a stack of their own (--stack-name)",
        called.len(),
        names.len()
    );
    Ok(names)
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_room_of_variables_are_refused_in_words() {
        let names = |count: usize| (0..count).map(|index| format!("{index:064}")).collect::<BTreeSet<_>>();
        assert_eq!(listed(&names(53)).unwrap().len(), 53 * 65 - 1);
        let said = listed(&names(54)).unwrap_err().to_string();
        assert!(said.starts_with("the 54 functions") && said.contains("3509 characters") && said.contains("hint: "), "{said}");
    }
}
