"""Makes the resources of `cargo xtask peers` in a local AWS, and says how they are.

    world.py seed              prints the ids of the Auto Scaling groups' members
    world.py states ID...      prints each resource with its state, in order; the ids are those of the first members

It is Python so that neither reading nor writing is this product's own code.
"""

import json
import sys

import boto3

ecs, scaling, rds = boto3.client("ecs"), boto3.client("application-autoscaling"), boto3.client("rds")
autoscaling, ec2 = boto3.client("autoscaling"), boto3.client("ec2")

FLAGS = {
    "DynamicScalingInSuspended": "in",
    "DynamicScalingOutSuspended": "out",
    "ScheduledScalingSuspended": "scheduled",
}
PROJECTS = {"fleet": "Beta", "batch": "BetaBatch"}
TAGS = [{"Key": "Project", "Value": "Beta"}]


# ---- Seeding ----


def seed():
    seed_services()
    seed_databases()
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="beta", ImageId="ami-0123456789abcdef0", InstanceType="t3.micro"
    )
    seed_group("fleet", least=2, most=4, desired=3)
    seed_group("batch", least=1, most=4, desired=2)
    # An operator's own settings: a suspended process, and a member that is set aside and stopped.
    autoscaling.suspend_processes(AutoScalingGroupName="fleet", ScalingProcesses=["AZRebalance"])
    aside = members("fleet")[0]["InstanceId"]
    autoscaling.enter_standby(AutoScalingGroupName="fleet", InstanceIds=[aside], ShouldDecrementDesiredCapacity=True)
    ec2.stop_instances(InstanceIds=[aside])
    return [member["InstanceId"] for name in PROJECTS for member in members(name)]


def seed_services():
    ecs.create_cluster(clusterName="beta")
    ecs.register_task_definition(family="beta", containerDefinitions=[{"name": "one", "image": "image", "memory": 64}])
    for name, count in (("web", 3), ("worker", 2)):
        tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in TAGS]
        ecs.create_service(cluster="beta", serviceName=name, taskDefinition="beta", desiredCount=count, tags=tags)
    # The operator has suspended scheduled scaling.
    scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/beta/web",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=6,
        SuspendedState={flag: flag == "ScheduledScalingSuspended" for flag in FLAGS},
    )


def seed_databases():
    owner = {"MasterUsername": "beta", "MasterUserPassword": "not-a-secret"}
    for name in ("orders", "archive", "ledger"):
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=20,
            Tags=TAGS,
            **owner,
        )
    rds.create_db_instance_read_replica(DBInstanceIdentifier="ledger-read", SourceDBInstanceIdentifier="ledger", Tags=TAGS)
    rds.create_db_cluster(DBClusterIdentifier="carts", Engine="aurora-postgresql", Tags=TAGS, **owner)
    rds.create_db_instance(
        DBInstanceIdentifier="carts-1",
        DBInstanceClass="db.t3.medium",
        Engine="aurora-postgresql",
        DBClusterIdentifier="carts",
        Tags=TAGS,
    )
    # The operator has stopped this one.
    rds.stop_db_instance(DBInstanceIdentifier="archive")


def seed_group(name, least, most, desired):
    tag = {"Key": "Project", "Value": PROJECTS[name], "PropagateAtLaunch": True}
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName="beta",
        MinSize=least,
        MaxSize=most,
        DesiredCapacity=desired,
        AvailabilityZones=["us-east-1a"],
        Tags=[{**tag, "ResourceId": name, "ResourceType": "auto-scaling-group"}],
    )


# ---- Reading ----


def states(first):
    services = ecs.describe_services(cluster="beta", services=["web", "worker"], include=["TAGS"])["services"]
    yield "ECS service `web`, which scales", service(services[0]) + "; " + target()
    yield "ECS service `worker`, which does not scale", service(services[1])
    databases = {one["DBInstanceIdentifier"]: one for one in rds.describe_db_instances()["DBInstances"]}
    for name, kind in (
        ("orders", "database"),
        ("archive", "database, stopped by an operator before"),
        ("ledger", "source of a replica"),
        ("ledger-read", "its replica"),
    ):
        yield f"`{name}`, {kind}", databases[name]["DBInstanceStatus"] + left(databases[name]["TagList"])
    cluster = rds.describe_db_clusters(DBClusterIdentifier="carts")["DBClusters"][0]
    yield "`carts`, Aurora cluster", cluster["Status"] + left(cluster["TagList"])
    yield "`carts-1`, its member", databases["carts-1"]["DBInstanceStatus"] + left(databases["carts-1"]["TagList"])
    yield "Auto Scaling group `fleet`", group("fleet", first)
    yield "Auto Scaling group `batch`", group("batch", first)


def service(found):
    tags = [{"Key": tag["key"]} for tag in found["tags"]]
    return f"{found['runningCount']} tasks" + left(tags)


def target():
    found = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    suspended = [word for flag, word in FLAGS.items() if found["SuspendedState"][flag]]
    return f"{found['MinCapacity']} to {found['MaxCapacity']}; suspended: {', '.join(suspended) or 'none'}"


def group(name, first):
    found = described(name)
    ids = [member["InstanceId"] for member in found["Instances"]]
    places = {member["InstanceId"]: member["LifecycleState"] for member in found["Instances"]}
    counts = {}
    reservations = ec2.describe_instances(InstanceIds=ids)["Reservations"] if ids else []
    for instance in [one for reservation in reservations for one in reservation["Instances"]]:
        words = [instance["State"]["Name"]]
        words += ["in Standby"] if places[instance["InstanceId"]] == "Standby" else []
        words += [] if instance["InstanceId"] in first else ["new"]
        counts[" ".join(words)] = counts.get(" ".join(words), 0) + 1
    parts = [f"at least {found['MinSize']}, wanted {found['DesiredCapacity']}"]
    parts += [f"{count} {words}" for words, count in sorted(counts.items())] or ["no members"]
    suspended = sorted(process["ProcessName"] for process in found["SuspendedProcesses"])
    if suspended:
        parts.append("suspended: " + (", ".join(suspended) if len(suspended) < 3 else f"{len(suspended)} processes"))
    return "; ".join(parts) + left(found["Tags"])


def described(name):
    return autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def members(name):
    return described(name)["Instances"]


def left(tags):
    """The tags that the seeding did not write."""
    others = sorted(tag["Key"] for tag in tags if tag["Key"] != "Project")
    return f"; tag {', '.join(others)}" if others else ""


if __name__ == "__main__":
    print(json.dumps(seed() if sys.argv[1] == "seed" else list(states(sys.argv[2:]))))
