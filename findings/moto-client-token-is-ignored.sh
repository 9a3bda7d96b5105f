#!/usr/bin/env bash
# moto launches again when RunInstances is repeated with the same ClientToken.
#
# Runs: RunInstances twice, with one ClientToken and the same parameters.
# Expected: the second call answers the first call's instance.
# Seen: two instances.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.43.106 botocore==1.43.106
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import boto3
import moto

print("moto", moto.__version__)
with moto.mock_aws():
    ec2 = boto3.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    once = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "ClientToken": "one-launch"}
    launched = {ec2.run_instances(**once)["Instances"][0]["InstanceId"] for _ in range(2)}
expected = "1 instances"
seen = f"{len(launched)} instances"
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == "2 instances" else "this has changed: update the finding")
PYTHON
