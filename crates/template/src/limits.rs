//! The limits of CloudFormation, and the capabilities that it wants acknowledged.

use anyhow::{Result, ensure};
pub use guardrails_aws::iam::of_stack::LONGEST_STACK_NAME;
use serde_json::Value as Json;

/// Bytes that a template may have in a request itself; a larger one goes by way of a bucket.
pub const LARGEST_BODY: usize = 51_200;
pub(super) const LARGEST_TEMPLATE: usize = 1_000_000;
pub(super) const MOST_RESOURCES: usize = 500;

/// Refuses a name under which the stack's parts would not find each other.
///
/// # Errors
/// When `name` is too long.
pub fn check_stack_name(name: &str) -> Result<()> {
    let letters = name.chars().count();
    ensure!(
        letters <= LONGEST_STACK_NAME,
        "--stack-name {name} has {letters} letters, and may have {LONGEST_STACK_NAME}: IAM and Lambda cut or refuse the names of its \
         roles and functions otherwise\nhint: take a shorter name"
    );
    Ok(())
}

/// A template that CloudFormation takes.
pub struct Limits {
    /// It is too large for a request, and must come from a bucket.
    pub needs_bucket: bool,
}

impl Limits {
    /// Holds `template`, written as `text`, against CloudFormation's limits.
    ///
    /// # Errors
    /// When it is beyond them.
    pub fn check(template: &Json, text: &str) -> Result<Self> {
        let resources = template["Resources"].as_object().map_or(0, serde_json::Map::len);
        ensure!(
            resources <= MOST_RESOURCES && text.len() <= LARGEST_TEMPLATE,
            "the template has {resources} resources and {} bytes, and CloudFormation takes {MOST_RESOURCES} and \
             {LARGEST_TEMPLATE}\nhint: put some of the guardrails into a file and a stack of their own (--stack-name)",
            text.len()
        );
        Ok(Self { needs_bucket: text.len() > LARGEST_BODY })
    }
}

/// The capability that CloudFormation wants acknowledged: that there are roles and policies, and if so that they are named.
#[must_use]
pub fn capability(template: &Json) -> &'static str {
    const NAMES: [&str; 5] = ["RoleName", "PolicyName", "ManagedPolicyName", "GroupName", "UserName"];
    let mut resources = template["Resources"].as_object().into_iter().flat_map(serde_json::Map::values);
    let is_named = |resource: &Json| {
        let is_iam = resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::"));
        // An inline policy always has a name, and asks for no more than its role does.
        is_iam && resource["Type"] != "AWS::IAM::Policy" && NAMES.iter().any(|name| resource["Properties"].get(name).is_some())
    };
    if resources.any(is_named) { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" }
}
