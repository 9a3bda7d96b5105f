//! Are the policies as short as IAM wants them? CloudFormation would find out in the middle of an update.

use anyhow::{Result, ensure};
use serde_json::{Map, Value as Json};

/// Characters, white space aside, of all inline policies of a role together.
pub(super) const MOST_INLINE: usize = 10_240;
/// Characters, white space aside, of a managed policy.
pub(super) const MOST_MANAGED: usize = 6_144;

const REGION: &str = "ap-northeast-1";
const ACCOUNT: &str = "123456789012";
/// It stands for a name that is not known yet.
const NAME: &str = "a-name-that-is-as-long-as-most-are";

/// Holds each role's and each managed policy of `template` against IAM's limits, with names as long as they get.
///
/// # Errors
/// When one is longer.
pub(super) fn check(template: &Json) -> Result<()> {
    for (name, resource) in template["Resources"].as_object().into_iter().flatten() {
        let properties = &resource["Properties"];
        let (what, letters, most) = match resource["Type"].as_str() {
            Some("AWS::IAM::Role") => ("the inline policies of the role", inline(resource, template), MOST_INLINE),
            Some("AWS::IAM::ManagedPolicy") => ("the policy", letters(&properties["PolicyDocument"], template), MOST_MANAGED),
            _ => continue,
        };
        ensure!(
            letters <= most,
            "{what} `{name}` would have {letters} characters, and IAM takes {most}\nhint: put some of the guardrails into a file and \
             a stack of their own (--stack-name)"
        );
    }
    Ok(())
}

/// Letters of all inline policies of a role, also of those under a condition of the template.
pub(super) fn inline(role: &Json, template: &Json) -> usize {
    let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
    let document = |policy: &Json| {
        let branches = policy["Fn::If"].as_array().into_iter().flatten().skip(1);
        let document = branches.chain([policy]).find_map(|branch| branch.get("PolicyDocument"));
        document.map_or(0, |document| letters(document, template))
    };
    policies.map(document).sum()
}

pub(super) fn letters(document: &Json, template: &Json) -> usize {
    filled(document, template).to_string().chars().filter(|letter| !letter.is_whitespace()).count()
}

/// The document as CloudFormation would fill it in, with samples.
fn filled(value: &Json, template: &Json) -> Json {
    match value {
        Json::Array(all) => all.iter().map(|one| filled(one, template)).filter(|one| !one.is_null()).collect(),
        Json::Object(fields) => match fields.iter().next() {
            Some((function, argument)) if fields.len() == 1 && (function == "Ref" || function.starts_with("Fn::")) => {
                called(function, argument, template)
            }
            _ => fields.iter().map(|(name, one)| (name.clone(), filled(one, template))).collect::<Map<_, _>>().into(),
        },
        other => other.clone(),
    }
}

fn called(function: &str, argument: &Json, template: &Json) -> Json {
    match (function, argument) {
        ("Ref", Json::String(name)) if name == "AWS::NoValue" => Json::Null,
        ("Ref", Json::String(name)) => sample(name, template).into(),
        ("Fn::GetAtt", Json::Array(path)) => sample(path[0].as_str().unwrap_or_default(), template).into(),
        ("Fn::Sub", Json::String(text)) => substituted(text, template).into(),
        ("Fn::Sub", Json::Array(parts)) => substituted(parts[0].as_str().unwrap_or_default(), template).into(),
        // Both ways may be taken.
        ("Fn::If", Json::Array(parts)) => {
            let ways = parts.iter().skip(1).map(|way| filled(way, template));
            ways.max_by_key(|way| way.to_string().len()).unwrap_or_default()
        }
        _ => NAME.into(),
    }
}

fn substituted(text: &str, template: &Json) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| match part.split_once('}') {
        Some((name, rest)) => before + &sample(name, template) + rest,
        None => before + part,
    })
}

/// A sample of a parameter, a pseudo parameter or a resource's ARN.
fn sample(name: &str, template: &Json) -> String {
    let stack = "s".repeat(super::LONGEST_STACK_NAME);
    match name {
        "AWS::Partition" => "aws".to_owned(),
        "AWS::Region" => REGION.to_owned(),
        "AWS::AccountId" => ACCOUNT.to_owned(),
        "AWS::StackName" => stack,
        // A bucket's name has 63 letters at most.
        "ArtifactBucket" => "b".repeat(63),
        // The table of an earlier stack.
        "LedgerTable" => format!("{stack}-Ledger-1ABCDEFGHIJKL"),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        "Deployer" => format!("arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}/{NAME}"),
        _ if template["Resources"][name]["Type"] == "AWS::KMS::Key" => {
            format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab")
        }
        _ if template["Resources"].get(name).is_some() => {
            format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:function:{stack}-{name}-1ABCDEFGHIJKL")
        }
        _ => NAME.to_owned(),
    }
}
