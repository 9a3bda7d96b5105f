#!/usr/bin/env bash
# moto stops a part of the instances of a StopInstances call that it refuses.
#
# Runs: StopInstances on two instances, of which the second has stop protection.
# Expected: the call is refused as a whole, and both instances run.
# Seen: the call is refused, and the first instance is stopped.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.43.106 botocore==1.43.106
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import boto3
import moto
from botocore.exceptions import ClientError

print("moto", moto.__version__)
with moto.mock_aws():
    ec2 = boto3.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    launched = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
    plain, protected = (instance["InstanceId"] for instance in launched)
    ec2.modify_instance_attribute(InstanceId=protected, DisableApiStop={"Value": True})
    try:
        ec2.stop_instances(InstanceIds=[plain, protected])
        answer = "done"
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    answers = ec2.describe_instances(InstanceIds=[plain, protected])["Reservations"]
    states = {one["InstanceId"]: one["State"]["Name"] for each in answers for one in each["Instances"]}
expected = ("OperationNotPermitted", "running", "running")
seen = (answer, states[plain], states[protected])
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == ("OperationNotPermitted", "stopped", "running") else "this has changed: update the finding")
PYTHON
