#!/usr/bin/env bash
# moto gives every DB instance the same DbiResourceId.
#
# Runs: CreateDBInstance twice, then DescribeDBInstances.
# Expected: two resource ids: the id tells a new instance from an old one of the same name.
# Seen: one resource id.
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
    rds = boto3.client("rds")
    for name in ("first", "second"):
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="owner",
            ManageMasterUserPassword=True,
        )
    ids = {instance["DbiResourceId"] for instance in rds.describe_db_instances()["DBInstances"]}
expected = "2 resource ids"
seen = f"{len(ids)} resource ids"
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == "1 resource ids" else "this has changed: update the finding")
PYTHON
