#!/usr/bin/env bash
# Cloud Custodian's `resize` does nothing to an ECS service without a scalable target, and says that it worked on it.
#
# Runs: a policy with `resize` and `desired: 0` over two services, of which one has a scalable target.
# Expected: both are at 0 tasks, or the verbose log or the exit code says that one is not.
# Seen: one service keeps its tasks. The log counts two resources and names neither, and the exit code is 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check c7n==0.9.53 moto==5.2.5 boto3==1.43.103 botocore==1.43.106
cd "$folder"
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1 HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import io
import pathlib
import sys

import boto3
import moto
from c7n import cli, version

print("c7n", version.version, "and moto", moto.__version__)
pathlib.Path("policy.yml").write_text(
    """policies:
  - name: services-off
    resource: ecs-service
    actions:
      - {type: resize, min-capacity: 0, desired: 0, save-options-tag: before, suspend-scaling: true}
"""
)
log = io.StringIO()
with moto.mock_aws():
    ecs, scaling = boto3.client("ecs"), boto3.client("application-autoscaling")
    ecs.create_cluster(clusterName="cluster")
    ecs.register_task_definition(family="task", containerDefinitions=[{"name": "one", "image": "image", "memory": 64}])
    for name in ("scales", "plain"):
        ecs.create_service(cluster="cluster", serviceName=name, taskDefinition="task", desiredCount=2)
    flags = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/cluster/scales",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=1,
        MaxCapacity=4,
        SuspendedState=dict.fromkeys(flags, False),
    )
    sys.argv = ["custodian", "run", "--verbose", "--region", "us-east-1", "--cache-period", "0", "--output-dir", "out", "policy.yml"]
    code = 0
    with contextlib.redirect_stderr(log):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    found = ecs.describe_services(cluster="cluster", services=["scales", "plain"])["services"]
seen = {one["serviceName"]: one["desiredCount"] for one in found}
print("expected:", {"scales": 0, "plain": 0}, "or a word about the other one")
print("seen:    ", seen, "with exit code", code, "and in the log:")
print(log.getvalue())
told = "plain" in log.getvalue() or "resources:2" not in log.getvalue()
sys.exit(0 if (seen, code, told) == ({"scales": 0, "plain": 2}, 0, False) else "this has changed: update the finding")
PYTHON
