//! The writers of the code in the bucket that `guardrails deploy` makes: the principal that deploys and the operators, of every
//! stack that has its code there. All others are denied, whatever their own policies say.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use aws_sdk_s3::error::ProvideErrorMetadata;
use guardrails_aws::error::{Failure, is_denial};
use guardrails_template::OPENING_BUCKET;
use serde_json::{Value as Json, json};

use super::bucket::{Bucket, WITH_TLS};
use crate::deployment::Caller;

const WRITERS: &str = "OnlyWhoDeploysAndOperators";
/// The calls that would change the code.
const WRITING: [&str; 4] = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:PutObjectAcl"];

/// Adds `caller` and `operators` to those who may write, and shuts out every other principal.
pub(super) async fn restrict(bucket: &Bucket, caller: &Caller, operators: &[String]) -> Result<()> {
    if bucket.is_plain() {
        return Ok(());
    }
    let read = bucket.s3.get_bucket_policy().bucket(&bucket.name).expected_bucket_owner(&bucket.account).send().await;
    let present = match read {
        // One that is not JSON is not ours.
        Ok(found) => found.policy.and_then(|text| serde_json::from_str(&text).ok()),
        // S3 does not show yet the policy that the bucket was just made with.
        Err(error) if error.code() == Some("NoSuchBucketPolicy") => Some(bucket.first_policy()),
        Err(error) => return Err(anyhow!("looking who may write the bucket {}: {}", bucket.name, Failure::of(&error).message)),
    };
    let Some(wanted) = present.and_then(|present| with_writers(&present, &bucket.arn(), who(caller, operators))) else {
        return Ok(());
    };
    let put = bucket.s3.put_bucket_policy().bucket(&bucket.name).expected_bucket_owner(&bucket.account);
    let put = put.policy(wanted.to_string()).send().await;
    put.map(|_| ()).map_err(|error| anyhow!(refused(&bucket.name, &Failure::of(&error))))
}

/// The words of a policy that could not be put.
fn refused(bucket: &str, failure: &Failure) -> String {
    let hint = if is_denial(&failure.message) {
        "\nhint: only its deployers, their operators and the root user may change its policy. Let one of them deploy with you among the \
         operators, or name another bucket with --bucket"
    } else {
        ""
    };
    format!("saying who may write the bucket {bucket}: {}{hint}", failure.message)
}

/// As `aws:PrincipalArn` has them: a session's is its role's, which may have a path that the session's does not have.
fn who(caller: &Caller, operators: &[String]) -> BTreeSet<String> {
    let (partition, account) = (caller.account().partition, &caller.account);
    let role = caller.arn.split_once(":assumed-role/").and_then(|(_, session)| session.split('/').next());
    let caller = match role {
        Some(role) => ["", "*/"].map(|path| format!("arn:{partition}:iam::{account}:role/{path}{role}")).to_vec(),
        None => vec![caller.arn.clone()],
    };
    let root = format!("arn:{partition}:iam::{account}:root");
    operators.iter().cloned().chain(caller).chain([root]).collect()
}

/// The policy `present` of the bucket `arn` with those who may write. Nothing when it says so already, or has anything in it that
/// is not this command's. Writers in it stay: another stack's code may be in the same bucket.
fn with_writers(present: &Json, arn: &str, mut who: BTreeSet<String>) -> Option<Json> {
    let statements = present["Statement"].as_array()?;
    let sid = |statement: &Json| statement["Sid"].as_str().unwrap_or_default().to_owned();
    if !statements.iter().all(|statement| [WITH_TLS, WRITERS].contains(&sid(statement).as_str())) {
        return None;
    }
    let (ours, rest): (Vec<Json>, Vec<Json>) = statements.iter().cloned().partition(|statement| sid(statement) == WRITERS);
    let listed = ours.iter().flat_map(|statement| match &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"] {
        Json::Array(all) => all.clone(),
        one => vec![one.clone()],
    });
    let listed: BTreeSet<String> = listed.filter_map(|one| one.as_str().map(str::to_owned)).collect();
    who.extend(listed);
    let actions: Vec<&str> = OPENING_BUCKET.into_iter().chain(WRITING).collect();
    let writers = json!({
        "Sid": WRITERS,
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": [arn, format!("{arn}/guardrails/*")],
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": who}},
    });
    if ours == [writers.clone()] {
        return None;
    }
    let statements: Vec<Json> = rest.into_iter().chain([writers]).collect();
    Some(json!({"Version": "2012-10-17", "Statement": statements}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:s3:::code";

    fn trusted(arn: &str) -> BTreeSet<String> {
        let caller = Caller { arn: arn.to_owned(), account: "123456789012".to_owned() };
        who(&caller, &["arn:aws:iam::123456789012:user/finops".to_owned()])
    }

    fn listed(policy: &Json) -> BTreeSet<&str> {
        let writers = policy["Statement"].as_array().unwrap().iter().find(|one| one["Sid"] == WRITERS).unwrap();
        let listed = writers["Condition"]["ArnNotLike"]["aws:PrincipalArn"].as_array().unwrap();
        listed.iter().map(|one| one.as_str().unwrap()).collect()
    }

    #[test]
    fn only_deployer_operators_and_earlier_writers_may_write() {
        let tls = json!({"Version": "2012-10-17", "Statement": [{"Sid": WITH_TLS, "Effect": "Deny"}]});
        let first = with_writers(&tls, ARN, trusted("arn:aws:iam::123456789012:user/ann")).unwrap();
        assert_eq!(first["Statement"][0], tls["Statement"][0]);
        assert_eq!(first["Statement"][1]["Resource"], json!([ARN, "arn:aws:s3:::code/guardrails/*"]));
        let denied = first["Statement"][1]["Action"].to_string();
        assert!(
            ["PutObject", "PutBucketPolicy", "DeleteBucketPolicy"].iter().all(|call| denied.contains(&format!("s3:{call}\"")))
        );
        let iam = "arn:aws:iam::123456789012";
        let all = [":root", ":user/ann", ":user/finops"].map(|name| format!("{iam}{name}"));
        assert_eq!(listed(&first), all.iter().map(String::as_str).collect());
        assert_eq!(with_writers(&first, ARN, trusted("arn:aws:iam::123456789012:user/ann")), None, "it says so already");

        let second = with_writers(&first, ARN, trusted("arn:aws:sts::123456789012:assumed-role/Deploys/bob")).unwrap();
        let roles = [":role/Deploys", ":role/*/Deploys"].map(|name| format!("{iam}{name}"));
        assert_eq!(listed(&second), all.iter().chain(&roles).map(String::as_str).collect());
        assert_eq!(second["Statement"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn new_deployer_who_is_refused_is_told_the_way() {
        let said = refused("code", &Failure::refused("AccessDenied".to_owned()));
        assert!(
            said.starts_with("saying who may write the bucket code: AccessDenied\nhint: ") && said.contains("--bucket"),
            "{said}"
        );
    }

    #[test]
    fn a_policy_of_somebody_else_s_is_left_alone() {
        let theirs = json!({"Statement": [{"Sid": WITH_TLS}, {"Sid": "Theirs", "Effect": "Allow"}]});
        assert_eq!(with_writers(&theirs, ARN, trusted("arn:aws:iam::123456789012:user/ann")), None);
    }
}
