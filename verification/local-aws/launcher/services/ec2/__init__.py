"""EC2: states that take time, protections, spot and hibernation, filters and pages.

EC2_TRANSITION_SECONDS (default 0) is how long an instance stays `stopping` or `pending`.
"""

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from harness import resource_types
from services.ec2 import reading, resources, states
from services.ec2.checks import checks

__all__ = ["SERVICE", "checks", "install"]

SERVICE = "ec2"


# AWS enables 17 by default. A few are enough to be several, and keep a run over all of them quick.
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")


def install():
    ec2._ACTION_MAP |= {
        # upstream: launches the smallest number that is asked for, and knows no protection, hibernation or spot
        "RunInstances": states.run_instances,
        # upstream: has no pages, and an unknown filter matches every instance
        "DescribeInstances": reading.describe_instances,
        # upstream: says `ok` of every instance
        "DescribeInstanceStatus": reading.describe_instance_status,
        # upstream: has no type with an instance store, and answers for types that do not exist
        "DescribeInstanceTypes": reading.describe_instance_types,
        # upstream: has no spot requests
        "DescribeSpotInstanceRequests": reading.describe_spot_instance_requests,
        # upstream: changes the state at once, also of a terminated instance, and knows no protection
        "StopInstances": states.stop_instances,
        # upstream: changes the state at once, also of a terminated instance
        "StartInstances": states.start_instances,
        # upstream: knows no protection
        "TerminateInstances": states.terminate_instances,
        # upstream: knows no protection
        "ModifyInstanceAttribute": states.modify_instance_attribute,
        # upstream: knows no protection
        "DescribeInstanceAttribute": states.describe_instance_attribute,
    }
    for action, handler in ec2._ACTION_MAP.items():
        # upstream: ignores DryRun
        ec2._ACTION_MAP[action] = _request(handler)
    # upstream: knows neither hibernation nor spot
    ec2._instance_xml = reading.instance_item(ec2._instance_xml)
    # ours: fewer Regions than AWS's, see _REGIONS
    ec2._AWS_REGIONS[:] = [(region, "opt-in-not-required") for region in _REGIONS]
    # upstream: has no such type
    resource_types.register(
        "AWS::EC2::Instance",
        resources.create_instance,
        resources.update_instance,
        resources.delete_instance,
        replaced_by=("ImageId", "SubnetId", "KeyName", "AvailabilityZone"),
    )
    # upstream: has no such type, so no place for the stack's tags
    provisioners._STACK_TAG_PROPERTY["AWS::EC2::Instance"] = ("Tags", "list")


def _request(handler):
    """Every call sees the states of its time, and DryRun does nothing."""

    def handle(p):
        states.settle_instances()
        if ec2._p(p, "DryRun") == "true":
            return ec2._error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        return handler(p)

    return handle
