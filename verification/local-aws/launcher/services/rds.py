"""RDS: a database is authorized by its own ARN and tags, and refuses a stop or a start where RDS does."""

from ministack.services import rds

from harness.calls import Check, tag_keys

SERVICE = "rds"

# The parameter that names a resource of each kind.
_NAMES = {"db": "DBInstanceIdentifier", "cluster": "DBClusterIdentifier"}
_CHANGES = {
    "StopDBInstance": "db",
    "StartDBInstance": "db",
    "StopDBCluster": "cluster",
    "StartDBCluster": "cluster",
}
_READS = {
    "DescribeDBInstances": "db",
    "DescribeDBClusters": "cluster",
    "DescribeGlobalClusters": "global-cluster",
    "DescribeBlueGreenDeployments": "deployment",
}


def install():
    rds._ACTION_MAP |= {
        # upstream: stops replicas, their sources, members of clusters, SQL Server in two zones, and what is stopped already
        "StopDBInstance": _refusing(rds._ACTION_MAP["StopDBInstance"], "available", _against),
        # upstream: starts an instance that is not stopped
        "StartDBInstance": _refusing(rds._ACTION_MAP["StartDBInstance"], "stopped", lambda instance: None),
        # upstream: has no such call; an account without such deployments is answered
        "DescribeBlueGreenDeployments": lambda p: rds._xml(
            200,
            "DescribeBlueGreenDeploymentsResponse",
            "<DescribeBlueGreenDeploymentsResult><BlueGreenDeployments/></DescribeBlueGreenDeploymentsResult>",
        ),
    }


def checks(call):
    """A change is on one resource with its tags; a list is on all resources of its kind."""
    kind = _CHANGES.get(call.operation) or _READS.get(call.operation)
    if not kind:
        return None
    name = call.param(_NAMES[kind]) if kind in _NAMES else ""
    # A global cluster is of no Region.
    region = "" if kind == "global-cluster" else call.region
    arn = name if name.startswith("arn:") else f"arn:aws:rds:{region}:{call.account}:{kind}:{name or '*'}"
    return [Check(call.action, arn, tag_keys("rds", rds._tags.get(arn)))]


def _refusing(original, state, against):
    def handle(p):
        name = rds._p(p, _NAMES["db"])
        instance = rds._resolve_instance(name)
        reason = instance and against(instance)
        if reason:
            return rds._error("InvalidParameterCombination", reason, 400)
        if instance and instance["DBInstanceStatus"] != state:
            return rds._error("InvalidDBInstanceState", f"Instance {name} is not in {state} state.", 400)
        return original(p)

    return handle


def _against(instance):
    if instance.get("DBClusterIdentifier"):
        return f"{instance['Engine']} DB instances are not eligible for stopping and starting."
    if instance.get("ReadReplicaSourceDBInstanceIdentifier") or instance.get("ReadReplicaDBInstanceIdentifiers"):
        return "A read replica, or the source of one, cannot be stopped."
    if instance.get("MultiAZ") and instance["Engine"].startswith("sqlserver"):
        return "SQL Server in two zones cannot be stopped."
    return None
