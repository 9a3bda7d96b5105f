#!/usr/bin/env bash
# aws-sdk-iam for Rust leaves the name of a union's member out of the request.
#
# Runs: SimulatePrincipalPolicy with a PolicyExclusionList of the three kinds of PolicyIdentifier, in the Rust SDK and in botocore.
# Expected: both send the same parameters. The query protocol writes a union as it writes a structure: the member's name is in the key.
# Seen: the Rust SDK writes the word "member" in place of the name, so the three kinds cannot be told apart. It printed:
#   PolicyExclusionList.member.1.member=arn:aws:iam::123456789012:policy/Power
#   PolicyExclusionList.member.2.member=scp
#   PolicyExclusionList.member.3.member.PolicyName=Own
# where botocore writes member.1.PolicyArn, member.2.PolicyType and member.3.InlinePolicyIdentifier.PolicyName.
# The answer of AWS to either form was not tried.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.43.106

mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "sent"
version = "0.0.0"
edition = "2024"

[dependencies]
aws-sdk-iam = { version = "=1.133.0", default-features = false, features = ["behavior-version-latest", "rt-tokio"] }
aws-smithy-http-client = { version = "=1.5.2", features = ["test-util"] }
tokio = { version = "1.54", features = ["macros", "rt", "time"] }

[profile.dev]
debug = false
TOML
cat > "$folder/src/main.rs" <<'RUST'
use aws_sdk_iam::config::{Credentials, Region};
use aws_sdk_iam::types::{AttachmentType, InlinePolicyIdentifierType, PolicyIdentifier, PolicyIdentifierPolicyType};
use aws_sdk_iam::{Client, Config};
use aws_smithy_http_client::test_util::capture_request;

/// Prints the body that would be sent.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (http, request) = capture_request(None);
    let config = Config::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("none", "none", None, None, "none"))
        .http_client(http)
        .build();
    let inline = InlinePolicyIdentifierType::builder()
        .policy_name("Own")
        .attachment_type(AttachmentType::User)
        .attachment_name("ann")
        .build()
        .expect("all of it is given");
    let call = Client::from_conf(config)
        .simulate_principal_policy()
        .policy_source_arn("arn:aws:iam::123456789012:user/ann")
        .action_names("ec2:RunInstances")
        .policy_exclusion_list(PolicyIdentifier::PolicyArn("arn:aws:iam::123456789012:policy/Power".to_owned()))
        .policy_exclusion_list(PolicyIdentifier::PolicyType(PolicyIdentifierPolicyType::Scp))
        .policy_exclusion_list(PolicyIdentifier::InlinePolicyIdentifier(inline));
    // The answer is empty, and the request is all that counts.
    let _ = call.send().await;
    let request = request.expect_request();
    println!("{}", std::str::from_utf8(request.body().bytes().expect("the body is in memory")).expect("it is text"));
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml" > "$folder/rust"

"$folder/venv/bin/python" - "$folder/rust" <<'PYTHON'
import pathlib
import sys
from urllib.parse import parse_qsl

import botocore
import botocore.session
from botocore.serialize import create_serializer

print("aws-sdk-iam 1.133.0, botocore", botocore.__version__)
operation = botocore.session.Session().get_service_model("iam").operation_model("SimulatePrincipalPolicy")
parameters = {
    "PolicySourceArn": "arn:aws:iam::123456789012:user/ann",
    "ActionNames": ["ec2:RunInstances"],
    "PolicyExclusionList": [
        {"PolicyArn": "arn:aws:iam::123456789012:policy/Power"},
        {"PolicyType": "scp"},
        {"InlinePolicyIdentifier": {"PolicyName": "Own", "AttachmentType": "user", "AttachmentName": "ann"}},
    ],
}


def excluded(sent):
    return {key: value for key, value in sent.items() if key.startswith("PolicyExclusionList")}


expected = excluded(create_serializer("query").serialize_to_request(parameters, operation)["body"])
seen = excluded(dict(parse_qsl(pathlib.Path(sys.argv[1]).read_text().strip())))
print("expected:", *(f"  {key}={value}" for key, value in expected.items()), sep="\n")
print("seen:", *(f"  {key}={value}" for key, value in seen.items()), sep="\n")
names = ("PolicyArn", "PolicyType", "InlinePolicyIdentifier")
nameless = {".".join("member" if part in names else part for part in key.split(".")): value for key, value in expected.items()}
sys.exit(0 if seen == nameless and seen != expected else "this has changed: update the finding")
PYTHON
