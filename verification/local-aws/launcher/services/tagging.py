"""The index of tags: MiniStack leaves EC2 out of it. Here it has the instances."""

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, tagging


def install():
    # upstream: the index leaves EC2 out
    tagging._COLLECTORS["ec2"] = _instances


def _instances():
    for instance in ec2._instances:
        tags = ec2._tags.get(instance, [])
        if tags:
            yield f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance}", tags
