"""Starts the fleets' own AWS: moto's EC2, Auto Scaling and Elastic Load Balancing, which know more than MiniStack's, but no IAM.

    python fleets.py FD

It serves on the listening socket FD, which the launcher hands down together with a pipe as stdin. The pipe's end is the
launcher's end, however that came, and so this one's.
"""

import logging
import os
import sys
import threading

os.environ["MOTO_ACCOUNT_ID"] = "123456789012"  # whatever the access key

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

# As in services/ec2.
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")


def main():
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _patch_moto()
    app = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler, fd=int(sys.argv[1])).serve_forever()


def _end_with_launcher():
    sys.stdin.buffer.read()
    os._exit(0)


def _patch_moto():
    # ours: a few Regions are enough to be several, and keep a run over all of them quick
    RegionsAndZonesBackend.regions = [region for region in RegionsAndZonesBackend.regions if region.name in _REGIONS]
    # upstream: answers in two packets, and the second waits 40 ms until the caller acknowledges the first
    MotoRequestHandler.disable_nagle_algorithm = True
    # upstream: has no instance refreshes
    AutoScalingResponse.describe_instance_refreshes = _describe_instance_refreshes
    # upstream: forgets the mixed instances policy of a group whose size is changed
    FakeAutoScalingGroup.update = _keeping_the_policy(FakeAutoScalingGroup.update)
    for name in ("suspend_processes", "resume_processes", "set_desired_capacity", "attach_instances", "detach_instances"):
        # upstream: fails with an internal error for a group that does not exist
        setattr(AutoScalingBackend, name, _of_known_group(getattr(AutoScalingBackend, name)))
    # upstream: fails with an internal error for an instance that is no member
    AutoScalingBackend.set_instance_health = _of_member(AutoScalingBackend.set_instance_health)


def _describe_instance_refreshes(self):
    """moto has none, nor any that could be started."""
    name = self._get_param("AutoScalingGroupName")
    if name not in self.autoscaling_backend.autoscaling_groups:
        raise ValidationError("AutoScalingGroup name not found - null")
    return ActionResult({"InstanceRefreshes": []})


def _keeping_the_policy(original):
    """moto forgets a group's mixed instances policy when its size is changed."""

    def update(self, *args, mixed_instances_policy=None, **kwargs):
        kept = self.mixed_instances_policy
        original(self, *args, mixed_instances_policy=mixed_instances_policy, **kwargs)
        self.mixed_instances_policy = mixed_instances_policy or kept

    return update


def _of_known_group(original):
    """moto fails with an internal error, which the SDK would try again, where a group does not exist."""

    def change(self, group_name, *args, **kwargs):
        if group_name not in self.autoscaling_groups:
            raise ValidationError("AutoScalingGroup name not found - null")
        return original(self, group_name, *args, **kwargs)

    return change


def _of_member(original):
    def change(self, instance_id, health_status):
        members = [state.instance.id for group in self.autoscaling_groups.values() for state in group.instance_states]
        if instance_id not in members:
            raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
        return original(self, instance_id, health_status)

    return change


if __name__ == "__main__":
    main()
