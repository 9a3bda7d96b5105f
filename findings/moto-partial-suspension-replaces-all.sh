#!/usr/bin/env bash
# moto forgets the suspensions of a scalable target that a later call does not name.
#
# Runs: RegisterScalableTarget with all three suspensions, and again with one of them.
# Expected: an update changes the flags that it names, as it does for MinCapacity and MaxCapacity.
# Seen: the two flags that the second call leaves out are gone.
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
    ecs, scaling = boto3.client("ecs"), boto3.client("application-autoscaling")
    ecs.create_cluster(clusterName="cluster")
    ecs.register_task_definition(family="task", containerDefinitions=[{"name": "one", "image": "image", "memory": 64}])
    ecs.create_service(cluster="cluster", serviceName="service", taskDefinition="task", desiredCount=1)
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/cluster/service",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    flags = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4, SuspendedState=dict.fromkeys(flags, True))
    scaling.register_scalable_target(**target, SuspendedState={flags[0]: False})
    seen = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]["SuspendedState"]
expected = {flags[0]: False, flags[1]: True, flags[2]: True}
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == {flags[0]: False} else "this has changed: update the finding")
PYTHON
